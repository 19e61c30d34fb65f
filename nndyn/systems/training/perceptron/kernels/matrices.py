"""Matrix products of layers of few outputs: one a replica, many replicas in a call.

Weights, and their gradients, lie as one row of numbers a replica, in which each output's begin
`stride` numbers behind those of the output before. Columns are a multiple of eight.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.lanes import LANES
from nndyn.numerics.tiles import combine, contract

#: Rows of a tile: so many sums keep the units of a processor busy, and fit into its registers.
_ROWS = 5
#: Columns over which a gradient sums at a time: those of all outputs stay in the cache.
_COLUMNS = 512


@numba.njit(inline="always")
def _combined(
    weights: Array, across: int, along: int, start: Array, below: Array, out: Array
) -> None:
    """Write ``out[i] = start[i] + Σ_k weights[i across + k along] below[k]``."""
    (H, n), K = out.shape, below.shape[0]
    low, up = below.ravel(), out.ravel()
    for j in range(0, n, LANES):
        for i in range(0, H, _ROWS):
            a, s, to = i * across, start[i:], i * n + j
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
def forward(weights: Array, stride: int, bias: Array, below: Array, out: Array) -> None:
    """Write the outputs of a layer, without its activation.

    Parameters
    ----------
    weights : (R, ≥ H stride) float64
    stride : int
    bias : (R, H)
    below : (R, K, columns)
        Values of the layer below.
    out : (R, H, columns), written
        Every number is a chain of fused operations from the bias on, in the order of the inputs.
    """
    for r in range(out.shape[0]):
        _combined(weights[r], stride, 1, bias[r], below[r], out[r])


@numba.njit(cache=True, nogil=True)
def backward(weights: Array, stride: int, delta: Array, out: Array) -> None:
    """Write the gradient at the values of the layer below.

    Parameters
    ----------
    weights : (R, ≥ H stride) float64
    stride : int
    delta : (R, H, columns)
        Gradient at the outputs.
    out : (R, K, columns), written
        Every number is a chain of fused operations from 0 on, in the order of the outputs.
    """
    start = np.zeros(out.shape[1])
    for r in range(out.shape[0]):
        _combined(weights[r], 1, stride, start, delta[r], out[r])


@numba.njit(inline="always")
def _folded(v: Array, i: int) -> Any:
    """Return the sum of eight numbers, as `nndyn.numerics.separation` adds them."""
    even, odd = (v[i] + v[i + 4]) + (v[i + 2] + v[i + 6]), (v[i + 1] + v[i + 5]) + (
        v[i + 3] + v[i + 7]
    )
    return even + odd


@numba.njit(cache=True, nogil=True)
def gradient(delta: Array, below: Array, out: Array, stride: int) -> None:
    """Write the gradient of the weights.

    Parameters
    ----------
    delta : (R, H, columns) float64
        Gradient at the outputs.
    below : (R, K, columns)
        Values of the layer below.
    out : (R, ≥ H stride), written
        Every number is a sum of eight chains over each piece of the columns, folded and added up.
    stride : int
    """
    (R, H, columns), K = delta.shape, below.shape[1]
    sums = np.empty(4 * LANES)
    for r in range(R):
        left, right, found = delta[r].ravel(), below[r].ravel(), out[r]
        for first in range(0, columns, _COLUMNS):
            n = min(_COLUMNS, columns - first)
            for k in range(0, K, 2):
                for h in range(0, H, 2):
                    i, j = h * columns + first, k * columns + first
                    rows, width = min(H - h, 2), min(K - k, 2)
                    if rows == 2 and width == 2:
                        contract(2, 2, left, i, right, j, columns, n, sums)
                    elif rows == 2:
                        contract(2, 1, left, i, right, j, columns, n, sums)
                    elif width == 2:
                        contract(1, 2, left, i, right, j, columns, n, sums)
                    else:
                        contract(1, 1, left, i, right, j, columns, n, sums)
                    for p in range(rows * width):
                        to = (h + p // width) * stride + k + p % width
                        total = _folded(sums, p * LANES)
                        found[to] = total if first == 0 else found[to] + total
