"""State of an optimizer of torch, as the buffers of a phase."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nndyn.checks import whole
from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.protocol import Parameter
from nndyn.words.text import escaped

#: What torch calls the buffers behind the weights in a phase, in their order.
NAMES: dict[str, tuple[str, ...]] = {
    "sgd": ("momentum_buffer",),
    "adam": ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    "nadam": ("exp_avg", "exp_avg_sq"),
    "rmsprop": ("square_avg", "momentum_buffer"),
    "adagrad": ("sum",),
    "lion": ("exp_avg",),
}
#: Functions of the number of steps, which are not kept.
_COUNTS = ("step", "mu_product")


@dataclass(frozen=True, eq=False)
class Buffers:
    """Buffers of an optimizer.

    Attributes
    ----------
    values : (b, D) float64
        In the order of the phase.
    since : int
        Updates after which they were fresh.
    average_since : int
        The same of an average of the weights, where there is one.
    """

    values: Array
    since: int
    average_since: int = 0

    @property
    def digest(self) -> str:
        """Of the values."""
        return hashlib.sha256(np.ascontiguousarray(self.values).tobytes()).hexdigest()


def buffers(
    state: Mapping[str, Any],
    optimizer: str,
    count: int,
    parameters: Sequence[Parameter],
    every: Sequence[str],
    groups: Sequence[Sequence[str]],
    step: int,
    label: str,
) -> Buffers | None:
    """Return the buffers that a ``state_dict`` of a torch optimizer holds.

    Parameters
    ----------
    state : mapping
        With ``state`` and ``param_groups``.
    optimizer : str
        One of `NAMES`.
    count : int
        Buffers of torch's that the optimizer here has.
    parameters : sequence of Parameter
        Those that train.
    every : sequence of str
        Names of all parameters of the model, in its order.
    groups : sequence of sequence of str
        Names of the parameters in the groups of the optimizer here, where it has groups.
    step : int
        Updates after which the state was kept.
    label : str
        What messages call it.

    Returns
    -------
    Buffers or None
        None where no parameter has a state yet.

    Raises
    ------
    UsageError
        If it is of another optimizer or of other parameters.
    DataError
        If a number is not finite.
    """
    label = f"{label}: the optimizer's state"
    of = by_name(state, [p.name for p in parameters], every, groups, label)
    if optimizer not in NAMES:
        raise UsageError(
            f"{label} cannot be taken over by {optimizer}; known: {', '.join(NAMES)}; leave it out "
            "to begin afresh"
        )
    names = NAMES[optimizer][:count]
    kept = {p.name: of.get(p.name, {}) for p in parameters}
    kept = {
        name: {key: value for key, value in one.items() if value is not None}
        for name, one in kept.items()
    }
    if not any(kept.values()):
        return None
    for name, one in kept.items():
        odd = [key for key in one if key not in (*names, *_COUNTS)]
        missing = [key for key in names if key not in one] if one else []
        if odd or (missing and optimizer != "sgd"):
            raise UsageError(
                f"{label} of {escaped(name)} has {', '.join(map(str, one))}; {optimizer} as it is "
                f"given here has {', '.join(names) or 'none'}"
            )
    steps = {_steps(one["step"], label) for one in kept.values() if "step" in one}
    if steps and (len(steps) > 1 or any(not one for one in kept.values())):
        raise UsageError(
            f"{label} has parameters after different numbers of steps "
            f"({', '.join(map(str, sorted(steps)))}); nndyn counts them together"
        )
    values = np.zeros((count, sum(p.size for p in parameters)))
    for row, key in zip(values, names, strict=True):
        for p in parameters:
            if key in kept[p.name]:
                row[p.start : p.start + p.size] = _numbers(kept[p.name][key], key, p, label)
    return Buffers(values, step - steps.pop() if steps else 0)


def by_name(
    state: Mapping[str, Any],
    trained: Sequence[str],
    every: Sequence[str],
    groups: Sequence[Sequence[str]],
    label: str,
) -> dict[str, Mapping[str, Any]]:
    """Return the state of each parameter by its name; see `buffers`."""
    kept = state["param_groups"]
    ids = [i for group in kept for i in group["params"]]
    if kept and all("param_names" in group for group in kept):
        names = [str(name) for group in kept for name in group["param_names"]]
    elif groups and [len(group["params"]) for group in kept] == [len(own) for own in groups]:
        names = [name for own in groups for name in own]
    elif len(kept) == 1 and len(ids) in (len(trained), len(every)):
        names = list(trained if len(ids) == len(trained) else every)
    elif len(kept) > 1:
        raise UsageError(
            f"{label} has {len(kept)} groups, and does not say of which parameters; make the "
            "optimizer of model.named_parameters(), or of groups of them: its state has names then"
        )
    else:
        raise UsageError(f"{label} is of {len(ids)} parameters, the model has {len(every)}")
    found = dict(zip(names, (state["state"].get(i, {}) for i in ids), strict=False))
    lacking = [name for name in trained if name not in names]
    if lacking:
        raise UsageError(f"{label} has no parameter {escaped(lacking[0])}, which trains here")
    return found


def _steps(value: Any, label: str) -> int:
    found = value.item() if isinstance(value, torch.Tensor) and value.numel() == 1 else value
    return whole(f"{label}: step", found, 0)


def _numbers(value: Any, key: str, parameter: Parameter, label: str) -> Array:
    name = escaped(parameter.name)
    if not isinstance(value, torch.Tensor) or tuple(value.shape) != parameter.shape:
        shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise UsageError(f"{label}: {key} of {name} has shape {shape}, expected {parameter.shape}")
    found: Array = value.detach().to("cpu", torch.float64).reshape(-1).numpy()
    if not np.isfinite(found).all():
        raise DataError(f"{label}: {key} of {name} has numbers that are not finite")
    return found
