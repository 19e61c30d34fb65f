"""NAdam: Adam with Nesterov momentum."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from nndyn.systems.training.optimizers.base import Check, Tensor
from nndyn.systems.training.optimizers.differentials import (
    Differential,
    Pushforward,
    root_derivative,
)
from nndyn.systems.training.optimizers.formula import Coefficients, Parts, small
from nndyn.systems.training.optimizers.formulas.adam import Adam, two_fractions

#: Of the exponent in the momentum's warm-up, as in torch.
_DECAY = 0.004
#: Steps after which the product of all momenta is below half the spacing of numbers around 1.
_NEGLIGIBLE = 80


@dataclass(frozen=True)
class NAdam(Adam):
    """NAdam as in ``torch.optim.NAdam``, with both moments in the phase.

    The momentum of the step from ``t`` is ``β₁ (1 - 0.96^(0.004 (t + 1)) / 2)``; the product of all
    so far, which torch keeps as a state, in float32 as a rule, follows from ``t``.

    References
    ----------
    Dozat, 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ.
    """

    takes: ClassVar[Mapping[str, Check]] = {"betas": two_fractions, "eps": small}

    @property
    def volume_factor(self) -> float | None:
        """None: the gradient enters the weights directly, and volumes depend on the loss."""
        return None

    def numbers(self, t: int) -> dict[str, float]:
        """Return what enters `update`; the first step is the one from `since`."""
        found = super().numbers(t)
        rate, (first, _) = self.lr * self.schedule(t), self.betas
        t = self.age(t)
        product = math.prod(_momentum(first, i) for i in range(min(t + 1, _NEGLIGIBLE)))
        ahead = _momentum(first, t + 1)
        return {
            **found,
            "by_mean": rate * ahead / (1 - product * ahead),
            "by_gradient": rate * (1 - _momentum(first, t)) / (1 - product),
        }

    def update(
        self, c: Coefficients, gradient: Tensor, old: Parts, new: Sequence[Tensor | None]
    ) -> Parts:
        """Return weights, first and second moment."""
        g = gradient + c["decay"] * old[0] if self.weight_decay else gradient
        mean = torch.add(c["first"] * old[1], c["1-first"] * g, out=new[1])
        square = torch.add(c["second"] * old[2], c["1-second"] * (g * g), out=new[2])
        root = c["scale"] * torch.sqrt(square) + c["eps"]
        direction = c["by_mean"] * mean + c["by_gradient"] * g
        return torch.sub(old[0], direction / root, out=new[0]), mean, square

    def derivative(
        self, c: Coefficients, gradient_change: Pushforward, gradient: Tensor, buffers: Parts
    ) -> Differential:
        """Return the derivative of a step, as two factors: see `Adam`."""
        mean = c["first"] * buffers[0] + c["1-first"] * gradient
        square = c["second"] * buffers[1] + c["1-second"] * (gradient * gradient)
        root = c["scale"] * torch.sqrt(square) + c["eps"]
        direction = c["by_mean"] * mean + c["by_gradient"] * gradient
        by_mean, by_gradient = -c["by_mean"] / root, -c["by_gradient"] / root
        by_square = direction / (root * root) * c["scale"] * root_derivative(square)
        up_mean, up_square = by_mean.abs().clamp(min=1), by_square.abs().clamp(min=1)

        def first(deviations: Tensor, hvp: Tensor) -> Tensor:
            g = gradient_change(deviations, hvp)
            weights, moment, moved = deviations.chunk(3, 1)
            moment = c["first"] * moment + c["1-first"] * g
            moved = c["second"] * moved + (2 * c["1-second"]) * gradient * g
            return torch.cat([weights + by_gradient * g, up_mean * moment, up_square * moved], 1)

        def second(scaled: Tensor) -> Tensor:
            weights, moment, moved = scaled.chunk(3, 1)
            weights = weights + by_mean / up_mean * moment + by_square / up_square * moved
            return torch.cat([weights, moment / up_mean, moved / up_square], 1)

        return Differential(first, second)


def _momentum(first: float, t: int) -> float:
    """Return the momentum of the step from `t`."""
    return float(first * (1 - 0.5 * 0.96 ** (_DECAY * (t + 1))))
