"""Lion: steps of the same size for all weights, with the signs of a mean gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from nndyn.systems.training.optimizers.base import Check, Tensor
from nndyn.systems.training.optimizers.differentials import Differential, Pushforward
from nndyn.systems.training.optimizers.formula import Coefficients, Formula, Parts
from nndyn.systems.training.optimizers.formulas.adam import two_fractions


@dataclass(frozen=True)
class Lion(Formula):
    """Lion: ``w' = w (1 - lr decay) - lr sign(β₁ m + (1 - β₁) g)``, ``m' = β₂ m + (1 - β₂) g``.

    Weight decay is apart from the gradient.

    Notes
    -----
    The derivative of a sign is taken as 0, which it is but where the sign changes: a tangent
    vector sees nothing of the gradient in the weights, and what grows in a training grows by signs
    that change. Replicas show it.

    References
    ----------
    Chen et al., 2023, DOI 10.48550/arXiv.2302.06675.
    """

    betas: tuple[float, float] = (0.9, 0.99)

    buffers: ClassVar[int] = 1
    takes: ClassVar[Mapping[str, Check]] = {"betas": two_fractions}
    linear: ClassVar[bool] = True
    decoupled: ClassVar[bool] = True
    signs: ClassVar[bool] = True

    def numbers(self, t: int) -> dict[str, float]:
        """Return what enters `update`."""
        first, second = self.betas
        common = super().numbers(t)
        return {
            **common,
            "keep": 1 - common["rate"] * self.weight_decay,
            "first": first,
            "1-first": 1 - first,
            "second": second,
            "1-second": 1 - second,
        }

    def update(
        self, c: Coefficients, gradient: Tensor, old: Parts, new: Sequence[Tensor | None]
    ) -> Parts:
        """Return weights and mean."""
        weights = c["keep"] * old[0] if self.weight_decay else old[0]
        direction = torch.sign(c["first"] * old[1] + c["1-first"] * gradient)
        mean = torch.add(c["second"] * old[1], c["1-second"] * gradient, out=new[1])
        return torch.sub(weights, c["rate"] * direction, out=new[0]), mean

    @property
    def volume_factor(self) -> float | None:
        """``β₂``, with a constant rate times ``1 - lr decay``."""
        return None if self.kept is None else self.betas[1] * self.kept

    def derivative(
        self, c: Coefficients, gradient_change: Pushforward, gradient: Tensor, buffers: Parts
    ) -> Differential:
        """Return the derivative of a step; see `Formula.derivative`."""

        def first(deviations: Tensor, hvp: Tensor) -> Tensor:
            g = gradient_change(deviations, hvp)
            weights, mean = deviations.chunk(2, 1)
            return torch.cat([c["keep"] * weights, c["second"] * mean + c["1-second"] * g], 1)

        return Differential(first)
