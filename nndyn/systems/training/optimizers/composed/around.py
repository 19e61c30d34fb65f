"""Rules around another one, with a buffer more."""

from __future__ import annotations

from dataclasses import dataclass

from nndyn.systems.training.optimizers.base import Optimizer, Tensor
from nndyn.systems.training.optimizers.schedules import Schedule


@dataclass(frozen=True)
class Around(Optimizer):
    """What a rule with another inside it passes on; its own buffer is the last of the phase.

    Parameters
    ----------
    rule : Optimizer
    """

    rule: Optimizer

    @property
    def buffers(self) -> int:
        """One more."""
        return self.rule.buffers + 1

    @property
    def own(self) -> int:
        """Those of the rule inside."""
        return self.rule.own

    @property
    def every(self) -> int:
        """Steps to an update of the weights."""
        return self.rule.every

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """The groups in the order of the weights."""
        return self.rule.segments

    @property
    def schedule(self) -> Schedule:
        """Factor on the learning rate."""
        return self.rule.schedule

    def rate(self, t: int) -> float:
        """Return the learning rate of the step from ``t``."""
        return self.rule.rate(t)

    @property
    def preconditioned(self) -> bool:
        """Whether a step divides the gradient."""
        return self.rule.preconditioned

    @property
    def needs_gradient(self) -> bool:
        """Whether the derivative of a step depends on the gradient."""
        return self.rule.needs_gradient

    def decay_curvature(self, weights: Tensor) -> float | Tensor:
        """Return what weight decay adds to the diagonal of the Hessian."""
        return self.rule.decay_curvature(weights)
