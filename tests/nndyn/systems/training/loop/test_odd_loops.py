"""Loops that are rare, and right all the same."""

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from tests.nndyn.systems.training.loop import loops


def record(made, path, *, steps=20, epsilon=1e-3, **options):
    return nndyn.record(made.system(), path, steps=steps, replicas=2, epsilon=epsilon, **options)


def same_as_plain(make, path, *, steps=20, epsilon=1e-3):
    """Record a loop; check it against the plain one, and that the control stays with it."""
    plain = make()
    states = [plain.weights()]
    for t, batch in nndyn.replay(plain.batches):
        if t == steps:
            break
        plain.step(batch)
        states.append(plain.weights())
    with record(make(), path, steps=steps, epsilon=epsilon) as run:
        assert run.attrs["status"] == "complete", run.attrs["stop_reason"]
        np.testing.assert_array_equal(run["state"].values[:, 0].astype(np.float64), states)
        assert (run["distance_l2"].values[:, -1] == 0.0).all()
        assert (run["distance_l2"].values[:, 1] > 0.0).all()


def test_what_a_step_says_has_no_gap_where_a_finished_recording_goes_on(tmp_path):
    whole = record(loops.sgd(), tmp_path / "whole.nc")
    record(loops.sgd(), tmp_path / "parts.nc", steps=13).close()
    parts = record(loops.sgd(), tmp_path / "parts.nc", resume=True)
    np.testing.assert_array_equal(parts["batch_time"], whole["batch_time"])
    np.testing.assert_array_equal(parts["batch_loss"], whole["batch_loss"])
    whole.close()
    parts.close()


def embedding(kind):
    torch.manual_seed(0)
    model = nn.Embedding(20, 4, sparse=True)
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randint(20, (8,), generator=generator) for _ in range(5)]
    optimizer = kind(model.parameters(), lr=0.05)

    def step(words):
        optimizer.zero_grad()
        loss = model(words).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    return loops.Made(step, batches, model, {"optimizer": optimizer})


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.SparseAdam])
def test_gradients_may_be_sparse(tmp_path, kind):
    same_as_plain(lambda: embedding(kind), tmp_path / "r.nc")


def penalty():
    """A critic whose gradient is kept near 1, by a gradient of it."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.RMSprop(critic.parameters(), lr=0.01)

    def step(batch):
        x = batch[0].requires_grad_(True)
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        loss = (gradient.norm(dim=1) - 1.0).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return loops.Made(step, loops.loader(), critic, {"optimizer": optimizer})


def test_a_step_may_take_gradients_of_gradients(tmp_path):
    same_as_plain(penalty, tmp_path / "r.nc")
