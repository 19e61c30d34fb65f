"""Adagrad: rates that fall with the squares of all gradients so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch

from nndyn.checks import number
from nndyn.numerics.arrays import Array
from nndyn.systems.training.optimizers.base import Check, Tensor
from nndyn.systems.training.optimizers.differentials import (
    Differential,
    Pushforward,
    root_derivative,
)
from nndyn.systems.training.optimizers.formula import Coefficients, Formula, Parts, small


@dataclass(frozen=True)
class Adagrad(Formula):
    """Adagrad as in ``torch.optim.Adagrad``; the sum of squares is the buffer.

    It begins with `initial_accumulator_value`; the rate after k steps is
    ``lr / (1 + k lr_decay)``.

    References
    ----------
    Duchi, Hazan and Singer, 2011, https://jmlr.org/papers/v12/duchi11a.html.
    """

    lr_decay: float = 0.0
    initial_accumulator_value: float = 0.0
    eps: float = 1e-10

    buffers: ClassVar[int] = 1
    takes: ClassVar[Mapping[str, Check]] = {
        "lr_decay": partial(number, least=0),
        "initial_accumulator_value": partial(number, least=0),
        "eps": small,
    }
    shared: ClassVar[tuple[str, ...]] = ("initial_accumulator_value",)
    preconditioned: ClassVar[bool] = True

    def fresh(self, weights: Array) -> Array:
        """Return the initial sum."""
        return np.full((1, len(weights)), self.initial_accumulator_value)

    def numbers(self, t: int) -> dict[str, float]:
        """Return what enters `update`."""
        found = super().numbers(t)
        rate = found["rate"] / (1 + self.age(t) * self.lr_decay)
        return {**found, "rate": rate, "eps": self.eps}

    def update(
        self, c: Coefficients, gradient: Tensor, old: Parts, new: Sequence[Tensor | None]
    ) -> Parts:
        """Return weights and sum of squares."""
        g = gradient + c["decay"] * old[0] if self.weight_decay else gradient
        total = torch.add(old[1], g * g, out=new[1])
        return torch.sub(old[0], c["rate"] * g / (torch.sqrt(total) + c["eps"]), out=new[0]), total

    def divisor(self, c: Coefficients, after: Parts) -> Tensor:
        """Return the root of the sum."""
        return torch.sqrt(after[1]) + c["eps"]

    def derivative(
        self, c: Coefficients, gradient_change: Pushforward, gradient: Tensor, buffers: Parts
    ) -> Differential:
        """Return the derivative of a step; see `Formula.derivative`."""
        total = buffers[0] + gradient * gradient
        root = torch.sqrt(total) + c["eps"]
        by_total = gradient / (root * root) * root_derivative(total)
        rate = c["rate"]

        def first(deviations: Tensor, hvp: Tensor) -> Tensor:
            g = gradient_change(deviations, hvp)
            weights, moved = deviations.chunk(2, 1)
            moved = moved + 2 * gradient * g
            return torch.cat([weights - rate * (g / root - by_total * moved), moved], 1)

        return Differential(first)
