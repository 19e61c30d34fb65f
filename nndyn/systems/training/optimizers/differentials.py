"""Derivatives of the update rules: how deviations of a phase are carried through a step.

A deviation row is laid out as a phase: weights, then the buffers of the optimizer. The derivative
of a step takes deviations ``(k, P)`` and the deviations of the gradient they cause, the products
of their weights with the Hessian ``(k, D)``, and is linear in both.

Adam's derivative is ill-conditioned: the weights follow the second moment with ``lr / g²``. It is
a shear by huge numbers, of which rounding leaves nothing of the small exponents. So it is written
as two factors, each of which is well-conditioned but for the scales of its rows: the first scales
the buffers up by these numbers, the second adds them to the weights and scales them down again.
Volumes are taken after both, and nothing is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from nndyn.systems.training.optimizers.base import SGD, Adam, Optimizer, RMSprop

Tensor = torch.Tensor
Linear = Callable[[Tensor], Tensor]
Slope = Callable[[Tensor, Tensor], Tensor]


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

    first: Slope
    second: Linear | None = None

    def __call__(self, deviations: Tensor, products: Tensor) -> Tensor:
        """Return the deviations after the step."""
        between = self.first(deviations, products)
        return between if self.second is None else self.second(between)


def needs_gradient(rule: Optimizer) -> bool:
    """Whether the derivative of a rule depends on the gradient."""
    return rule.clip_norm is not None or not isinstance(rule, SGD)


def log_volume(rule: Optimizer, size: int) -> float | None:
    """Return ln of the factor by which every step changes volumes in phase space.

    Parameters
    ----------
    rule : Optimizer
    size : int
        D, the number of weights.

    Returns
    -------
    float or None
        Where it is the same for every loss: ``D ln β`` with momentum (not Nesterov's),
        ``D ln(β₁β₂)`` of Adam, to which AdamW adds ``D ln(1 - lr decay)``; else None.
    """
    factor = 0.0
    if isinstance(rule, Adam):
        factor = rule.betas[0] * rule.betas[1]
        if rule.decoupled and rule.weight_decay:
            constant = str(rule.schedule) == "constant"
            factor *= (1 - rule.lr * rule.weight_decay) if constant else 0.0
    elif isinstance(rule, SGD) and not rule.nesterov:
        factor = rule.momentum
    return size * math.log(factor) if factor > 0 else None


def differential(rule: Optimizer, t: int, phase: Tensor, gradient: Tensor | None) -> Differential:
    """Return the derivative of the step from time `t`.

    Parameters
    ----------
    rule : Optimizer
    t : int
    phase : (P,)
        Weights and buffers before the step.
    gradient : (D,) or None
        There; may be None where not `needs_gradient`.

    Returns
    -------
    Differential

    Notes
    -----
    Where a mean square is 0, and so the gradient always was, the derivative of its root is taken
    as 0. A gradient whose norm is just at the clipping norm counts as clipped.
    """
    c = rule.coefficients(t)
    weights, *buffers = phase.chunk(1 + rule.buffers)
    clip: Linear | None = None
    if rule.clip_norm is not None and gradient is not None:
        gradient, clip = _clipped(gradient, c["clip"])
    coupled = c["decay"] if rule.weight_decay and not getattr(rule, "decoupled", False) else 0.0
    if gradient is not None and coupled:
        gradient = gradient + coupled * weights

    def slope(deviations: Tensor, products: Tensor) -> Tensor:
        """Return how the gradient that the rule takes deviates."""
        found = products if clip is None else clip(products)
        return found + coupled * deviations[:, : len(weights)] if coupled else found

    if isinstance(rule, SGD):
        return _sgd(rule, c, slope)
    assert gradient is not None  # the caller has asked needs_gradient
    if isinstance(rule, RMSprop):
        return _rmsprop(rule, c, slope, gradient, buffers[0])
    assert isinstance(rule, Adam)  # there are no others
    return _adam(rule, c, slope, gradient, buffers)


def _clipped(gradient: Tensor, norm: float) -> tuple[Tensor, Linear]:
    """Return the clipped gradient, and what clipping does to its deviations."""
    length = torch.linalg.vector_norm(gradient)
    factor = norm / (length + 1e-6)
    if not bool(factor <= 1):
        return gradient, lambda products: products
    clipped = gradient * factor
    turned = clipped / (length * (length + 1e-6))
    return clipped, lambda products: factor * products - (products @ gradient)[:, None] * turned


def _sgd(rule: SGD, c: dict[str, float], slope: Slope) -> Differential:
    rate, keep = c["rate"], c["momentum"]

    def first(deviations: Tensor, products: Tensor) -> Tensor:
        g = slope(deviations, products)
        if not rule.momentum:
            return deviations - rate * g
        weights, velocity = deviations.chunk(2, 1)
        velocity = keep * velocity + g
        direction = g + keep * velocity if rule.nesterov else velocity
        return torch.cat([weights - rate * direction, velocity], 1)

    return Differential(first)


def _adam(
    rule: Adam, c: dict[str, float], slope: Slope, gradient: Tensor, buffers: list[Tensor]
) -> Differential:
    mean = c["first"] * buffers[0] + c["1-first"] * gradient
    square = c["second"] * buffers[1] + c["1-second"] * (gradient * gradient)
    root = c["scale"] * torch.sqrt(square) + c["epsilon"]
    # the weights follow the new moments by these numbers
    by_mean = -c["rate"] / root
    by_square = c["rate"] * mean / (root * root) * c["scale"] * _root_slope(square)
    keep = c["keep"] if rule.decoupled else 1.0
    up_mean, up_square = by_mean.abs().clamp(min=1), by_square.abs().clamp(min=1)

    def first(deviations: Tensor, products: Tensor) -> Tensor:
        g = slope(deviations, products)
        weights, moment, moved = deviations.chunk(3, 1)
        moment = c["first"] * moment + c["1-first"] * g
        moved = c["second"] * moved + (2 * c["1-second"]) * gradient * g
        return torch.cat([weights, up_mean * moment, up_square * moved], 1)

    def second(scaled: Tensor) -> Tensor:
        weights, moment, moved = scaled.chunk(3, 1)
        weights = keep * weights + by_mean / up_mean * moment + by_square / up_square * moved
        return torch.cat([weights, moment / up_mean, moved / up_square], 1)

    return Differential(first, second)


def _rmsprop(
    rule: RMSprop, c: dict[str, float], slope: Slope, gradient: Tensor, mean_square: Tensor
) -> Differential:
    square = c["alpha"] * mean_square + c["1-alpha"] * (gradient * gradient)
    root = torch.sqrt(square) + c["epsilon"]
    by_square = gradient / (root * root) * _root_slope(square)
    rate, keep = c["rate"], c["momentum"]

    def first(deviations: Tensor, products: Tensor) -> Tensor:
        g = slope(deviations, products)
        weights, moved, *rest = deviations.chunk(1 + rule.buffers, 1)
        moved = c["alpha"] * moved + (2 * c["1-alpha"]) * gradient * g
        direction = g / root - by_square * moved
        if not rest:
            return torch.cat([weights - rate * direction, moved], 1)
        velocity = keep * rest[0] + direction
        return torch.cat([weights - rate * velocity, moved, velocity], 1)

    return Differential(first)


def _root_slope(square: Tensor) -> Tensor:
    """Return the derivative of the square root, 0 at 0."""
    return torch.where(square > 0, 0.5 * torch.rsqrt(square), 0.0)
