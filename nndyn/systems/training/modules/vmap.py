"""Choice between vmap and one call per row for the rows of a module."""

from __future__ import annotations

import re
import warnings

import torch
from torch import nn

from nndyn.systems.training.modules.criterion import Criterion
from nndyn.systems.training.modules.layout import layout, normalisations, vector
from nndyn.systems.training.modules.modes import plain
from nndyn.systems.training.modules.passes import Batch, Batched, Pass, RowByRow
from nndyn.systems.training.modules.preparation import first_line
from nndyn.systems.training.modules.trial import Behaviour, close, elsewhere
from nndyn.words.text import size

#: What torch says where vmap runs an operation row by row.
SLOW = "There is a performance drop"
#: Bytes a row's step may keep for the backward pass and still be batched on a CPU. Above, calls
#: are so long that their number does not matter, and rows one by one make better use of the cache.
BATCHED_BYTES = 2 * 2**20


def why_better_apart(module: nn.Module, behaviour: Behaviour, samples: int) -> str | None:
    """Return why rows are better not batched on a CPU, None where they are better batched.

    Parameters
    ----------
    module : torch.nn.Module
    behaviour : Behaviour
    samples : int
        Of a step.

    Returns
    -------
    str or None
    """
    normal = next((name for name, part in normalisations(module) if part.training), None)
    if normal is not None:
        return (
            f"the sums over samples of its normalisation {normal!r} would be rounded by the place "
            "of a row, so that copies of the reference drift away from it"
        )
    if behaviour.saved_bytes * samples > BATCHED_BYTES:
        return (
            f"a step of {samples} samples keeps {size(behaviour.saved_bytes * samples)} for its "
            f"backward pass, and rows of more than {size(BATCHED_BYTES)} make better use of the "
            "processor's cache one by one"
        )
    return None


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
    if behaviour.graph:
        return "torch.autograd.grad, by which an evaluation differentiates, is not for vmap"
    places = layout(module)
    weights = torch.stack([vector(some, places.parameters) for some in (module, elsewhere(module))])
    statistics = vector(module, places.statistics).to(weights).repeat(2, 1)
    found = []
    for kind in (RowByRow, Batched):
        gradient, moved = torch.zeros_like(weights), statistics.clone()
        known = module, places, criterion, behaviour.counts
        run: Pass = kind(*known)
        try:
            with plain(), warnings.catch_warnings():
                warnings.filterwarnings("error", message=SLOW)
                loss, _ = run.gradient(
                    weights, moved, batch, t=0, key=0, parts=[slice(None)], out=gradient
                )
                whole = [slice(0, len(batch))]
                here = run.evaluate(weights, moved, batch, key=0, parts=whole)
        except Exception as error:
            if kind is RowByRow:
                return f"a step at other weights raises {first_line(error)}"
            lacking = re.search(r"[Bb]atching rule.* for (aten::\w+)", str(error))
            if lacking is not None:
                return f"torch has no batching rule for {lacking[1]}"
            return f"{type(error).__name__}: {first_line(error)}"
        found.append((gradient, loss, moved, here.loss, *here.outputs))
    if all(close(b, a) for a, b in zip(*found, strict=True)):
        return None
    return "its random numbers come out otherwise" if behaviour.random else "its results differ"
