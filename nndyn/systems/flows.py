"""Flows of three components: compiled rate of change, derivative, and one public function each."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from nndyn.checks import is_finite
from nndyn.numerics.arrays import Array
from nndyn.systems.numeric.advance import FORMULA
from nndyn.systems.numeric.push import DERIVATIVE
from nndyn.systems.numeric.system import NumericSystem


@numba.njit(FORMULA, cache=True)
def _lorenz63(rows: Array, parameters: Array, out: Array) -> None:
    sigma, rho, beta = parameters[0], parameters[1], parameters[2]
    for i in range(rows.shape[0]):
        x, y, z = rows[i, 0], rows[i, 1], rows[i, 2]
        out[i, 0] = sigma * (y - x)
        out[i, 1] = x * (rho - z) - y
        out[i, 2] = x * y - beta * z


@numba.njit(DERIVATIVE, cache=True)
def _d_lorenz63(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    sigma, rho, beta = parameters[0], parameters[1], parameters[2]
    x, y, z = row[0], row[1], row[2]
    for j in range(vectors.shape[1]):
        a, b, c = vectors[0, j], vectors[1, j], vectors[2, j]
        out[0, j] = sigma * (b - a)
        out[1, j] = (rho - z) * a - b - x * c
        out[2, j] = y * a + x * b - beta * c


@numba.njit(FORMULA, cache=True)
def _rossler(rows: Array, parameters: Array, out: Array) -> None:
    a, b, c = parameters[0], parameters[1], parameters[2]
    for i in range(rows.shape[0]):
        x, y, z = rows[i, 0], rows[i, 1], rows[i, 2]
        out[i, 0] = -y - z
        out[i, 1] = x + a * y
        out[i, 2] = b + z * (x - c)


@numba.njit(DERIVATIVE, cache=True)
def _d_rossler(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    a, c = parameters[0], parameters[2]
    x, z = row[0], row[2]
    for j in range(vectors.shape[1]):
        u, v, w = vectors[0, j], vectors[1, j], vectors[2, j]
        out[0, j] = -v - w
        out[1, j] = u + a * v
        out[2, j] = z * u + (x - c) * w


def lorenz63(
    sigma: float = 10.0,
    rho: float = 28.0,
    beta: float = 8.0 / 3.0,
    *,
    dt: float = 0.01,
    method: str = "rk4",
    initial: Any = None,
    discard: int = 2000,
) -> NumericSystem:
    """Lorenz's flow of 1963; largest exponent 0.9056 per time unit at the defaults.

    Parameters
    ----------
    sigma, rho, beta : float, default 10, 28, 8/3
    dt : float, default 0.01
        Time step, time units.
    method : {"rk4", "dop853"}, default "rk4"
        Classical Runge-Kutta method, or an adaptive one of order 8 between multiples of `dt`.
    initial : array_like, (3,), optional
        Start before `discard` steps; drawn about (1, 1, 25) unless given.
    discard : int, default 2000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, `dt` is not positive, or `discard` is negative.

    References
    ----------
    E. N. Lorenz, doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2
    """
    known = all(is_finite(value) for value in (sigma, beta))
    return NumericSystem(
        "lorenz63",
        _lorenz63,
        {"sigma": sigma, "rho": rho, "beta": beta},
        "xyz",
        lambda rng: np.array([1.0, 1.0, 25.0]) + rng.standard_normal(3),
        derivative=_d_lorenz63,
        exponent_sum=-(sigma + 1.0 + beta) if known else None,
        initial=initial,
        discard=discard,
        dt=dt,
        method=method,
    )


def rossler(
    a: float = 0.2,
    b: float = 0.2,
    c: float = 5.7,
    *,
    dt: float = 0.01,
    method: str = "rk4",
    initial: Any = None,
    discard: int = 2000,
) -> NumericSystem:
    """Rössler's flow; largest exponent 0.0714 per time unit at the defaults.

    Parameters
    ----------
    a, b, c : float, default 0.2, 0.2, 5.7
    dt : float, default 0.01
        Time step, time units.
    method : {"rk4", "dop853"}, default "rk4"
        Classical Runge-Kutta method, or an adaptive one of order 8 between multiples of `dt`.
    initial : array_like, (3,), optional
        Start before `discard` steps; drawn about (1, 1, 1) unless given.
    discard : int, default 2000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, `dt` is not positive, or `discard` is negative.

    References
    ----------
    O. E. Rössler, doi:10.1016/0375-9601(76)90101-8
    """
    return NumericSystem(
        "rossler",
        _rossler,
        {"a": a, "b": b, "c": c},
        "xyz",
        lambda rng: 1.0 + 0.1 * rng.standard_normal(3),
        derivative=_d_rossler,
        initial=initial,
        discard=discard,
        dt=dt,
        method=method,
    )
