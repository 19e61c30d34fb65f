"""Accumulation: the gradients of several batches make one update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from nndyn.numerics.arrays import Array
from nndyn.systems.training.optimizers.base import Coefficient
from nndyn.systems.training.optimizers.composed.around import Around
from nndyn.systems.training.optimizers.differentials import Differential

Tensor = torch.Tensor


@dataclass(frozen=True)
class Accumulated(Around):
    """A rule whose gradient is the mean of those of `count` steps.

    The step from ``t`` adds its gradient over `count` to the last buffer; where ``t + 1`` is a
    multiple of `count` it then updates weights and buffers with the sum, which begins again at 0.
    Clipping is of the sum; schedules and bias corrections count updates.

    Parameters
    ----------
    count : int
        2 or more.

    Notes
    -----
    The sum is emptied: of a full set of tangent vectors D shrink to nothing at every update, and
    no sum of the exponents is finite.
    """

    count: int

    @property
    def every(self) -> int:
        """Steps to an update of the weights."""
        return self.count

    def rate(self, t: int) -> float:
        """Return the learning rate of the update that the step from ``t`` is of."""
        return self.rule.rate(self.updates(t))

    @property
    def structure(self) -> tuple[str, ...]:
        """That of the rule inside, and how many gradients make an update."""
        return (*self.rule.structure, f"accumulate={self.count}")

    def fresh(self, weights: Array) -> Array:
        """Return the buffers of the rule inside, and no sum yet."""
        return np.vstack([self.rule.fresh(weights), np.zeros_like(weights)])

    def begun(self, since: int, average_since: int) -> Accumulated:
        """Return the rule whose buffers were fresh after so many updates."""
        return replace(self, rule=self.rule.begun(since, average_since))

    def coefficients(self, t: int) -> dict[str, Coefficient]:
        """Return those of the update that the step from `t` is of, and whether it makes it."""
        due = float(self._due(t))
        return {**self.rule.coefficients(self.updates(t)), "due": due, "share": 1 / self.count}

    def step(
        self,
        phase: Tensor,
        gradient: Tensor,
        c: Mapping[str, float | Tensor],
        out: Tensor | None = None,
    ) -> Tensor:
        """Return the phase after a step; see `Optimizer.step`."""
        size = gradient.shape[1]
        before, total = phase[:, :-size], phase[:, -size:] + c["share"] * gradient
        if out is None:
            if c["due"]:
                return torch.cat([self.rule.step(before, total, c), torch.zeros_like(total)], 1)
            return torch.cat([before, total], 1)
        if c["due"]:
            self.rule.step(before, total, c, out[:, :-size])
            out[:, -size:] = 0
        else:
            out[:, :-size] = before
            out[:, -size:] = total
        return out

    def log_volume(self, size: int) -> float | None:
        """Return None: every update empties the sum."""
        return None

    def preconditioner(self, phase: Tensor, gradient: Tensor, t: int) -> Tensor:
        """Return that of an update with the mean of the gradients so far."""
        size, seen = len(gradient), t % self.count
        total = phase[size * self.buffers :][:size]
        mean = (total * self.count + gradient) / (seen + 1)
        return self.rule.preconditioner(phase, mean, self.updates(t))

    def differential(self, t: int, phase: Tensor, gradient: Tensor | None) -> Differential:
        """Return the derivative of the step from time `t`; see `Optimizer.differential`."""
        size = len(phase) // (1 + self.buffers)
        if not self._due(t):
            return Differential(
                lambda deviations, hvp: torch.cat(
                    [deviations[:, :-size], deviations[:, -size:] + hvp / self.count], 1
                )
            )
        total = None if gradient is None else phase[-size:] + gradient / self.count
        inside = self.rule.differential(self.updates(t), phase[:-size], total)
        second = inside.second

        def first(deviations: Tensor, hvp: Tensor) -> Tensor:
            moved = deviations[:, -size:] + hvp / self.count
            return _with_none(inside.first(deviations[:, :-size], moved), size)

        if second is None:
            return Differential(first)
        return Differential(first, lambda both: _with_none(second(both[:, :-size]), size))

    def _due(self, t: int) -> bool:
        return (t + 1) % self.count == 0


def _with_none(rows: Tensor, size: int) -> Tensor:
    """Return rows with an empty sum behind them."""
    return torch.cat([rows, rows.new_zeros(len(rows), size)], 1)
