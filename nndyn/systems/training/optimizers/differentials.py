"""Derivatives of the update rules, which carry deviations of a phase through a step.

A deviation row is laid out as a phase: weights, then the buffers of the optimizer. The derivative
of a step takes deviations ``(k, P)`` and the deviations of the gradient they cause, the products
of their weights with the Hessian ``(k, D)``, and is linear in both. Each rule has its own
(`Optimizer.derivative`); here is what they share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor
Linear = Callable[[Tensor], Tensor]
#: Takes deviations ``(k, P)`` and the products of their weights with the Hessian (hvp) ``(k, D)``.
Pushforward = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Differential:
    """The derivative of one step at one phase.

    Attributes
    ----------
    first : callable
        Takes deviations ``(k, P)`` and those of the gradient ``(k, D)``; returns ``(k, P)``.
    second : callable or None
        What is still to be done with that, ``(k, P)`` to ``(k, P)``.
    """

    first: Pushforward
    second: Linear | None = None

    def __call__(self, deviations: Tensor, hvp: Tensor) -> Tensor:
        """Return the deviations after the step."""
        between = self.first(deviations, hvp)
        return between if self.second is None else self.second(between)


def through_clipping(gradient: Tensor, norm: float | Tensor) -> tuple[Tensor, Linear]:
    """Return the clipped gradient, and what clipping does to its deviations."""
    length = torch.linalg.vector_norm(gradient)
    factor = norm / (length + 1e-6)
    if not bool(factor <= 1):
        return gradient, lambda hvp: hvp
    clipped = gradient * factor
    turned = clipped / (length * (length + 1e-6))
    return clipped, lambda hvp: factor * hvp - (hvp @ gradient)[:, None] * turned


def clamped(gradient: Tensor, size: float | Tensor) -> Tensor:
    """Return a gradient ``(R, D)``, its components within ± `size`, a number or ``(R, 1)``."""
    most: Any = size
    return torch.clamp(gradient, -most, most)


def through_clipping_values(gradient: Tensor, size: float | Tensor) -> tuple[Tensor, Linear]:
    """Return the gradient with its components clipped, and what this does to its deviations."""
    free = (gradient.abs() <= size).to(gradient.dtype)
    return clamped(gradient, size), lambda hvp: free * hvp


def root_derivative(square: Tensor) -> Tensor:
    """Return the derivative of the square root, 0 at 0."""
    return torch.where(square > 0, 0.5 * torch.rsqrt(square), 0.0)
