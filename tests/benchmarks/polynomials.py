"""Coefficients of the elementary functions of ``nndyn/numerics/functions``, and their errors.

Near-minimax polynomials from interpolation at Chebyshev's points, in 60 digits. Run by hand.
"""

from __future__ import annotations

from collections.abc import Callable

from mpmath import mp, mpf


def fit(name: str, f: Callable, low, high, count: int, scale) -> None:
    """Print `count` coefficients, lowest first, and the error of the whole they stand in."""
    found, error = mp.chebyfit(f, [low, high], count, error=True)
    print(name, f"# error {mp.nstr(scale * error, 2)}")
    print("   ", ", ".join(repr(float(c)) for c in reversed(found)))


def of_square(f: Callable, at_zero) -> Callable:
    """Return ``f(√w)`` as a function of w, with its value at 0."""
    return lambda w: mpf(at_zero) if w < mpf(10) ** -16 else f(mp.sqrt(w))


def exponential(r):
    """Return ``(exp(r) - 1 - r) / r²``."""
    return (mp.expm1(r) - r) / r**2 if abs(r) > mpf(10) ** -16 else mpf(0.5) + r / 6


def mills(q):
    """Return ``(1 + 2 t) exp(t²) erfc(t)`` with ``t = 4 (1 + q) / (1 - q)``."""
    t = 4 * (1 + q) / (1 - q)
    return (1 + 2 * t) * mp.exp(t * t) * mp.erfc(t)


def split(name: str, value, bits: int, parts: int) -> None:
    """Print a number as a sum, of which all terms but the last have few bits."""
    found = []
    for part in range(parts):
        unit = mpf(2) ** (bits - 1 - mp.floor(mp.log(abs(value), 2)))
        term = float(value if part == parts - 1 else mp.nint(value * unit) / unit)
        found.append(term)
        value -= mpf(term)
    print(name, ", ".join(map(repr, found)))


def main() -> None:
    """Print every table."""
    mp.dps = 60
    wide = mpf(1.0005)  # a reduced argument is rounded
    w = (wide * mpf(0.75) * mp.log(2) / 2) ** 2
    fit("tanh", of_square(lambda h: (h * mp.coth(h) - 1) / h**2, mpf(1) / 3), 0, w, 6, w)
    r = wide * mp.log(2) / 2
    fit("exp", exponential, -r, r, 10, r**2)
    s = (wide * (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
    fit("log", of_square(lambda s: (2 * mp.atanh(s) - 2 * s) / s**3, mpf(2) / 3), 0, s, 7, s)
    z = (wide * mp.pi / 4) ** 2
    fit("sin", of_square(lambda r: (mp.sin(r) - r) / r**3, -mpf(1) / 6), 0, z, 6, z)
    fit("cos", of_square(lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4, mpf(1) / 24), 0, z, 6, z**2)
    fit("mills", mills, mpf(-1), mpf(0.755), 22, 1)
    split("ln 2", mp.log(2), 42, 2)
    split("ln 2 / 2", mp.log(2) / 2, 42, 2)
    split("pi / 2", mp.pi / 2, 33, 3)


if __name__ == "__main__":
    main()
