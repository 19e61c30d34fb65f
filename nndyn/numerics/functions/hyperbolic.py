"""Hyperbolic tangent."""

from __future__ import annotations

import numba

from nndyn.numerics.functions.primitives import FRACTION, MAGIC, ONE, SIGN, SIZE, bits, fma, number

TWO_OVER_LN2 = 2.8853900817779268
#: ln 2 / 2 as a sum: 42 bits, so that multiples are exact, and the rest.
HALF_LN2, HALF_LN2_REST = 0.34657359027994517, 2.7489615093541856e-14
#: ``h coth h = 1 + h² (P0 + P1 h² + …)`` for ``|h| ≤ 0.75 ln 2 / 2``, to 7e-19.
P0, P1, P2 = 0.3333333333333333, -0.022222222222211537, 0.0021164021145577442
P3, P4, P5 = -0.00021164009516541686, 2.137447129214317e-05, -2.1204835679246593e-06


@numba.njit(inline="always")
def tanh(x: float) -> float:
    """Return the hyperbolic tangent.

    Returns
    -------
    float
        To 1.02 units in the last place.

    Notes
    -----
    With ``|x| = k ln 2 / 2 + h``, ``s = 2^k`` and ``c = h coth h`` it is ``((s - 1) c + (s + 1) h)
    / ((s + 1) c + (s - 1) h)``: one division, and a polynomial in h² of half the degree of one for
    exp. k is rounded such that h is seldom negative, where the numerator would cancel. What the
    quotient lacks is computed from terms whose differences are exact, and added.
    """
    size = number(bits(x) & SIZE)
    a = 20.0 if size > 20.0 else size  # 1 from there on; and NaN stays
    n = fma(a, TWO_OVER_LN2, -0.25) + MAGIC
    k = n - MAGIC
    h = fma(-k, HALF_LN2_REST, fma(-k, HALF_LN2, a))
    w = h * h
    ww = w * w
    c = w * fma(ww, fma(ww, fma(w, P5, P4), fma(w, P3, P2)), fma(w, P1, P0))
    s = number((bits(n) << FRACTION) + ONE)
    plus = s + 1.0
    minus = plus - 2.0  # of the same error as `plus`, where it has one
    part = minus * c
    top = minus + fma(plus, h, part)
    rest = fma(minus, h, plus * c)
    y = 1.0 / (plus + rest)
    q = top * y
    lacking = fma(plus, h, fma(-q, plus, minus)) + fma(-q, rest, part)
    found: float = number(bits(fma(lacking, y, q)) | (bits(x) & SIGN))
    return found
