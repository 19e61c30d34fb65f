"""Quadratic expansion of a loss, on which a run is repeated: the alternative to chaos.

There the Hessian is what it was at the start. Growth that the expansion shows as well is that of
an unstable step; what it does not show, the end of the growth above all, is nonlinear.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch

from nndyn.numerics.arrays import Array
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.protocol import Curvature

Tensor = torch.Tensor


class Expansion:
    """A training whose loss is its expansion to second order around `origin`.

    Parameters
    ----------
    curvature : Curvature
        Of its own: what it keeps is used between calls.
    rule : Optimizer
    origin : (P,)
        The phase at time 0.
    computing : callable
        Takes a number of rows and returns the context in which torch computes their steps.
    first : int, default 0
        The step that is time 0.

    Notes
    -----
    Deviations are carried by the exact derivative of the step, one product with the Hessian each.
    The reference is stepped only where the derivative depends on where it is: not for gradient
    descent, with momentum or without, where it soon leaves every bound.
    """

    def __init__(
        self,
        curvature: Curvature,
        rule: Optimizer,
        origin: Tensor,
        computing: Callable[[int], AbstractContextManager[None]],
        first: int = 0,
    ) -> None:
        self._curvature, self._rule, self._first = curvature, rule, first
        self._origin, self._computing = origin, computing
        self._moved = curvature.size * (1 + rule.buffers)

    def push(self, rows: Array, start: int, steps: int) -> tuple[Array, Array]:
        """Push the reference and deviations from it.

        Parameters
        ----------
        rows : (1 + k, P)
            The phase of the reference on the expansion, and deviations whose weights have length 1.
        start, steps : int

        Returns
        -------
        rows : (1 + k, P)
            Deviations scaled again to weights of length 1.
        log_growth : (steps, k) float64
            Natural logarithms of the factors of every step; -inf where a deviation vanishes.
        """
        with torch.no_grad(), self._computing(len(rows)):
            return self._push(rows, start, steps)

    def _push(self, rows: Array, start: int, steps: int) -> tuple[Array, Array]:
        D, moved = self._curvature.size, self._moved
        device, dtype = self._origin.device, self._origin.dtype
        here = torch.from_numpy(rows).to(device, dtype)
        phase, vectors = here[0], here[1:, :moved]
        origin, statistics = self._origin[:D], self._origin[moved:]
        follows = self._rule.needs_gradient
        logs = torch.empty((steps, len(vectors)), dtype=torch.float64, device=device)
        for i in range(steps):
            t = self._first + start + i
            point = self._curvature.at(origin, statistics, t)
            asked, gradient = vectors[:, :D], None
            if follows:
                asked = torch.cat([asked, (phase[:D] - origin)[None]])
            hvp = point.hvp(asked)
            if follows:
                gradient = point.gradient() + hvp[-1]
            step = self._rule.differential(t, phase[:moved], gradient)
            vectors = step(vectors, hvp[: len(vectors)])
            lengths = torch.linalg.vector_norm(vectors[:, :D], dim=1)
            logs[i] = torch.log(lengths)
            vectors = vectors / torch.where(lengths > 0, lengths, 1)[:, None]
            if gradient is not None:
                after = self._rule(phase[None, :moved], gradient[None], t)[0]
                phase = torch.cat([after, phase[moved:]])
        out = np.zeros_like(rows)
        out[0] = phase.cpu().numpy()
        out[1:, :moved] = vectors.cpu().numpy()
        return out, logs.cpu().numpy()
