"""Translation of an optimizer of torch into the rule that is ours, where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nndyn.systems.training.optimizers.arguments import OF_WEIGHTS, OPTIMIZERS
from nndyn.systems.training.optimizers.groups import Group

#: The names of torch's optimizers here.
NAMES: dict[type[torch.optim.Optimizer], str] = {
    torch.optim.SGD: "sgd",
    torch.optim.Adam: "adam",
    torch.optim.AdamW: "adamw",
    torch.optim.RMSprop: "rmsprop",
    torch.optim.Adagrad: "adagrad",
}
#: What the rules here do as torch does by default, unless they take it as an argument.
_DEFAULTS: dict[str, Any] = {
    "maximize": False,
    "centered": False,
    "momentum_decay": 4e-3,
}
#: Hooks that may do anything.
_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")


@dataclass(frozen=True)
class Ours:
    """Arguments of `nndyn.systems.training.optimizers.arguments.make`."""

    optimizer: str
    options: dict[str, Any]
    groups: tuple[Group, ...]


def translated(made: torch.optim.Optimizer, module: nn.Module) -> Ours | str:
    """Return what an optimizer is here, or why it is none of the optimizers here.

    Parameters
    ----------
    made : torch.optim.Optimizer
    module : torch.nn.Module
        Whose parameters it trains.

    Returns
    -------
    Ours or str
    """
    kind = type(made)
    name = NAMES.get(kind, "")
    label = kind.__name__
    if kind is torch.optim.NAdam:
        return "optimizer NAdam keeps in float32 what `nadam`, by name, computes in float64"
    if name not in OPTIMIZERS:
        return f"optimizer {label} is none of nndyn's own"
    if any(getattr(made, hooks, None) for hooks in _HOOKS):
        return f"optimizer {label} has hooks"
    decoupled = {bool(g.get("decoupled_weight_decay", name == "adamw")) for g in made.param_groups}
    if name == "adam" and decoupled == {True}:
        name = "adamw"
    if decoupled != {name == "adamw"}:
        return f"optimizer {label} has a decoupled weight decay"
    takes = {**OF_WEIGHTS, **OPTIMIZERS[name].takes}
    names = {id(p): n for n, p in reversed(list(module.named_parameters())) if p.requires_grad}
    each: list[tuple[tuple[str, ...], dict[str, Any]]] = []
    for group in made.param_groups:
        found: dict[str, Any] = {}
        for key, value in group.items():
            if key in takes:
                found[key] = float(value) if isinstance(value, torch.Tensor) else value
            elif key in _DEFAULTS and value != _DEFAULTS[key]:
                return f"optimizer {label} has {key}={value}, which nndyn's own has not"
        if members := tuple(names[id(p)] for p in group["params"] if id(p) in names):
            each.append((members, found))
    (_, common), *others = each
    groups = tuple(
        Group(members, other)
        for members, options in others
        if (other := {key: value for key, value in options.items() if value != common[key]})
    )
    return Ours(name, common, groups)
