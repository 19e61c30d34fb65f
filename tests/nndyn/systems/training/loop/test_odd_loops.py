"""Loops that are rare, and right all the same."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import nndyn
from nndyn.systems.training.batches import drawn as batches
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


class Average:
    """An average in a copy of the model, which teaches."""

    def __init__(self, model):
        self.model = copy.deepcopy(model).requires_grad_(False)

    def update(self, model):
        with torch.no_grad():
            for own, other in zip(self.model.parameters(), model.parameters(), strict=True):
                own.lerp_(other, 0.1)

    def state_dict(self):
        return {"model": self.model.state_dict()}

    def load_state_dict(self, state):
        self.model.load_state_dict(state["model"])


class Forgetful(Average):
    """One that saves nothing of it."""

    def state_dict(self):
        return {}


def taught(kind):
    model = loops.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    average = kind(model)

    def step(batch):
        optimizer.zero_grad()
        far = (model(batch[0]) - average.model(batch[0])).square().mean()
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1]) + far
        loss.backward()
        optimizer.step()
        average.update(model)
        return loss

    stateful = {"optimizer": optimizer, "average": average}
    return loops.Made(step, loops.loader(), model, stateful)


def test_a_module_that_a_listed_object_saves_is_listed_with_it(tmp_path):
    same_as_plain(lambda: taught(Average), tmp_path / "r.nc")
    with pytest.raises(nndyn.NndynError, match=r"uses 'average.model', a module \(Sequential\)"):
        taught(Forgetful).system()


def test_workers_that_persist_draw_the_same_as_new_ones(tmp_path):
    def make():
        made = loops.augmentation(workers=1)
        made.batches = DataLoader(
            loops.Augmented(), 12, shuffle=True, num_workers=1, persistent_workers=True
        )
        return made

    same_as_plain(make, tmp_path / "r.nc", steps=10)
    assert not make().system().not_resumable


class Magnitude(nn.Module):
    """A layer of complex weights."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.waves, self.head = nn.Linear(6, 5, dtype=torch.complex64), nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.waves(x.to(torch.complex64)).abs())


def test_weights_may_be_complex(tmp_path):
    def make():
        model = Magnitude()
        return loops.ordinary(model, torch.optim.Adam(model.parameters(), lr=0.01))

    with record(make(), tmp_path / "r.nc") as run:
        assert run.sizes["component"] == 2 * (6 * 5 + 5) + 12
        assert (run["distance_l2"].values[:, -1] == 0.0).all()
        assert (run["rounding_distance"].values[1:] > 0.0).all()


def test_an_attribute_is_no_global_of_the_same_name():
    made = loops.sgd()
    text = """
def update(batch):
    optimizer.zero_grad()
    model(batch[0]).square().mean().backward()
    optimizer.step()
"""
    other = loops.adamw_groups()
    names = {"optimizer": made.stateful["optimizer"], "model": made.model, "step": other.step}
    exec(text, names)
    loops.Made(names["update"], made.batches, made.model, made.stateful).system()


def test_lazy_modules_have_to_see_a_sample_first():
    model = nn.Sequential(nn.LazyLinear(8), nn.Tanh(), nn.LazyLinear(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(nndyn.NndynError, match="give its lazy modules a sample first"):
        loops.ordinary(model, optimizer).system()


def test_batches_are_kept_up_to_a_size_and_drawn_again_where_they_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "_KEPT_BYTES", 1000)
    made = loops.augmentation(workers=0)
    system = made.system()
    with nndyn.record(system, tmp_path / "r.nc", steps=20, replicas=2, epsilon=1e-3) as run:
        source = system._steps.batches
        assert len(source._kept) <= 4
        monkeypatch.undo()
        with record(loops.augmentation(workers=0), tmp_path / "all.nc") as other:
            for name in ("state", "batch_loss", "rounding_distance"):
                np.testing.assert_array_equal(run[name], other[name])
