"""Gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from nndyn.checks import flag
from nndyn.errors import UsageError
from nndyn.systems.training.optimizers.base import Check, Optimizer, Parts, Tensor, fraction
from nndyn.systems.training.optimizers.differentials import Differential, Pushforward


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, with momentum in the form of ``torch.optim.SGD`` (no dampening).

    ``b' = momentum b + g``, ``w' = w - lr b'``, with `nesterov` ``w' = w - lr (g + momentum b')``.
    The buffer starts at 0, hence is ``g`` after the first step, as in torch. Without momentum a
    phase has no buffer.
    """

    momentum: float = 0.0
    nesterov: bool = False

    takes: ClassVar[Mapping[str, Check]] = {"momentum": fraction, "nesterov": flag}
    linear: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse Nesterov's form of no momentum."""
        if self.nesterov and not self.momentum:
            raise UsageError("nesterov needs a momentum above 0; momentum is 0")

    @property
    def buffers(self) -> int:
        """1 with momentum, else 0."""
        return 1 if self.momentum else 0

    def coefficients(self, t: int) -> dict[str, float]:
        """Return rate, decay and momentum."""
        return {**super().coefficients(t), "momentum": self.momentum}

    def update(
        self,
        c: Mapping[str, float | Tensor],
        gradient: Tensor,
        old: Parts,
        new: Sequence[Tensor | None],
    ) -> Parts:
        """Return weights and, with momentum, velocity."""
        g = gradient + c["decay"] * old[0] if self.weight_decay else gradient
        if not self.momentum:
            return (torch.sub(old[0], c["rate"] * g, out=new[0]),)
        velocity = torch.add(c["momentum"] * old[1], g, out=new[1])
        direction = g + c["momentum"] * velocity if self.nesterov else velocity
        return torch.sub(old[0], c["rate"] * direction, out=new[0]), velocity

    @property
    def volume_factor(self) -> float | None:
        """Momentum, but for Nesterov's."""
        return None if self.nesterov else self.momentum

    def derivative(
        self,
        c: Mapping[str, float],
        gradient_change: Pushforward,
        gradient: Tensor,
        buffers: Parts,
    ) -> Differential:
        """Return the derivative of a step; see `Optimizer.derivative`."""
        rate, keep = c["rate"], c["momentum"]

        def first(deviations: Tensor, hvp: Tensor) -> Tensor:
            g = gradient_change(deviations, hvp)
            if not self.momentum:
                return deviations - rate * g
            weights, velocity = deviations.chunk(2, 1)
            velocity = keep * velocity + g
            direction = g + keep * velocity if self.nesterov else velocity
            return torch.cat([weights - rate * direction, velocity], 1)

        return Differential(first)
