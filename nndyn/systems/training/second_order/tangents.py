"""Tangent vectors of a training, pushed through the exact derivative of every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nndyn.numerics.arrays import Array
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.optimizers.differentials import Differential
from nndyn.systems.training.protocol import Curvature

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
        self,
        orbit: Tensor,
        vectors: Tensor,
        start: int,
        at: Sequence[int],
        *,
        companion: bool = False,
    ) -> tuple[Tensor, Array, Array]:
        """Push rows ``(k, size)`` along `orbit`.

        Parameters
        ----------
        orbit : (steps, P)
            Phases at ``start … start + steps - 1``.
        vectors : (k, size)
        start : int
        at : sequence of int
            Times in ``start + 1 … start + steps`` at which vectors are orthonormalized.
        companion : bool
            Whether the last row is one more, which is brought to length 1 at these times and not
            made orthogonal to the others.

        Returns
        -------
        vectors : (k, size)
        stretch : (len(at), k) float64
            Logarithms of the diagonal of R; without the companion.
        alignment : (len(at),) float64
            Absolute cosine between the first row and the companion; empty without one.
        """
        chosen = set(map(int, at))
        logs, cosines = [], []
        k = len(vectors) - companion
        for t, phase in enumerate(orbit, start):
            step, hvp = self._derivative(phase, vectors, t)
            if t + 1 in chosen:
                vectors, log = self._orthonormal(step, vectors, hvp, k)
                logs.append(log)
                if companion:
                    cosines.append(torch.dot(vectors[0], vectors[k]).abs().clamp(max=1.0))
            else:
                vectors = step(vectors, hvp)
        return vectors, _numbers(logs, (0, k)), _numbers(cosines, (0,))

    def _derivative(self, phase: Tensor, vectors: Tensor, t: int) -> tuple[Differential, Tensor]:
        D = self._curvature.size
        point = self._curvature.at(phase[:D], phase[self.size :], t)
        hvp = point.hvp(vectors[:, :D])
        gradient = point.gradient() if self._rule.needs_gradient else None
        return self._rule.differential(t, phase[: self.size], gradient), hvp

    @staticmethod
    def _orthonormal(
        step: Differential, vectors: Tensor, hvp: Tensor, k: int
    ) -> tuple[Tensor, Tensor]:
        """Step, orthonormalize the first k rows, and bring the others to length 1."""
        vectors = step.first(vectors, hvp)
        frame, log = orthonormal(vectors[:k], graded=step.second is not None)
        vectors = _joined(frame, vectors[k:])
        if step.second is not None:
            vectors = step.second(vectors)
            frame, more = orthonormal(vectors[:k], graded=True)
            vectors, log = _joined(frame, vectors[k:]), log + more
        return vectors, log


def _joined(frame: Tensor, others: Tensor) -> Tensor:
    """Return orthonormal rows, and others brought to length 1; one that vanished stays 0."""
    if not len(others):
        return frame
    lengths = torch.linalg.vector_norm(others, dim=1, keepdim=True)
    return torch.cat([frame, others / torch.where(lengths > 0, lengths, 1.0)])


def _numbers(found: Sequence[Tensor], none: tuple[int, ...]) -> Array:
    """Return what was found at some times, `none` being its shape where there were none."""
    if not found:
        return np.zeros(none)
    return np.asarray(torch.stack(list(found)).to(torch.float64).cpu().numpy())


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
