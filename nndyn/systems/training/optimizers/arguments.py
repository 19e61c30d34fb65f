"""From the arguments a user gives to an update rule and its entry in the manifest."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np

from nndyn.errors import UsageError
from nndyn.systems.training.optimizers import schedules
from nndyn.systems.training.optimizers.adam import Adam, AdamW
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.optimizers.nadam import NAdam
from nndyn.systems.training.optimizers.rmsprop import RMSprop
from nndyn.systems.training.optimizers.sgd import SGD
from nndyn.words.names import check_known

#: Every optimizer, by name.
OPTIMIZERS: dict[str, type[Any]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "nadam": NAdam,
}
BETAS = (0.9, 0.999)
ALPHA = 0.99
#: Arguments that some optimizers take.
_DEFAULTS = {"momentum": 0.0, "nesterov": False, "betas": BETAS, "alpha": ALPHA}


def make(
    optimizer: str = "sgd",
    *,
    lr: float,
    momentum: float = 0,
    nesterov: bool = False,
    weight_decay: float = 0,
    betas: tuple[float, float] = BETAS,
    alpha: float = ALPHA,
    schedule: str = "constant",
    clip_norm: float | None = None,
) -> tuple[Optimizer, dict[str, Any]]:
    """Return an update rule, all its arguments checked, and what a manifest says of it.

    Parameters
    ----------
    optimizer : {"sgd", "adam", "adamw", "rmsprop", "nadam"}
        As in ``torch.optim``, to rounding.
    lr : float
        Learning rate, > 0.
    momentum : float, default 0
        Of sgd (without dampening) and rmsprop, in [0, 1).
    nesterov : bool, default False
        Of sgd with momentum.
    weight_decay : float, default 0
        Added to the gradient times the weights; of adamw apart from the gradient. 0 for adamw too,
        where torch has 0.01.
    betas : tuple of two floats, default (0.9, 0.999)
        Of adam, adamw and nadam, each in [0, 1).
    alpha : float, default 0.99
        Smoothing of rmsprop, in [0, 1).
    schedule : str, default "constant"
        See `nndyn.systems.training.optimizers.schedules.parse`.
    clip_norm : float, optional
        Largest l2 norm of the gradient, > 0.

    Returns
    -------
    Optimizer
    dict
        JSON values: `optimizer`, `lr`, `momentum` and `betas` (None where they do not apply), and
        the others where they are not at their defaults: recordings from before they were known
        lack them, and resume all the same.

    Raises
    ------
    UsageError
        If an argument is wrong or does not apply to the optimizer.
    UnknownNameError
        If the optimizer or a term of the schedule is not known.
    """
    check_known("optimizer", optimizer, OPTIMIZERS)
    rate = _positive("lr", lr)
    mass = _fraction("momentum", momentum)
    if not isinstance(nesterov, (bool, np.bool_)):
        raise UsageError(f"nesterov is {nesterov!r}; give True or False")
    decay = number("weight_decay", weight_decay, "a finite number >= 0")
    if not (math.isfinite(decay) and decay >= 0):
        raise UsageError(f"weight_decay is {weight_decay!r}; give a finite number >= 0")
    if not isinstance(betas, (tuple, list, np.ndarray)) or len(betas) != 2:
        raise UsageError(f"betas is {betas!r}; give two numbers in [0, 1)")
    first, second = (number("betas", beta, "two numbers in [0, 1)") for beta in betas)
    if not (0 <= first < 1 and 0 <= second < 1):
        raise UsageError(f"betas is {betas!r}; give two numbers in [0, 1)")
    smoothing = _fraction("alpha", alpha)
    plan = schedules.parse(schedule)
    clip = None if clip_norm is None else _positive("clip_norm", clip_norm)

    kind = OPTIMIZERS[optimizer]
    given = {
        "momentum": mass,
        "nesterov": bool(nesterov),
        "betas": (first, second),
        "alpha": smoothing,
    }
    for name, value in given.items():
        if value != _DEFAULTS[name] and name not in kind.takes:
            raise UsageError(_out_of_place(name, optimizer))
    if nesterov and not mass:
        raise UsageError("nesterov needs a momentum > 0; momentum is 0")
    own = {name: value for name, value in given.items() if name in kind.takes}
    rule = kind(rate, schedule=plan, weight_decay=decay, clip_norm=clip, **own)
    described: dict[str, Any] = {
        "optimizer": str(optimizer),
        "lr": rate,
        "momentum": mass if "momentum" in own else None,
        "betas": [first, second] if "betas" in own else None,
    }
    for name, value, default in (
        ("nesterov", bool(nesterov), False),
        ("weight_decay", decay, 0.0),
        ("alpha", smoothing, ALPHA),
        ("schedule", str(plan), "constant"),
        ("clip_norm", clip, None),
    ):
        if value != default:
            described[name] = value
    return rule, described


def _out_of_place(name: str, optimizer: str) -> str:
    """Say of which optimizers an argument is."""
    *most, last = (other for other, kind in OPTIMIZERS.items() if name in kind.takes)
    others = f"{', '.join(most)} and {last}" if most else last
    verb = "apply" if name == "betas" else "applies"
    message = f"{name} {verb} to {others}; the optimizer is {optimizer}"
    if name == "momentum" and "betas" in OPTIMIZERS[optimizer].takes:
        message += ", whose betas are its own"
    return message


def number(name: str, value: Any, allowed: str) -> float:
    """Return a number given as an argument as a float.

    Parameters
    ----------
    name : str
        Of the argument.
    value : Any
        A number of Python, numpy or torch.
    allowed : str
        What to give instead, for the message.

    Returns
    -------
    float
        Possibly not finite.

    Raises
    ------
    UsageError
        If `value` is not one real number; strings and bools are none.
    """
    refused = (str, bytes, bool, np.bool_, np.complexfloating)
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        if not isinstance(value, refused) and np.ndim(value) == 0:
            return float(value)
    raise UsageError(f"{name} is {value!r}; give {allowed}")


def _positive(name: str, value: Any) -> float:
    found = number(name, value, "a finite number > 0")
    if not (math.isfinite(found) and found > 0):
        raise UsageError(f"{name} is {value!r}; give a finite number > 0")
    return found


def _fraction(name: str, value: Any) -> float:
    found = number(name, value, "a number in [0, 1)")
    if not 0 <= found < 1:
        raise UsageError(f"{name} is {value!r}; give a number in [0, 1)")
    return found
