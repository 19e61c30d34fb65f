"""Bracketing of a seed's turning rate: doubling, then halving."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Lattice:
    """Rates in equal ratios: rate k is ``anchor * 2**(k / octave)``, with four digits.

    Attributes
    ----------
    anchor : float
    octave : int
        Rates in a factor of two.
    low, high : int
        The smallest and the largest k to look at.
    """

    anchor: float
    octave: int
    low: int
    high: int

    def rate(self, k: int) -> float:
        """Return rate k."""
        return float(f"{self.anchor * 2.0 ** (k / self.octave):.4g}")

    def near(self, rate: float) -> int:
        """Return the k whose rate is nearest to one, within the bounds."""
        k = round(self.octave * math.log2(rate / self.anchor))
        return min(max(k, self.low), self.high)


def lattice(anchor: float, precision: float, bounds: tuple[float, float] | None) -> Lattice:
    """Return rates fine enough for an interval of a given factor.

    Parameters
    ----------
    anchor : float
        Rate 0.
    precision : float
        Factor between the ends of the interval asked for: a step is well below its root.
    bounds : (float, float), optional
        Smallest and largest rate; a factor of 256 either way unless given.

    Returns
    -------
    Lattice
    """
    octave = math.ceil(1.0 / (0.45 * math.log2(precision)))
    low, high = bounds or (anchor / 256.0, anchor * 256.0)
    return Lattice(
        anchor,
        octave,
        math.ceil(octave * math.log2(low / anchor) - 1e-9),
        math.floor(octave * math.log2(high / anchor) + 1e-9),
    )


def following(grows: Mapping[int, bool], start: int, stride: int, rates: Lattice) -> int | None:
    """Return where to look next for where one seed begins to grow.

    Parameters
    ----------
    grows : mapping of int to bool
        Of the k looked at, whether the seed grows there.
    start : int
        The first to look at.
    stride : int
        From there, while there is no bracket, go by this many, then twice as many, and so on up
        to a factor of two.
    rates : Lattice

    Returns
    -------
    int or None
        None where the seed is known to begin between two neighbours, or beyond the bounds. The
        bracket is the lowest k at which it grows and the next one below at which it does not.
    """
    if not grows:
        return min(max(start, rates.low), rates.high)
    up = [k for k, grown in grows.items() if grown]
    if not up:
        last = max(grows)
        jump = min(stride << (len(grows) - 1), rates.octave)
        return None if last >= rates.high else min(last + jump, rates.high)
    first = min(up)
    below = [k for k in grows if k < first]
    if not below:
        jump = min(stride << (len(up) - 1), rates.octave)
        return None if first <= rates.low else max(first - jump, rates.low)
    middle = (first + max(below)) // 2
    return None if middle in grows else middle
