"""Choice between a rule of our own and rows in turn, for an optimizer of torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nndyn.errors import UsageError
from nndyn.systems.training.assembly import Assembled
from nndyn.systems.training.modules.engine import ModuleTask
from nndyn.systems.training.modules.fingerprint import content_digest
from nndyn.systems.training.optimizers import arguments, schedulers
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.optimizers.schedules import Schedule
from nndyn.systems.training.torch_optimizers.forms import Form
from nndyn.systems.training.torch_optimizers.translation import Ours, translated

#: What only chooses how torch computes a step.
_COMPUTING = ("foreach", "fused", "capturable", "differentiable")
#: What every optimizer of torch holds.
_COMMON = {*vars(torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)), "step"}


@dataclass(frozen=True)
class Turns:
    """What rows take turns on.

    Attributes
    ----------
    module : torch.nn.Module
        A copy of the model, the training's own.
    optimizer : torch.optim.Optimizer
        Of its parameters.
    clip_norm : float or None
    reason : str
        Why rows take turns.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    clip_norm: float | None
    reason: str


@dataclass(frozen=True)
class Chosen:
    """An optimizer of a training.

    Attributes
    ----------
    rule : Optimizer or None
        None where rows take turns.
    name : str
        Of the rule, or of its class in torch.
    described : dict
        What a manifest says of it.
    schedule : Schedule
    groups : tuple of tuple of str
        Names of the parameters of its groups, as in torch; empty where there is one of all.
    turns : Turns or None
    """

    rule: Optimizer | None
    name: str
    described: dict[str, Any]
    schedule: Schedule
    groups: tuple[tuple[str, ...], ...] = ()
    turns: Turns | None = None


def named(optimizer: str, *, lr: float | None, schedule: Any, **given: Any) -> Chosen:
    """Return the optimizer of a name; see `nndyn.systems.training.optimizers.arguments.make`.

    Returns
    -------
    Chosen

    Raises
    ------
    UsageError
        If there is no learning rate, or another argument is wrong.
    """
    if lr is None:
        raise UsageError(f"lr is missing; {optimizer} needs a learning rate, such as lr=0.01")
    chosen = schedulers.chosen(schedule, lr)
    rule, described = arguments.make(optimizer, lr=lr, schedule=chosen, **given)
    return Chosen(rule, optimizer, described, rule.schedule)


def assembled_with(
    form: Form,
    assemble: Callable[..., Assembled],
    *,
    schedule: Any,
    clip_norm: float | None,
) -> tuple[Assembled, Chosen]:
    """Assemble a training and make its optimizer on a copy of the model.

    Parameters
    ----------
    form : Form
    assemble : callable
        `nndyn.systems.training.assembly.assembled`, to which ``as_module`` is left to give.
    schedule : str, callable or tuple
        As of `nndyn.Training`.
    clip_norm : float, optional

    Returns
    -------
    Assembled
    Chosen

    Raises
    ------
    UsageError
        If an argument is wrong.

    Warns
    -----
    UserWarning
        If rows take turns.
    """
    made = assemble()
    found = _chosen(form, made.task.network.copied(), made.task.network, schedule, clip_norm)
    if found.turns is not None and not isinstance(made.task, ModuleTask):
        made = assemble(as_module=True)
        found = _chosen(form, made.task.network.copied(), made.task.network, schedule, clip_norm)
    if found.turns is not None:
        warnings.warn(f"{found.turns.reason}; replicas run one after the other", stacklevel=3)
    return made, found


def _chosen(
    form: Form, module: nn.Module, network: Any, schedule: Any, clip_norm: float | None
) -> Chosen:
    optimizer = form.on(module)
    _take_off_schedulers(optimizer, schedule, form.name)
    names = {id(p): n for n, p in reversed(list(module.named_parameters()))}
    groups = tuple(tuple(names[id(p)] for p in g["params"]) for g in optimizer.param_groups)
    ours = translated(optimizer, module)
    if isinstance(ours, Ours):
        options = dict(ours.options)
        lr = options.pop("lr")
        options["schedule"] = schedulers.chosen(schedule, lr, _scheduled(optimizer))
        try:
            if ours.groups:
                options |= {"groups": ours.groups, "parameters": network.parameters}
            rule, described = arguments.make(ours.optimizer, lr=lr, clip_norm=clip_norm, **options)
        except UsageError as error:
            ours = f"optimizer {form.name} is none of nndyn's own: {error}"
        else:
            return Chosen(rule, ours.optimizer, described, rule.schedule, groups)
    clip_norm = arguments.COMMON["clip_norm"]("clip_norm", clip_norm)
    rates = {float(group["lr"]) for group in optimizer.param_groups if "lr" in group}
    lr = rates.pop() if len(rates) == 1 else None
    given = schedulers.chosen(schedule, lr or 1.0, _scheduled(optimizer), alike=False)
    if not all("lr" in group for group in optimizer.param_groups) and str(given) != "constant":
        raise UsageError(
            f"schedule is {given}, and optimizer {form.name} has groups without a learning rate, "
            "which a schedule could set; leave it out"
        )
    turns = Turns(module, optimizer, clip_norm, ours)
    described = {
        "optimizer": type(optimizer).__name__,
        "lr": lr,
        "momentum": None,
        "betas": None,
        **_described(optimizer, groups),
        **({} if clip_norm is None else {"clip_norm": clip_norm}),
        **({} if str(given) == "constant" else {"schedule": str(given)}),
    }
    return Chosen(None, type(optimizer).__name__, described, given, groups, turns)


def _scheduled(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return what a scheduler finds in the groups."""
    return [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]


def _take_off_schedulers(optimizer: torch.optim.Optimizer, schedule: Any, name: str) -> None:
    """Put learning rates back that a scheduler of the user's has begun to change."""
    for group in optimizer.param_groups:
        if "initial_lr" not in group:
            continue
        if schedule == "constant":
            raise UsageError(
                f"optimizer {name} has a scheduler, which is left out here; give what makes it of "
                "an optimizer, by schedule=lambda optimizer: …"
            )
        group["lr"] = group.pop("initial_lr")


def _described(
    optimizer: torch.optim.Optimizer, groups: tuple[tuple[str, ...], ...]
) -> dict[str, Any]:
    """Return what an optimizer of torch is, as JSON values."""
    kind = type(optimizer)
    described: dict[str, Any] = {
        "optimizer_class": f"{kind.__module__}.{kind.__qualname__}",
        "defaults": _hyperparameters(optimizer.defaults),
        "groups": [
            {"parameters": list(names), **_hyperparameters(g)}
            for names, g in zip(groups, optimizer.param_groups, strict=True)
        ],
    }
    own = {k: v for k, v in vars(optimizer).items() if k not in _COMMON}
    if own or kind.__module__.partition(".")[0] != "torch":
        described["optimizer_sha256"] = content_digest([kind, own])
    return described


def _hyperparameters(group: Mapping[str, Any]) -> dict[str, Any]:
    apart = (*_COMPUTING, "params", "param_names")
    return {key: _json(value) for key, value in group.items() if key not in apart}


def _json(value: Any) -> Any:
    """Return a value as JSON has it; of what it has not, a digest."""
    if isinstance(value, Mapping):
        return {str(key): _json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json(one) for one in value]
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    return content_digest(value)
