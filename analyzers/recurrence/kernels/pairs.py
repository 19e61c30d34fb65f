"""Keys of pairs of points: their distances, or squared distances for the l2 norm.

Keys of a point of few components are taken 64 at a time and never stored; those of states of many
components come as tiles. Points of a symmetric plot are compared with later ones only, by blocks.
"""

from __future__ import annotations

import numba
import numpy as np

from analyzers.recurrence.kernels.bits import SIZE, within
from nndyn.numerics.arrays import Array

#: Norms, as kernels know them. Of points of one component all are `MAX`.
L1, L2, MAX = 1, 2, 3


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _keys(x: Array, i: int, y: Array, b: int, norm: int, keys: Array) -> None:
    """Write the keys of point i of x (d, n) and points b … b + 63 of y (d, m)."""
    value = x[0, i]
    if norm == L2:
        for j in range(SIZE):
            difference = y[0, b + j] - value
            keys[j] = difference * difference
    else:
        for j in range(SIZE):
            keys[j] = abs(y[0, b + j] - value)
    for k in range(1, x.shape[0]):
        value = x[k, i]
        if norm == L1:
            for j in range(SIZE):
                keys[j] += abs(y[k, b + j] - value)
        elif norm == L2:
            for j in range(SIZE):
                difference = y[k, b + j] - value
                keys[j] += difference * difference
        else:
            for j in range(SIZE):
                keys[j] = max(keys[j], abs(y[k, b + j] - value))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def mark_narrow(
    x: Array,
    y: Array,
    norm: int,
    limit: float,
    symmetric: bool,
    p0: int,
    p1: int,
    s0: int,
    s1: int,
    words: Array,
    part: int,
    parts: int,
) -> None:
    """Write the bits of a stripe: which keys are at most `limit`.

    Parameters
    ----------
    x : (d, n) float64
    y : (d, m) float64
        n and m are multiples of 64; points beyond the last are NaN, which is near nothing.
    norm : int
    limit : float
    symmetric : bool
    p0, p1, s0, s1 : int
        Blocks of rows and of columns.
    words : (p1 - p0, s1 - s0 + 1, 64) uint64, written
        The first entry of the second axis is left alone.
    part, parts : int
        Blocks of rows that are written: ``I % parts == part``.
    """
    keys = np.empty(SIZE)
    for I in range(p0, p1):  # noqa: E741
        if I % parts != part:
            continue
        for J in range(max(I, s0) if symmetric else s0, s1):
            block = words[I - p0, J - s0 + 1]
            for i in range(SIZE):
                if norm == MAX:
                    word = within(y[0], SIZE * J, x[0, SIZE * I + i], limit)
                    for k in range(1, len(x)):
                        word &= within(y[k], SIZE * J, x[k, SIZE * I + i], limit)
                    block[i] = word
                else:
                    _keys(x, SIZE * I + i, y, SIZE * J, norm, keys)
                    block[i] = within(keys, 0, 0.0, limit)


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _take(bits: Array, low: np.uint64, shift: np.uint64, histogram: Array) -> int:
    """Sort 64 keys into buckets; return how many lie below them."""
    span = np.uint64(len(histogram)) << shift
    below, inside = 0, 0
    for j in range(SIZE):
        below += bits[j] < low
        inside += (bits[j] - low) < span
    if inside:
        for j in range(SIZE):
            if (bits[j] - low) < span:
                histogram[(bits[j] - low) >> shift] += 1
    return below


@numba.njit(cache=True, nogil=True, error_model="numpy")
def census_narrow(
    x: Array,
    y: Array,
    norm: int,
    symmetric: bool,
    theiler: int,
    low: np.uint64,
    shift: np.uint64,
    histogram: Array,
    part: int,
    parts: int,
) -> int:
    """Sort the keys of all pairs into buckets of their bits, which order floats as they do.

    Parameters
    ----------
    x, y, norm, symmetric, part, parts
        As of `mark_narrow`.
    theiler : int
        Pairs of a symmetric plot that are closer in time are left out.
    low : uint64
        Bits of the lowest key of the first bucket.
    shift : uint64
        Buckets are 2**shift wide.
    histogram : (buckets,) int64, updated

    Returns
    -------
    int
        Number of keys below `low`.
    """
    keys = np.empty(SIZE)
    bits = keys.view(np.uint64)
    below = 0
    columns = y.shape[1] // SIZE
    for I in range(x.shape[1] // SIZE):  # noqa: E741
        if I % parts != part:
            continue
        for J in range(I if symmetric else 0, columns):
            for i in range(SIZE * I, SIZE * (I + 1)):
                if np.isnan(x[0, i]):
                    break
                _keys(x, i, y, SIZE * J, norm, keys)
                if symmetric:
                    for j in range(min(SIZE, i + theiler - SIZE * J)):
                        keys[j] = np.nan
                below += _take(bits, low, shift, histogram)
    return below


@numba.njit(cache=True, nogil=True, error_model="numpy")
def census_tile(
    keys: Array,
    i0: int,
    j0: int,
    symmetric: bool,
    theiler: int,
    low: np.uint64,
    shift: np.uint64,
    histogram: Array,
) -> int:
    """Sort the keys of a tile into buckets: see `census_narrow`.

    Parameters
    ----------
    keys : (n, m) float64
    i0, j0 : int
        Indexes of its first row and column.

    Returns
    -------
    int
        Number of keys below `low`.
    """
    span = np.uint64(len(histogram)) << shift
    below = 0
    for i in range(keys.shape[0]):
        bits = keys[i].view(np.uint64)
        for j in range(max(0, i0 + i + theiler - j0) if symmetric else 0, keys.shape[1]):
            if bits[j] < low:
                below += 1
            elif bits[j] - low < span:
                histogram[(bits[j] - low) >> shift] += 1
    return below


@numba.njit(cache=True, nogil=True, error_model="numpy")
def mark_tile(keys: Array, limit: float, words: Array, part: int, parts: int) -> None:
    """Write the bits of a tile.

    Parameters
    ----------
    keys : (n, m) float64
    limit : float
    words : (n / 64, m / 64 + 1, 64) uint64, written
        As of `mark_narrow`; n and m are rounded up.
    part, parts : int
    """
    n, m = keys.shape
    row = np.empty(SIZE)
    for i in range(SIZE * words.shape[0]):
        if i // SIZE % parts != part:
            continue
        for J in range(words.shape[1] - 1):
            row[:] = np.nan
            if i < n:
                for j in range(min(SIZE, m - SIZE * J)):
                    row[j] = keys[i, SIZE * J + j]
            words[i // SIZE, J + 1, i % SIZE] = within(row, 0, 0.0, limit)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"})
def _square(x: Array, y: Array) -> float:
    """Return the squared l2 distance of two states."""
    total = 0.0
    for k in range(x.size):
        difference = x[k] - y[k]
        total += difference * difference
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def settle(
    x: Array,
    y: Array,
    xx: Array,
    yy: Array,
    bound: float,
    low: float,
    high: float,
    keys: Array,
    part: int,
    parts: int,
) -> None:
    """Take differences wherever squared distances from products of states could mislead.

    Such a square is right to within ``bound * (xx + yy)``. Where that leaves open on which side of
    `low` or of `high` it lies, or leaves it between them, the difference is taken.

    Parameters
    ----------
    x, y : (n, D), (m, D) float64
    xx, yy : (n,), (m,) float64
        Squared lengths.
    bound, low, high : float
    keys : (n, m) float64, updated
    part, parts : int
        Rows that are looked at: ``i % parts == part``.
    """
    for i in range(part, keys.shape[0], parts):
        for j in range(keys.shape[1]):
            margin = bound * (xx[i] + yy[j])
            if keys[i, j] + margin >= low and keys[i, j] - margin <= high:
                keys[i, j] = _square(x[i], y[j])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def near(x: Array, y: Array, limit: float) -> int:
    """Count the differences of x (n,) and y (m,), both in ascending order, of at most `limit`.

    Rounded differences ascend with y as exact ones do, so that two marks pass over it once.

    Returns
    -------
    int
    """
    found, low, high = 0, 0, 0
    for i in range(x.size):
        while low < y.size and y[low] < x[i] and abs(y[low] - x[i]) > limit:
            low += 1
        high = max(high, low)
        while high < y.size and (y[high] < x[i] or abs(y[high] - x[i]) <= limit):
            high += 1
        found += high - low
    return found
