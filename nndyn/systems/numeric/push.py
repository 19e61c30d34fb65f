"""Compiled loops that carry tangent vectors along the reference of a map or a flow.

A system's derivative is one compiled function ``derivative(row, parameters, vectors, out)``: the
product of the Jacobian at ``row`` (P,) with ``vectors`` (P, k). A flow's vectors are pushed by the
exact derivative of its Runge-Kutta step, so that they follow the recorded map and no other.

References
----------
Benettin et al., Meccanica 15 (1980) 9, doi:10.1007/BF02128236.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba import types

from nndyn.numerics.arrays import Array
from nndyn.systems.numeric.advance import FORMULA

_ROWS = types.Array(types.float64, 2, "C")
_VECTOR = types.Array(types.float64, 1, "C")
_TIMES = types.Array(types.int64, 1, "C")
#: Signature of a derivative: row (P,), parameters, vectors (P, k), product to write (P, k).
DERIVATIVE = types.void(_VECTOR, _VECTOR, _ROWS, _ROWS)
_FORMULA, _DERIVATIVE = types.FunctionType(FORMULA), types.FunctionType(DERIVATIVE)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _gram_schmidt(rows: Array, stretch: Array) -> None:
    """Orthonormalize the rows (k, P), four of the later ones at a time."""
    k, P = rows.shape
    for i in range(k):
        square = 0.0
        for p in range(P):
            square += rows[i, p] * rows[i, p]
        length = np.sqrt(square)
        stretch[i] = length
        inverse = 1.0 / length if length > 0.0 else 0.0
        for p in range(P):
            rows[i, p] *= inverse
        j = i + 1
        while j + 4 <= k:
            a = b = c = d = 0.0
            for p in range(P):
                q = rows[i, p]
                a += q * rows[j, p]
                b += q * rows[j + 1, p]
                c += q * rows[j + 2, p]
                d += q * rows[j + 3, p]
            for p in range(P):
                q = rows[i, p]
                rows[j, p] -= a * q
                rows[j + 1, p] -= b * q
                rows[j + 2, p] -= c * q
                rows[j + 3, p] -= d * q
            j += 4
        while j < k:
            a = 0.0
            for p in range(P):
                a += rows[i, p] * rows[j, p]
            for p in range(P):
                rows[j, p] -= a * rows[i, p]
            j += 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def orthonormalize(vectors: Array, rows: Array, stretch: Array) -> None:
    """Replace vectors by the Q of their QR decomposition, and note the diagonal of R.

    Parameters
    ----------
    vectors : (P, k) float64, k <= P
        Overwritten.
    rows : (k, P) float64
        Scratch.
    stretch : (k,) float64, written
        The diagonal of R, not negative. Where it is 0 the derivative is singular, and the vector
        stays 0.
    """
    P, k = vectors.shape
    for p in range(P):
        for j in range(k):
            rows[j, p] = vectors[p, j]
    _gram_schmidt(rows, stretch)
    for p in range(P):
        for j in range(k):
            vectors[p, j] = rows[j, p]


#: Vectors that `_push_plane` has left are as long as 2 to this power, or up to twice that: no
#: others ever are, and so the next call knows them.
_MARK = 400


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _exponent(vectors: Array) -> int:
    """Return the power of 2 that is the length of two vectors in a plane, rounded down.

    Returns
    -------
    int
        Far below all others where the second is not the first one turned by a right angle.
    """
    a, b, c, d = vectors[0, 0], vectors[1, 0], vectors[0, 1], vectors[1, 1]
    turned = (c == -b and d == a) or (c == b and d == -a)
    return math.frexp(np.sqrt(a * a + b * b))[1] - 1 if turned else -2000


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _push_plane(
    step: Any, derivative: Any, row: Array, parameters: Array, vectors: Array, stretch: Array
) -> int:
    """Push two vectors of two components, orthonormalized at every step.

    The first vector is left to grow, its length taken beside it, and the second is turned to a
    right angle with it: the same R, without waiting for a root and a division at every step. Their
    length is changed by powers of 2 alone, which round nothing, so that the next call goes on with
    the same bits.

    Returns
    -------
    int
        Steps done: fewer than those of `stretch` where the first vector vanishes.
    """
    ahead, near, far = np.empty_like(vectors), row.copy(), np.empty_like(row)
    if _exponent(vectors) == _MARK:
        vectors *= 2.0**-_MARK
    done, inverse = 0, 1.0 / np.sqrt(vectors[0, 0] ** 2 + vectors[1, 0] ** 2)
    while done < len(stretch):
        derivative(near[0], parameters, vectors, ahead)
        a, b, c, d = ahead[0, 0], ahead[1, 0], ahead[0, 1], ahead[1, 1]
        square = a * a + b * b
        if square == 0.0:
            break
        step(near, parameters, far)
        near[0, 0], near[0, 1] = far[0, 0], far[0, 1]
        area = a * d - b * c
        length = np.sqrt(square)
        stretch[done, 0] = length * inverse
        stretch[done, 1] = abs(area) * inverse / length
        inverse = 1.0 / length
        if square > 2.0**600 or square < 2.0**-600:
            scale = 2.0**-300 if square > 1.0 else 2.0**300
            a, b, inverse = a * scale, b * scale, inverse / scale
        if area < 0.0:
            c, d = b, -a
        else:
            c, d = -b, a
        vectors[0, 0], vectors[1, 0], vectors[0, 1], vectors[1, 1] = a, b, c, d
        done += 1
    row[:] = near
    if done < len(stretch):
        vectors *= inverse
    else:
        vectors *= math.ldexp(1.0, _MARK - _exponent(vectors))
    return done


@numba.njit(cache=True, nogil=True, error_model="numpy")
def push_each(
    step: Any,
    derivative: Any,
    row: Array,
    parameters: Array,
    vectors: Array,
    start: int,
    steps: int,
    at: Array,
    stretch: Array,
) -> None:
    """Push any number of vectors along an orbit of a map, in place; see `push_map`."""
    pushed = np.empty_like(vectors)
    new = np.empty_like(row)
    rows = np.empty((vectors.shape[1], vectors.shape[0]))
    n = 0
    for i in range(start + 1, start + steps + 1):
        derivative(row[0], parameters, vectors, pushed)
        step(row, parameters, new)
        row[:] = new
        vectors[:] = pushed
        if n < at.size and at[n] == i:
            orthonormalize(vectors, rows, stretch[n])
            n += 1


@numba.njit(
    types.void(
        _FORMULA,
        _DERIVATIVE,
        _ROWS,
        _VECTOR,
        _ROWS,
        types.int64,
        types.int64,
        _TIMES,
        _ROWS,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def push_map(
    step: Any,
    derivative: Any,
    row: Array,
    parameters: Array,
    vectors: Array,
    start: int,
    steps: int,
    at: Array,
    stretch: Array,
) -> None:
    """Push vectors along an orbit of a map, in place.

    Parameters
    ----------
    step, derivative : compiled functions
    row : (1, P) float64
        The phase, advanced.
    parameters : (m,) float64
    vectors : (P, k) float64
        Advanced; to be handed to the next call as they are.
    start, steps : int
    at : (n,) int64
        Times in ``start + 1 … start + steps`` at which vectors are orthonormalized.
    stretch : (n, k) float64, written
        The diagonals of R.
    """
    done = 0
    if vectors.size == 4 and row.size == 2:
        exponent = _exponent(vectors)
        # a single step may be the last of several; that vectors are orthonormalized at every one
        # is known where they began so
        begun = start == 0 or exponent == _MARK or (steps > 1 and exponent > -2000)
        if begun and at.size == steps:
            done = _push_plane(step, derivative, row, parameters, vectors, stretch)
        elif exponent == _MARK:
            vectors /= np.sqrt(vectors[0, 0] ** 2 + vectors[1, 0] ** 2)
    push_each(
        step,
        derivative,
        row,
        parameters,
        vectors,
        start + done,
        steps - done,
        at[done:],
        stretch[done:],
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _stage(
    vectors: Array, slope: Array, weight: float, ahead: float, total: Array, new: Array
) -> None:
    """Add a weighted slope to the total, and go ahead by it from the vectors."""
    for p in range(vectors.shape[0]):
        for j in range(vectors.shape[1]):
            total[p, j] += weight * slope[p, j]
            new[p, j] = vectors[p, j] + ahead * slope[p, j]


@numba.njit(
    types.void(
        _FORMULA,
        _DERIVATIVE,
        _ROWS,
        _VECTOR,
        types.float64,
        _ROWS,
        types.int64,
        types.int64,
        _TIMES,
        _ROWS,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def push_flow(
    rate: Any,
    derivative: Any,
    row: Array,
    parameters: Array,
    dt: float,
    vectors: Array,
    start: int,
    steps: int,
    at: Array,
    stretch: Array,
) -> None:
    """Push vectors along an orbit of a Runge-Kutta flow, in place; see `push_map`."""
    P = row.shape[1]
    slopes, place = np.empty((4, 1, P)), np.empty_like(row)
    pushed, total, places = (
        np.empty_like(vectors),
        np.empty_like(vectors),
        np.empty_like(vectors),
    )
    rows = np.empty((vectors.shape[1], P))
    n = 0
    for i in range(start + 1, start + steps + 1):
        total[:] = 0.0
        place[:] = row
        places[:] = vectors
        for stage in range(4):
            weight = dt / 6.0 if stage in (0, 3) else dt / 3.0
            ahead = dt if stage == 2 else 0.5 * dt
            rate(place, parameters, slopes[stage])
            derivative(place[0], parameters, places, pushed)
            for p in range(P):
                place[0, p] = row[0, p] + ahead * slopes[stage, 0, p]
            _stage(vectors, pushed, weight, ahead, total, places)
        for p in range(P):  # as `advance_flow` does it, to the last bit
            slope = slopes[0, 0, p] + 2.0 * slopes[1, 0, p] + 2.0 * slopes[2, 0, p]
            row[0, p] = row[0, p] + dt / 6.0 * (slope + slopes[3, 0, p])
        vectors += total
        if n < at.size and at[n] == i:
            orthonormalize(vectors, rows, stretch[n])
            n += 1
