"""Whether a step looks at what a GPU computes, which would make it wait: counted on the CPU."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode

from nndyn.numerics.sketch import Sketch, Sketches
from nndyn.systems.training import Training
from nndyn.systems.training.execution import distances, trajectories
from tests.nndyn.systems.training.perceptron.device.on_cpu import as_on_a_gpu

METHODS = ("cpu", "numpy", "item", "tolist", "__bool__", "__float__", "__int__", "__index__")
LOOKING = {f"torch.Tensor.{name}" for name in METHODS}
OPERATIONS = {"aten::_local_scalar_dense", "aten::equal", "aten::nonzero", "aten::masked_select"}


class Calls(TorchFunctionMode):
    """Counts what asks a tensor for its numbers, in Python."""

    def __init__(self, found):
        super().__init__()
        self.found = found

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if (name := resolve_name(function)) in LOOKING:
            self.found[name] += 1
        return function(*args, **(kwargs or {}))


class Operations(TorchDispatchMode):
    """Counts what does below."""

    def __init__(self, found):
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if (name := operation.name().split(".")[0]) in OPERATIONS:
            self.found[name] += 1
        return operation(*args, **(kwargs or {}))


@pytest.fixture
def counted(monkeypatch):
    """Return a function that counts looks in so many steps, computed as on a GPU."""
    make = trajectories.Trajectories.__init__

    def on_a_gpu(self, *arguments, **options):
        make(self, *arguments, **options)
        self._on_host = False

    monkeypatch.setattr(trajectories.Trajectories, "__init__", on_a_gpu)

    def count(systems, steps, sketched=0):
        times = range(steps)
        asked = {"evaluate": times}
        if sketched:
            asked["sketch"] = Sketches(Sketch(systems[0].task.network.size, 64, 0), times)
        phases = np.stack([[s.initial(0)] * 3 for s in systems])
        phases[:, 1] += 1e-3
        team = systems[0].together(systems[1:])
        team.advance(phases, 0, 2, ())  # lays out samples and buffers
        found = Counter()
        with Calls(found), Operations(found):
            team.advance(phases, 0, steps, () if sketched else times, **asked)
        return found

    return count


CASES = {
    "perceptron": lambda: [as_on_a_gpu("mlp:4-5-3", "iris")],
    "runs of other rates": lambda: [as_on_a_gpu("mlp:4-5-3", "iris", lr=r) for r in (0.1, 0.2)],
    "adam": lambda: [as_on_a_gpu("mlp:4-5-3", "iris", optimizer="adam", clip_norm=1.0)],
    "minibatches": lambda: [as_on_a_gpu("mlp:4-5-3", "iris", batch_size=32, momentum=0.9)],
    "module": lambda: [Training(Wide(), "iris", lr=0.1)],
}


class Wide(torch.nn.Module):
    """No perceptron to nndyn."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.layer(x) * 2.0


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("sketched", [0, 64])
def test_looks_do_not_grow_with_the_steps_of_a_block(counted, kind, sketched):
    few, many = (counted(CASES[kind](), steps, sketched) for steps in (3, 30))
    assert few == many
    assert few["torch.Tensor.numpy"] > 0  # the results of the block: what counts, sees them


def test_a_look_at_every_step_is_seen(counted, monkeypatch):
    enter = trajectories.Trajectories._enter

    def looking(self, here):
        assert bool(here.isfinite().all())
        enter(self, here)

    monkeypatch.setattr(trajectories.Trajectories, "_enter", looking)
    few, many = (counted(CASES["perceptron"](), steps) for steps in (3, 30))
    assert many["torch.Tensor.__bool__"] == 10 * few["torch.Tensor.__bool__"]


@pytest.mark.parametrize("piece", [2048, 16])
def test_distances_of_a_gpu_are_those_of_the_cpu(request, piece, monkeypatch):
    monkeypatch.setattr(distances, "PIECE", piece)
    theirs, ours = Training("mlp:4-5-3", "iris", lr=0.1), as_on_a_gpu("mlp:4-5-3", "iris")
    rng = np.random.default_rng(0)
    phase = theirs.initial(0) + 1e-2 * rng.standard_normal((4, theirs.dimension))
    blocks = [theirs.advance(phase, 0, 3, (0,))]
    request.getfixturevalue("counted")
    for block in (*blocks, ours.advance(phase, 0, 3, (0,))):
        apart = phase - phase[0]
        np.testing.assert_allclose(block.distance_l1[0], np.abs(apart).sum(1), rtol=1e-12)
        np.testing.assert_allclose(block.distance_linf[0], np.abs(apart).max(1), rtol=1e-12)
        np.testing.assert_allclose(block.gram[0], apart @ apart.T, rtol=1e-12, atol=1e-18)
        squares = [(apart[:, p.start : p.start + p.size] ** 2).sum(1) for p in theirs.parameters]
        np.testing.assert_allclose(block.squares[0], np.transpose(squares), rtol=1e-12)
