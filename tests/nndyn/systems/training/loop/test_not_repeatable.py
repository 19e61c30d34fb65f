"""A step that is not a function of its state, batch and time: the control leaves zero."""

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from recorders import request
from tests.nndyn.systems.training.loop import loops


class Counting(nn.Module):
    """Scales by how often it was called, which is in no state."""

    def __init__(self, first):
        super().__init__()
        self.calls, self.first = 0, first

    def forward(self, x):
        self.calls += 1
        return x * (1.0 + 0.01 * max(0, self.calls - self.first))


class Noisy(nn.Module):
    """Draws from a generator of its own."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, x):
        return x + 0.01 * torch.randn(x.shape, generator=self.generator)


@pytest.mark.parametrize("module", [Counting(0), Counting(60), Noisy()], ids=["a", "b", "c"])
def test_a_module_with_a_state_of_its_own_is_named(tmp_path, module):
    model = loops.network(module)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loop = loops.ordinary(model, optimizer)
    run = nndyn.record(loop.system(), tmp_path / "r.nc", steps=40, replicas=2, epsilon=1e-3)
    assert run.attrs["status"] == "stopped"
    reason = run.attrs["stop_reason"]
    name = type(module).__name__
    assert f"first in the outputs of 1 ({name}), whose inputs agree" in reason
    assert "differs from it at time" in reason
    assert "in 0.weight" in reason
    assert "usual causes" in reason
    steps = run.sizes["time"] - 1
    assert f"the step from time {steps} is not the same for equal rows" in reason
    assert (run["distance_l2"].values[:, -1] == 0.0).all()  # up to the last time that counts
    assert run["batch_loss"].sizes["batch_time"] == steps
    if isinstance(module, Counting) and module.first:
        assert steps > 0
    run.close()
    # there is nothing to go on with
    again = nndyn.record(
        loop.system(), tmp_path / "r.nc", steps=40, replicas=2, epsilon=1e-3, resume=True
    )
    assert again.attrs["status"] == "stopped"


@pytest.mark.parametrize("block", [8, 17])  # the last time stands in a block, or begins one
def test_a_step_that_fails_ends_the_recording_where_it_was(tmp_path, monkeypatch, block):
    monkeypatch.setattr(request, "_BLOCK_STEPS", block)
    loop = loops.sgd()
    inner = loop.step

    def step(batch, t):
        if t == 17:
            raise RuntimeError("the data are gone")
        return inner(batch)

    loop.step = step
    options = dict(steps=40, replicas=2, epsilon=1e-3, store="every:3")
    run = nndyn.record(loop.system(), tmp_path / "r.nc", **options)
    assert run.attrs["status"] == "stopped"
    assert (
        "the step from time 17 failed: RuntimeError: the data are gone" in run.attrs["stop_reason"]
    )
    assert run.sizes["time"] == 18
    assert run.sizes["batch_time"] == 17
    assert run["state_time"].values.tolist() == [*range(0, 17, 3)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model, rule: setattr(model, "more", nn.Parameter(torch.ones(2))), "more appeared"),
        (lambda model, rule: rule.state[model[0].weight].pop("momentum_buffer"), "vanished"),
        (
            lambda model, rule: rule.state[model[0].weight].update(extra=torch.ones(3)),
            "optimizer.state.0.weight.extra appeared",
        ),
        (
            lambda model, rule: rule.add_param_group({"params": [nn.Parameter(torch.ones(2))]}),
            "another number of parameter groups",
        ),
        (
            lambda model, rule: rule.state[model[0].weight].update(momentum_buffer=torch.ones(3)),
            "is now torch.float32 (3,), it was torch.float32 (8, 6)",
        ),
    ],
)
def test_a_state_that_changes_its_form_ends_the_recording_by_name(tmp_path, change, message):
    model = loops.network()
    rule = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loop = loops.ordinary(model, rule)
    inner = loop.step

    def step(batch, t):
        said = inner(batch)
        if t == 9:
            change(model, rule)
        return said

    loop.step = step
    before = loop.weights()
    run = nndyn.record(loop.system(), tmp_path / "r.nc", steps=20, replicas=1, epsilon=1e-3)
    assert run.attrs["status"] == "stopped"
    assert message in run.attrs["stop_reason"]
    assert run.sizes["time"] == 10
    np.testing.assert_array_equal(loop.weights(), before)


def test_a_replica_that_diverges_is_nan_from_there_on(tmp_path):
    model = loops.network(dtype=torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(batch, t):
        x, y = batch
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        if t == 0 and model[0].weight.detach()[0, 0] > start + 5e-4:  # a replica alone
            model[0].weight.data[0, 0] = float("inf")
        optimizer.step()
        return loss

    start = model[0].weight[0, 0].item()
    loop = loops.Made(step, [loops.data(torch.float64)], model, {"optimizer": optimizer})
    deviations = np.zeros((2, 6 * 8 + 8 + 16 + 2))
    deviations[0, 0], deviations[1, 1] = 1e-3, 1e-3
    run = nndyn.record(
        loop.system(), tmp_path / "r.nc", steps=10, replicas=2, perturbations=deviations
    )
    assert run.attrs["status"] == "complete", run.attrs["stop_reason"]
    assert run["diverged_at"].values.tolist() == [-1, 1, -1, -1]
    assert np.isnan(run["distance_l2"].values[1:, 1]).all()
    assert np.isfinite(run["distance_l2"].values[:, [0, 2, 3]]).all()


def test_a_reference_that_diverges_ends_the_recording(tmp_path):
    loop = loops.sgd()
    loop.stateful["optimizer"].param_groups[0]["lr"] = float("inf")
    run = nndyn.record(loop.system(), tmp_path / "r.nc", steps=20, replicas=1, epsilon=1e-3)
    assert run.attrs["status"] == "stopped"
    assert "the reference is not finite from step" in run.attrs["stop_reason"]
