"""Every reason for which rows are computed one after the other: said, kept and shown."""

import json
import re
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.cli import nndyn as command
from nndyn.cli.lazy import run as invoke
from nndyn.systems.training.modules import engine, vmap
from tests.recorders.plain_loops import made
from tests.recorders.user_networks import Physics, Recurrent, Tripled, residual, times, vectors


class Peeks(nn.Module):
    def forward(self, z):
        return z if z.sum().item() > 0 else 2 * z


class Wrong(nn.Module):
    def forward(self, z):
        return Tripled.apply(z)


class Masked(nn.Module):
    """Draws numbers that vmap draws otherwise."""

    def forward(self, z):
        return z * torch.rand(len(z), 1).to(z) + Tripled.apply(z)


class Guarded(nn.Module):
    """Does not run at weights other than its own."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(6))

    def forward(self, x):
        if torch.is_grad_enabled() and not torch.equal(self.weight, torch.eye(6).to(x)):
            raise ValueError("no unit matrix")
        return (x @ self.weight)[:, :3]


def network(*between):
    return made(lambda: nn.Sequential(nn.Linear(6, 8), *between, nn.Linear(8, 3)))


REASONS = {
    "normalisation": (lambda: network(nn.BatchNorm1d(8)), "its normalisation '1' would be rounded"),
    "no rule": (lambda: made(lambda: Recurrent(nn.LSTM)), "no batching rule for aten::lstm"),
    "control flow": (lambda: network(Peeks()), "item"),
    "wrong rule": (lambda: network(Wrong()), "its results differ"),
    "random": (lambda: network(Masked()), "its random numbers come out otherwise"),
    "elsewhere": (lambda: made(Guarded), "a step at other weights raises no unit matrix"),
    "differentiation": (lambda: made(lambda: Physics("grad")), "torch.autograd.grad, by which"),
    "long calls": (lambda: network(nn.LayerNorm(8)), "a step of 24 samples keeps"),
    "places": (lambda: network(nn.LayerNorm(8)), "come out otherwise in other places"),
}


@pytest.mark.parametrize("name", REASONS)
def test_why_rows_are_not_batched_is_said_and_kept(tmp_path, monkeypatch, capsys, name):
    build, reason = REASONS[name]
    physical = name == "differentiation"
    data, loss = (times(), residual) if physical else (vectors(), "cross-entropy")
    if name == "long calls":
        monkeypatch.setattr(vmap, "BATCHED_BYTES", 100)
    if name == "places":
        monkeypatch.setattr(engine.Modules, "_same_everywhere", lambda self: False)
    path = tmp_path / "r.nc"
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        system = nndyn.Training(build(), data, loss=loss, lr=0.01)
        assert reason in system.one_by_one(3)
    (said,) = [str(one.message) for one in seen]
    assert re.search(rf"is not batched: .*{re.escape(reason)}.*; replicas run one", said)
    if name == "elsewhere":  # where no perturbed replica goes
        return
    run = nndyn.record(system, path, steps=2, replicas=1, epsilon=1e-6)
    assert reason in json.loads(run.attrs["manifest"])["one_by_one"]
    run.close()
    capsys.readouterr()
    assert invoke(command, ["info", str(path)]) == 0
    assert reason in capsys.readouterr().out.split("one by one", 1)[1]


def test_nothing_is_said_of_rows_that_are_batched(tmp_path):
    for model in ("mlp:6-8-3", network(nn.LayerNorm(8))):
        run = nndyn.record(
            nndyn.Training(model, vectors(), lr=0.1), tmp_path / "r.nc", steps=2, overwrite=True
        )
        assert "one_by_one" not in json.loads(run.attrs["manifest"])
        assert np.isfinite(run["loss"].values).all()
        run.close()
