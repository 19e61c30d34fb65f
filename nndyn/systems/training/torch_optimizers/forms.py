"""Forms in which an optimizer of torch is given: a class, a function of the model, an instance."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import Parameter
from typing import Any

import torch
from torch import nn

from nndyn.checks import number
from nndyn.errors import NndynError, UsageError
from nndyn.options import DEFAULTS
from nndyn.systems.training.torch_state.streams import preserved
from nndyn.words.text import raised

Tensor = torch.Tensor

_FORMS = (
    "expected a name, a class of torch.optim, a function of the model that returns an optimizer, "
    "or an optimizer that has not stepped"
)


@dataclass(frozen=True)
class Form:
    """An optimizer as it was given, and what makes it on a copy of the model.

    Attributes
    ----------
    name : str
        What messages call it.
    lr : float or None
        The learning rate that was given beside it.
    make : callable
        Takes a copy of the model, and returns the optimizer of it.
    """

    name: str
    lr: float | None
    make: Callable[[nn.Module], Any]

    def on(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return the optimizer of a copy of the model.

        Parameters
        ----------
        module : torch.nn.Module

        Returns
        -------
        torch.optim.Optimizer

        Raises
        ------
        UsageError
            If it cannot be made, is no optimizer of the parameters of `module`, all that require a
            gradient, or has a state; if `lr` is given and it has several learning rates.
        NndynError
            What a function of the user's raises of itself.
        """
        try:
            with preserved():
                made = self.make(module)
        except NndynError:
            raise
        except Exception as error:
            cure = "it is called with the model, and takes its parameters()"
            cure = (
                "" if isinstance(self.make, _Made) and is_class(self.make.source) else f"; {cure}"
            )
            raise UsageError(f"optimizer {self.name} raises {raised(error)}{cure}") from error
        if not isinstance(made, torch.optim.Optimizer):
            raise UsageError(
                f"optimizer {self.name} returns an object of type {type(made).__name__}, expected "
                "a torch.optim.Optimizer of the parameters of the model that it is given"
            )
        if isinstance(made, torch.optim.LBFGS):
            raise UsageError(
                "optimizer is LBFGS, whose step evaluates the loss as often as it likes and whose "
                "state grows: it is no map of one update; use another optimizer"
            )
        if not hasattr(made, "_optimizer_step_post_hooks"):
            raise UsageError(
                f"optimizer {self.name} is a {type(made).__name__} that torch has not made; call "
                "super().__init__(params, defaults) where it is made"
            )
        _check_parameters(made, module, self.name)
        _check_fresh(made, self.name, just_made=True)
        self._set_rate(made)
        return made

    def _set_rate(self, made: torch.optim.Optimizer) -> None:
        """Give all groups the learning rate that was given, where they have one in common."""
        rates = sorted({float(group["lr"]) for group in made.param_groups if "lr" in group})
        if self.lr is None or rates == [self.lr] or getattr(self.make, "takes_rate", False):
            return
        if len(rates) != 1:
            raise UsageError(
                f"lr is {self.lr:g}, and optimizer {self.name} has the learning rates "
                f"{', '.join(f'{rate:g}' for rate in rates) or 'of no group'}; leave lr out, or "
                "give a function with a parameter `lr`"
            )
        for group in made.param_groups:
            group["lr"] = self.lr


def read(optimizer: Any, *, lr: Any, model: Any, beside: Mapping[str, Any]) -> Form | None:
    """Return the form of an optimizer that is no name.

    Parameters
    ----------
    optimizer : str, class, callable or torch.optim.Optimizer
    lr : float or None
    model : object
        As of `nndyn.Training`.
    beside : mapping of str to object
        Other hyperparameters, at their defaults where they were not given.

    Returns
    -------
    Form or None
        None for a name.

    Raises
    ------
    UsageError
        If it is none of these, or hyperparameters are given that it brings itself.
    """
    if isinstance(optimizer, str):
        return None
    lr = None if lr is None else number("lr", lr, above=0)
    name = _name(optimizer)
    if isinstance(optimizer, torch.optim.Optimizer):
        make: Callable[[nn.Module], Any] = partial(_rebuilt, optimizer, model)
    elif callable(optimizer):
        make = _Made(optimizer, lr)
    else:
        raise UsageError(f"optimizer is {optimizer!r}, {_FORMS}")
    for other, value in beside.items():
        default = DEFAULTS[other]
        given = value is not None if default is None else bool(value != default)
        if given and not (other == "groups" and value == []):
            cure = f"say it there, as in functools.partial(torch.optim.SGD, {other}={value!r})"
            cure = "make them there" if other == "groups" else cure
            raise UsageError(f"{other} is {value!r}, and optimizer {name} brings its own; {cure}")
    return Form(name, lr, make)


def is_class(source: Any) -> bool:
    """Whether it is a class of optimizers, perhaps with some of its arguments."""
    made = source.func if isinstance(source, partial) else source
    return isinstance(made, type) and issubclass(made, torch.optim.Optimizer)


@dataclass(frozen=True)
class _Made:
    """What calls a class with the parameters that train, or a function with the model."""

    source: Callable[..., Any]
    lr: float | None

    def __call__(self, module: nn.Module) -> Any:
        """Return what it makes."""
        rate = {} if self.lr is None or self._rate is None else {"lr": self.lr}
        if self.lr is None and self._rate is not None and self._rate.default is Parameter.empty:
            raise UsageError(
                f"lr is missing, and optimizer {_name(self.source)} takes one; give it"
            )
        if is_class(self.source):
            return self.source([p for p in module.parameters() if p.requires_grad], **rate)
        try:
            return self.source(module, **rate)
        except TypeError as error:
            raise UsageError(
                f"optimizer {_name(self.source)} raises {raised(error)}; it is called with the "
                "model, and takes its parameters()"
            ) from error

    @property
    def _rate(self) -> Parameter | None:
        """Its parameter ``lr``, if it has one."""
        try:
            return inspect.signature(self.source).parameters.get("lr")
        except (TypeError, ValueError):  # written in another language, which does not say
            return None

    @property
    def takes_rate(self) -> bool:
        """Whether it has a parameter ``lr``."""
        return self._rate is not None


def _rebuilt(given: torch.optim.Optimizer, model: Any, module: nn.Module) -> Any:
    """Return a copy of an optimizer, of the parameters of a copy of its model."""
    kind = type(given).__name__
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"optimizer is a {kind} of parameters of yours, and model is no module whose these "
            "could be; give the class, or a function of the model"
        )
    copies = dict(module.named_parameters(remove_duplicate=False))
    names = {id(p): name for name, p in model.named_parameters(remove_duplicate=False)}
    memo: dict[int, Any] = {}
    for i, group in enumerate(given.param_groups):
        for j, parameter in enumerate(group["params"]):
            if id(parameter) not in names:
                raise UsageError(
                    f"optimizer is a {kind} whose parameter {j} of group {i}, of shape "
                    f"{tuple(parameter.shape)}, is none of the model that is given"
                )
            memo[id(parameter)] = copies[names[id(parameter)]]
    _check_fresh(given, kind, just_made=False)
    made = type(given).__new__(type(given))
    # not copy.deepcopy, for which an optimizer is its defaults, groups and state alone
    own = {k: v for k, v in vars(given).items() if k != "step"}  # which a scheduler has put there
    made.__dict__.update({k: copy.deepcopy(v, memo) for k, v in own.items()})
    for parameter, state in made.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[key] = value.to(parameter)
    return made


def _check_fresh(made: torch.optim.Optimizer, name: str, *, just_made: bool) -> None:
    """Refuse an optimizer that has taken steps: some have a state from their beginning."""
    states = [state for state in made.state.values() if state]
    if just_made:
        states = [state for state in states if isinstance(state, Mapping) and "step" in state]
    if any("step" not in state or float(state["step"]) > 0 for state in states):
        raise UsageError(
            f"optimizer {name} has a state, of steps that it has taken; give a fresh one, and the "
            "state by start={'model': …, 'optimizer': optimizer.state_dict(), 'step': …}"
        )


def _check_parameters(made: torch.optim.Optimizer, module: nn.Module, name: str) -> None:
    """Check that an optimizer has all parameters of a module that train, and no others."""
    names = {id(p): n for n, p in reversed(list(module.named_parameters()))}
    there = [id(p) for group in made.param_groups for p in group["params"]]
    for i, group in enumerate(made.param_groups):
        for j, parameter in enumerate(group["params"]):
            if id(parameter) not in names:
                raise UsageError(
                    f"optimizer {name} trains parameter {j} of its group {i}, of shape "
                    f"{tuple(parameter.shape)}, which is none of the model that it is given; make "
                    "it of the parameters of that one"
                )
    left = [n for n, p in module.named_parameters() if p.requires_grad and id(p) not in there]
    if left:
        more = f" and {len(left) - 1} others" if len(left) > 1 else ""
        raise UsageError(
            f"optimizer {name} leaves out {left[0]}{more}, which requires a gradient; add it to a "
            "group, or freeze it in the model, by requires_grad_(False)"
        )


def _name(source: Any) -> str:
    if isinstance(source, partial):
        return _name(source.func)
    return str(getattr(source, "__name__", type(source).__name__))
