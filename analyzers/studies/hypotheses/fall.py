"""Fall of training time times learning rate, from a small rate to the fastest, seed by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzers.studies.bootstrap import drawn, middle, percentiles
from analyzers.studies.fastest import Fastest
from nndyn.numerics.arrays import Array

#: A fall by less than this share is none.
MARGIN = 0.1


@dataclass(frozen=True)
class Fall:
    """Training time times rate at the fastest rate, over that at a small one.

    Attributes
    ----------
    rate : float
        The small rate, the lowest at which half of the seeds arrive; NaN where there is none.
    ratio : float
        Median over seeds of the ratio of each, as their times are known; not finite where there is
        none.
    low, high : float
        Its interval.
    falls : str
        ``yes`` where the interval lies below 1, ``no`` where it lies above ``1 - margin``, else
        ``undecided``.
    ratios : (n,) float64
        The medians at every rate; NaN where there is none, or fewer than half of the seeds arrive.
    """

    rate: float
    ratio: float
    low: float
    high: float
    falls: str
    ratios: Array


def fall(
    rates: Array,
    times: Array,
    earliest: Array,
    quickest: Fastest,
    *,
    margin: float = MARGIN,
    confidence: float = 0.95,
    seed: int = 0,
) -> Fall:
    """Say whether training at the fastest rate is faster than a longer step alone makes it.

    Parameters
    ----------
    rates : (n,) float64
        Ascending, positive.
    times : (n, S) float64
        As of `analyzers.studies.fastest.fastest`.
    earliest : (n, S) float64
        The earliest at which each may have been reached.
    quickest : Fastest
        Of these times.
    margin : float, default 0.1
        A fall by less than this share counts as none.
    confidence : float, default 0.95
        Of the interval: each of its ends is the bound of a one-sided test at half the rest.
    seed : int
        That with which `quickest` was drawn.

    Returns
    -------
    Fall

    Notes
    -----
    Along the gradient flow, lr times the number of steps is the time to a given loss, whatever lr:
    the null is a ratio of 1. Each seed is compared with itself. The fastest rate is chosen anew in
    every draw of seeds, among all that may be the shortest for what evaluations tell, and the
    interval holds all of these. A seed that does not arrive at the small rate would have done so
    after the last that did, at the earliest.

    Memory: resamples x n and resamples x S numbers at a time.
    """
    arrived = np.flatnonzero(np.isfinite(quickest.medians))
    nothing = none(rates.size)
    if not arrived.size:
        return nothing
    first, best = int(arrived[0]), int(np.flatnonzero(rates == quickest.rate)[0])
    if first == best:
        return nothing
    least, ratio, most = _ratios(rates, times, earliest, first)
    chosen = drawn(times.shape[1], len(quickest.draws), seed)
    early = np.stack([middle(row[chosen]) for row in least], axis=1)
    late = np.stack([middle(row[chosen]) for row in most], axis=1)
    shortest = np.min(
        quickest.draws, axis=1, where=~np.isnan(quickest.draws), initial=np.inf, keepdims=True
    )
    may = (quickest.early_draws <= shortest) & np.isfinite(shortest)
    low_draws = np.min(early, axis=1, where=may & ~np.isnan(early), initial=np.inf)
    high_draws = np.max(late, axis=1, where=may & ~np.isnan(late), initial=-np.inf)
    no_rate = ~may.any(axis=1) | np.isinf(low_draws) & np.isneginf(high_draws)
    low, _ = percentiles(np.where(no_rate, np.nan, low_draws), confidence)
    _, high = percentiles(np.where(no_rate, np.nan, high_draws), confidence)
    ratios = middle(ratio)
    ratios[~np.isfinite(quickest.medians)] = np.nan
    value = float(ratios[best])
    if high < 1.0:
        falls = "yes"
    elif low > 1.0 - margin:
        falls = "no"
    else:
        falls = "undecided"
    return Fall(float(rates[first]), value, max(float(low), 0.0), float(high), falls, ratios)


def none(rates: int) -> Fall:
    """Return what is said of so many rates where nothing can be compared."""
    nan = float("nan")
    return Fall(nan, nan, nan, nan, "undecided", np.full(rates, nan))


def _ratios(rates: Array, times: Array, earliest: Array, first: int) -> tuple[Array, ...]:
    """Return each seed's product over that at `first`: least, as known, most, (n, S) each."""
    late, early = times * rates[:, None], earliest * rates[:, None]
    late_small, early_small = late[first], early[first]
    # watched equally long: it arrives after the last of those that did, if at all
    last = np.max(late_small, where=np.isfinite(late_small), initial=0.0)
    early_small = np.where(np.isposinf(late_small), last, early_small)
    small = np.where(np.isposinf(late_small), last, late_small)
    known = ~np.isnan(late) & ~np.isnan(late_small)
    arrives = known & np.isfinite(late)
    most, least = np.where(known, np.inf, np.nan), np.where(known, 0.0, np.nan)
    ratio = most.copy()
    np.divide(late, early_small, out=most, where=arrives & (early_small > 0.0))
    np.divide(late, small, out=ratio, where=arrives & (small > 0.0))
    finite = known & np.isfinite(late_small) & (late_small > 0.0)
    np.divide(early, late_small, out=least, where=finite)
    return least, ratio, most
