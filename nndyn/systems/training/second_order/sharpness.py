"""Sharpness: extreme eigenvalues of the Hessian, with and without preconditioning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from nndyn.numerics.arrays import Array
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.protocol import Curvature

Tensor = torch.Tensor
Product = Callable[[Array], Array]

#: Numbers of weights up to which the whole matrix is made.
DENSE = 64
#: Vectors of the Krylov space, and restarts at most.
VECTORS, RESTARTS = 40, 200
#: Relative accuracy asked of the residual; that of an eigenvalue is its square.
TOLERANCE = 1e-7
#: Keys the random vector that every search begins with.
_KEY = 5

NAMES = ("sharpness", "curvature_min")
PRECONDITIONED = "preconditioned_sharpness"


def names(rule: Optimizer) -> tuple[str, ...]:
    """Return the names of what `measure` gives with an update rule, each with its residual."""
    found = (*NAMES, PRECONDITIONED) if rule.preconditioned else NAMES
    return tuple(name + end for name in found for end in ("", "_residual"))


def measure(curvature: Curvature, rule: Optimizer, phase: Tensor, t: int) -> dict[str, float]:
    """Return extreme eigenvalues of the Hessian of the loss over the whole training set.

    Parameters
    ----------
    curvature : Curvature
    rule : Optimizer
    phase : (P,)
        At time `t`.
    t : int

    Returns
    -------
    dict of str to float
        ``sharpness`` and ``curvature_min``, the largest and the smallest eigenvalue, and each one's
        ``_residual``, the length of ``H v - λ v``. Of Adam and RMSprop there is, too,
        ``preconditioned_sharpness``: the largest of ``P^-1/2 H P^-1/2`` with the scales P by which
        the step from `t` divides the gradient (Adam's with its bias correction), with coupled
        weight decay in H. With groups of weights it is there of gradient descent too, and P has the
        common rate over that of the group in it: a step is unstable above the same multiple of one
        over the common rate as without groups, where momenta are equal. NaN where the Hessian is
        not finite or the search does not converge.

    Notes
    -----
    Lanczos iterations by ``scipy.sparse.linalg.eigsh``, some tens of products with the Hessian for
    the largest and some hundreds for the smallest, each a product of one vector; they begin with
    the same random vector whenever and wherever they are made. Memory: `VECTORS` rows of weights.

    References
    ----------
    Preconditioned sharpness: Cohen et al., doi:10.48550/arXiv.2207.14484.
    """
    D = curvature.size
    weights, statistics = phase[:D], phase[D * (1 + rule.buffers) :]
    point = curvature.at(weights, statistics, None)

    def hessian(vector: Array) -> Array:
        row = torch.from_numpy(np.ascontiguousarray(vector).reshape(1, -1))
        found = point.hvp(row.to(weights.device, weights.dtype))[0]
        out: Array = found.to("cpu", torch.float64).numpy().copy()
        return out

    found: dict[str, float] = {}
    for name, which in zip(NAMES, ("LA", "SA"), strict=True):
        found[name], found[f"{name}_residual"] = _extreme(hessian, D, which)
    if rule.preconditioned:
        gradient = curvature.at(weights, statistics, t).gradient()
        scales = rule.preconditioner(phase, gradient, t).to("cpu", torch.float64).numpy()
        point = curvature.at(weights, statistics, None)
        inverse = 1.0 / np.sqrt(scales)
        added = torch.as_tensor(rule.decay_curvature(weights))
        decay = added.to("cpu", torch.float64).numpy()

        def preconditioned(vector: Array) -> Array:
            scaled = inverse * vector.ravel()
            product: Array = inverse * (hessian(scaled) + decay * scaled)
            return product

        value, residual = _extreme(preconditioned, D, "LA")
        found[PRECONDITIONED], found[f"{PRECONDITIONED}_residual"] = value, residual
    return found


def _extreme(product: Product, size: int, which: str) -> tuple[float, float]:
    """Return an extreme eigenvalue of a symmetric matrix, and the residual."""
    start = np.random.default_rng(_KEY).standard_normal(size)
    if not np.isfinite(product(start)).all():
        return np.nan, np.nan
    if size <= DENSE:
        matrix = np.stack([product(row) for row in np.eye(size)])
        values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
        end = -1 if which == "LA" else 0
        value, vector = float(values[end]), vectors[:, end]
    else:
        operator: Any = LinearOperator((size, size), matvec=product, dtype=np.float64)
        try:
            values, vectors = eigsh(
                operator,
                k=1,
                which=which,
                v0=start,
                ncv=min(VECTORS, size - 1),
                maxiter=RESTARTS,
                tol=TOLERANCE,
            )
        except ArpackNoConvergence:
            return np.nan, np.nan
        value, vector = float(values[0]), vectors[:, 0]
    return value, float(np.linalg.norm(product(vector) - value * vector))
