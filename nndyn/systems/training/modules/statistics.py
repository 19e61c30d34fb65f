"""Running statistics of weights that no training led to: those of one pass over the samples."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from nndyn.systems.training.data.several import called
from nndyn.systems.training.modules.layout import normalisations, trained, vector
from nndyn.systems.training.modules.modes import plain
from nndyn.systems.training.modules.module import Module
from nndyn.systems.training.modules.passes import Batch, entering
from nndyn.systems.training.torch_state.randomness import seeded

Tensor = torch.Tensor


def recomputed(module: Module, weights: Tensor, batches: Iterable[Batch], *, key: int) -> Tensor:
    """Return the running statistics of a row of weights, as ``swa_utils.update_bn`` sets them.

    Parameters
    ----------
    module : Module
    weights : (D,)
    batches : iterable of Batch
        The training set; a batch of one sample, which has no variance, is left out.
    key : int
        Seeds what is random in training mode.

    Returns
    -------
    (B,)
        Means over the batches. Normalisations that are in evaluation mode in a step keep theirs.
    """
    own = copy.deepcopy(module.module)
    parts: list[Any] = [part for _, part in normalisations(own)]
    moving = [part for part in parts if part.training and part.track_running_stats]
    for part in moving:
        part.reset_running_stats()
    with plain(), seeded(key, weights.device), torch.set_grad_enabled(module.graph):
        with torch.no_grad():
            for place, (_, weight) in zip(module.parameters, trained(own), strict=True):
                row = weights[place.start : place.start + place.size]
                weight.copy_(row.view(place.shape))
        several = (batch for batch in batches if len(batch) > 1)
        for i, batch in enumerate(several):
            for part in moving:  # without a momentum torch averages, those over a batch alone
                part.momentum = None if isinstance(part, _BatchNorm) else 1 / (i + 1)
            called(own, entering(batch.x, module.criterion, graph=module.graph))
    return vector(own, module.statistics).to(weights)
