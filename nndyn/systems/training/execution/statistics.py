"""Running statistics of weights that no training led to: those of one pass over the samples."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.several import called
from nndyn.systems.training.modules.layout import normalisations, trained, vector
from nndyn.systems.training.modules.modes import plain
from nndyn.systems.training.modules.module import Module
from nndyn.systems.training.modules.passes import Batch, entering
from nndyn.systems.training.task import Task
from nndyn.systems.training.torch_state.randomness import evaluation_key, seeded

Tensor = torch.Tensor


def recomputed(task: Task, order: Order, weights: Tensor) -> Tensor:
    """Return running statistics as ``torch.optim.swa_utils.update_bn`` sets them.

    Parameters
    ----------
    task : Task
    order : Order
        Of the run, in the first epoch of which, as its seed draws it, the samples are passed.
    weights : (R, D)

    Returns
    -------
    (R, B)
        Of every row alone: means over batches in training mode. Normalisations that are in
        evaluation mode in a step keep theirs.
    """
    network = task.network
    if not isinstance(network, Module) or not network.statistics:
        return weights.new_zeros((len(weights), 0))
    epoch = Order(len(task.training), batch_size=order.batch_size, seed=order.seed)
    key = evaluation_key(order.seed)
    return torch.stack([_of_a_row(network, row, _batches(task, epoch), key) for row in weights])


def _batches(task: Task, epoch: Order) -> Iterator[Batch]:
    """Yield the batches of an epoch, but of one sample, which has no variance."""
    whole: Batch = task.inputs[0]
    for t in range(epoch.steps_per_epoch or 1):
        rows = torch.from_numpy(epoch.rows(t)).to(task.device)
        if len(rows) > 1:
            yield whole if epoch.batch_size is None else whole.take(rows)


def _of_a_row(module: Module, weights: Tensor, batches: Iterator[Batch], key: int) -> Tensor:
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
        for i, batch in enumerate(batches):
            for part in moving:  # without a momentum torch averages, those over a batch alone
                part.momentum = None if isinstance(part, _BatchNorm) else 1 / (i + 1)
            called(own, entering(batch.x, module.criterion, graph=module.graph))
    return vector(own, module.statistics).to(weights)
