"""Kernels that recorders and analyzers both need; each has a plain numpy twin in the tests."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@numba.njit(cache=True)
def separate(rows: Array, l1: Array, linf: Array, gram: Array) -> None:
    """Write distances and inner products of the deviations of `rows` from ``rows[0]``.

    Parameters
    ----------
    rows : (R, D)
    l1, linf : (R,) float64, written
        0 for row 0; NaN for every row that holds, or is compared with, a number that is not finite.
    gram : (R, R) float64, written
        ``gram[r, s] = Σ (rows[r] − rows[0])·(rows[s] − rows[0])``, from direct differences.
    """
    R, D = rows.shape
    for r in range(R):
        total = 0.0
        largest = 0.0
        for d in range(D):
            delta = abs(rows[r, d] - rows[0, d])
            total += delta
            if not delta <= largest:  # NaN passes as well
                largest = delta
        l1[r] = total
        linf[r] = largest if np.isfinite(total) else np.nan
        if not np.isfinite(total):
            l1[r] = np.nan
        for s in range(r + 1):
            product = 0.0
            for d in range(D):
                product += (rows[r, d] - rows[0, d]) * (rows[s, d] - rows[0, d])
            gram[r, s] = product
            gram[s, r] = product
