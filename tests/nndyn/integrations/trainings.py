"""What the trainings of all libraries are compared by."""

from __future__ import annotations

import numpy as np
import torch

import nndyn


class StoppedError(Exception):
    """What ends a training before its time."""


def row(model):
    """Return the weights of a model, as a recording has them."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return np.concatenate([p.detach().numpy().ravel() for p in parameters])


def contents(path):
    """Return all that a recording says of the training, and nothing of its making."""
    with nndyn.open(path) as run:
        loaded = run.load()
    return loaded.drop_attrs(deep=False)


def groups(model, *, lr=0.02):
    """Return AdamW with weight decay of the matrices alone."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    decays = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(decays, lr=lr)


def warm_up(optimizer, steps=5):
    """Return a schedule that begins with a fraction of the learning rate."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: min((t + 1) / steps, 1.0))
