"""From the arguments a user gives to an update rule and its entry in the manifest."""

from __future__ import annotations

from typing import Any

import numpy as np

from nndyn.checks import choice, number
from nndyn.errors import UsageError
from nndyn.systems.training.optimizers import schedules
from nndyn.systems.training.optimizers.adam import Adam, AdamW
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.optimizers.nadam import NAdam
from nndyn.systems.training.optimizers.rmsprop import RMSprop
from nndyn.systems.training.optimizers.sgd import SGD

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
    choice("optimizer", optimizer, OPTIMIZERS)
    rate = number("lr", lr, above=0)
    mass = number("momentum", momentum, least=0, below=1)
    if not isinstance(nesterov, (bool, np.bool_)):
        raise UsageError(f"nesterov is {nesterov!r}, expected True or False")
    decay = number("weight_decay", weight_decay, least=0)
    if not isinstance(betas, (tuple, list, np.ndarray)) or len(betas) != 2:
        raise UsageError(f"betas is {betas!r}, expected two numbers in [0, 1)")
    first, second = (number("one of betas", beta, least=0, below=1) for beta in betas)
    smoothing = number("alpha", alpha, least=0, below=1)
    plan = schedules.parse(schedule)
    clip = None if clip_norm is None else number("clip_norm", clip_norm, above=0)

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
        raise UsageError("nesterov needs a momentum above 0; momentum is 0")
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
