"""Exponential and natural logarithm."""

from __future__ import annotations

import numba
import numpy as np

from nndyn.numerics.functions.primitives import FRACTION, MAGIC, ONE, bits, fma, number

ONE_OVER_LN2 = 1.4426950408889634
#: ln 2 as a sum: 42 bits, so that multiples are exact, and the rest.
LN2, LN2_REST = 0.6931471805598903, 5.497923018708371e-14
#: ``exp r = 1 + r + r² (E0 + E1 r + …)`` for ``|r| ≤ ln 2 / 2``, to 1.3e-17.
E0, E1, E2, E3 = 0.5000000000000001, 0.16666666666666669, 0.04166666666662399, 0.008333333333330051
E4, E5, E6 = 0.0013888888917281794, 0.00019841269863105968, 2.480152119021773e-05
E7, E8, E9 = 2.7557268378684192e-06, 2.7620138719733994e-07, 2.5100424157005067e-08
#: ``log((1 + s) / (1 - s)) = 2 s + s³ (L0 + L1 s² + …)`` for ``|s| ≤ 0.172``, to 1e-17.
L0, L1, L2, L3 = 0.666666666666667, 0.3999999999989889, 0.2857142862625391, 0.22222211089368124
L4, L5, L6 = 0.18182892433364564, 0.15331611694570085, 0.14617807492803847
#: Bits of √½, and of 2^52: the latter, with a small integer in the low bits, is their sum.
ROOT, EXACT = 0x3FE6A09E667F3BCD, 0x4330000000000000


@numba.njit(inline="always")
def exp(x: float) -> float:
    """Return the exponential, to 1.2 units in the last place; subnormal numbers too."""
    a = 710.0 if x > 710.0 else x  # infinite from there on, and 0 up to the other; NaN stays
    a = -746.0 if a < -746.0 else a
    k = fma(a, ONE_OVER_LN2, MAGIC) - MAGIC
    r = fma(-k, LN2_REST, fma(-k, LN2, a))
    w = r * r
    ww = w * w
    low = fma(w, fma(r, E3, E2), fma(r, E1, E0))
    high = fma(ww, fma(r, E9, E8), fma(w, fma(r, E7, E6), fma(r, E5, E4)))
    one = 1.0 + fma(w, fma(ww, high, low), r)
    half = fma(k, 0.5, MAGIC)  # 2^k in two factors, for one may be out of range
    other = (k - (half - MAGIC)) + MAGIC
    first = number((bits(half) << FRACTION) + ONE)
    second = number((bits(other) << FRACTION) + ONE)
    y: float = one * first * second
    return y


@numba.njit(inline="always")
def log(x: float) -> float:
    """Return the logarithm, to 1 unit in the last place; of NaN and of positive, normal numbers."""
    exponent = (bits(x) - ROOT + ONE) >> FRACTION
    k = number(EXACT | exponent) - number(EXACT | (ONE >> FRACTION))
    f = number(bits(x) - (exponent << FRACTION) + ONE) - 1.0  # between √½ - 1 and √2 - 1
    s = f / (2.0 + f)
    z = s * s
    zz = z * z
    even = fma(zz, fma(zz, L6, L4), L2)
    odd = fma(zz, fma(zz, L5, L3), L1)
    series = z * fma(z, fma(z, even, odd), L0)
    half = 0.5 * f * f
    # log(1 + f) = 2 s + s³ (…) with 2 s = f - s f and s f = half - s half, which loses nothing
    y = fma(k, LN2, f - (half - fma(s, half + series, k * LN2_REST)))
    return y if x < np.inf else x
