"""Kernels for the steps along a trajectory and its squared displacements by lag."""

from __future__ import annotations

import numba
import numpy as np

from nndyn.numerics.arrays import Array


@numba.njit(cache=True, nogil=True)
def follow(
    states: Array,
    end: Array,
    before: Array,
    step: Array,
    total: Array,
    lengths: Array,
    turns: Array,
    progress: Array,
) -> None:
    """Follow a trajectory through a block of its states.

    Parameters
    ----------
    states : (n, D) float64
    end : (D,) float64
        Last state of the trajectory.
    before, step, total : (D,) float64, read and written
        The state before the block, the step that led to it (0 where there is none), and the sum of
        the states so far.
    lengths, turns, progress : (n,) float64, written
        Length of the step that led to each state; its angle with the step before, in radians; its
        cosine with the way to the end. NaN where a length is 0.

    Notes
    -----
    The angle is ``2 atan2(|u - v|, |u + v|)`` of the unit vectors: exact for small angles too.
    """
    n, D = states.shape
    past = 0.0
    for d in range(D):
        past += step[d] * step[d]
    past = np.sqrt(past)
    for i in range(n):
        square = along = way = 0.0
        for d in range(D):
            move = states[i, d] - before[d]
            rest = end[d] - before[d]
            square += move * move
            along += move * rest
            way += rest * rest
        length = np.sqrt(square)
        lengths[i] = length
        progress[i] = np.nan
        if length > 0.0 and way > 0.0:
            progress[i] = min(1.0, max(-1.0, along / (length * np.sqrt(way))))
        turns[i] = np.nan
        known = length > 0.0 and past > 0.0
        a = 1.0 / length if known else 0.0
        b = 1.0 / past if known else 0.0
        apart = together = 0.0
        for d in range(D):
            move = states[i, d] - before[d]
            u, v = a * move, b * step[d]
            apart += (u - v) * (u - v)
            together += (u + v) * (u + v)
            step[d] = move
            before[d] = states[i, d]
            total[d] += states[i, d]
        if known:
            turns[i] = 2.0 * np.arctan2(np.sqrt(apart), np.sqrt(together))
        past = length


@numba.njit(cache=True, nogil=True)
def collect(
    products: Array,
    i0: int,
    j0: int,
    squares: Array,
    sums: Array,
    reach: Array,
    block_of: Array,
    block_sums: Array,
) -> None:
    """Add the squared displacements ``|x_i - x_j|²``, j < i, to the sums of their lags i - j.

    Parameters
    ----------
    products : (n, m) float64
        Inner products of the states i0 … i0+n-1 with the states j0 … j0+m-1.
    i0, j0 : int
    squares : (T,) float64
        Squared lengths of all states.
    sums : (L + 1,) float64, written
        By lag; longer lags are left out.
    reach : (K,) int64
        For each of K ways to cut the trajectory into blocks, the longest lag of its sums.
    block_of : (K, T) int64
        The block of every time.
    block_sums : (K, B, L + 1) float64, written
        Sums over the pairs that lie within one block.
    """
    n, m = products.shape
    L = sums.size - 1
    for a in range(n):
        i = i0 + a
        first = max(0, i - L - j0)
        last = min(m, i - j0)
        for b in range(first, last):
            j = j0 + b
            square = max(0.0, squares[i] + squares[j] - 2.0 * products[a, b])
            sums[i - j] += square
            for k in range(reach.size):
                if i - j <= reach[k] and block_of[k, i] == block_of[k, j]:
                    block_sums[k, block_of[k, i], i - j] += square


@numba.njit(cache=True, nogil=True)
def lagged(states: Array, lags: Array, block_of: Array, sums: Array) -> None:
    """Add the squared displacements ``|x_{i+m} - x_i|²`` within each block to its sums.

    Parameters
    ----------
    states : (T, D) float64
    lags : (m,) int64
    block_of : (T,) int64
        The block of every time.
    sums : (B, m) float64, written
    """
    T, D = states.shape
    for k in range(lags.size):
        lag = lags[k]
        for i in range(T - lag):
            if block_of[i] == block_of[i + lag]:
                square = 0.0
                for d in range(D):
                    move = states[i + lag, d] - states[i, d]
                    square += move * move
                sums[block_of[i], k] += square
