"""Functions that make loops on iris, the network and the samples of a training."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import nn

import nndyn

cross_entropy = nn.functional.cross_entropy
#: Of a search that takes seconds.
SMALL = {"steps": 60, "seeds": 6, "replicas": 2, "threshold": 0.9}
BOUNDS = (0.5, 20.0)


@cache
def training(seed):
    return nndyn.Training("mlp:4-8-3", "iris", lr=1.0, seed=seed)


def samples(part, dtype):
    of = getattr(training(0).task, part)
    return torch.as_tensor(np.asarray(of.x)).to(dtype), torch.as_tensor(np.asarray(of.y))


def network(seed, dtype):
    """The weights that the training of a seed begins with."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    start = torch.as_tensor(training(seed).initial()[training(seed).components])
    nn.utils.vector_to_parameters(start, model.parameters())
    return model.to(dtype)


def make(lr, seed, *, dtype=torch.float64, evaluated="test_accuracy"):
    """The gradient descent that `nndyn.Training` does, stated as a loop."""
    x, y = samples("training", dtype)
    other, wanted = samples("test", dtype)
    model = network(seed, dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def step():
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    def evaluate():
        with torch.no_grad():
            return {evaluated: (model(other).argmax(1) == wanted).double().mean()}

    return nndyn.Loop(step, model=model, stateful={"optimizer": optimizer}, evaluate=evaluate)


def tiny(lr, seed, draw=True, rate=None):
    """A loop of few weights; they are drawn from the seed if `draw`, and its rate may be fixed."""
    if draw:
        torch.manual_seed(seed)
    model = nn.Linear(4, 3).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr if rate is None else rate)
    x, y = samples("training", torch.float64)

    def step():
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()

    return nndyn.Loop(step, model=model, stateful={"optimizer": optimizer})
