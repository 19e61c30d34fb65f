"""A training that goes on from where another was: from recordings and from plain loops of torch."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import nndyn
from nndyn.systems.training import Training
from nndyn.systems.training.torch_state.randomness import step_key

CASES = {
    "momentum and a schedule": {"lr": 0.3, "momentum": 0.9, "schedule": "warmup:20,cosine:220"},
    "adamw in minibatches": {
        "optimizer": "adamw",
        "lr": 0.01,
        "weight_decay": 0.1,
        "batch_size": 32,
        "schedule": lambda t: 0.99**t,
    },
}


def iris(**options):
    return Training("mlp:4-8-3", "iris", **options)


@pytest.mark.parametrize("case", CASES)
def test_the_second_half_of_a_run_is_the_same_bit_for_bit(case, tmp_path):
    options = CASES[case]
    asked = {"replicas": 2, "evaluate": 10, "tangents": 1, "seed": 3}
    whole = nndyn.record(iris(**options), tmp_path / "whole.nc", steps=200, **asked)
    nndyn.record(iris(**options), tmp_path / "first.nc", steps=100, **asked).close()
    later = nndyn.record(
        iris(**options, start=tmp_path / "first.nc"), tmp_path / "later.nc", steps=100, **asked
    )
    np.testing.assert_array_equal(later["time"], np.arange(100.0, 201))
    np.testing.assert_array_equal(later["evaluation_time"] % 10, 0)
    np.testing.assert_array_equal(later["epoch"], whole["epoch"][100:])
    for name in ("state", "gradient_norm"):
        np.testing.assert_array_equal(later[name][:, 0], whole[name][100:, 0])
    np.testing.assert_array_equal(later["step_length"][1:, 0], whole["step_length"][101:, 0])
    for name in ("loss", "test_accuracy"):
        there = whole[name].sel({whole[name].dims[0]: later[later[name].dims[0]].values})
        np.testing.assert_array_equal(later[name][:, 0], there[:, 0])


def test_any_step_of_a_recording_of_phases(tmp_path):
    options = CASES["adamw in minibatches"]
    whole = nndyn.record(
        iris(**options), tmp_path / "whole.nc", steps=90, replicas=1, state="phase"
    )
    for start in ((tmp_path / "whole.nc", 50), f"{tmp_path}/whole.nc:50", (whole, 50)):
        system = iris(**options, start=start)
        assert system.first_step == 50
        block = system.advance(system.initial()[None].repeat(3, 0), 0, 40, (), part=slice(None))
        np.testing.assert_array_equal(block.phase[0], whole["state"][-1, 0])


def test_a_run_that_began_later_is_resumed(tmp_path):
    options = CASES["adamw in minibatches"]
    nndyn.record(iris(**options), tmp_path / "a.nc", steps=30, replicas=1).close()
    asked = {"replicas": 2, "tangents": 2, "rescale": 7, "sharpness": "every:9"}
    asked |= {"quadratic_model": True}
    system = iris(**options, start=tmp_path / "a.nc")
    whole = nndyn.record(system, tmp_path / "whole.nc", steps=40, **asked)
    nndyn.record(system, tmp_path / "parts.nc", steps=13, **asked).close()
    again = iris(**options, start=tmp_path / "a.nc")
    parts = nndyn.record(again, tmp_path / "parts.nc", steps=40, resume=True, **asked)
    for name in (
        "time",
        "state",
        "distance_l2",
        "tangent_log_stretch",
        "quadratic_log_growth",
        "log_rescale",
    ):
        np.testing.assert_array_equal(whole[name], parts[name])
    assert set(parts["sharpness_time"].values) >= {30.0, 39.0, 70.0}
    with pytest.raises(nndyn.NndynError, match=r"start\.step is 30 in the file, not there asked"):
        nndyn.record(iris(**options), tmp_path / "parts.nc", steps=50, resume=True, **asked)


def test_a_start_from_a_start_is_the_run_that_was_interrupted_twice(tmp_path):
    options = {"optimizer": "nadam", "lr": 0.02, "batch_size": 40}
    whole = nndyn.record(iris(**options), tmp_path / "0.nc", steps=60, replicas=1)
    start = None
    for i in range(3):
        system = iris(**options, start=start)
        start = tmp_path / f"part{i}.nc"
        part = nndyn.record(system, start, steps=20, replicas=1)
    np.testing.assert_array_equal(part["state"][:, 0], whole["state"][40:, 0])


def test_what_diverges_later_is_told_in_steps(tmp_path):
    nndyn.record(iris(lr=0.1), tmp_path / "a.nc", steps=20, replicas=1).close()
    system = Training("mlp:4-8-3", "iris", loss="mse", lr=50.0, start=tmp_path / "a.nc")
    run = nndyn.record(system, tmp_path / "b.nc", steps=4000, replicas=2)
    assert run.attrs["status"] == "stopped"
    at = int(run["diverged_at"][0])
    assert at == run["time"].values[-1] + 1 > 20
    assert f"from step {at} on; the recording ends at step {at - 1}" in run.attrs["stop_reason"]


class Dropping(nn.Module):
    """Dropout and normalisations."""

    def __init__(self):
        super().__init__()
        # a bias before a normalisation has gradient 0, whose rounding Adam makes full steps of
        self.first = nn.Linear(4, 9, bias=False)
        self.normal = nn.BatchNorm1d(9)
        self.drop = nn.Dropout(0.2)
        self.last = nn.Linear(9, 3)

    def forward(self, x):
        return self.last(self.drop(torch.tanh(self.normal(self.first(x)))))


@pytest.mark.filterwarnings("ignore:model Dropping is not batched")
@pytest.mark.parametrize("momentum", [0.1, None])
def test_dropout_and_running_statistics_go_on_too(momentum, tmp_path):
    torch.manual_seed(1)
    net = Dropping()
    net.normal.momentum = momentum
    data = iris(lr=0.1).task.training
    options = {"lr": 0.05, "momentum": 0.9, "batch_size": 30}

    def training(start=None):
        return Training(net, (data.x, data.y), **options, start=start)

    asked = {"replicas": 1, "state": "phase"}
    whole = nndyn.record(training(), tmp_path / "whole.nc", steps=40, **asked)
    nndyn.record(training(), tmp_path / "a.nc", steps=20, **asked).close()
    later = nndyn.record(training(tmp_path / "a.nc"), tmp_path / "b.nc", steps=20, **asked)
    np.testing.assert_array_equal(later["state"][:, 0], whole["state"][20:, 0])


OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "adam": (torch.optim.Adam, {"betas": (0.8, 0.99)}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.05}),
    "nadam": (torch.optim.NAdam, {}),
    "rmsprop": (torch.optim.RMSprop, {"momentum": 0.5, "alpha": 0.9}),
    "plain": (torch.optim.SGD, {}),
}


@pytest.mark.filterwarnings("ignore:model Dropping is not batched")
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("afresh", [False, True], ids=["kept", "afresh"])
def test_a_plain_loop_goes_on_as_a_recording(name, afresh, tmp_path):
    """Half the steps by torch, its states saved; the rest by torch and by nndyn from there."""
    kind, more = OPTIMIZERS[name]
    torch.manual_seed(0)
    net = Dropping().double()
    data = iris(lr=0.1, batch_size=30)
    x, y = torch.from_numpy(data.task.training.x), torch.from_numpy(data.task.training.y)
    optimizer = kind(net.parameters(), lr=0.02, **more)

    def steps(first, last):
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.98 ** (first + t))
        for t in range(first, last):
            rows = torch.from_numpy(data.order.rows(t))
            torch.manual_seed(step_key(0, t))
            optimizer.zero_grad()
            functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()

    steps(0, 100)
    kept = {"model": net.state_dict(), "global_step": 100}
    if afresh:
        optimizer = kind(net.parameters(), lr=0.02, **more)
    else:
        kept["optimizer"] = optimizer.state_dict()
    torch.save(kept, tmp_path / "checkpoint.pt")
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] = 0.02
    steps(100, 200)
    torch.manual_seed(5)
    options = {"lr": 0.02, "schedule": lambda t: 0.98**t, "batch_size": 30, **more}
    rule = name if name in ("adam", "adamw", "nadam", "rmsprop") else "sgd"
    buffers = afresh and name != "plain"
    warned = pytest.warns(UserWarning, match="begins afresh at step 100")
    with warned if buffers else nullcontext():
        system = Training(
            Dropping(),
            (x, y),
            optimizer=rule,
            start=tmp_path / "checkpoint.pt",
            **options,
        )
    run = nndyn.record(system, tmp_path / "run.nc", steps=100, replicas=1)
    row = nn.utils.parameters_to_vector(net.parameters()).detach().numpy()
    assert run["time"].values[-1] == 200
    # the product of momenta that torch's NAdam keeps is of single precision
    rtol = 1e-7 if name == "nadam" else 1e-12
    np.testing.assert_allclose(run["state"][-1, 0].values, row, rtol=rtol, atol=rtol / 10)
