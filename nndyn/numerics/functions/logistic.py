"""Logistic function."""

from __future__ import annotations

import numba

from nndyn.numerics.functions.exponential import exp
from nndyn.numerics.functions.primitives import SIGN, bits, number


@numba.njit(inline="always")
def logistic(x: float) -> tuple[float, float]:
    """Return ``1 / (1 + exp(-x))`` and what it lacks of 1, each to 3 units in the last place."""
    e = exp(number(bits(x) | SIGN))
    large = 1.0 / (1.0 + e)
    small = e * large
    return (small if x < 0.0 else large), (large if x < 0.0 else small)
