"""Switches of torch on a GPU, which need none to be set, and what is copied to the host."""

import numpy as np
import pytest
import torch
from torch.utils import deterministic

from nndyn.systems.training.torch_state import device as devices

GPU = torch.device("cuda")


def switches():
    return (
        torch.are_deterministic_algorithms_enabled(),
        deterministic.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
        torch.backends.cuda.matmul.fp32_precision,
        torch.backends.cudnn.conv.fp32_precision,
    )


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="torch before 2.9")
@pytest.mark.filterwarnings("ignore:Please use the new API settings")
@pytest.mark.parametrize("asked", ["nothing", "old", "new"])
def test_tf32_is_off_whichever_switch_the_user_has_set_and_comes_back(asked):
    before = switches()
    try:
        if asked == "old":
            torch.backends.cuda.matmul.allow_tf32 = True
        elif asked == "new":
            torch.backends.cuda.matmul.fp32_precision = "tf32"
        set_by_user = switches()
        with devices.repeatable(GPU):
            assert torch.backends.cuda.matmul.fp32_precision != "tf32"
            assert torch.backends.cudnn.conv.fp32_precision != "tf32"
            assert not torch.backends.cuda.matmul.allow_tf32
            assert torch.are_deterministic_algorithms_enabled()
            assert not deterministic.fill_uninitialized_memory
        assert switches() == set_by_user
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cuda.matmul.fp32_precision = before[3]
    assert switches() == before


def test_the_cpu_keeps_its_switches():
    before = switches()
    with devices.repeatable(torch.device("cpu")):
        assert switches() == before


def test_what_is_packed_comes_back():
    given = [
        torch.arange(6, dtype=torch.float32).view(2, 3)[:, ::2],
        torch.zeros((0, 4), dtype=torch.float64),
        torch.tensor(2.5, dtype=torch.float64),
        torch.arange(3, dtype=torch.float32),
        torch.randn((3, 2, 2), dtype=torch.float64).mT,
    ]
    found = devices.unpacked(devices.packed(given), given)
    for one, other in zip(found, given, strict=True):
        assert one.dtype == other.numpy().dtype
        np.testing.assert_array_equal(one, other.numpy())
        one += 1  # it is the caller's
