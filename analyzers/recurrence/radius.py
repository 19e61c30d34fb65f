"""Radius within which two points recur: given, or found from the distances of all pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analyzers.recurrence.plane import BUCKETS, Pairs, Team
from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.results import Radius


@dataclass(frozen=True)
class Threshold:
    """How a radius is chosen: ``value``, ``rate`` of recurrence, or ``scale`` of the diameter."""

    kind: str
    number: float


def parse(radius: Radius) -> Threshold:
    """Read ``2.0``, ``"rate:0.05"`` or ``"scale:0.1"``.

    Returns
    -------
    Threshold

    Raises
    ------
    UsageError
        If it is none of them, or its number is out of range.
    """
    kind, _, text = radius.rpartition(":") if isinstance(radius, str) else ("", "", radius)
    try:
        number = float(text)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(radius, bool) or kind not in ("", "rate", "scale") or math.isnan(number):
        raise UsageError(
            f"radius is {radius!r}, expected a number, rate:R or scale:S such as rate:0.05"
        )
    if kind == "rate" and not 0.0 < number <= 1.0:
        raise UsageError(f"radius is {radius!r}, expected a rate above 0 and at most 1")
    if number == math.inf:
        raise UsageError(f"radius is {radius!r}, expected a finite number: all points recur")
    if number < 0.0:
        raise UsageError(f"radius is {radius!r}, expected a finite number, 0 or more")
    return Threshold(kind or "value", number)


def find(pairs: Pairs, threshold: Threshold, theiler: int, team: Team) -> tuple[float, float]:
    """Return the radius, and the largest key that lies within it.

    Parameters
    ----------
    pairs : Pairs
    threshold : Threshold
    theiler : int
    team : Team

    Returns
    -------
    radius, key : float

    Raises
    ------
    DataError
        If there are no pairs from which a rate could be taken.

    Notes
    -----
    A rate or a diameter is found exactly, by sorting the keys of all pairs into 65,536 buckets, and
    again those of the bucket that has the wanted one: four passes over the pairs. Of a scalar
    series it is found from its sorted values, without a pass.
    """
    if threshold.kind == "value":
        radius = threshold.number
    elif threshold.kind == "scale":
        apart = 1 if pairs.plane.symmetric else 0
        ordered = pairs.plane.pairs(apart)
        last = ordered // 2 if pairs.plane.symmetric else ordered
        radius = threshold.number * (
            pairs.distance(_kth(pairs, last, apart, team)) if last else 0.0
        )
    else:
        radius = _for_rate(pairs, threshold.number, theiler, team)
    limit = pairs.key(radius)
    pairs.focus(limit, limit, team)
    return radius, limit


def _for_rate(pairs: Pairs, rate: float, theiler: int, team: Team) -> float:
    """Return the smallest radius that reaches a rate."""
    plane = pairs.plane
    total = plane.pairs(theiler)
    if total == 0:
        raise DataError(
            f"there are no pairs of points at least {theiler} apart among {plane.rows}; "
            "a rate needs some: lower theiler or give a radius"
        )
    wanted = math.ceil(rate * total)  # the product may be rounded
    while wanted > 1 and (wanted - 1) / total >= rate:
        wanted -= 1
    while wanted / total < rate:
        wanted += 1
    if plane.symmetric:
        diagonal = plane.rows if theiler == 0 else 0
        wanted = -(-(wanted - diagonal) // 2)
    if wanted <= 0:
        return 0.0
    return pairs.distance(_kth(pairs, wanted, max(theiler, 1), team))


def _kth(pairs: Pairs, rank: int, theiler: int, team: Team) -> float:
    """Return the key of so high a rank, from 1."""
    within = pairs.within(theiler)
    if within is not None:
        return _bisect(within, rank)
    key = _select(lambda low, shift: pairs.census(theiler, low, shift, team), rank)
    unsure = pairs.uncertainty()
    if unsure == 0.0:
        return key
    pairs.focus(key - 2.0 * unsure, key + 2.0 * unsure, team)
    return _select(lambda low, shift: pairs.census(theiler, low, shift, team), rank)


def _bisect(within: Callable[[float], int], rank: int) -> float:
    """Return the smallest key up to which there are `rank` of them, by halving its bits."""
    low, high = 0, int(np.array(np.finfo(np.float64).max).view(np.uint64))
    while low < high:
        middle = (low + high) // 2
        if within(_float(middle)) >= rank:
            high = middle
        else:
            low = middle + 1
    return _float(low)


def _float(bits: int) -> float:
    """Return the number with these bits; those of numbers from 0 on are in their order."""
    return float(np.array(bits, np.uint64).view(np.float64))


def _select(census: Callable[[int, int], tuple[int, Array]], rank: int) -> float:
    """Return the key of a rank by looking at ever narrower buckets of its bits."""
    low, shift, width = 0, 47, BUCKETS.bit_length() - 1
    while True:
        below, histogram = census(low, shift)
        bucket = int(np.searchsorted(np.cumsum(histogram), rank - below))
        low += bucket << shift
        if shift == 0:
            return _float(low)
        shift = max(0, shift - width)
