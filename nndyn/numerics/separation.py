"""How far trajectories are from one another, and how far they moved: direct differences."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.lanes import add_products, add_sizes

#: Components whose deviations are held at a time; a multiple of eight.
_CACHED = 1024


@numba.njit(inline="always")
def _folded(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
    return ((a + e) + (c + g)) + ((b + f) + (d + h))


@numba.njit(inline="always")
def _folded_of(v: Array) -> Any:
    return _folded(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7])


@numba.njit(cache=True, nogil=True)
def _apart(row: Array, reference: Array, n: int, out: Array) -> bool:
    """Write a deviation in float64; return whether it is anything but zero."""
    different = 0
    for i in range(n):
        out[i] = np.float64(row[i]) - np.float64(reference[i])
        different += out[i] != 0.0
    return different > 0


@numba.njit(cache=True, nogil=True)
def _deviation(row: Array, reference: Array, n: int, out: Array) -> None:
    """Write a deviation in float64."""
    for i in range(n):
        out[i] = np.float64(row[i]) - np.float64(reference[i])


@numba.njit(cache=True, nogil=True)
def _widened(row: Array, n: int, out: Array) -> None:
    """Write numbers in float64."""
    for i in range(n):
        out[i] = np.float64(row[i])


@numba.njit(inline="always")
def _separate_few(rows: Array, size: int, t: int, l1: Array, linf: Array, gram: Array) -> None:
    """Do what `separate` does where there are fewer than eight components."""
    for r in range(rows.shape[0]):
        length = most = 0.0
        for i in range(size):
            delta = abs(np.float64(rows[r, i]) - np.float64(rows[0, i]))
            length += delta
            most = max(most, delta)
        l1[t, r] = length if np.isfinite(length) else np.nan
        linf[t, r] = most if np.isfinite(length) else np.nan
        for s in range(r + 1):
            product = 0.0
            for i in range(size):
                first = np.float64(rows[0, i])
                product += (np.float64(rows[r, i]) - first) * (np.float64(rows[s, i]) - first)
            gram[t, r, s] = product
            gram[t, s, r] = product


@numba.njit(cache=True, nogil=True)
def _add_squares(deviation: Array, first: int, n: int, ends: Array, out: Array) -> None:
    """Add the squares of n numbers, those of the components from `first` on, by parameter."""
    lanes, begin = np.empty(8), 0
    p = np.searchsorted(ends, first, side="right")
    while begin < n:
        end = min(ends[p] - first, n)
        whole = (end - begin) // 8 * 8
        lanes[:] = 0.0
        add_products(deviation[begin:end], deviation[begin:end], whole, lanes)
        total = _folded_of(lanes)
        for i in range(begin + whole, end):
            total += deviation[i] * deviation[i]
        out[p] += total
        begin, p = end, p + 1


@numba.njit(cache=True, nogil=True)
def separate(rows: Array, size: int, t: int, l1: Array, linf: Array, gram: Array) -> None:
    """Write distances and inner products of the deviations of `rows` from ``rows[0]``.

    Parameters
    ----------
    rows : (R, P)
    size : int
        The components that count, the first ones.
    t : int
        Index of what is written.
    l1, linf : (n, R) float64, written
        0 for row 0; NaN for every row that holds, or is compared with, a number that is not finite.
    gram : (n, R, R) float64, written
        ``gram[t, r, s] = Σ (rows[r] - rows[0])·(rows[s] - rows[0])``, from direct differences.

    Notes
    -----
    Sums run over every eighth component and are then added up: a processor takes eight at a time,
    and what comes out depends on the numbers alone, not on the processor, on where rows lie in
    memory or which others there are. Components are taken some at a time, so that the deviations
    of all rows stay in the cache; a row that is there equal to the reference costs no product.
    """
    if size < 8:
        _separate_few(rows, size, t, l1, linf, gram)
    else:
        none = np.empty(0, np.int64), np.empty((rows.shape[0], 0))
        _separate_many(rows, size, t, l1, linf, gram, *none)


@numba.njit(cache=True, nogil=True)
def separate_by_parameter(
    rows: Array, ends: Array, t: int, l1: Array, linf: Array, gram: Array, squares: Array
) -> None:
    """Do what `separate` does, and write the squares of deviations by parameter, in one pass.

    Parameters
    ----------
    rows, t, l1, linf, gram
        As of `separate`, to the bit.
    ends : (k,) int64
        Where each parameter ends; the first begins at component 0, each other one where the one
        before ends, and no component after the last counts.
    squares : (n, R, k) float64, written
        ``Σ (rows[r] - rows[0])²`` over the components of each: together the diagonal of `gram`, to
        rounding. Not finite where a number of that parameter is not.
    """
    size = ends[-1]
    squares[t] = 0.0
    if size >= 8:
        _separate_many(rows, size, t, l1, linf, gram, ends, squares[t])
        return
    _separate_few(rows, size, t, l1, linf, gram)
    deviation = np.empty(size)
    for r in range(rows.shape[0]):
        _apart(rows[r], rows[0], size, deviation)
        _add_squares(deviation, 0, size, ends, squares[t, r])


@numba.njit(cache=True, nogil=True)
def _separate_many(
    rows: Array,
    size: int,
    t: int,
    l1: Array,
    linf: Array,
    gram: Array,
    ends: Array,
    squares: Array,
) -> None:
    """Do what `separate` does; add squares (R, k) by parameter, where there is any."""
    R, by_parameter = rows.shape[0], ends.size > 0
    whole = size - size % 8
    deviations = np.empty((R, _CACHED))
    total, largest, products = np.zeros((R, 8)), np.zeros((R, 8)), np.zeros((R, R, 8))
    apart = np.empty(R, np.bool_)
    for start in range(0, whole, _CACHED):
        stop = min(start + _CACHED, whole)
        n, finite = stop - start, True
        for r in range(R):
            apart[r] = _apart(rows[r, start:stop], rows[0, start:stop], n, deviations[r])
            if apart[r]:
                add_sizes(deviations[r], n, total[r], largest[r])
                finite &= np.isfinite(_folded_of(total[r]))
                if by_parameter:
                    _add_squares(deviations[r], start, n, ends, squares[r])
        for r in range(R):
            for s in range(r + 1):
                if not finite or (apart[r] and apart[s]):
                    add_products(deviations[r], deviations[s], n, products[r, s])
    rest = np.empty((R, size - whole))
    for r in range(R):
        _apart(rows[r, whole:size], rows[0, whole:size], size - whole, rest[r])
        if by_parameter:
            _add_squares(rest[r], whole, size - whole, ends, squares[r])
        length, most = _folded_of(total[r]), np.max(largest[r])
        for i in range(size - whole):
            length += abs(rest[r, i])
            most = max(most, abs(rest[r, i]))
        l1[t, r] = length if np.isfinite(length) else np.nan
        linf[t, r] = most if np.isfinite(length) else np.nan
        for s in range(r + 1):
            product = _folded_of(products[r, s])
            for i in range(size - whole):
                product += rest[r, i] * rest[s, i]
            gram[t, r, s] = product
            gram[t, s, r] = product


@numba.njit(cache=True, nogil=True)
def _moved(new: Array, before: Array, after: Array, n: int, out: Array) -> None:
    """Copy numbers, and write how far they moved in float64."""
    for i in range(n):
        out[i] = np.float64(new[i]) - np.float64(before[i])
        after[i] = new[i]


@numba.njit(cache=True, nogil=True)
def moved(new: Array, before: Array, after: Array) -> float:
    """Copy numbers, and return the square of how far they are from those before.

    Parameters
    ----------
    new, before : (n,)
    after : (n,), written

    Returns
    -------
    float
        Not finite where a number is not. Sums as those of `separate`.
    """
    n = new.size
    whole = n - n % 8
    step, squares = np.empty(_CACHED), np.zeros(8)
    for start in range(0, whole, _CACHED):
        stop = min(start + _CACHED, whole)
        _moved(new[start:stop], before[start:stop], after[start:stop], stop - start, step)
        add_products(step, step, stop - start, squares)
    total = _folded_of(squares)
    for i in range(whole, n):
        total += (np.float64(new[i]) - np.float64(before[i])) ** 2
        after[i] = new[i]
    return float(total)


@numba.njit(cache=True, nogil=True)
def lengths(rows: Array, out: Array) -> None:
    """Write how long rows are.

    Parameters
    ----------
    rows : (R, D)
    out : (R,) float64, written
        l2 lengths; not finite where a number is not. Sums as those of `separate`.
    """
    for r in range(rows.shape[0]):
        out[r] = np.sqrt(_square(rows[r], rows[r], False))


@numba.njit(cache=True, nogil=True)
def moves(new: Array, before: Array, out: Array) -> None:
    """Write how far rows are from those before.

    Parameters
    ----------
    new, before : (R, D)
    out : (R,) float64, written
        l2 lengths of the differences, as `lengths` has them; differences are taken in float64.
    """
    for r in range(new.shape[0]):
        out[r] = np.sqrt(_square(new[r], before[r], True))


@numba.njit(cache=True, nogil=True)
def _square(x: Array, y: Array, apart: bool) -> float:
    """Return the sum of the squares of x, or of its differences from y."""
    n, held, squares = x.size, np.empty(_CACHED), np.zeros(8)
    whole = n - n % 8
    for start in range(0, whole, _CACHED):
        stop = min(start + _CACHED, whole)
        if apart:
            _deviation(x[start:stop], y[start:stop], stop - start, held)
        else:
            _widened(x[start:stop], stop - start, held)
        add_products(held, held, stop - start, squares)
    total = _folded_of(squares)
    for i in range(whole, n):
        last = np.float64(x[i]) - np.float64(y[i]) if apart else np.float64(x[i])
        total += last * last
    return float(total)
