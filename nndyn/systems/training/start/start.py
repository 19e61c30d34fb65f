"""Start: the weights, the optimizer and the step with which a training goes on."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nndyn.errors import DataError, UsageError
from nndyn.systems.protocol import Parameter
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.start import optimizer_state
from nndyn.systems.training.start.optimizer_state import Buffers
from nndyn.words.text import escaped, raised

#: Names in a message.
_SHOWN = 4
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
        groups: Sequence[Sequence[str]] = (),
    ) -> Buffers:
        """Return the buffers of an optimizer, zeros where there is no state of one.

        Parameters
        ----------
        rule : Optimizer
        name : str
            What users call it.
        parameters : sequence of Parameter
            Those that train.
        every : sequence of str
            Names of all parameters of the model, frozen ones too, in its order.
        groups : sequence of sequence of str
            Names of the parameters in the groups of the optimizer here, where it has groups.

        Returns
        -------
        Buffers

        Raises
        ------
        UsageError
            If the state is of another optimizer or of other parameters.

        Warns
        -----
        UserWarning
            If there is no state.
        """
        size = sum(parameter.size for parameter in parameters)
        if self.recorded is not None:
            if self.rule != name or len(self.recorded.values) != rule.buffers:
                raise UsageError(
                    f"{self.label} was recorded with {self.rule} and {len(self.recorded.values)} "
                    f"buffers, {name} here has {rule.buffers}; give the weights alone, by a dict "
                    "with model and step, to begin with fresh ones"
                )
            return self.recorded
        found = None
        if self.optimizer is not None:
            found = optimizer_state.buffers(
                self.optimizer, name, rule.buffers, parameters, every, groups, self.step, self.label
            )
        if found is not None:
            return found
        if rule.buffers:
            self._warn_of_fresh(name)
        return Buffers(np.zeros((rule.buffers, size)), self.step)

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
                f"{self.label} was recorded with {self.rule}, and {name} takes no state of a "
                "recording; give the weights alone, by a dict with model and step, to begin with a "
                "fresh one"
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
        try:
            optimizer.load_state_dict({**own, "state": copy.deepcopy(state)})
        except Exception as error:
            raise UsageError(f"{where} is not one of {name}: {raised(error)}") from error

    def _warn_of_fresh(self, name: str) -> None:
        warnings.warn(
            f"{self.label} has no state of the optimizer: {name} begins afresh at step "
            f"{self.step}, with buffers of 0",
            stacklevel=5,
        )

    def describe(self, buffers: Buffers) -> dict[str, Any]:
        """Return what a recording keeps and compares, beside the hash of the weights."""
        return {"step": self.step, "since": buffers.since, "buffers_sha256": buffers.digest}


def _place(value: torch.Tensor) -> tuple[int, torch.Size]:
    return (value.data_ptr() or id(value)), value.shape


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} others" if len(names) > _SHOWN else ""
    return ", ".join(map(escaped, names[:_SHOWN])) + more
