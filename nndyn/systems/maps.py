"""Maps of one and two components: compiled formula, derivative, and one public function each."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from nndyn.checks import is_finite, number
from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.numeric.advance import FORMULA
from nndyn.systems.numeric.push import DERIVATIVE
from nndyn.systems.numeric.system import NumericSystem


@numba.njit(FORMULA, cache=True)
def _logistic(rows: Array, parameters: Array, out: Array) -> None:
    r = parameters[0]
    for i in range(rows.shape[0]):
        out[i, 0] = r * rows[i, 0] * (1.0 - rows[i, 0])


@numba.njit(DERIVATIVE, cache=True)
def _d_logistic(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    slope = parameters[0] * (1.0 - 2.0 * row[0])
    for j in range(vectors.shape[1]):
        out[0, j] = slope * vectors[0, j]


@numba.njit(FORMULA, cache=True)
def _tent(rows: Array, parameters: Array, out: Array) -> None:
    for i in range(rows.shape[0]):
        out[i, 0] = parameters[0] * min(rows[i, 0], 1.0 - rows[i, 0])


@numba.njit(DERIVATIVE, cache=True)
def _d_tent(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    slope = parameters[0] if row[0] < 0.5 else -parameters[0]
    for j in range(vectors.shape[1]):
        out[0, j] = slope * vectors[0, j]


@numba.njit(FORMULA, cache=True)
def _skew_tent(rows: Array, parameters: Array, out: Array) -> None:
    a = parameters[0]
    for i in range(rows.shape[0]):
        x = rows[i, 0]
        out[i, 0] = x / a if x < a else (1.0 - x) / (1.0 - a)


@numba.njit(DERIVATIVE, cache=True)
def _d_skew_tent(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    a = parameters[0]
    slope = 1.0 / a if row[0] < a else -1.0 / (1.0 - a)
    for j in range(vectors.shape[1]):
        out[0, j] = slope * vectors[0, j]


@numba.njit(FORMULA, cache=True)
def _henon(rows: Array, parameters: Array, out: Array) -> None:
    a, b = parameters[0], parameters[1]
    for i in range(rows.shape[0]):
        x, y = rows[i, 0], rows[i, 1]
        out[i, 0] = 1.0 - a * x * x + y
        out[i, 1] = b * x


@numba.njit(DERIVATIVE, cache=True)
def _d_henon(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    slope, b = -2.0 * parameters[0] * row[0], parameters[1]
    for j in range(vectors.shape[1]):
        out[0, j] = slope * vectors[0, j] + vectors[1, j]
        out[1, j] = b * vectors[0, j]


@numba.njit(FORMULA, cache=True)
def _lozi(rows: Array, parameters: Array, out: Array) -> None:
    a, b = parameters[0], parameters[1]
    for i in range(rows.shape[0]):
        x, y = rows[i, 0], rows[i, 1]
        out[i, 0] = 1.0 - a * abs(x) + y
        out[i, 1] = b * x


@numba.njit(DERIVATIVE, cache=True)
def _d_lozi(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    slope, b = -math.copysign(parameters[0], row[0]), parameters[1]
    for j in range(vectors.shape[1]):
        out[0, j] = slope * vectors[0, j] + vectors[1, j]
        out[1, j] = b * vectors[0, j]


@numba.njit(FORMULA, cache=True)
def _ikeda(rows: Array, parameters: Array, out: Array) -> None:
    u = parameters[0]
    for i in range(rows.shape[0]):
        x, y = rows[i, 0], rows[i, 1]
        angle = 0.4 - 6.0 / (1.0 + x * x + y * y)
        c, s = math.cos(angle), math.sin(angle)
        out[i, 0] = 1.0 + u * (x * c - y * s)
        out[i, 1] = u * (x * s + y * c)


@numba.njit(DERIVATIVE, cache=True)
def _d_ikeda(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    u, x, y = parameters[0], row[0], row[1]
    radius = 1.0 + x * x + y * y
    angle = 0.4 - 6.0 / radius
    c, s = math.cos(angle), math.sin(angle)
    along, across = 12.0 * x / (radius * radius), 12.0 * y / (radius * radius)
    for j in range(vectors.shape[1]):
        a, b = vectors[0, j], vectors[1, j]
        turn = along * a + across * b
        out[0, j] = u * (a * c - b * s - (x * s + y * c) * turn)
        out[1, j] = u * (a * s + b * c + (x * c - y * s) * turn)


def _unit_interval(rng: np.random.Generator) -> Array:
    return rng.uniform(0.0, 1.0, 1)


def _near_origin(rng: np.random.Generator) -> Array:
    return rng.uniform(-0.1, 0.1, 2)


def logistic(r: float = 4.0, *, initial: Any = None, discard: int = 1000) -> NumericSystem:
    """Logistic map ``x' = r x (1 - x)``; exponent ln 2 at r = 4.

    Parameters
    ----------
    r : float, default 4
    initial : array_like, (1,), optional
        Start before `discard` steps; drawn uniformly from (0, 1) with the seed unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, or `discard` is negative.

    Notes
    -----
    In floating point an orbit at r = 4 may collapse to 0 (it does from x = 0.5 and 0.75 at once);
    use several seeds.
    """
    return NumericSystem(
        "logistic",
        _logistic,
        {"r": r},
        "x",
        _unit_interval,
        derivative=_d_logistic,
        initial=initial,
        discard=discard,
    )


def tent(slope: float = 1.9, *, initial: Any = None, discard: int = 1000) -> NumericSystem:
    """Tent map ``x' = slope min(x, 1 - x)``; exponent ln slope.

    Parameters
    ----------
    slope : float, default 1.9
        Above 0 and below 2.
    initial : array_like, (1,), optional
        Start before `discard` steps; drawn uniformly from (0, 1) with the seed unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If `slope` is not inside (0, 2): with slope 2 every orbit reaches 0 in binary floating point
        within 54 steps, with a larger one it escapes.
    """
    why = (
        ": with slope 2 every orbit collapses to 0 in floating point, with a larger one it escapes"
    )
    number("parameter slope of tent", slope, above=0, below=2, cure=why)
    return NumericSystem(
        "tent",
        _tent,
        {"slope": slope},
        "x",
        _unit_interval,
        derivative=_d_tent,
        exponent_sum=math.log(slope),
        initial=initial,
        discard=discard,
    )


def skew_tent(a: float = 0.3, *, initial: Any = None, discard: int = 1000) -> NumericSystem:
    """Skew tent map, ``x / a`` left of a and ``(1 - x) / (1 - a)`` right of it.

    Its exponent is -a ln a - (1 - a) ln(1 - a).

    Parameters
    ----------
    a : float, default 0.3
        Place of the peak, between 0 and 1.
    initial : array_like, (1,), optional
        Start before `discard` steps; drawn uniformly from (0, 1) with the seed unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If `a` is not inside (0, 1), or is 1/2: with slope 2 every orbit reaches 0 in binary
        floating point within 54 steps.
    """
    if number("parameter a of skew_tent", a, above=0, below=1) == 0.5:
        raise UsageError(
            "parameter a of skew_tent is 0.5: in floating point every orbit of slope 2 collapses "
            "to 0; use another a"
        )
    return NumericSystem(
        "skew_tent",
        _skew_tent,
        {"a": a},
        "x",
        _unit_interval,
        derivative=_d_skew_tent,
        initial=initial,
        discard=discard,
    )


def henon(
    a: float = 1.4, b: float = 0.3, *, initial: Any = None, discard: int = 1000
) -> NumericSystem:
    """Hénon map ``x' = 1 - a x² + y``, ``y' = b x``; largest exponent 0.41923 at the defaults.

    Parameters
    ----------
    a, b : float, default 1.4 and 0.3
    initial : array_like, (2,), optional
        Start before `discard` steps; drawn from a square of side 0.2 about the origin, inside the
        basin at the defaults, unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, or `discard` is negative.

    References
    ----------
    M. Hénon, doi:10.1007/BF01608556
    """
    return NumericSystem(
        "henon",
        _henon,
        {"a": a, "b": b},
        "xy",
        _near_origin,
        derivative=_d_henon,
        exponent_sum=_log_size(b),
        initial=initial,
        discard=discard,
    )


def lozi(
    a: float = 1.7, b: float = 0.5, *, initial: Any = None, discard: int = 1000
) -> NumericSystem:
    """Lozi map ``x' = 1 - a |x| + y``, ``y' = b x``; largest exponent 0.47024 at the defaults.

    Parameters
    ----------
    a, b : float, default 1.7 and 0.5
    initial : array_like, (2,), optional
        Start before `discard` steps; drawn from a square of side 0.2 about the origin, inside the
        basin at the defaults, unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, or `discard` is negative.

    References
    ----------
    R. Lozi, doi:10.1051/jphyscol:1978505
    """
    return NumericSystem(
        "lozi",
        _lozi,
        {"a": a, "b": b},
        "xy",
        _near_origin,
        derivative=_d_lozi,
        exponent_sum=_log_size(b),
        initial=initial,
        discard=discard,
    )


def ikeda(u: float = 0.9, *, initial: Any = None, discard: int = 1000) -> NumericSystem:
    """Ikeda map of light in a ring cavity; largest exponent 0.50762 at the default.

    ``x' = 1 + u (x cos t - y sin t)``, ``y' = u (x sin t + y cos t)`` with
    ``t = 0.4 - 6 / (1 + x² + y²)``.

    Parameters
    ----------
    u : float, default 0.9
    initial : array_like, (2,), optional
        Start before `discard` steps; drawn from a square of side 0.2 about the origin, inside the
        basin at the default, unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, or `discard` is negative.

    References
    ----------
    K. Ikeda, doi:10.1016/0030-4018(79)90090-7; in this form S. M. Hammel, C. K. R. T. Jones and
    J. V. Moloney, doi:10.1364/JOSAB.2.000552
    """
    return NumericSystem(
        "ikeda",
        _ikeda,
        {"u": u},
        "xy",
        _near_origin,
        derivative=_d_ikeda,
        exponent_sum=_log_size(u * u) if is_finite(u) else None,
        initial=initial,
        discard=discard,
    )


def _log_size(number: float) -> float | None:
    """Return ln |number|, None where that is no number."""
    return math.log(abs(number)) if is_finite(number) and number else None
