"""Logistic function as an activation."""

from __future__ import annotations

import numba
import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.functions.logistic import logistic
from nndyn.numerics.functions.primitives import fma


@numba.njit(cache=True, nogil=True, error_model="numpy")
def forward(x: Array, bias: Array, value: Array) -> None:
    """Turn `x` into the value; see `Activation.forward`."""
    for r in range(x.shape[0]):
        shift = np.float64(bias[r])
        for j in range(x.shape[1]):
            x[r, j] = logistic(np.float64(x[r, j]) + shift)[0]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def backward(delta: Array, value: Array, slope: Array) -> None:
    """Multiply by the derivative; see `Activation.backward`."""
    for r in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            v = np.float64(value[r, j])
            delta[r, j] *= fma(-v, v, v)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def expand(x: Array, first: Array, second: Array) -> None:
    """Turn `x` into the value, beside two derivatives; see `Activation.expand`."""
    for r in range(x.shape[0]):
        for j in range(x.shape[1]):
            v, rest = logistic(np.float64(x[r, j]))
            slope = v * rest
            x[r, j], first[r, j], second[r, j] = v, slope, slope * (rest - v)
