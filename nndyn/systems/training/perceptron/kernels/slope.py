"""The pass back through an activation whose derivative the forward pass wrote."""

from __future__ import annotations

import numba

from nndyn.numerics.arrays import Array


@numba.njit(cache=True, nogil=True)
def backward(delta: Array, value: Array, slope: Array) -> None:
    """Multiply by the derivative; see `Activation.backward`."""
    for r in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            delta[r, j] *= slope[r, j]
