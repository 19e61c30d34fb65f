"""Whether the rows of a module are one call, by vmap, or one call each."""

from __future__ import annotations

import re
import warnings

import torch
from torch import nn

from nndyn.systems.training.criteria import Criterion
from nndyn.systems.training.functional import Batch, Batched, RowByRow, plain
from nndyn.systems.training.layout import layout, normalisations, vector
from nndyn.systems.training.preparation import first_line
from nndyn.systems.training.probing import Behaviour, close, elsewhere

#: What torch says where vmap runs an operation row by row.
SLOW = "There is a performance drop"
#: Bytes a row's step may keep for the backward pass and still be batched on a CPU. Above, calls
#: are so long that their number does not matter, and rows one by one make better use of the cache.
BATCHED_BYTES = 2 * 2**20


def gains(module: nn.Module, behaviour: Behaviour, samples: int) -> bool:
    """Return whether rows are better batched on a CPU, for steps of so many `samples`.

    Not where calls are long, nor with normalisations over the batch: the rounding of their sums
    depends on the place of a row, and copies of the reference would drift away from it.

    Returns
    -------
    bool
    """
    if any(part.training for _, part in normalisations(module)):
        return False
    return behaviour.saved_bytes * samples <= BATCHED_BYTES


def why_not_batched(
    module: nn.Module, behaviour: Behaviour, batch: Batch, criterion: Criterion
) -> str | None:
    """Return why rows of `module` cannot be batched, None where they can.

    Parameters
    ----------
    module : torch.nn.Module
    behaviour : Behaviour
    batch : Batch
        A few samples.
    criterion : Criterion

    Returns
    -------
    str or None

    Notes
    -----
    Two rows of different weights are advanced by a step both ways; what is silently computed
    otherwise counts as a failure, and so does an operation that vmap would run row by row.
    """
    places = layout(module)
    weights = torch.stack([vector(some, places.parameters) for some in (module, elsewhere(module))])
    statistics = vector(module, places.statistics).to(weights).repeat(2, 1)
    found = []
    for kind in (RowByRow, Batched):
        gradient, moved = torch.zeros_like(weights), statistics.clone()
        run = kind(module, places, criterion, behaviour.counts)
        try:
            with plain(), warnings.catch_warnings():
                warnings.filterwarnings("error", message=SLOW)
                loss, _ = run.gradient(
                    weights, moved, batch, t=0, key=0, parts=[slice(None)], out=gradient
                )
                outputs = run.outputs(weights, moved, batch.x, key=0, parts=[slice(None)])
                losses = run.losses(outputs, batch)
        except Exception as error:
            if kind is RowByRow:
                return f"a step at other weights raises {first_line(error)}"
            lacking = re.search(r"[Bb]atching rule.* for (aten::\w+)", str(error))
            if lacking is not None:
                return f"torch has no batching rule for {lacking[1]}"
            return f"{type(error).__name__}: {first_line(error)}"
        found.append((gradient, loss, moved, outputs, losses))
    if all(close(b, a) for a, b in zip(*found, strict=True)):
        return None
    return "its random numbers come out otherwise" if behaviour.random else "its results differ"
