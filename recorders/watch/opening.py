"""Opening of a recording of a training loop of the user's own: what `nndyn.watch` is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nndyn.checks import flag, whole
from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.runtime.paths import located
from nndyn.systems.training.loop.description import plain
from recorders.watch.file import File
from recorders.watch.handle import Logger, Watch
from recorders.watch.steps import OfOptimizers
from recorders.watch.weights import Weights, optimizers


def watch(
    model: nn.Module,
    optimizer: Any,
    path: str | Path,
    *,
    every: int = 1,
    logger: Logger | None = None,
    resume: bool = False,
) -> Watch:
    """Record the weights of a model as a training loop of your own goes.

    Parameters
    ----------
    model : torch.nn.Module
        What is trained. Its weights are the parameters that require gradients now, each once, in
        the order of ``named_parameters``; they may be on any device.
    optimizer : torch.optim.Optimizer or list of torch.optim.Optimizer
        What trains it. Of several, a step ends with that of the last in the list.
    path : path-like
        The netCDF file to write; its folder must exist.
    every : int, default 1
        Steps between two states that are recorded; the initial one is recorded at once.
    logger : callable, optional
        Called as ``logger(numbers, step)`` with every state: ``weight_norm``, ``step_length`` and
        ``distance`` from the start, l2, as floats; ``wandb.log`` and ``mlflow.log_metrics`` will
        do as they are.
    resume : bool, default False
        Go on with the file where the training goes on; a missing file is begun. Where that is,
        `Watch.load_state_dict` says; without it, the weights before the next step do, which must
        then be a state of the recording. What was recorded beyond is recorded anew.

    Returns
    -------
    Watch
        A context manager; ``remove()`` ends the recording too.

    Raises
    ------
    UsageError
        If an argument is wrong, `path` exists and `resume` is not given, or a file to go on with
        is of another training.
    DataError
        If a weight is not finite.
    StoreError
        If the file cannot be written, or another process writes it.
    RecordingError
        If a file to go on with is damaged.

    Notes
    -----
    The file has one trajectory, its ``time`` in optimizer steps, ``state`` in float32, or in
    float64 if any weight is, and ``step_length``, the length of the last single step. Nothing is
    drawn at random, and no weight is changed. Steps that a gradient scaler leaves out do not count.

    A failure to write never ends a training: it is a RuntimeWarning, once, and what was committed
    stays. Blocks of at most 64 MiB (or a state, where one is larger), or of ten seconds, are
    committed, so a kill loses one at most. Memory is a block and a copy of the weights, one more
    with a `logger`, and one where evaluations fall between two states; on an accelerator two
    copies. A state that is recorded costs two passes over the weights, one over the difference to
    those before the step, and the write: ten milliseconds for a million weights in float32.

    Examples
    --------
    >>> model = nn.Linear(4, 3)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> with nndyn.watch(model, optimizer, "run.nc", every=10) as watching:
    ...     for x, y in batches:
    ...         loss = nn.functional.cross_entropy(model(x), y)
    ...         optimizer.zero_grad()
    ...         loss.backward()
    ...         optimizer.step()
    ...         watching.log(loss=loss)
    """
    weights = Weights(model)
    trained = optimizers(optimizer, weights)
    every, path = whole("every", every, 1), located(path)
    if logger is not None and not callable(logger):
        raise UsageError(f"logger is {logger!r}, expected a function of (numbers, step)")
    start = np.empty(weights.size, weights.dtype)
    weights.read(start)
    system = described(model, weights, trained, start)
    fresh = not (flag("resume", resume) and path.exists())
    if fresh and not np.isfinite(start).all():
        raise DataError("a weight of the model is not finite; there is nothing to follow")
    opened = File.new if fresh else File.old
    file = opened(path, weights.parameters, weights.dtype, every, system)
    return Watch(weights, OfOptimizers(trained), file, every, logger)


def described(
    model: nn.Module, weights: Weights, trained: Sequence[torch.optim.Optimizer], start: Array
) -> dict[str, Any]:
    """Return what a recording says of the training, as JSON values.

    Parameters
    ----------
    model : torch.nn.Module
    weights : Weights
        Its own.
    trained : sequence of torch.optim.Optimizer
        What trains it.
    start : (D,) array
        The weights at time 0.

    Returns
    -------
    dict
    """
    return {
        "kind": "training",
        "model": type(model).__name__,
        "parameters": [p.name for p in weights.parameters],
        "initial_sha256": hashlib.sha256(start.tobytes()).hexdigest(),
        "optimizer": " and ".join(type(one).__name__ for one in trained),
        "groups": [[plain(group) for group in one.param_groups] for one in trained],
        "dtype": weights.dtype.name,
    }
