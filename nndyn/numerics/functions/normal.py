"""Normal distribution."""

from __future__ import annotations

import numba

from nndyn.numerics.functions.exponential import exp
from nndyn.numerics.functions.primitives import SIZE, bits, fma, number

ROOT_HALF = 0.7071067811865476
#: ``1 / √(2π)``.
DENSITY_AT_ZERO = 0.3989422804014327
#: ``(1 + 2 t) exp(t²) erfc(t) = M0 + M1 q + …`` with ``q = (t - 4) / (t + 4)``, to 7e-17.
M0, M1, M2 = 1.2329951186255526, -0.13962111684056247, 0.015379652102605964
M3, M4, M5 = 0.06809705425469433, -0.10103906603557457, 0.09373283499821597
M6, M7, M8 = -0.06633036582733695, 0.037167515539289174, -0.01619773389654153
M9, M10, M11 = 0.00503196997531471, -0.0007577742952760438, -0.00019925679496047064
M12, M13, M14 = 0.00015062560037655136, -2.4398358740187796e-05, -1.1231844766119968e-05
M15, M16, M17 = 5.7064683307459044e-06, 3.0948931197639424e-07, -8.185330063042673e-07
M18, M19, M20 = 5.928339614360532e-08, 1.0182441902504762e-07, -9.640256164865324e-09
M21 = -8.971502773621036e-09


@numba.njit(inline="always")
def normal(x: float) -> tuple[float, float]:
    """Return the standard normal distribution function and density.

    Returns
    -------
    below, density : float
        To 7 units in the last place, in the lower tail too.

    References
    ----------
    Shepherd and Laframboise, Mathematics of Computation 36 (1981) 249,
    doi:10.1090/S0025-5718-1981-0595058-X.
    """
    size = number(bits(x) & SIZE)
    a = 40.0 if size > 40.0 else size  # nothing is left from there on; NaN stays
    square = a * a
    e = exp(-0.5 * square)
    e = fma(-0.5 * fma(a, a, -square), e, e)
    t = ROOT_HALF * a
    above, line = t + 4.0, fma(2.0, t, 1.0)
    y = 1.0 / (above * line)
    part = line * y
    q = (t - 4.0) * part
    q = fma(fma(-q, above, t - 4.0), part, q)
    w = q * q
    ww = w * w
    mills = fma(ww, fma(q, M21, M20), fma(w, fma(q, M19, M18), fma(q, M17, M16)))
    mills = fma(ww, mills, fma(w, fma(q, M15, M14), fma(q, M13, M12)))
    mills = fma(ww, mills, fma(w, fma(q, M11, M10), fma(q, M9, M8)))
    mills = fma(ww, mills, fma(w, fma(q, M7, M6), fma(q, M5, M4)))
    mills = fma(ww, mills, fma(w, fma(q, M3, M2), fma(q, M1, M0)))
    tail = 0.5 * e * (mills * above * y)
    return (tail if x < 0.0 else 1.0 - tail), DENSITY_AT_ZERO * e
