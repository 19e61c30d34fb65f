"""An exponential moving average of the weights beside a training."""

from __future__ import annotations

import math
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
class Averaged(Around):
    """A rule with the average of its weights in the last buffer, which no step depends on.

    After every update of the weights the average is ``decay`` times itself and ``1 - decay`` times
    the weights; after the first it is the weights, as with
    ``torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))``.

    Parameters
    ----------
    decay : float
        In [0, 1).
    since : int
        Updates after which the average was fresh.

    Notes
    -----
    The derivative takes the first step as every other, so that volumes change by the same factor
    there: what was in the buffer before it has no effect on anything.
    """

    decay: float
    since: int = 0

    @property
    def structure(self) -> tuple[str, ...]:
        """That of the rule inside, and that there is an average."""
        return (*self.rule.structure, "ema")

    def fresh(self, weights: Array) -> Array:
        """Return the buffers of the rule inside, and the weights."""
        return np.vstack([self.rule.fresh(weights), weights])

    def begun(self, since: int, average_since: int) -> Averaged:
        """Return the rule whose average was fresh after `average_since` updates."""
        return replace(self, rule=self.rule.begun(since, average_since), since=average_since)

    def coefficients(self, t: int) -> dict[str, Coefficient]:
        """Return those of the rule inside, and what is kept of the average."""
        kept = self.decay if t > self.since else 0.0
        return {**self.rule.coefficients(t), "kept": kept, "1-kept": 1 - kept}

    def step(
        self,
        phase: Tensor,
        gradient: Tensor,
        c: Mapping[str, float | Tensor],
        out: Tensor | None = None,
    ) -> Tensor:
        """Return the phase after a step; see `Optimizer.step`."""
        size = gradient.shape[1]
        new = None if out is None else out[:, :-size]
        after = self.rule.step(phase[:, :-size], gradient, c, new)
        kept, taken = c["kept"] * phase[:, -size:], c["1-kept"] * after[:, :size]
        if out is None:
            return torch.cat([after, kept + taken], 1)
        torch.add(kept, taken, out=out[:, -size:])
        return out

    def log_volume(self, size: int) -> float | None:
        """Return that of the rule inside, to which the average adds ``D ln decay``."""
        found = self.rule.log_volume(size)
        return None if found is None or not self.decay else found + size * math.log(self.decay)

    def preconditioner(self, phase: Tensor, gradient: Tensor, t: int) -> Tensor:
        """Return that of the rule inside."""
        return self.rule.preconditioner(phase, gradient, t)

    def differential(self, t: int, phase: Tensor, gradient: Tensor | None) -> Differential:
        """Return the derivative of the step from time `t`; see `Optimizer.differential`."""
        size = len(phase) // (1 + self.buffers)
        inside = self.rule.differential(t, phase[:-size], gradient)
        second = inside.second

        def averaged(moved: Tensor, kept: Tensor) -> Tensor:
            return torch.cat([moved, kept + (1 - self.decay) * moved[:, :size]], 1)

        def first(deviations: Tensor, hvp: Tensor) -> Tensor:
            moved = inside.first(deviations[:, :-size], hvp)
            kept = self.decay * deviations[:, -size:]
            return averaged(moved, kept) if second is None else torch.cat([moved, kept], 1)

        if second is None:
            return Differential(first)
        return Differential(first, lambda both: averaged(second(both[:, :-size]), both[:, -size:]))
