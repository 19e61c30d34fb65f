"""Maps: one compiled formula and one public function each."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from nndyn.errors import UsageError
from nndyn.systems.kernels import FORMULA
from nndyn.systems.numeric import NumericSystem, is_number

Array = NDArray[Any]


@numba.njit(FORMULA, cache=True)
def _logistic(rows: Array, parameters: Array, out: Array) -> None:
    r = parameters[0]
    for i in range(rows.shape[0]):
        out[i, 0] = r * rows[i, 0] * (1.0 - rows[i, 0])


@numba.njit(FORMULA, cache=True)
def _skew_tent(rows: Array, parameters: Array, out: Array) -> None:
    a = parameters[0]
    for i in range(rows.shape[0]):
        x = rows[i, 0]
        out[i, 0] = x / a if x < a else (1.0 - x) / (1.0 - a)


@numba.njit(FORMULA, cache=True)
def _henon(rows: Array, parameters: Array, out: Array) -> None:
    a, b = parameters[0], parameters[1]
    for i in range(rows.shape[0]):
        x, y = rows[i, 0], rows[i, 1]
        out[i, 0] = 1.0 - a * x * x + y
        out[i, 1] = b * x


def _unit_interval(rng: np.random.Generator) -> Array:
    return rng.uniform(0.0, 1.0, 1)


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
        "logistic", _logistic, {"r": r}, "x", _unit_interval, initial=initial, discard=discard
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
    if not (is_number(a) and 0.0 < a < 1.0):
        raise UsageError(f"parameter a of skew_tent is {a!r}, expected a number inside (0, 1)")
    if a == 0.5:
        raise UsageError(
            "parameter a of skew_tent is 0.5: in floating point every orbit of slope 2 collapses "
            "to 0; use another a"
        )
    return NumericSystem(
        "skew_tent", _skew_tent, {"a": a}, "x", _unit_interval, initial=initial, discard=discard
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
        lambda rng: rng.uniform(-0.1, 0.1, 2),
        initial=initial,
        discard=discard,
    )
