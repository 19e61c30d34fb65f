"""Rectifier as an activation."""

from __future__ import annotations

import numba
import numpy as np

from nndyn.numerics.arrays import Array


@numba.njit(cache=True, nogil=True)
def forward(x: Array, bias: Array, value: Array) -> None:
    """Turn `x` into the value; see `Activation.forward`. NaN stays."""
    for r in range(x.shape[0]):
        shift = np.float64(bias[r])
        for j in range(x.shape[1]):
            z = np.float64(x[r, j]) + shift
            x[r, j] = 0.0 if z < 0.0 else z


@numba.njit(cache=True, nogil=True)
def backward(delta: Array, value: Array, slope: Array) -> None:
    """Multiply by the derivative, 0 at 0; see `Activation.backward`."""
    for r in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            delta[r, j] = 0.0 if value[r, j] <= 0.0 else delta[r, j]


@numba.njit(cache=True, nogil=True)
def expand(x: Array, first: Array, second: Array) -> None:
    """Turn `x` into the value, beside two derivatives; see `Activation.expand`."""
    for r in range(x.shape[0]):
        for j in range(x.shape[1]):
            z = x[r, j]
            x[r, j] = 0.0 if z < 0.0 else z
            first[r, j], second[r, j] = (1.0 if z > 0.0 else 0.0), 0.0
