"""Choice between a rule of our own and rows in turn, for an optimizer of torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import nn

from nndyn.errors import UnknownNameError, UsageError
from nndyn.systems.training.assembly import Assembled
from nndyn.systems.training.modules.engine import ModuleTask
from nndyn.systems.training.modules.fingerprint import content_digest
from nndyn.systems.training.modules.module import Module
from nndyn.systems.training.modules.trial import without_gradient
from nndyn.systems.training.optimizers import arguments, schedulers
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.optimizers.groups import listed
from nndyn.systems.training.optimizers.schedules import Schedule
from nndyn.systems.training.protocol import Network
from nndyn.systems.training.torch_optimizers import forms
from nndyn.systems.training.torch_optimizers.forms import Form
from nndyn.systems.training.torch_optimizers.step import Clip
from nndyn.systems.training.torch_optimizers.translation import Ours, translated

#: Optimizers of torch without a rule here.
_IN_TURN = ("Adadelta", "Adafactor", "Adamax", "ASGD", "Muon", "RAdam", "Rprop", "SparseAdam")
#: What only chooses how torch computes a step.
_COMPUTING = ("foreach", "fused", "capturable", "differentiable")


@dataclass(frozen=True)
class Turns:
    """What rows take turns on.

    Attributes
    ----------
    module : torch.nn.Module
        A copy of the model, the training's own.
    optimizer : torch.optim.Optimizer
        Of its parameters.
    clip : callable or None
        Clips the gradients of parameters.
    reason : str
        Why rows take turns.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    clip: Clip | None
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


def of(
    optimizer: Any, model: Any, *, own: Mapping[str, Any], lr: Any, **common: Any
) -> Callable[[Callable[..., Assembled]], tuple[Assembled, Chosen]]:
    """Check the optimizer of a training as far as it can be without a model.

    Parameters
    ----------
    optimizer, model, lr
        As of `nndyn.Training`.
    own : mapping of str to object
        Hyperparameters that only optimizers by name take.
    **common
        Others, and the schedule.

    Returns
    -------
    callable
        Takes `nndyn.systems.training.assembly.assembled`, of which ``as_module`` is left to give;
        returns what that makes, and the optimizer as `Chosen`. It raises UsageError if that cannot
        be made of the model, and warns if its rows take turns.

    Raises
    ------
    UsageError
        If an argument is wrong.
    UnknownNameError
        If the optimizer is a name of torch's that is none here.
    """
    form = forms.read(optimizer, lr=lr, model=model, beside=own)
    if form is not None:
        plain = {name: value for name, value in common.items() if name != "schedule"}
        arguments.make(lr=1.0, **plain)
        return partial(_given, form, **common)
    kinds = {kind.lower(): kind for kind in _IN_TURN}
    if optimizer in kinds:
        raise UnknownNameError(
            f"optimizer {optimizer!r} is no name here; give the class, "
            f"optimizer=torch.optim.{kinds[optimizer]}, which steps for each row itself"
        )
    if lr is None:
        raise UsageError(f"lr is missing; {optimizer} needs a learning rate, such as lr=0.01")
    groups, options = listed(own["groups"]), {k: v for k, v in own.items() if k != "groups"}
    schedule = schedulers.chosen(common.pop("schedule"), lr)
    make = partial(arguments.make, optimizer, lr=lr, schedule=schedule, **common, **options)
    make()  # what is wrong is said before data are read
    decays = any(one.get("weight_decay") for one in (own, *(group.options for group in groups)))
    return partial(_named, optimizer, partial(make, groups=groups), decays)


def _named(
    optimizer: str, make: Callable[..., Any], decays: bool, assemble: Callable[..., Assembled]
) -> tuple[Assembled, Chosen]:
    made = assemble()
    network = made.task.network
    rule, described = make(parameters=network.parameters)
    if decays and (unused := _without_gradient(network)):
        warnings.warn(
            f"{unused[0]} has no gradient, and weight decay moves it all the same, as torch's does "
            "not; freeze it in the model, by requires_grad_(False)",
            stacklevel=3,
        )
    return made, Chosen(rule, optimizer, described, rule.schedule)


def _without_gradient(network: Network) -> list[str]:
    """Return the parameters that train and that no loss depends on."""
    if not isinstance(network, Module):
        return []
    return without_gradient(network.module, network.trial, network.criterion)


def _given(
    form: Form, assemble: Callable[..., Assembled], **common: Any
) -> tuple[Assembled, Chosen]:
    made = assemble()
    found = _chosen(form, made.task.network, **common)
    if found.turns is not None and not isinstance(made.task, ModuleTask):
        made = assemble(as_module=True)
        found = _chosen(form, made.task.network, **common)
    if found.turns is not None:
        warnings.warn(f"{found.turns.reason}; replicas run one after the other", stacklevel=3)
    return made, found


def _chosen(form: Form, network: Network, *, schedule: Any, **common: Any) -> Chosen:
    """Make an optimizer of a copy of the model, and translate it where it has a rule here."""
    module = network.copied()
    optimizer = form.on(module)
    _take_off_schedulers(optimizer, schedule, form.name)
    names = {id(p): n for n, p in reversed(list(module.named_parameters()))}
    groups = tuple(tuple(names[id(p)] for p in g["params"]) for g in optimizer.param_groups)
    ours = translated(optimizer, module)
    if isinstance(ours, Ours) and not _is_common(schedule, optimizer):
        ours = "the schedule gives groups of parameters factors of their own"
    decays = {
        name
        for members, group in zip(groups, optimizer.param_groups, strict=True)
        for name in members
        if group.get("weight_decay")
    }
    if isinstance(ours, Ours) and decays:
        idle = [name for name in _without_gradient(network) if name in decays]
        ours = f"{idle[0]} has no gradient, and {form.name} does not move it" if idle else ours
    if isinstance(ours, Ours):
        try:
            chosen = schedulers.chosen(schedule, ours.options["lr"], _scheduled(optimizer))
            rule, described = arguments.make(
                ours.optimizer,
                **ours.options,
                groups=ours.groups,
                parameters=network.parameters,
                schedule=chosen,
                **common,
            )
        except UsageError as error:
            ours = f"optimizer {form.name} is none of nndyn's own: {error}"
        else:
            return Chosen(rule, ours.optimizer, described, chosen, groups)
    clip, clipping = _clip(form.name, **common)
    rates = {float(group["lr"]) for group in optimizer.param_groups if "lr" in group}
    lr = rates.pop() if len(rates) == 1 else None
    chosen = schedulers.chosen(schedule, lr or 1.0, _scheduled(optimizer), alike=False)
    if not all("lr" in group for group in optimizer.param_groups) and str(chosen) != "constant":
        raise UsageError(
            f"schedule is {chosen}, and optimizer {form.name} has groups without a learning rate, "
            "which a schedule could set; leave it out"
        )
    described = {
        "optimizer": type(optimizer).__name__,
        "lr": lr,
        "momentum": None,
        "betas": None,
        **_described(optimizer, groups),
        **clipping,
        **({} if str(chosen) == "constant" else {"schedule": str(chosen)}),
    }
    turns = Turns(module, optimizer, clip, ours)
    return Chosen(None, type(optimizer).__name__, described, chosen, groups, turns)


def _clip(
    name: str,
    *,
    clip_norm: float | None,
    clip_value: float | None,
    accumulate: int,
    ema: float | None,
) -> tuple[Clip | None, dict[str, float]]:
    """Return what clips gradients as in a plain loop, and what is said of it."""
    for what, value, default in (("accumulate", accumulate, 1), ("ema", ema, None)):
        if value != default:
            raise UsageError(
                f"{what} is {value}, and optimizer {name}, which steps for each row itself, does "
                "not take it; leave it out, or take nndyn.Loop"
            )
    if clip_norm is not None and clip_value is not None:
        raise UsageError("clip_norm and clip_value are both given; give one")
    checks = arguments.COMMON
    if clip_norm is not None:
        norm = checks["clip_norm"]("clip_norm", clip_norm)
        return partial(nn.utils.clip_grad_norm_, max_norm=norm), {"clip_norm": norm}
    if clip_value is not None:
        most = checks["clip_value"]("clip_value", clip_value)
        return partial(nn.utils.clip_grad_value_, clip_value=most), {"clip_value": most}
    return None, {}


def _is_common(schedule: Any, optimizer: torch.optim.Optimizer) -> bool:
    """Whether a schedule has the same factors for all groups, as a rule of our own has."""
    found = _scheduled(optimizer)
    lrs = [float(group["lr"]) for group in found]
    return schedulers.chosen(schedule, lrs[0] or 1.0, found, alike=False).is_common(lrs)


def _scheduled(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return what a scheduler finds in the groups."""
    return [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]


def _take_off_schedulers(optimizer: torch.optim.Optimizer, schedule: Any, name: str) -> None:
    """Put learning rates back that a scheduler of the user's has begun to change."""
    for group in optimizer.param_groups:
        if "initial_lr" not in group:
            continue
        if "max_momentum" in group:
            raise UsageError(
                f"optimizer {name} has a scheduler that has begun to cycle its momentum; give what "
                "makes an optimizer, a function of the model"
            )
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
            {"names": list(names), "options": _hyperparameters(g)}
            for names, g in zip(groups, optimizer.param_groups, strict=True)
        ],
    }
    own = {k: v for k, v in vars(optimizer).items() if k not in _common()}
    if own or kind.__module__.partition(".")[0] != "torch":
        described["optimizer_sha256"] = content_digest([kind, own])
    return described


@cache
def _common() -> set[str]:
    """Return what every optimizer of torch holds."""
    # not on import: the first one that is made has torch import its compiler, for seconds
    return {*vars(torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)), "step"}


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
