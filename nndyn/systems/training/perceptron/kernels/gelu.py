"""Gaussian error linear unit: the exact one, by the normal distribution."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.functions.normal import normal
from nndyn.numerics.functions.primitives import fma

#: From here on density and tail are 0, by which x may not be infinite.
FAR = 40.0


@numba.njit(inline="always")
def _gelu(x: float) -> Any:
    """Return ``x Φ(x)`` and two derivatives."""
    share, density = normal(x)
    low = -FAR if x < -FAR else x
    near = FAR if low > FAR else low
    return low * share, fma(near, density, share), density * fma(-near, near, 2.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def forward(x: Array, bias: Array, value: Array) -> None:
    """Write the value, and turn `x` into the derivative; see `Activation.forward`."""
    for r in range(x.shape[0]):
        shift = np.float64(bias[r])
        for j in range(x.shape[1]):
            value[r, j], x[r, j], _ = _gelu(np.float64(x[r, j]) + shift)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def expand(x: Array, first: Array, second: Array) -> None:
    """Turn `x` into the value, beside two derivatives; see `Activation.expand`."""
    for r in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[r, j], first[r, j], second[r, j] = _gelu(np.float64(x[r, j]))
