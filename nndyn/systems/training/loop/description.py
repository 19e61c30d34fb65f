"""Description of a loop, in a form that a recording keeps and compares."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from nndyn.numerics.arrays import Array
from nndyn.systems.training.loop import reach
from nndyn.systems.training.loop.rest import encode
from nndyn.systems.training.loop.seat import Seat
from nndyn.systems.training.loop.steps import Steps

#: Batches at the start of the first epoch whose digest is kept.
FIRST = 4

_PLAIN = (bool, int, float, str)


def describe(
    seat: Seat,
    steps: Steps,
    models: Mapping[str, nn.Module],
    stateful: Mapping[str, Any],
    phase: Array,
    rest: Sequence[Any],
) -> dict[str, Any]:
    """Return what can be known of a loop, as JSON values.

    Parameters
    ----------
    seat : Seat
    steps : Steps
    models, stateful : mapping
        Of the user.
    phase : (P,) array
    rest : list
        Both at time 0.

    Returns
    -------
    dict
    """
    described: dict[str, Any] = {
        "kind": "training",
        "model": " and ".join(type(m).__name__ for m in models.values()),
        "parameters": [parameter.name for parameter in seat.parameters],
        "initial_sha256": hashlib.sha256(phase.tobytes()).hexdigest(),
        "rest_sha256": hashlib.sha256(encode(list(rest))).hexdigest(),
        "step": getattr(steps.function, "__qualname__", type(steps.function).__qualname__),
        "step_sha256": reach.code_digest(steps.function),
        "values": _json(reach.values(steps.function)),
        "stateful": {name: type(one).__name__ for name, one in stateful.items()},
        "groups": {
            name: [plain(group) for group in one.param_groups]
            for name, one in stateful.items()
            if isinstance(one, torch.optim.Optimizer)
        },
        "seed": steps.seed,
        "dtype": str(seat.dtype).removeprefix("torch."),
    }
    if steps.batches is not None:
        described["batches"] = steps.batches.label
        described["batches_sha256"] = steps.batches.first(FIRST)[-1]
        described["steps_per_epoch"] = steps.steps_per_epoch
    return described


def plain(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of an optimizer's group of parameters, as JSON values."""
    found = {k: list(v) if isinstance(v, tuple) else v for k, v in group.items() if k != "params"}
    listed = {k: v if isinstance(v, list) else [v] for k, v in found.items()}
    return {
        k: _json(found[k]) for k, v in listed.items() if all(isinstance(one, _PLAIN) for one in v)
    }


def _json(value: Any) -> Any:
    """Return plain values as JSON has them: numbers that are not finite as text."""
    if isinstance(value, dict):
        return {name: _json(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_json(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
