"""Sine and cosine."""

from __future__ import annotations

import math

import numba

from nndyn.numerics.functions.primitives import MAGIC, SIGN, SIZE, bits, fma, number

#: Largest size of an argument whose multiple of π / 2 is taken off here, and its bits.
REDUCED, REDUCED_BITS = 2.0**20, 0x4130000000000000
TWO_OVER_PI = 0.6366197723675814
#: π / 2 as a sum: twice 33 bits, so that multiples are exact, and the rest.
QUARTER, QUARTER_SECOND, QUARTER_THIRD = (
    1.5707963267341256,
    6.077100506303966e-11,
    2.0222662487959506e-21,
)
#: ``sin r = r + r³ (S0 + S1 r² + …)`` for ``|r| ≤ π / 4``, to 1.3e-17.
S0, S1, S2 = -0.16666666666666666, 0.008333333333330936, -0.00019841269836740527
S3, S4, S5 = 2.7557316093196066e-06, -2.5051129895962807e-08, 1.5917988944318716e-10
#: ``cos r = 1 - r² / 2 + r⁴ (C0 + C1 r² + …)``, to 5e-19.
C0, C1, C2 = 0.041666666666666664, -0.0013888888888887389, 2.48015872987544e-05
C3, C4, C5 = -2.7557317265876615e-07, 2.087614504910828e-09, -1.1382544623404291e-11


@numba.njit(inline="always")
def sine_and_cosine(x: float) -> tuple[float, float]:
    """Return sine and cosine of a number up to `REDUCED` in size, to 1 unit in the last place."""
    a = number(bits(x) & SIZE)
    n = fma(a, TWO_OVER_PI, MAGIC)
    k = n - MAGIC
    t = fma(-k, QUARTER, a)
    u = fma(-k, QUARTER_SECOND, t)
    r = fma(-k, QUARTER_THIRD, u)
    rest = fma(-k, QUARTER_SECOND, t - u) + fma(-k, QUARTER_THIRD, u - r)
    z = r * r
    zz = z * z
    cubic = fma(zz, fma(zz, fma(z, S5, S4), fma(z, S3, S2)), fma(z, S1, S0))
    sine = r + fma(r * z, cubic, rest * fma(z, -0.5, 1.0))
    quartic = fma(zz, fma(zz, fma(z, C5, C4), fma(z, C3, C2)), fma(z, C1, C0))
    half = 0.5 * z
    one = 1.0 - half
    cosine = one + (((1.0 - one) - half) + fma(zz, quartic, -r * rest))
    turns = bits(n)
    odd = turns & 1 == 1
    first, second = (cosine if odd else sine), (sine if odd else cosine)
    first_sign = ((turns & 2) << 62) ^ (bits(x) & SIGN)
    second_sign = ((turns + 1) & 2) << 62
    return number(bits(first) ^ first_sign), number(bits(second) ^ second_sign)


@numba.njit(inline="always")
def sine_and_cosine_of_any(x: float) -> tuple[float, float]:
    """Return what `sine_and_cosine` does up to `REDUCED`, and what the C library does beyond."""
    if abs(x) <= REDUCED:
        return sine_and_cosine(x)
    return math.sin(x), math.cos(x)
