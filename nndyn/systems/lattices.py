"""Rings of coupled sites: a lattice of logistic maps, and Lorenz's flow of 1996."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from nndyn.checks import whole
from nndyn.numerics.arrays import Array
from nndyn.systems.numeric.advance import FORMULA
from nndyn.systems.numeric.push import DERIVATIVE
from nndyn.systems.numeric.system import NumericSystem


@numba.njit(FORMULA, cache=True)
def _coupled_logistic(rows: Array, parameters: Array, out: Array) -> None:
    r, coupling = parameters[0], parameters[1]
    n = rows.shape[1]
    image = np.empty(n)
    for i in range(rows.shape[0]):
        for p in range(n):
            image[p] = r * rows[i, p] * (1.0 - rows[i, p])
        for p in range(n):
            beside = image[p - 1] + image[(p + 1) % n]
            out[i, p] = (1.0 - coupling) * image[p] + 0.5 * coupling * beside


@numba.njit(DERIVATIVE, cache=True)
def _d_coupled_logistic(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    r, coupling = parameters[0], parameters[1]
    n, k = vectors.shape
    for p in range(n):
        left, right = p - 1 if p else n - 1, p + 1 if p + 1 < n else 0
        a = (1.0 - coupling) * r * (1.0 - 2.0 * row[p])
        b = 0.5 * coupling * r * (1.0 - 2.0 * row[left])
        c = 0.5 * coupling * r * (1.0 - 2.0 * row[right])
        for j in range(k):
            out[p, j] = a * vectors[p, j] + b * vectors[left, j] + c * vectors[right, j]


@numba.njit(FORMULA, cache=True)
def _lorenz96(rows: Array, parameters: Array, out: Array) -> None:
    n = rows.shape[1]
    for i in range(rows.shape[0]):
        for p in range(n):
            ahead = rows[i, p + 1 if p + 1 < n else 0]
            out[i, p] = (ahead - rows[i, p - 2]) * rows[i, p - 1] - rows[i, p] + parameters[0]


@numba.njit(DERIVATIVE, cache=True)
def _d_lorenz96(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    n, k = vectors.shape
    for p in range(n):
        before, two, ahead = (p - 1) % n, (p - 2) % n, (p + 1) % n
        a, b = row[ahead] - row[two], row[before]
        for j in range(k):
            rest = b * (vectors[ahead, j] - vectors[two, j]) - vectors[p, j]
            out[p, j] = a * vectors[before, j] + rest


def coupled_logistic(
    r: float = 4.0,
    coupling: float = 0.1,
    sites: int = 8,
    *,
    initial: Any = None,
    discard: int = 1000,
) -> NumericSystem:
    """Ring of logistic maps, each coupled to its two neighbours.

    ``x_i' = (1 - c) f(x_i) + c / 2 (f(x_{i-1}) + f(x_{i+1}))`` with ``f(x) = r x (1 - x)``. Where
    all sites are equal, at r = 4, its exponents are ``ln 2 + ln|1 - c + c cos(2πk / N)|``.

    Parameters
    ----------
    r : float, default 4
    coupling : float, default 0.1
    sites : int, default 8
        N, at least 3.
    initial : array_like, (N,), optional
        Start before `discard` steps; drawn uniformly from (0, 1) unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, there are fewer than three sites, or `discard` is
        negative.

    References
    ----------
    K. Kaneko, doi:10.1143/PTP.72.480
    """
    n = _sites("coupled_logistic", sites, 3)
    return NumericSystem(
        "coupled_logistic",
        _coupled_logistic,
        {"r": r, "coupling": coupling, "sites": n},
        [f"x{i}" for i in range(n)],
        lambda rng: rng.uniform(0.0, 1.0, n),
        derivative=_d_coupled_logistic,
        initial=initial,
        discard=discard,
    )


def lorenz96(
    forcing: float = 8.0,
    sites: int = 40,
    *,
    dt: float = 0.01,
    method: str = "rk4",
    initial: Any = None,
    discard: int = 2000,
) -> NumericSystem:
    """Lorenz's flow of 1996 on a ring; largest exponent 1.688 per time unit at the defaults.

    ``dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F``.

    Parameters
    ----------
    forcing : float, default 8
        F.
    sites : int, default 40
        N, at least 4.
    dt : float, default 0.01
        Time step, time units.
    method : {"rk4", "dop853"}, default "rk4"
        Classical Runge-Kutta method, or an adaptive one of order 8 between multiples of `dt`.
    initial : array_like, (N,), optional
        Start before `discard` steps; drawn about F unless given.
    discard : int, default 2000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, there are fewer than four sites, `dt` is not
        positive, or `discard` is negative.

    References
    ----------
    E. N. Lorenz and K. A. Emanuel, doi:10.1175/1520-0469(1998)055<0399:OSFSWO>2.0.CO;2
    """
    n = _sites("lorenz96", sites, 4)
    return NumericSystem(
        "lorenz96",
        _lorenz96,
        {"forcing": forcing, "sites": n},
        [f"x{i}" for i in range(n)],
        lambda rng: forcing + rng.standard_normal(n),
        derivative=_d_lorenz96,
        exponent_sum=-float(n),
        initial=initial,
        discard=discard,
        dt=dt,
        method=method,
    )


def _sites(name: str, sites: Any, least: int) -> int:
    return whole(f"parameter sites of {name}", sites, least)
