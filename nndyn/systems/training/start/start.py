"""Start: the weights, the optimizer and the step with which a training goes on."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.protocol import Parameter
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.start import optimizer_state
from nndyn.systems.training.start.optimizer_state import Buffers
from nndyn.words.text import escaped, raised

#: Names in a message.
_SHOWN = 4
#: Options by which a rule has other buffers.
SHAPING = ("amsgrad", "ema", "accumulate")
#: What wrappers of a module put before the names of its weights.
_WRAPPED = ("module.", "_orig_mod.", "model.")


@dataclass(frozen=True, eq=False)
class Start:
    """Where a training begins.

    Attributes
    ----------
    weights : dict of str to torch.Tensor
        As of ``Module.state_dict()``.
    step : int
        Steps taken before.
    label : str
        What messages call it.
    optimizer : mapping, optional
        As of ``Optimizer.state_dict()``.
    recorded : Buffers, optional
        Of a recording, as nndyn's optimizer has them.
    rule : str
        Name of the optimizer that a recording had.
    shape : tuple of str
        What else decides what its buffers are; see `shape_of`.
    partial : bool
        Whether there may be less than the whole state: a recording has what changes.
    files : tuple of Path
        That it was read from.
    """

    weights: Mapping[str, torch.Tensor]
    step: int
    label: str
    optimizer: Mapping[str, Any] | None = None
    recorded: Buffers | None = None
    rule: str = ""
    shape: tuple[str, ...] = ()
    partial: bool = False
    files: tuple[Path, ...] = ()

    def load(self, module: nn.Module) -> None:
        """Give `module`, which is in double precision, these weights.

        Raises
        ------
        UsageError
            If names or shapes are others.
        DataError
            If a number is not finite.
        """
        own = {k: v for k, v in module.state_dict().items() if isinstance(v, torch.Tensor)}
        given = self._named(own)
        trained = [name for name, weight in module.named_parameters() if weight.requires_grad]
        there = {_place(own[name]) for name in given if name in own}  # tied ones may be there once
        lacking = [name for name in own if name not in given and _place(own[name]) not in there]
        if self.partial:
            lacking = [name for name in lacking if name in trained]
        for what, names in (
            ("lacks", lacking),
            ("has, and the model has not,", [name for name in given if name not in own]),
        ):
            if names:
                raise UsageError(
                    f"{self.label} {what} {_some(names)}; it has {_some(list(self.weights))}, the "
                    f"model {_some(list(own))}"
                )
        for name, value in given.items():
            if value.shape != own[name].shape:
                raise UsageError(
                    f"{self.label}: {escaped(name)} has shape {tuple(value.shape)}, "
                    f"{tuple(own[name].shape)} in the model"
                )
            if value.is_floating_point() and bool(torch.isnan(value).any()):
                raise DataError(f"{self.label}: {escaped(name)} has numbers that are not finite")
        with torch.no_grad():
            for name, value in given.items():
                own[name].copy_(value)

    def _named(self, own: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """Return the weights without what a wrapper put before their names."""
        given = dict(self.weights)
        for prefix in _WRAPPED:
            if given.keys() & own.keys() or not all(name.startswith(prefix) for name in given):
                continue
            given = {name.removeprefix(prefix): value for name, value in given.items()}
        return given

    def buffers(
        self,
        rule: Optimizer,
        name: str,
        parameters: Sequence[Parameter],
        every: Sequence[str],
        initial: Array,
        groups: Sequence[Sequence[str]] = (),
    ) -> Buffers:
        """Return the buffers of an optimizer, fresh ones where there is no state of one.

        Parameters
        ----------
        rule : Optimizer
        name : str
            What users call it.
        parameters : sequence of Parameter
            Those that train.
        every : sequence of str
            Names of all parameters of the model, frozen ones too, in its order.
        initial : (D,)
            The weights.
        groups : sequence of sequence of str
            Names of the parameters in the groups of the optimizer here, where it has groups.

        Returns
        -------
        Buffers
            An average of the weights and a sum of gradients are fresh, but for a recording's.

        Raises
        ------
        UsageError
            If the state is of another optimizer or of other parameters.

        Warns
        -----
        UserWarning
            If there is no state.
        """
        if self.recorded is not None:
            there = self.rule, len(self.recorded.values), set(self.shape)
            if there != (name, rule.buffers, set(shape_of(rule.structure))):
                raise UsageError(
                    f"{self.label} was recorded with {', '.join((self.rule, *self.shape))} and "
                    f"{len(self.recorded.values)} buffers, "
                    f"{', '.join((name, *shape_of(rule.structure)))} here has {rule.buffers}; give "
                    "the weights alone, by a dict with model and step, to begin with fresh ones"
                )
            return self.recorded
        if self.step % rule.every:
            raise UsageError(
                f"{self.label} is of step {self.step}, and an update is of {rule.every} steps "
                "(accumulate): it lacks the sum of the gradients since the last update; begin at a "
                f"multiple of {rule.every}"
            )
        updates = rule.updates(self.step)
        values = rule.fresh(initial)
        found = None
        if self.optimizer is not None:
            found = optimizer_state.buffers(
                self.optimizer, name, rule.own, parameters, every, groups, updates, self.label
            )
        if found is not None:
            values[: rule.own] = found.values
            return Buffers(values, found.since, updates)
        if rule.own:
            self._warn_of_fresh(name)
        return Buffers(values, updates, updates)

    def give(
        self,
        optimizer: torch.optim.Optimizer,
        groups: Sequence[Sequence[str]],
        every: Sequence[str],
    ) -> None:
        """Give an optimizer of torch its state.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer
            Keeps its own hyperparameters.
        groups : sequence of sequence of str
            Names of the parameters in its groups.
        every : sequence of str
            Names of all parameters of the model, in its order.

        Raises
        ------
        UsageError
            If the state is of another optimizer, of other parameters, or in a recording.

        Warns
        -----
        UserWarning
            If there is no state.
        """
        name = type(optimizer).__name__
        if self.recorded is not None:
            raise UsageError(
                f"{self.label} was recorded with {self.rule}, whose state is none of {name}; give "
                "the weights alone, by a dict with model and step, to begin with a fresh one"
            )
        if self.optimizer is None:
            self._warn_of_fresh(name)
            return
        where = f"{self.label}: the optimizer's state"
        trained = [one for group in groups for one in group]
        found = optimizer_state.by_name(self.optimizer, trained, every, groups, where)
        own = optimizer.state_dict()
        ids = [i for group in own["param_groups"] for i in group["params"]]
        state = {i: found[one] for i, one in zip(ids, trained, strict=True) if found.get(one)}
        counted, before = _counted(optimizer), self.optimizer["param_groups"]
        if len(before) == len(own["param_groups"]):
            for group, old in zip(own["param_groups"], before, strict=True):
                group.update({key: value for key, value in old.items() if key in counted})
        try:
            optimizer.load_state_dict({**own, "state": copy.deepcopy(state)})
        except Exception as error:
            raise UsageError(f"{where} is not one of {name}: {raised(error)}") from error

    def _warn_of_fresh(self, name: str) -> None:
        warnings.warn(
            f"{self.label} has no state of the optimizer: {name} begins afresh at step "
            f"{self.step}, with fresh buffers",
            stacklevel=5,
        )

    def describe(self, rule: Optimizer, buffers: Buffers) -> dict[str, Any]:
        """Return what a recording keeps and compares, beside the hash of the weights."""
        found = {"step": self.step, "since": buffers.since, "buffers_sha256": buffers.digest}
        averages = "ema" in rule.structure
        return found | ({"average_since": buffers.average_since} if averages else {})


def _counted(optimizer: torch.optim.Optimizer) -> set[str]:
    """Return what a user's optimizer keeps in its groups that it was not made with."""
    if type(optimizer).__module__.partition(".")[0] == "torch":
        return set()
    arguments = inspect.signature(type(optimizer)).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in arguments):
        return set()
    kept = {key for group in optimizer.param_groups for key in group}
    return kept - {one.name for one in arguments} - {"params", "param_names"}


def shape_of(structure: Sequence[str]) -> tuple[str, ...]:
    """Return what of the structure of a rule decides what its buffers are, beside its name."""
    return tuple(one for one in structure if one.partition("=")[0] in SHAPING)


def _place(value: torch.Tensor) -> tuple[int, torch.Size]:
    return (value.data_ptr() or id(value)), value.shape


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} others" if len(names) > _SHOWN else ""
    return ", ".join(map(escaped, names[:_SHOWN])) + more
