"""Gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch

from nndyn.checks import flag, number
from nndyn.errors import UsageError
from nndyn.systems.training.optimizers.base import Check, Tensor, fraction
from nndyn.systems.training.optimizers.differentials import Differential, Pushforward
from nndyn.systems.training.optimizers.formula import Coefficients, Formula, Parts


@dataclass(frozen=True)
class SGD(Formula):
    """Gradient descent, with momentum in the form of ``torch.optim.SGD``.

    ``b' = momentum b + (1 - dampening) g``, ``w' = w - lr b'``, with `nesterov`
    ``w' = w - lr (g + momentum b')``. The buffer starts at 0, and is ``g`` after the first step,
    which is not dampened, as in torch. Without momentum a phase has no buffer.
    """

    momentum: float = 0.0
    nesterov: bool = False
    dampening: float = 0.0

    takes: ClassVar[Mapping[str, Check]] = {
        "momentum": fraction,
        "nesterov": flag,
        "dampening": partial(number, least=0, most=1),
    }
    switches: ClassVar[tuple[str, ...]] = ("momentum", "nesterov", "dampening")
    shared: ClassVar[tuple[str, ...]] = ("nesterov",)
    linear: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse Nesterov's form of no momentum, or with dampening."""
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise UsageError("nesterov needs a momentum above 0; momentum is 0")
        if self.nesterov and self.dampening:
            raise UsageError(f"nesterov needs no dampening; dampening is {self.dampening:g}")

    @property
    def buffers(self) -> int:
        """1 with momentum, else 0."""
        return 1 if self.momentum else 0

    def numbers(self, t: int) -> dict[str, float]:
        """Return rate, decay, momentum and what dampening leaves of a gradient."""
        dampened = self.momentum and self.age(t)
        left = 1 - self.dampening if dampened else 1.0
        return {**super().numbers(t), "momentum": self.momentum, "left": left}

    def update(
        self, c: Coefficients, gradient: Tensor, old: Parts, new: Sequence[Tensor | None]
    ) -> Parts:
        """Return weights and, with momentum, velocity."""
        g = gradient + c["decay"] * old[0] if self.weight_decay else gradient
        if not self.momentum:
            return (torch.sub(old[0], c["rate"] * g, out=new[0]),)
        entering = c["left"] * g if self.dampening else g
        velocity = torch.add(c["momentum"] * old[1], entering, out=new[1])
        direction = g + c["momentum"] * velocity if self.nesterov else velocity
        return torch.sub(old[0], c["rate"] * direction, out=new[0]), velocity

    @property
    def volume_factor(self) -> float | None:
        """Momentum, but for Nesterov's."""
        return None if self.nesterov else self.momentum

    def derivative(
        self, c: Coefficients, gradient_change: Pushforward, gradient: Tensor, buffers: Parts
    ) -> Differential:
        """Return the derivative of a step; see `Formula.derivative`."""
        rate, keep, left = c["rate"], c["momentum"], c["left"]

        def first(deviations: Tensor, hvp: Tensor) -> Tensor:
            g = gradient_change(deviations, hvp)
            if not self.momentum:
                return deviations - rate * g
            weights, velocity = deviations.chunk(2, 1)
            velocity = keep * velocity + left * g
            direction = g + keep * velocity if self.nesterov else velocity
            return torch.cat([weights - rate * direction, velocity], 1)

        return Differential(first)
