"""Piecewise-constant segmentation of a noisy series by dynamic programming."""

from __future__ import annotations

import numba
import numpy as np

from nndyn.numerics.arrays import Array


@numba.njit(cache=True)
def best_segments(
    x: Array, candidates: Array, shortest: int, most: int, smallest: float
) -> tuple[Array, Array]:
    """Best boundaries of 1 … `most` segments, each with its own mean and variance.

    Parameters
    ----------
    x : (n,) float64
    candidates : (C,) int64
        Allowed boundaries, ascending, from 0 to n.
    shortest : int
        Fewest samples in a segment.
    most : int
    smallest : float
        Variances below it count as it.

    Returns
    -------
    costs : (most,) float64
        ``Σ n_k ln var_k``, minus twice the log likelihood up to a constant; inf where there is no
        such segmentation.
    bounds : (most, most + 1) int64
        Row k - 1 holds the k + 1 boundaries of k segments, then -1.
    """
    C = candidates.size
    total, square = np.zeros(C), np.zeros(C)  # up to each candidate
    sum_x, sum_xx, i = 0.0, 0.0, 0
    for c in range(C):
        while i < candidates[c]:
            sum_x += x[i]
            sum_xx += x[i] * x[i]
            i += 1
        total[c], square[c] = sum_x, sum_xx
    cost = np.full((C, C), np.inf)
    for i in range(C - 1):
        # of two segments the first begins with the curve and the second ends with it
        for j in range(i + 1 if i == 0 or most > 2 else C - 1, C):
            a, b = candidates[i], candidates[j]
            n = b - a
            if n >= shortest:
                mean = (total[j] - total[i]) / n
                variance = (square[j] - square[i]) / n - mean * mean
                cost[i, j] = n * np.log(max(variance, smallest))
    best = np.full((most, C), np.inf)
    origin = np.full((most, C), -1)
    best[0] = cost[0]
    origin[0] = 0
    for k in range(1, most):
        for j in range(1 if k < most - 1 else C - 1, C):  # the last segment ends with the curve
            for i in range(1, j):
                value = best[k - 1, i] + cost[i, j]
                if value < best[k, j]:
                    best[k, j] = value
                    origin[k, j] = i
    bounds = np.full((most, most + 1), -1)
    for k in range(most):
        if np.isfinite(best[k, C - 1]):
            j = C - 1
            for m in range(k, -1, -1):
                bounds[k, m + 1] = candidates[j]
                j = origin[m, j]
            bounds[k, 0] = 0
    return best[:, C - 1].copy(), bounds
