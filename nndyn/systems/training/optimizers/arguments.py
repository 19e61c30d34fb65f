"""Arguments of the optimizers: from a user's options to an update rule and its description."""

from __future__ import annotations

from functools import partial
from typing import Any

from nndyn.checks import choice, number
from nndyn.errors import UsageError
from nndyn.systems.training.optimizers import schedules
from nndyn.systems.training.optimizers.adam import Adam, AdamW
from nndyn.systems.training.optimizers.base import Check, Optimizer
from nndyn.systems.training.optimizers.nadam import NAdam
from nndyn.systems.training.optimizers.rmsprop import RMSprop
from nndyn.systems.training.optimizers.sgd import SGD

#: Every optimizer, by name.
OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "nadam": NAdam,
}
#: Arguments of every optimizer; what those of one are, and how each is checked, its class says.
COMMON: dict[str, Check] = {
    "lr": partial(number, above=0),
    "weight_decay": partial(number, least=0),
    "schedule": lambda name, spec: schedules.parse(spec),
    "clip_norm": lambda name, norm: None if norm is None else number(name, norm, above=0),
}


def make(optimizer: str = "sgd", *, lr: float, **given: Any) -> tuple[Optimizer, dict[str, Any]]:
    """Return an update rule, all its arguments checked, and what a manifest says of it.

    Parameters
    ----------
    optimizer : {"sgd", "adam", "adamw", "rmsprop", "nadam"}
        As in ``torch.optim``, to rounding.
    lr : float
        Learning rate, > 0.
    **given
        Others, as of `nndyn.Training`: those of `COMMON`, and those that any optimizer takes. One
        of another optimizer may be there at its default.

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
    kind = OPTIMIZERS[optimizer]
    checks = {**COMMON, **kind.takes}
    own: dict[str, Any] = {}
    for name, value in {"lr": lr, **given}.items():
        if name in checks:
            own[name] = checks[name](name, value)
            continue
        other = next(one for one in OPTIMIZERS.values() if name in one.takes)
        if other.takes[name](name, value) != getattr(other, name):
            raise UsageError(_out_of_place(name, optimizer))
    rule = kind(**own)
    described: dict[str, Any] = {"optimizer": str(optimizer), "lr": rule.lr}
    for name in ("momentum", "betas"):
        value = getattr(rule, name, None)
        described[name] = list(value) if isinstance(value, tuple) else value
    for name, value in own.items():
        if name not in described and value != getattr(kind, name):
            described[name] = str(value) if name == "schedule" else value
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
