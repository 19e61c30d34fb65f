"""One formula with hyperparameters that differ from weight to weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from nndyn.numerics.arrays import Array
from nndyn.systems.training.optimizers.base import Coefficient, Optimizer, columns
from nndyn.systems.training.optimizers.differentials import Differential
from nndyn.systems.training.optimizers.formula import Formula
from nndyn.systems.training.optimizers.schedules import Schedule

Tensor = torch.Tensor


@dataclass(frozen=True)
class Grouped(Optimizer):
    """Groups of weights, each with a rule of its own kind and its own numbers.

    What is switched on in one group is computed in all: a momentum of 0 leaves a buffer that no
    step depends on, a weight decay of 0 adds 0 times the weights.

    Parameters
    ----------
    rules : tuple of Formula
        Of one kind; the first is the common one, which may be that of no weight.
    layout : tuple of (int, int)
        In the order of the weights, the index of a rule and how many weights have it.

    Notes
    -----
    A step allocates a value a weight of every coefficient in which groups differ.
    """

    rules: tuple[Formula, ...]
    layout: tuple[tuple[int, int], ...]

    @cached_property
    def leader(self) -> Formula:
        """A rule in which all is switched on that is in any group; its numbers are none."""
        first = self.rules[0]
        values = {
            name: next(filter(None, (getattr(rule, name) for rule in self.rules)), None)
            for name in (*first.switches, "weight_decay")
        }
        return replace(first, **{name: v for name, v in values.items() if v is not None})

    @cached_property
    def _places(self) -> dict[torch.device, Tensor]:
        """The group of every weight ``(D,)``, on each device on which it was asked."""
        groups, sizes = zip(*self.layout, strict=True)
        return {torch.device("cpu"): torch.from_numpy(np.repeat(groups, sizes))}

    def _spread(self, c: Mapping[str, float | Tensor]) -> dict[str, float | Tensor]:
        """Return coefficients with a value a weight in the place of those with a value a group."""
        return {
            name: one.index_select(-1, self._group_of(one.device))
            if isinstance(one, Tensor) and one.shape[-1] > 1
            else one
            for name, one in c.items()
        }

    def _group_of(self, device: torch.device) -> Tensor:
        if device not in self._places:
            self._places[device] = self._places[torch.device("cpu")].to(device)
        return self._places[device]

    def _alone(self, t: int, like: Tensor) -> dict[str, float | Tensor]:
        """Return the coefficients of the step from `t`, numbers or ``(D,)``."""
        spread = self._spread(columns(self.coefficients(t), like))
        return {name: one[0] if isinstance(one, Tensor) else one for name, one in spread.items()}

    @property
    def buffers(self) -> int:
        """Number of buffers behind the weights."""
        return self.leader.buffers

    @property
    def own(self) -> int:
        """All buffers."""
        return self.leader.own

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """The groups in the order of the weights, as (group, number of weights)."""
        return self.layout

    @property
    def structure(self) -> tuple[str, ...]:
        """The kind and what is switched on in any group."""
        return (*self.leader.structure, "groups")

    @property
    def schedule(self) -> Schedule:
        """Factor on the learning rates of all groups."""
        return self.leader.schedule

    def rate(self, t: int) -> float:
        """Return the common learning rate of the step from ``t``."""
        return self.rules[0].rate(t)

    @property
    def preconditioned(self) -> bool:
        """Whether the gradient is divided; where it is by the common rate over another, too."""
        return not self.leader.signs

    @property
    def needs_gradient(self) -> bool:
        """Whether the derivative of a step depends on the gradient."""
        return self.leader.needs_gradient

    def fresh(self, weights: Array) -> Array:
        """Return the buffers ``(b, D)`` with which a run from the weights ``(D,)`` begins."""
        return self.leader.fresh(weights)

    def begun(self, since: int, average_since: int) -> Grouped:
        """Return the rule whose buffers were fresh after `since` updates."""
        return replace(self, rules=tuple(rule.begun(since, average_since) for rule in self.rules))

    def coefficients(self, t: int) -> dict[str, Coefficient]:
        """Return the coefficients of the step from ``t``: floats, or one a group."""
        first, *others = [rule.numbers(t) for rule in self.rules]
        return {
            name: value
            if all(other[name] == value for other in others)
            else (value, *(other[name] for other in others))
            for name, value in first.items()
        }

    def step(
        self,
        phase: Tensor,
        gradient: Tensor,
        c: Mapping[str, float | Tensor],
        out: Tensor | None = None,
    ) -> Tensor:
        """Return the phase after a step; see `Optimizer.step`."""
        return self.leader.step(phase, gradient, self._spread(c), out)

    def log_volume(self, size: int) -> float | None:
        """Return the sum over the weights of ln of the factors of their groups."""
        found = [self.rules[group].log_volume(count) for group, count in self.layout]
        known = [one for one in found if one is not None]
        return sum(known) if len(known) == len(found) else None

    def preconditioner(self, phase: Tensor, gradient: Tensor, t: int) -> Tensor:
        """Return what the common rate over the step is to the gradient; see `Optimizer`."""
        found = self.leader.scales(self._alone(t, phase), phase, gradient)
        common = self.rules[0].lr
        return found * self._values([common / rule.lr for rule in self.rules], phase)

    def decay_curvature(self, weights: Tensor) -> Tensor:
        """Return the decay of every weight ``(D,)`` where it is part of the gradient."""
        return self._values([float(rule.decay_curvature(weights)) for rule in self.rules], weights)

    def _values(self, values: list[float], like: Tensor) -> Tensor:
        """Return numbers of the groups as ``(D,)``."""
        given = torch.tensor(values, dtype=like.dtype, device=like.device)
        return given[self._group_of(like.device)]

    def differential(self, t: int, phase: Tensor, gradient: Tensor | None) -> Differential:
        """Return the derivative of the step from time `t`; see `Optimizer.differential`."""
        return self.leader.differential_with(self._alone(t, phase), phase, gradient)
