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


@numba.njit(cache=True, nogil=True)
def combined(
    weights: Array,
    at: int,
    across: int,
    along: int,
    start: Array,
    below: Array,
    first: int,
    panel: int,
    wide: int,
    K: int,
    out: Array,
    apart: int,
    H: int,
    n: int,
) -> None:
    """Write ``out[i] = start[i] + Σ_k weights[at + i across + k along] below[k]``, `H` rows of n.

    Rows below are `wide` numbers apart, their first is at `first`, and eight columns are `panel`
    numbers behind the eight before. Rows of `out` are `apart`.
    """
    for j in range(0, n, LANES):
        place = first + j // LANES * panel
        for i in range(0, H, _ROWS):
            a, s, to = at + i * across, start[i:], i * apart + j
            left = H - i
            if left >= 5:
                combine(5, weights, a, across, along, s, below, place, wide, K, out, to, apart)
            elif left == 4:
                combine(4, weights, a, across, along, s, below, place, wide, K, out, to, apart)
            elif left == 3:
                combine(3, weights, a, across, along, s, below, place, wide, K, out, to, apart)
            elif left == 2:
                combine(2, weights, a, across, along, s, below, place, wide, K, out, to, apart)
            else:
                combine(1, weights, a, across, along, s, below, place, wide, K, out, to, apart)


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
    (R, H, columns), K = out.shape, below.shape[1]
    bias = np.zeros(H)
    for r in range(R):
        row = rows[first + r]
        if biased:
            bias[:] = row[at + H * K : at + H * K + H]
        low, up = below[r].ravel(), out[r].ravel()
        combined(row, at, K, 1, bias, low, 0, LANES, columns, K, up, columns, H, columns)


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
    (R, K, columns), H = out.shape, delta.shape[1]
    start = np.zeros(K)
    for r in range(R):
        up, low = delta[r].ravel(), out[r].ravel()
        combined(
            rows[first + r], at, 1, K, start, up, 0, LANES, columns, H, low, columns, K, columns
        )


@numba.njit(inline="always")
def _folded(v: Array, i: int) -> Any:
    """Return the sum of eight numbers, as `nndyn.numerics.separation` adds them."""
    even = (v[i] + v[i + 4]) + (v[i + 2] + v[i + 6])
    return even + ((v[i + 1] + v[i + 5]) + (v[i + 3] + v[i + 7]))


@numba.njit(cache=True, nogil=True)
def add_sums(
    x: Array, wide: int, H: int, n: int, sums: Array, out: Array, to: int, fresh: bool
) -> None:
    """Add the sums of n numbers, each by way of sums over every eighth, to ``out[to:]``.

    Of H rows, which are `wide` numbers apart. Where `fresh`, they are written instead.
    """
    for h in range(H):
        total = load(x, h * wide)
        for j in range(h * wide + LANES, h * wide + n, LANES):
            total = plus(total, load(x, j))
        store(sums, 0, total)
        found = _folded(sums, 0)
        out[to + h] = found if fresh else out[to + h] + found


@numba.njit(cache=True, nogil=True)
def contracted(
    left: Array,
    right: Array,
    wide: int,
    start: int,
    n: int,
    shape: tuple[int, int],
    sums: Array,
    out: Array,
    at: int,
    fresh: bool,
) -> None:
    """Add ``Σ_j left[h, j] right[k, j]`` over n columns from `start` on to ``out[at + h K + k]``.

    The shape is (H, K), rows are `wide` numbers apart. Every number is a sum of eight chains,
    folded. Where `fresh`, they are written instead.
    """
    H, K = shape
    for k in range(0, K, 2):
        for h in range(0, H, 3):
            i, j = h * wide + start, k * wide + start
            height, width = min(H - h, 3), min(K - k, 2)
            if width == 2:
                if height == 3:
                    contract(3, 2, left, i, right, j, wide, n, sums)
                elif height == 2:
                    contract(2, 2, left, i, right, j, wide, n, sums)
                else:
                    contract(1, 2, left, i, right, j, wide, n, sums)
            elif height == 3:
                contract(3, 1, left, i, right, j, wide, n, sums)
            elif height == 2:
                contract(2, 1, left, i, right, j, wide, n, sums)
            else:
                contract(1, 1, left, i, right, j, wide, n, sums)
            for p in range(height * width):
                to = at + (h + p // width) * K + k + p % width
                found = _folded(sums, p * LANES)
                out[to] = found if fresh else out[to] + found


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
    sums = np.empty(6 * LANES)
    for r in range(R):
        left, right, found = delta[r].ravel(), below[r].ravel(), rows[first + r]
        for start in range(0, columns, _COLUMNS):
            n = min(_COLUMNS, columns - start)
            contracted(left, right, columns, start, n, (H, K), sums, found, at, start == 0)
        if biased:
            add_sums(left, columns, H, columns, sums, found, at + H * K, True)
