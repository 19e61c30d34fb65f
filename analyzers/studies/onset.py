"""Onset of growth over a swept parameter: the median of the turning rates of the seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzers.studies.bootstrap import drawn, middle, percentiles
from analyzers.studies.crossings import Passage, first_passage, scaled
from nndyn.numerics.arrays import Array

#: e-foldings of a deviation that count as growth.
THRESHOLD = 3.0


@dataclass(frozen=True)
class Onset:
    """The median turning rate over seeds.

    Attributes
    ----------
    rate : float
        -inf where half of the seeds or more grow at the lowest rate already, +inf where half or
        more never do, NaN where neither can be said.
    low, high : float
        Its interval; an infinite end is open.
    seeds : int
        Seeds used.
    below, above : int
        Seeds that grow at the lowest rate sampled already; that never do.
    back : int
        Seeds whose growth falls below the threshold again at a higher rate.
    """

    rate: float
    low: float
    high: float
    seeds: int
    below: int
    above: int
    back: int


def turning_rates(
    rates: Array, growth: Array, diverged: Array, threshold: float = THRESHOLD
) -> Passage:
    """Return the rate at which each seed's growth first passes a threshold.

    Parameters
    ----------
    rates : (n,) float64
        Ascending.
    growth : (n, seeds) float64, e-foldings
        NaN where not sampled or not known.
    diverged : (n, seeds) bool
        Runs that diverged: their growth is infinite.
    threshold : float, default 3

    Returns
    -------
    Passage
        One rate for each seed; see `analyzers.studies.crossings.first_passage`.
    """
    return first_passage(rates, np.where(diverged, np.inf, growth), threshold)


def onset(
    turning: Passage,
    *,
    logs: bool = True,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Onset:
    """Return the median over seeds of their turning rates, with an interval over seeds.

    Parameters
    ----------
    turning : Passage
    logs : bool, default True
        Whether the two in the middle of an even number of seeds are averaged in their logs.
    confidence : float
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Onset
        The interval is the bootstrap's over seeds, and holds at least everything between the median
        of the last rates below and the median of the first above: where the median of these seeds
        lies in it is not known, growth having been sampled at those rates only.

    Notes
    -----
    Seeds are sorted by their turning rates first, so that their order does not matter.
    """
    used = np.flatnonzero(~np.isnan(turning.rate))
    if not used.size:
        return Onset(np.nan, np.nan, np.nan, 0, 0, 0, 0)
    to, back = (scaled, np.exp) if logs else (np.asarray, np.asarray)
    x = np.sort(to(turning.rate[used]))
    draws = middle(x[drawn(x.size, resamples, seed)])
    low, high = (float(end) for end in percentiles(draws, confidence))
    steps = [float(middle(to(ends[used]))) for ends in (turning.lower, turning.upper)]
    low, high = np.fmin(low, steps[0]), np.fmax(high, steps[1])
    rate = float(middle(x))

    def restored(value: float) -> float:
        return float(back(value)) if np.isfinite(value) else value

    return Onset(
        rate=restored(rate),
        low=restored(low),
        high=restored(high),
        seeds=int(used.size),
        below=int(np.isneginf(turning.rate[used]).sum()),
        above=int(np.isposinf(turning.rate[used]).sum()),
        back=int(turning.back[used].sum()),
    )
