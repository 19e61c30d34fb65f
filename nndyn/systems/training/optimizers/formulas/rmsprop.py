"""RMSprop, not centered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from nndyn.systems.training.optimizers.base import Check, Tensor, fraction
from nndyn.systems.training.optimizers.differentials import (
    Differential,
    Pushforward,
    root_derivative,
)
from nndyn.systems.training.optimizers.formula import Coefficients, Formula, Parts, small


@dataclass(frozen=True)
class RMSprop(Formula):
    """RMSprop as in ``torch.optim.RMSprop``, not centered; the mean square is the first buffer."""

    momentum: float = 0.0
    alpha: float = 0.99
    eps: float = 1e-8

    takes: ClassVar[Mapping[str, Check]] = {
        "momentum": fraction,
        "alpha": fraction,
        "eps": small,
    }
    switches: ClassVar[tuple[str, ...]] = ("momentum",)
    preconditioned: ClassVar[bool] = True

    @property
    def buffers(self) -> int:
        """2 with momentum, else 1."""
        return 2 if self.momentum else 1

    def numbers(self, t: int) -> dict[str, float]:
        """Return what enters `update`."""
        return {
            **super().numbers(t),
            "momentum": self.momentum,
            "alpha": self.alpha,
            "1-alpha": 1 - self.alpha,
            "eps": self.eps,
        }

    def update(
        self, c: Coefficients, gradient: Tensor, old: Parts, new: Sequence[Tensor | None]
    ) -> Parts:
        """Return weights, mean square and, with momentum, velocity."""
        g = gradient + c["decay"] * old[0] if self.weight_decay else gradient
        square = torch.add(c["alpha"] * old[1], c["1-alpha"] * (g * g), out=new[1])
        direction = g / (torch.sqrt(square) + c["eps"])
        if not self.momentum:
            return torch.sub(old[0], c["rate"] * direction, out=new[0]), square
        velocity = torch.add(c["momentum"] * old[2], direction, out=new[2])
        return torch.sub(old[0], c["rate"] * velocity, out=new[0]), square, velocity

    def divisor(self, c: Coefficients, after: Parts) -> Tensor:
        """Return the root of the mean square."""
        return torch.sqrt(after[1]) + c["eps"]

    def derivative(
        self, c: Coefficients, gradient_change: Pushforward, gradient: Tensor, buffers: Parts
    ) -> Differential:
        """Return the derivative of a step; see `Formula.derivative`."""
        square = c["alpha"] * buffers[0] + c["1-alpha"] * (gradient * gradient)
        root = torch.sqrt(square) + c["eps"]
        by_square = gradient / (root * root) * root_derivative(square)
        rate, keep = c["rate"], c["momentum"]

        def first(deviations: Tensor, hvp: Tensor) -> Tensor:
            g = gradient_change(deviations, hvp)
            weights, moved, *rest = deviations.chunk(1 + self.buffers, 1)
            moved = c["alpha"] * moved + (2 * c["1-alpha"]) * gradient * g
            direction = g / root - by_square * moved
            if not rest:
                return torch.cat([weights - rate * direction, moved], 1)
            velocity = keep * rest[0] + direction
            return torch.cat([weights - rate * velocity, moved, velocity], 1)

        return Differential(first)
