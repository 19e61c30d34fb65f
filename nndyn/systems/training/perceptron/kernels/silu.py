"""Sigmoid-weighted linear unit."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.functions.logistic import logistic
from nndyn.numerics.functions.primitives import fma

#: From here on one of the two shares is 0, by which x may not be infinite.
FAR = 1000.0


@numba.njit(inline="always")
def _silu(x: float) -> Any:
    """Return ``x / (1 + exp(-x))`` and two derivatives."""
    share, rest = logistic(x)
    low = -FAR if x < -FAR else x
    near = FAR if low > FAR else low
    bend = share * rest
    slope = fma(near, bend, share)
    return low * share, slope, bend * fma(near, rest - share, 2.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def forward(x: Array, bias: Array, value: Array) -> None:
    """Write the value, and turn `x` into the derivative; see `Activation.forward`."""
    for r in range(x.shape[0]):
        shift = np.float64(bias[r])
        for j in range(x.shape[1]):
            value[r, j], x[r, j], _ = _silu(np.float64(x[r, j]) + shift)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def expand(x: Array, first: Array, second: Array) -> None:
    """Turn `x` into the value, beside two derivatives; see `Activation.expand`."""
    for r in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[r, j], first[r, j], second[r, j] = _silu(np.float64(x[r, j]))
