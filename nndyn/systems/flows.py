"""Flows: one compiled rate of change and one public function each."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from nndyn.systems.kernels import FORMULA
from nndyn.systems.numeric import NumericSystem

Array = NDArray[Any]


@numba.njit(FORMULA, cache=True)
def _lorenz63(rows: Array, parameters: Array, out: Array) -> None:
    sigma, rho, beta = parameters[0], parameters[1], parameters[2]
    for i in range(rows.shape[0]):
        x, y, z = rows[i, 0], rows[i, 1], rows[i, 2]
        out[i, 0] = sigma * (y - x)
        out[i, 1] = x * (rho - z) - y
        out[i, 2] = x * y - beta * z


def lorenz63(
    sigma: float = 10.0,
    rho: float = 28.0,
    beta: float = 8.0 / 3.0,
    *,
    dt: float = 0.01,
    initial: Any = None,
    discard: int = 2000,
) -> NumericSystem:
    """Lorenz's flow of 1963; largest exponent 0.9056 per time unit at the defaults.

    Parameters
    ----------
    sigma, rho, beta : float, default 10, 28, 8/3
    dt : float, default 0.01
        Step of the classical fourth-order Runge-Kutta method, time units.
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
    return NumericSystem(
        "lorenz63",
        _lorenz63,
        {"sigma": sigma, "rho": rho, "beta": beta},
        "xyz",
        lambda rng: np.array([1.0, 1.0, 25.0]) + rng.standard_normal(3),
        initial=initial,
        discard=discard,
        dt=dt,
    )
