"""Tangent vectors of a training: pushed through the exact derivative of every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nndyn.systems.protocol import Array
from nndyn.systems.training.curvature import Curvature
from nndyn.systems.training.differentials import Differential, differential, needs_gradient
from nndyn.systems.training.updates import Optimizer

Tensor = torch.Tensor


class Pusher:
    """Pushes vectors along given phases.

    Parameters
    ----------
    curvature : Curvature
    rule : Optimizer

    Notes
    -----
    Rows are laid out as phases without the running statistics, in which deviations do not grow:
    they follow the weights, and no step depends on them.
    """

    def __init__(self, curvature: Curvature, rule: Optimizer) -> None:
        self._curvature = curvature
        self._rule = rule
        self.size = curvature.size * (1 + rule.buffers)

    def push(
        self, orbit: Tensor, vectors: Tensor, start: int, at: Sequence[int]
    ) -> tuple[Tensor, Array]:
        """Push rows ``(k, size)`` along `orbit`.

        Parameters
        ----------
        orbit : (steps, P)
            Phases at ``start … start + steps - 1``.
        vectors : (k, size)
        start : int
        at : sequence of int
            Times in ``start + 1 … start + steps`` at which vectors are orthonormalized.

        Returns
        -------
        vectors : (k, size)
        stretch : (len(at), k) float64
            Logarithms of the diagonal of R.
        """
        chosen = set(map(int, at))
        logs = []
        for t, phase in enumerate(orbit, start):
            step, products = self._derivative(phase, vectors, t)
            if t + 1 in chosen:
                vectors, log = self._orthonormal(step, vectors, products)
                logs.append(log)
            else:
                vectors = step(vectors, products)
        if not logs:
            return vectors, np.zeros((0, len(vectors)))
        return vectors, torch.stack(logs).to(torch.float64).cpu().numpy()

    def _derivative(self, phase: Tensor, vectors: Tensor, t: int) -> tuple[Differential, Tensor]:
        D = self._curvature.size
        point = self._curvature.at(phase[:D], phase[self.size :], t)
        products = point.products(vectors[:, :D])
        gradient = point.gradient() if needs_gradient(self._rule) else None
        return differential(self._rule, t, phase[: self.size], gradient), products

    def _orthonormal(
        self, step: Differential, vectors: Tensor, products: Tensor
    ) -> tuple[Tensor, Tensor]:
        vectors, log = orthonormal(step.first(vectors, products), graded=step.second is not None)
        if step.second is not None:
            vectors, more = orthonormal(step.second(vectors), graded=True)
            log = log + more
        return vectors, log


def orthonormal(rows: Tensor, *, graded: bool = False) -> tuple[Tensor, Tensor]:
    """Orthonormalize rows.

    Parameters
    ----------
    rows : (k, P), k <= P
    graded : bool
        Whether components have scales of their own: the largest then come first, so that
        Householder's reflections keep the small ones to their own precision.

    Returns
    -------
    rows : (k, P)
    log_stretch : (k,)
        Logarithms of the diagonal of R; -inf where rows are linearly dependent.

    References
    ----------
    Why the largest come first: Higham, Accuracy and Stability of Numerical Algorithms, section
    19.4, doi:10.1137/1.9780898718027.
    """
    if not graded:
        q, r = torch.linalg.qr(rows.mT)
        return q.mT, torch.log(torch.diagonal(r).abs())
    order = torch.argsort(rows.abs().amax(0), descending=True, stable=True)
    q, r = torch.linalg.qr(rows[:, order].mT)
    out = torch.empty_like(rows)
    out[:, order] = q.mT
    return out, torch.log(torch.diagonal(r).abs())
