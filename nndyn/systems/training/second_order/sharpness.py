"""Sharpness: extreme eigenvalues of the Hessian, with and without preconditioning."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from nndyn.numerics.arrays import Array
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.protocol import Curvature
from nndyn.systems.training.second_order.eigenvalues import BESIDE, largest

Tensor = torch.Tensor

#: Of residuals, relative to their eigenvalues: of a look by itself, and of one of many.
TOLERANCE, LOOSE = 1e-7, 1e-3

SHARPNESS, SMALLEST, PRECONDITIONED = "sharpness", "curvature_min", "preconditioned_sharpness"


def known(rule: Optimizer) -> dict[str, int]:
    """Return how many eigenvalues of each kind an update rule has one look take, by name."""
    names = (SHARPNESS, SMALLEST, *([PRECONDITIONED] if rule.preconditioned else []))
    return dict.fromkeys(names, 1)


def names(rule: Optimizer) -> tuple[str, ...]:
    """Return the names of all of them, each with its residual."""
    return tuple(name + end for name in known(rule) for end in ("", "_residual"))


def count(wanted: Mapping[str, int]) -> int:
    """Return how many vectors a look hands to the next."""
    return sum(number + BESIDE for number in wanted.values())


def measure(
    curvature: Curvature,
    rule: Optimizer,
    phase: Tensor,
    t: int,
    wanted: Mapping[str, int],
    start: Array | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> tuple[dict[str, Array], Array, int]:
    """Return extreme eigenvalues of the Hessian of the loss over the whole training set.

    Parameters
    ----------
    curvature : Curvature
    rule : Optimizer
    phase : (P,)
        At time `t`.
    t : int
    wanted : dict of str to int
        How many of each kind, by name: of those of `known`.
    start : (count(wanted), D), optional
        The vectors of an earlier look.
    tolerance : float, default 1e-7
        Of residuals, relative to their eigenvalues; see `eigenvalues.largest`.

    Returns
    -------
    values : dict of str to (number,) float64
        ``sharpness``, the largest eigenvalues, falling; ``curvature_min``, the smallest, rising;
        and each one's ``_residual``, the length of ``H v - λ v``. Of Adam and RMSprop there is,
        too, ``preconditioned_sharpness``: the largest of ``P^-1/2 H P^-1/2`` with the scales P by
        which the step from `t` divides the gradient (Adam's with its bias correction), with coupled
        weight decay in H. With groups of weights it is there of gradient descent too, and P has the
        common rate over that of the group in it: a step is unstable above the same multiple of one
        over the common rate as without groups, where momenta are equal. NaN where the search does
        not converge, beside the residual that is left, and both where the Hessian is not finite.
    vectors : (count(wanted), D) float32
    products : int
        Of the Hessian with a vector, as many as were made.

    Notes
    -----
    With a residual r an eigenvalue is known to r² over its distance to the next one, and to r where
    that is smaller: at a tolerance of 1e-3 to some 1e-6 of itself. See `eigenvalues.largest` for
    the search, what it cannot see, and memory.

    References
    ----------
    Preconditioned sharpness: Cohen et al., doi:10.48550/arXiv.2207.14484.
    """
    D = curvature.size
    weights, statistics = phase[:D], phase[D * (1 + rule.buffers) :]
    if PRECONDITIONED in wanted:
        gradient = curvature.at(weights, statistics, t).gradient()
        inverse = 1.0 / np.sqrt(_numbers(rule.preconditioner(phase, gradient, t)))
        decay = _numbers(torch.as_tensor(rule.decay_curvature(weights)))
    point = curvature.at(weights, statistics, None)  # the one before is good no longer
    unit = float(torch.finfo(phase.dtype).eps)

    def hessian(vector: Array) -> Array:
        row = torch.from_numpy(np.ascontiguousarray(vector).reshape(1, -1))
        return _numbers(point.hvp(row.to(phase.device, phase.dtype))[0]).copy()

    def preconditioned(vector: Array) -> Array:
        scaled = inverse * vector
        found: Array = inverse * (hessian(scaled) + decay * scaled)
        return found

    def downwards(vector: Array) -> Array:
        return -hessian(vector)

    kinds = {SHARPNESS: hessian, SMALLEST: downwards, PRECONDITIONED: preconditioned}

    values: dict[str, Array] = {}
    vectors = np.zeros((count(wanted), D), np.float32)
    products = first = 0
    for name, number in wanted.items():
        rows = slice(first, first := first + number + BESIDE)
        begun = None if start is None else start[rows]
        found = largest(kinds[name], D, number, begun, tolerance=tolerance, unit=unit)
        sign = -1.0 if name == SMALLEST else 1.0
        values |= {name: sign * found.values, f"{name}_residual": found.residuals}
        vectors[rows] = found.vectors
        products += found.products
    return values, vectors, products


def _numbers(values: Tensor) -> Array:
    return np.asarray(values.to("cpu", torch.float64).numpy())
