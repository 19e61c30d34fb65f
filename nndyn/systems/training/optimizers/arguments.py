"""Arguments of the optimizers: from a user's options to an update rule and its description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from nndyn.checks import choice, number, whole
from nndyn.errors import UsageError
from nndyn.systems.protocol import Parameter
from nndyn.systems.training.optimizers import groups as grouping
from nndyn.systems.training.optimizers import schedules
from nndyn.systems.training.optimizers.base import Check, Optimizer, fraction
from nndyn.systems.training.optimizers.composed.accumulation import Accumulated
from nndyn.systems.training.optimizers.composed.averaging import Averaged
from nndyn.systems.training.optimizers.composed.grouped import Grouped
from nndyn.systems.training.optimizers.formula import Formula
from nndyn.systems.training.optimizers.formulas.adagrad import Adagrad
from nndyn.systems.training.optimizers.formulas.adam import Adam, AdamW
from nndyn.systems.training.optimizers.formulas.lion import Lion
from nndyn.systems.training.optimizers.formulas.nadam import NAdam
from nndyn.systems.training.optimizers.formulas.rmsprop import RMSprop
from nndyn.systems.training.optimizers.formulas.sgd import SGD
from nndyn.systems.training.optimizers.groups import Group
from nndyn.words.names import did_you_mean

#: Every optimizer, by name.
OPTIMIZERS: dict[str, type[Formula]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "nadam": NAdam,
    "adagrad": Adagrad,
    "lion": Lion,
}
#: Arguments of every optimizer that groups may have values of their own of.
OF_WEIGHTS: dict[str, Check] = {
    "lr": partial(number, above=0),
    "weight_decay": partial(number, least=0),
}
#: Those that are of all weights together; what those of one optimizer are, and how each is
#: checked, its class says.
COMMON: dict[str, Check] = {
    "schedule": lambda name, spec: schedules.parse(spec),
    "clip_norm": partial(number, above=0),
    "clip_value": partial(number, above=0),
}
#: Those with a class of their own that is around the rule.
_AROUND = ("accumulate", "ema")


def make(
    optimizer: str = "sgd",
    *,
    lr: float,
    groups: Sequence[Group] = (),
    parameters: Sequence[Parameter] = (),
    accumulate: int = 1,
    ema: float | None = None,
    **given: Any,
) -> tuple[Optimizer, dict[str, Any]]:
    """Return an update rule, all its arguments checked, and what a manifest says of it.

    Parameters
    ----------
    optimizer : {"sgd", "adam", "adamw", "rmsprop", "nadam", "adagrad", "lion"}
        As in ``torch.optim``, to rounding, but for lion, which is not there.
    lr : float
        Learning rate, > 0.
    groups : sequence of Group
        Parameters with options of their own: `lr`, `weight_decay`, and those of the optimizer.
    parameters : sequence of Parameter
        Those that train, in the order of the phase; needed for groups.
    accumulate : int, default 1
        Steps whose gradients make one update.
    ema : float, optional
        Decay of an average of the weights.
    **given
        Others, as of `nndyn.Training`: those of `COMMON`, and those that any optimizer takes. One
        that is None has its default; one of another optimizer may be there at its default.

    Returns
    -------
    Optimizer
    dict
        JSON values: `optimizer`, `lr`, `momentum` and `betas` (None where they do not apply), and
        the others where they are not at their defaults: recordings from before they were known
        lack them, and resume all the same. Of groups what differs from the common values.

    Raises
    ------
    UsageError
        If an argument is wrong or does not apply to the optimizer.
    UnknownNameError
        If the optimizer or a term of the schedule is not known.
    """
    choice("optimizer", optimizer, OPTIMIZERS)
    kind = OPTIMIZERS[optimizer]
    common = _checked(optimizer, {"lr": lr, **given}, {**OF_WEIGHTS, **COMMON, **kind.takes})
    rule: Optimizer = kind(**common)
    described: dict[str, Any] = {"optimizer": str(optimizer), "lr": common["lr"]}
    for name in ("momentum", "betas"):
        value = getattr(rule, name, None)
        described[name] = list(value) if isinstance(value, tuple) else value
    for name, value in common.items():
        if name not in described and value != getattr(kind, name):
            described[name] = str(value) if name == "schedule" else value
    if groups:
        rule, found = _grouped(optimizer, common, groups, parameters)
        described |= {"groups": found} if found else {}
    if ema is not None:
        rule = Averaged(rule, fraction("ema", ema))
        described["ema"] = rule.decay
    if (count := whole("accumulate", accumulate, 1)) > 1:
        rule = Accumulated(rule, count)
        described["accumulate"] = count
    return rule, described


def _checked(
    optimizer: str, given: Mapping[str, Any], checks: Mapping[str, Check]
) -> dict[str, Any]:
    """Return the values of an optimizer's own arguments; one of another is at its default."""
    own: dict[str, Any] = {}
    for name, value in given.items():
        if value is None and name not in ("lr", "schedule"):
            continue
        if name in checks:
            own[name] = checks[name](name, value)
            continue
        others = [one for one in OPTIMIZERS.values() if name in one.takes]
        if all(one.takes[name](name, value) != getattr(one, name) for one in others):
            raise UsageError(_out_of_place(name, optimizer))
    return own


def _grouped(
    optimizer: str,
    common: Mapping[str, Any],
    groups: Sequence[Group],
    parameters: Sequence[Parameter],
) -> tuple[Optimizer, list[dict[str, Any]]]:
    """Return a rule with groups, and what of them differs from the common values."""
    kind = OPTIMIZERS[optimizer]
    rules = [kind(**common)]
    options: list[dict[str, Any]] = []
    for i, group in enumerate(groups):
        found = _options(i, group, optimizer)
        rule = kind(**{**common, **found})
        for name in kind.shared:
            if getattr(rule, name) != getattr(rules[0], name):
                raise UsageError(
                    f"group {i} has {name} {getattr(rule, name)}, the other weights have "
                    f"{getattr(rules[0], name)}; {name} is the same for all"
                )
        rules.append(rule)
        options.append({k: v for k, v in found.items() if v != getattr(rules[0], k)})
    of = grouping.members(groups, parameters)
    # in a group that does not differ weights have the common rule
    places = [0 if i is None or rules[i + 1] == rules[0] else i + 1 for i in of]
    used = sorted(set(places) - {0})
    described = [
        {
            "names": [p.name for p, place in zip(parameters, places, strict=True) if place == i],
            "options": {
                k: list(v) if isinstance(v, tuple) else v for k, v in options[i - 1].items()
            },
        }
        for i in used
    ]
    if not used:
        return rules[0], []
    order = [0, *used]
    sizes = [(order.index(i), p.size) for i, p in zip(places, parameters, strict=True)]
    layout = [
        (i, sum(size for _, size in run)) for i, run in groupby(sizes, key=lambda one: one[0])
    ]
    return Grouped(tuple(rules[i] for i in order), tuple(layout)), described


def _options(i: int, group: Group, optimizer: str) -> dict[str, Any]:
    """Return the checked options of a group."""
    checks = {**OF_WEIGHTS, **OPTIMIZERS[optimizer].takes}
    found: dict[str, Any] = {}
    for name, value in group.options.items():
        if name in COMMON or name in _AROUND:
            raise UsageError(f"group {i} has {name}, which is of all weights together")
        if name not in checks:
            if any(name in kind.takes for kind in OPTIMIZERS.values()):
                raise UsageError(f"group {i}: {_out_of_place(name, optimizer)}")
            raise UsageError(
                f"group {i} has {name!r}, expected some of {', '.join(checks)}"
                f"{did_you_mean(name, checks)}"
            )
        found[name] = checks[name](f"{name} of group {i}", value)
    return found


def _out_of_place(name: str, optimizer: str) -> str:
    """Say of which optimizers an argument is."""
    *most, last = (other for other, kind in OPTIMIZERS.items() if name in kind.takes)
    others = f"{', '.join(most)} and {last}" if most else last
    verb = "apply" if name == "betas" else "applies"
    message = f"{name} {verb} to {others}; the optimizer is {optimizer}"
    if name == "momentum" and "betas" in OPTIMIZERS[optimizer].takes:
        message += ", whose betas are its own"
    return message
