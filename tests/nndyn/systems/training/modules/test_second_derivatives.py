"""Which networks have second derivatives in torch, and what a refusal names."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import nndyn
from tests.recorders.plain_loops import made
from tests.recorders.user_networks import Physics, Recurrent, residual, times, vectors


def network(*between):
    return made(lambda: nn.Sequential(nn.Linear(6, 8), *between, nn.Linear(8, 3)))


def pruned():
    net = network(nn.Tanh())
    prune.l1_unstructured(net[0], "weight", 0.3)
    return net


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope):
        return 3 * ctx.saved_tensors[0] ** 2 * slope


class Cubed(nn.Module):
    def forward(self, x):
        return Once.apply(x)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "build",
    [
        lambda: network(nn.BatchNorm1d(8), nn.ReLU()),
        lambda: network(nn.ReLU(), nn.Dropout(0.3)),
        lambda: made(lambda: Recurrent(nn.LSTM)),
        pruned,
    ],
    ids=["batch norm and kinks", "dropout", "lstm", "pruned"],
)
def test_they_are_there_in_both_precisions(build, dtype):
    system = nndyn.Training(build(), vectors(), lr=0.1, dtype=dtype)
    assert system.no_tangents == ""


def test_single_precision_agrees_with_double():
    found = []
    for dtype in ("float64", "float32"):
        net = network(nn.BatchNorm1d(8), nn.ReLU()).float()
        system = nndyn.Training(net, vectors(), lr=0.1, dtype=dtype)
        vector = np.eye(system.dimension)[:, :1].astype(dtype)
        found.append(system.push(system.initial(), vector, 0, 5, [5])[1][0, 0])
    assert found[1] == pytest.approx(found[0], rel=1e-4)


def test_kinks_at_the_initial_weights_are_no_fault():
    net = network(nn.ReLU())
    with torch.no_grad():
        net[0].weight.zero_()  # every unit lies in its kink
        net[0].bias.zero_()
    system = nndyn.Training(net, vectors(), loss=nn.CrossEntropyLoss(), lr=0.1)
    assert system.no_tangents == ""


@pytest.mark.parametrize("way", ["jvp", "grad"])
def test_a_forward_pass_that_differentiates_is_differentiated_twice_more(way):
    system = nndyn.Training(made(lambda: Physics(way)), times(), loss=residual, lr=0.05)
    vectors_ = np.eye(system.dimension)[:, :2]
    _, logs = system.push(system.initial(), vectors_, 0, 1, [1])[:2]
    ahead = system.advance(system.initial()[None] + 1e-6 * vectors_.T, 0, 1, ()).phase
    behind = system.advance(system.initial()[None] - 1e-6 * vectors_.T, 0, 1, ()).phase
    lengths = np.abs(np.linalg.qr(((ahead - behind) / 2e-6).T)[1].diagonal())
    np.testing.assert_allclose(logs[0], np.log(lengths), atol=1e-7)


def test_a_refusal_names_what_is_to_blame():
    faults = {
        nn.utils.parametrizations.weight_norm: "it goes through torch's weight_norm",
        lambda layer: None: None,
    }
    for change, fault in faults.items():
        net = network(nn.Tanh())
        change(net[0])
        system = nndyn.Training(net, vectors(), loss=nn.CrossEntropyLoss(), lr=0.1)
        assert (fault is None) == (system.no_tangents == "")
        assert fault is None or fault in system.no_tangents
    system = nndyn.Training(network(Cubed()), vectors(), lr=0.1)
    assert "it goes through Once: " in system.no_tangents
    assert system.no_tangents.endswith("compare replicas instead")
