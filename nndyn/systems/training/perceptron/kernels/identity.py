"""Identity as an activation, where there is a bias to add."""

from __future__ import annotations

import numba

from nndyn.numerics.arrays import Array


@numba.njit(cache=True, nogil=True)
def forward(x: Array, bias: Array, value: Array) -> None:
    """Add the bias; see `Activation.forward`."""
    for r in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[r, j] += bias[r]
