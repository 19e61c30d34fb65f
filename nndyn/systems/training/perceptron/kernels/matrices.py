"""Matrix products of layers of few weights: one a replica, many replicas in a call.

Weights are read, and their gradients written, where they lie in the rows of all weights of a
replica: those of a layer begin `at` numbers from the first, output by output, its biases behind
them. The first replica of a call has the row `first`. Columns are a multiple of eight.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.lanes import LANES, load, plus, store
from nndyn.numerics.tiles import combine, contract

#: Rows of a tile: so many sums keep the units of a processor busy, and fit into its registers.
_ROWS = 5
#: Columns over which a gradient sums at a time: those of all outputs stay in the cache.
_COLUMNS = 512


@numba.njit(inline="always")
def _combined(
    weights: Array, at: int, across: int, along: int, start: Array, below: Array, out: Array
) -> None:
    """Write ``out[i] = start[i] + Σ_k weights[at + i across + k along] below[k]``."""
    (H, n), K = out.shape, below.shape[0]
    low, up = below.ravel(), out.ravel()
    for j in range(0, n, LANES):
        for i in range(0, H, _ROWS):
            a, s, to = at + i * across, start[i:], i * n + j
            left = H - i
            if left >= 5:
                combine(5, weights, a, across, along, s, low, j, n, K, up, to)
            elif left == 4:
                combine(4, weights, a, across, along, s, low, j, n, K, up, to)
            elif left == 3:
                combine(3, weights, a, across, along, s, low, j, n, K, up, to)
            elif left == 2:
                combine(2, weights, a, across, along, s, low, j, n, K, up, to)
            else:
                combine(1, weights, a, across, along, s, low, j, n, K, up, to)


@numba.njit(cache=True, nogil=True)
def forward(rows: Array, first: int, at: int, biased: bool, below: Array, out: Array) -> None:
    """Write the outputs of a layer, without its activation.

    Parameters
    ----------
    rows : (≥ first + R, D) float64
    first, at : int
    biased : bool
        Whether there are biases.
    below : (R, K, columns)
        Values of the layer below.
    out : (R, H, columns), written
        Every number is a chain of fused operations from the bias on, in the order of the inputs.
    """
    (R, H, _), K = out.shape, below.shape[1]
    bias = np.zeros(H)
    for r in range(R):
        row = rows[first + r]
        if biased:
            bias[:] = row[at + H * K : at + H * K + H]
        _combined(row, at, K, 1, bias, below[r], out[r])


@numba.njit(cache=True, nogil=True)
def backward(rows: Array, first: int, at: int, delta: Array, out: Array) -> None:
    """Write the gradient at the values of the layer below.

    Parameters
    ----------
    rows : (≥ first + R, D) float64
    first, at : int
    delta : (R, H, columns)
        Gradient at the outputs.
    out : (R, K, columns), written
        Every number is a chain of fused operations from 0 on, in the order of the outputs.
    """
    R, K, _ = out.shape
    start = np.zeros(K)
    for r in range(R):
        _combined(rows[first + r], at, 1, K, start, delta[r], out[r])


@numba.njit(inline="always")
def _folded(v: Array, i: int) -> Any:
    """Return the sum of eight numbers, as `nndyn.numerics.separation` adds them."""
    even = (v[i] + v[i + 4]) + (v[i + 2] + v[i + 6])
    return even + ((v[i + 1] + v[i + 5]) + (v[i + 3] + v[i + 7]))


@numba.njit(inline="always")
def _summed(x: Array, first: int, n: int, sums: Array) -> Any:
    """Return the sum of n numbers, by way of sums over every eighth."""
    total = load(x, first)
    for j in range(first + LANES, first + n, LANES):
        total = plus(total, load(x, j))
    store(sums, 0, total)
    return _folded(sums, 0)


@numba.njit(cache=True, nogil=True)
def gradient(delta: Array, below: Array, rows: Array, first: int, at: int, biased: bool) -> None:
    """Write the gradient of the weights, and of biases where there are any.

    Parameters
    ----------
    delta : (R, H, columns) float64
        Gradient at the outputs; 0 in columns that only pad.
    below : (R, K, columns)
        Values of the layer below.
    rows : (≥ first + R, D), written
        Every number is a sum of eight chains over each piece of the columns, folded and added up.
    first, at : int
    biased : bool
    """
    (R, H, columns), K = delta.shape, below.shape[1]
    sums = np.empty(4 * LANES)
    for r in range(R):
        left, right, found = delta[r].ravel(), below[r].ravel(), rows[first + r]
        for start in range(0, columns, _COLUMNS):
            n = min(_COLUMNS, columns - start)
            for k in range(0, K, 2):
                for h in range(0, H, 2):
                    i, j = h * columns + start, k * columns + start
                    height, width = min(H - h, 2), min(K - k, 2)
                    if height == 2 and width == 2:
                        contract(2, 2, left, i, right, j, columns, n, sums)
                    elif height == 2:
                        contract(2, 1, left, i, right, j, columns, n, sums)
                    elif width == 2:
                        contract(1, 2, left, i, right, j, columns, n, sums)
                    else:
                        contract(1, 1, left, i, right, j, columns, n, sums)
                    for p in range(height * width):
                        to = at + (h + p // width) * K + k + p % width
                        total = _folded(sums, p * LANES)
                        found[to] = total if start == 0 else found[to] + total
        if biased:
            for h in range(H):
                found[at + H * K + h] = _summed(left, h * columns, columns, sums)
