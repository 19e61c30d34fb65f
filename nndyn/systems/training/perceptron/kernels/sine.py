"""Sine as an activation."""

from __future__ import annotations

import numba
import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.functions.primitives import SIZE, bits
from nndyn.numerics.functions.trigonometric import (
    REDUCED_BITS,
    sine_and_cosine,
    sine_and_cosine_of_any,
)


@numba.njit(inline="always")
def _any_beyond(x: Array, shift: float) -> bool:
    """Whether some number is too large, or none, for what vectors do; the loop is one of them."""
    beyond = 0
    for j in range(x.size):
        beyond |= (bits(np.float64(x[j]) + shift) & SIZE) > REDUCED_BITS
    return beyond != 0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def forward(x: Array, bias: Array, value: Array) -> None:
    """Write the value, and turn `x` into the derivative; see `Activation.forward`."""
    for r in range(x.shape[0]):
        shift = np.float64(bias[r])
        if _any_beyond(x[r], shift):
            for j in range(x.shape[1]):
                value[r, j], x[r, j] = sine_and_cosine_of_any(np.float64(x[r, j]) + shift)
        else:
            for j in range(x.shape[1]):
                value[r, j], x[r, j] = sine_and_cosine(np.float64(x[r, j]) + shift)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def expand(x: Array, first: Array, second: Array) -> None:
    """Turn `x` into the value, beside two derivatives; see `Activation.expand`."""
    for r in range(x.shape[0]):
        if _any_beyond(x[r], 0.0):
            for j in range(x.shape[1]):
                x[r, j], first[r, j] = sine_and_cosine_of_any(np.float64(x[r, j]))
                second[r, j] = -x[r, j]
        else:
            for j in range(x.shape[1]):
                x[r, j], first[r, j] = sine_and_cosine(np.float64(x[r, j]))
                second[r, j] = -x[r, j]
