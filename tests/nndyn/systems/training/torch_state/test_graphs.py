"""Calls that are captured, with a graph that does on the CPU what a CUDA graph does."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nndyn.systems.training.perceptron.device import engine
from nndyn.systems.training.torch_state import graphs
from tests.nndyn.systems.training.perceptron.device.on_cpu import as_on_a_gpu

CPU = torch.device("cpu")


class Graph(TorchDispatchMode):
    """Notes operations and does them again, in the same memory and with the same numbers."""

    def __init__(self):
        super().__init__()
        self.noted = []
        self.replays = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        found = operation(*args, **(kwargs or {}))
        self.noted.append((operation, args, kwargs or {}, found))
        return found

    def replay(self):
        self.replays += 1
        for operation, args, kwargs, found in self.noted:
            again = operation(*args, **kwargs)
            for old, new in zip(_tensors(found), _tensors(again), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def _tensors(found):
    if isinstance(found, torch.Tensor):
        return [found]
    return [one for one in found if isinstance(one, torch.Tensor)] if found is not None else []


@pytest.fixture
def captured(monkeypatch):
    """Capture every function on the CPU; returns the graphs."""
    made = []

    def capture(function, device):
        function()
        made.append(Graph())
        with made[-1]:
            return function(), made[-1]

    monkeypatch.setattr(graphs, "_captured", capture)
    monkeypatch.setattr(engine, "Replayed", lambda function, device: graphs.Replayed(function, CPU))
    return made


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"activation": "gelu", "loss": "mse"},
        {"optimizer": "adam", "lr": 1e-2, "schedule": "cosine:20"},
        {"batch_size": 32, "momentum": 0.9},
    ],
    ids=["tanh", "gelu", "adam", "minibatches"],
)
def test_steps_by_a_graph_are_those_without(options, captured, monkeypatch):
    def advanced():
        system = as_on_a_gpu("mlp:4-6-3", "iris", **options)
        phase = np.stack([system.initial(0)] * 3)
        phase[1] += 1e-3
        every = range(40)
        return system.advance(phase, 0, 40, every, evaluate=every)

    ours = advanced()
    assert captured
    assert all(graph.replays > 1 for graph in captured)
    monkeypatch.setattr(graphs, "WARM", 10**6)
    theirs = advanced()
    for kind in ("arrival", "series", "evaluations"):
        one, two = getattr(ours, kind), getattr(theirs, kind)
        for name in one:
            np.testing.assert_array_equal(one[name], two[name], err_msg=name)
    np.testing.assert_array_equal(ours.states, theirs.states)
    np.testing.assert_array_equal(ours.phase, theirs.phase)


def test_what_cannot_be_captured_is_called_and_that_is_said_once(monkeypatch):
    def refuse(function, device):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(graphs, "_captured", refuse)
    calls = []
    replayed = graphs.Replayed(lambda: calls.append(0) or len(calls), CPU)
    for i in range(graphs.WARM):
        assert replayed() == i + 1
    with pytest.warns(UserWarning, match="not captured as a CUDA graph: operation not permitted"):
        assert replayed() == graphs.WARM + 1
    assert replayed() == graphs.WARM + 2


def test_nothing_is_captured_where_it_is_not_asked_for(monkeypatch):
    monkeypatch.setattr(graphs, "_captured", None)
    replayed = graphs.Replayed(lambda: 3, None)
    assert [replayed() for _ in range(3 * graphs.WARM)] == [3] * 3 * graphs.WARM
