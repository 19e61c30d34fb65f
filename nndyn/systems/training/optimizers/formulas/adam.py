"""Adam and AdamW.

Adam's derivative is ill-conditioned: the weights follow the second moment with ``lr / g²``. It is
a shear by huge numbers, of which rounding leaves nothing of the small exponents. So it is written
as two factors, each of which is well-conditioned but for the scales of its rows: the first scales
the buffers up by these numbers, the second adds them to the weights and scales them down again.
Volumes are taken after both, and nothing is lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from nndyn.checks import flag
from nndyn.errors import UsageError
from nndyn.systems.training.optimizers.base import Check, Tensor, fraction
from nndyn.systems.training.optimizers.differentials import (
    Differential,
    Pushforward,
    root_derivative,
)
from nndyn.systems.training.optimizers.formula import Coefficients, Formula, Parts, small


def two_fractions(name: str, value: Any) -> tuple[float, float]:
    """Check a pair of decay rates, such as the betas of Adam."""
    if not isinstance(value, (tuple, list, np.ndarray)) or len(value) != 2:
        raise UsageError(f"{name} is {value!r}, expected two numbers in [0, 1)")
    first, second = (fraction(f"one of {name}", one) for one in value)
    return first, second


@dataclass(frozen=True)
class Adam(Formula):
    """Adam as in ``torch.optim.Adam``, with both moments in the phase.

    With `amsgrad` a third buffer has the largest second moment so far, which the step divides by.

    References
    ----------
    Kingma and Ba, 2015, DOI 10.48550/arXiv.1412.6980; AMSGrad: Reddi et al., 2018,
    DOI 10.48550/arXiv.1904.09237.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    amsgrad: bool = False

    takes: ClassVar[Mapping[str, Check]] = {"betas": two_fractions, "eps": small, "amsgrad": flag}
    switches: ClassVar[tuple[str, ...]] = ("amsgrad",)
    shared: ClassVar[tuple[str, ...]] = ("amsgrad",)
    preconditioned: ClassVar[bool] = True

    @property
    def buffers(self) -> int:
        """2, with AMSGrad 3."""
        return 3 if self.amsgrad else 2

    def numbers(self, t: int) -> dict[str, float]:
        """Return what enters `update`; the first step is the one from `since`."""
        first, second = self.betas
        common = super().numbers(t)
        rate, steps = common["rate"], self.age(t) + 1
        return {
            **common,
            "keep": 1 - rate * self.weight_decay,
            "rate": rate / (1 - first**steps),
            "first": first,
            "1-first": 1 - first,
            "second": second,
            "1-second": 1 - second,
            "unbiased": 1 - first**steps,
            "scale": 1 / math.sqrt(1 - second**steps),
            "eps": self.eps,
        }

    def update(
        self, c: Coefficients, gradient: Tensor, old: Parts, new: Sequence[Tensor | None]
    ) -> Parts:
        """Return weights, first and second moment, and with AMSGrad the largest of the latter."""
        weights, g = old[0], gradient
        if self.weight_decay:
            if self.decoupled:
                weights = c["keep"] * weights
            else:
                g = g + c["decay"] * weights
        mean = torch.add(c["first"] * old[1], c["1-first"] * g, out=new[1])
        square = torch.add(c["second"] * old[2], c["1-second"] * (g * g), out=new[2])
        moments = [mean, square]
        if self.amsgrad:
            moments.append(torch.maximum(old[3], square, out=new[3]))
        root = c["scale"] * torch.sqrt(moments[-1]) + c["eps"]
        return torch.sub(weights, c["rate"] * mean / root, out=new[0]), *moments

    @property
    def volume_factor(self) -> float | None:
        """``β₁ β₂``, of AdamW with a constant rate times ``1 - lr decay``; None with AMSGrad."""
        if self.amsgrad or self.kept is None:
            return None
        return self.betas[0] * self.betas[1] * self.kept

    def divisor(self, c: Coefficients, after: Parts) -> Tensor:
        """Return the root of the second moment, both moments with their bias corrected."""
        return (c["scale"] * torch.sqrt(after[-1]) + c["eps"]) * c["unbiased"]

    def derivative(
        self, c: Coefficients, gradient_change: Pushforward, gradient: Tensor, buffers: Parts
    ) -> Differential:
        """Return the derivative of a step; see `Formula.derivative`."""
        mean = c["first"] * buffers[0] + c["1-first"] * gradient
        square = c["second"] * buffers[1] + c["1-second"] * (gradient * gradient)
        largest = torch.maximum(buffers[2], square) if self.amsgrad else square
        root = c["scale"] * torch.sqrt(largest) + c["eps"]
        # the weights follow the new moments by these numbers
        by_mean = -c["rate"] / root
        by_square = c["rate"] * mean / (root * root) * c["scale"] * root_derivative(largest)
        keep = c["keep"] if self.decoupled else 1.0
        up_mean, up_square = by_mean.abs().clamp(min=1), by_square.abs().clamp(min=1)

        def first(deviations: Tensor, hvp: Tensor) -> Tensor:
            g = gradient_change(deviations, hvp)
            weights, moment, moved, *before = deviations.chunk(1 + self.buffers, 1)
            moment = c["first"] * moment + c["1-first"] * g
            moved = c["second"] * moved + (2 * c["1-second"]) * gradient * g
            if not before:
                return torch.cat([weights, up_mean * moment, up_square * moved], 1)
            top = torch.where(square >= largest, moved, before[0])
            return torch.cat([weights, up_mean * moment, moved, up_square * top], 1)

        def second(scaled: Tensor) -> Tensor:
            weights, moment, *moved, top = scaled.chunk(1 + self.buffers, 1)
            weights = keep * weights + by_mean / up_mean * moment + by_square / up_square * top
            return torch.cat([weights, moment / up_mean, *moved, top / up_square], 1)

        return Differential(first, second)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay, as in ``torch.optim.AdamW``: ``w (1 - lr decay)``.

    The rate in it is the scheduled one.

    References
    ----------
    Loshchilov and Hutter, 2019, DOI 10.48550/arXiv.1711.05101.
    """

    decoupled: ClassVar[bool] = True
