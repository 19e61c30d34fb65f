"""The rate of the shortest median training time, and where it lies beside the onset of growth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzers.passage import Passage, logarithmic, scaled
from analyzers.resampling import drawn, lower_middle, middle, percentiles, simultaneous

Array = NDArray[Any]


@dataclass(frozen=True)
class Fastest:
    """Median training times over seeds along a swept parameter, and the shortest.

    Attributes
    ----------
    rate : float
        Of the shortest median; NaN where there is none. Where several rates share it, the middle of
        the lowest and the highest of them.
    low, high : float
        Its interval; infinite where the shortest is that of the first or last rate sampled, beyond
        which it may be shorter still.
    medians : (n,) float64
        inf where fewer than half arrive, NaN where no run was made.
    interval : (n, 2) float64
        Of the medians, over seeds; NaN of fewer than two.
    alike : (n,) bool
        Rates whose median is not distinguishable from the shortest.
    draws : (B, n) float64
        Medians of seeds drawn.
    drawn_rates : (B,) float64
        Their fastest.
    step : float
        Of the grid around `rate`, in the coordinate in which rates are interpolated.
    """

    rate: float
    low: float
    high: float
    medians: Array
    interval: Array
    alike: Array
    draws: Array
    drawn_rates: Array
    step: float


@dataclass(frozen=True)
class Coincidence:
    """The ratio of the fastest rate to the onset, with an interval over seeds; NaN is null."""

    ratio: float
    low: float
    high: float


def median_draws(times: Array, chosen: Array) -> Array:
    """Return medians over seeds drawn.

    Parameters
    ----------
    times : (n, S) float64
        inf where not reached, NaN where there was no run.
    chosen : (B, S) int64

    Returns
    -------
    (B, n) float64
        Kaplan-Meier medians: inf where fewer than half arrive.
    """
    return np.stack([lower_middle(row[chosen]) for row in times], axis=1)


def fastest(
    rates: Array, times: Array, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Fastest:
    """Find the rate of the shortest median training time.

    Parameters
    ----------
    rates : (n,) float64
        Ascending.
    times : (n, S) float64
        Training time of each seed, all of one rate watched equally long; inf where not reached, be
        it that the run diverged; NaN where there was no run.
    confidence : float
    resamples, seed : int

    Returns
    -------
    Fastest
        Intervals are the percentile bootstrap's over seeds, the same seeds at all rates; that of
        the rate reaches at least half way to its neighbours.

    Notes
    -----
    The order of seeds decides which are drawn: sort them for a result that does not depend on it.
    Memory: resamples x n, and resamples x S numbers at a time.
    """
    chosen = drawn(times.shape[1], resamples, seed)
    medians = lower_middle(times)
    draws = median_draws(times, chosen)
    interval = np.stack(percentiles(draws, confidence), axis=1)
    interval[(~np.isnan(times)).sum(axis=1) < 2] = np.nan
    at, first, last = _shortest(rates, medians[None])
    drawn_at, _, _ = _shortest(rates, draws)
    if np.isnan(at[0]):
        none = np.zeros(rates.size, dtype=bool)
        nan = float("nan")
        return Fastest(nan, nan, nan, medians, interval, none, draws, drawn_at, nan)
    best = int(first[0])
    with_shortest = draws[:, [best]]
    gap = np.subtract(
        draws, with_shortest, out=np.zeros(draws.shape), where=draws != with_shortest
    )  # both may be infinite
    low_gap, _ = percentiles(gap, confidence)
    alike = ~np.isnan(medians) & (low_gap <= 0.0)
    to, back = (scaled, np.exp) if logarithmic(rates) else (np.asarray, np.asarray)
    x = to(rates)
    sampled = np.flatnonzero(~np.isnan(medians))
    below, above = sampled[sampled < first[0]], sampled[sampled > last[0]]
    halfway = (
        float(back(0.5 * (x[below[-1]] + x[first[0]]))) if below.size else -np.inf,
        float(back(0.5 * (x[above[0]] + x[last[0]]))) if above.size else np.inf,
    )
    steps = [x[first[0]] - x[i] for i in below[-1:]] + [x[i] - x[last[0]] for i in above[:1]]
    ends = percentiles(drawn_at[~np.isnan(drawn_at)], confidence)
    return Fastest(
        rate=float(at[0]),
        low=min(float(ends[0]), halfway[0]),
        high=max(float(ends[1]), halfway[1]),
        medians=medians,
        interval=interval,
        alike=alike,
        draws=draws,
        drawn_rates=drawn_at,
        step=float(max(steps, default=np.nan)),
    )


def _shortest(rates: Array, medians: Array) -> tuple[Array, Array, Array]:
    """Return the rate of the shortest of medians (B, n), and the first and last index of it."""
    filled = np.where(np.isnan(medians), np.inf, medians)
    least = filled.min(axis=1)
    shortest = filled == least[:, None]
    first = np.argmax(shortest, axis=1)
    last = rates.size - 1 - np.argmax(shortest[:, ::-1], axis=1)
    if logarithmic(rates):
        at = np.sqrt(rates[first] * rates[last])
    else:
        at = 0.5 * (rates[first] + rates[last])
    at = np.where(first == last, rates[first], at)
    return np.where(np.isfinite(least), at, np.nan), first, last


def coincidence(
    quickest: Fastest, turning: Passage, *, confidence: float = 0.95, seed: int = 0
) -> Coincidence:
    """Compare the fastest rate with the onset, seed by seed drawn alike.

    Parameters
    ----------
    quickest : Fastest
    turning : Passage
        Turning rates of the same seeds, in the same order.
    confidence : float
    seed : int
        That with which `quickest` was drawn.

    Returns
    -------
    Coincidence
        NaN where either is null. The interval is the percentile bootstrap's, the same seeds drawn
        for both, and not narrower than a step of the coarser of the two grids; an end is open, 0 or
        inf, where draws have their onset beyond the grid or the fastest is at its edge.
    """
    log_turning = scaled(turning.rate)
    at = middle(log_turning)
    if np.isnan(quickest.rate) or not np.isfinite(at):
        return Coincidence(np.nan, np.nan, np.nan)
    chosen = drawn(len(log_turning), len(quickest.drawn_rates), seed)
    log_ratio = scaled(quickest.drawn_rates) - middle(log_turning[chosen])
    low, high = (float(end) for end in percentiles(log_ratio, confidence))
    ratio = float(np.log(quickest.rate) - at)
    brackets = [float(middle(scaled(ends))) for ends in (turning.lower, turning.upper)]
    half = 0.5 * max(brackets[1] - brackets[0], quickest.step if quickest.step > 0.0 else 0.0)
    low, high = min(low, ratio - half), max(high, ratio + half)
    if np.isneginf(quickest.low):
        low = -np.inf
    if np.isposinf(quickest.high):
        high = np.inf
    return Coincidence(float(np.exp(ratio)), float(np.exp(low)), float(np.exp(high)))


@dataclass(frozen=True)
class FlowTime:
    """Training time times rate, over its value at the lowest rate with a median.

    Attributes
    ----------
    first : int
        Index of that rate; -1 where there is none.
    ratio : (n,) float64
        NaN where there is no median.
    interval : (n, 2) float64
        Simultaneous over rates, over seeds; a point at `first`.
    falls : str
        ``yes``: the interval of a rate lies below 1; ``no``: all lie above ``1 - margin``; else
        ``undecided``.
    """

    first: int
    ratio: Array
    interval: Array
    falls: str


def flow_time(
    rates: Array, quickest: Fastest, *, margin: float = 0.1, confidence: float = 0.95
) -> FlowTime:
    """Say whether training time times rate falls below its value at small rates.

    Parameters
    ----------
    rates : (n,) float64
        Ascending, positive.
    quickest : Fastest
    margin : float, default 0.1
        A fall by less than this share is none.
    confidence : float

    Returns
    -------
    FlowTime
        Ratios are of the same seeds; those that did not arrive keep theirs infinite.
    """
    product = quickest.medians * rates
    arrived = np.flatnonzero(np.isfinite(product))
    ratio, interval = np.full(rates.size, np.nan), np.full((rates.size, 2), np.nan)
    if not arrived.size:
        return FlowTime(-1, ratio, interval, "undecided")
    first = int(arrived[0])
    ratio[arrived] = product[arrived] / product[first]
    interval[first] = 1.0
    others = arrived[1:]
    if not others.size or np.isnan(quickest.interval[first]).any():
        return FlowTime(first, ratio, interval, "undecided")
    draws = quickest.draws * rates
    base = draws[:, [first]]
    usable = np.isfinite(base[:, 0])
    with_both = ~np.isnan(draws[:, others]).any(axis=1)
    part = draws[usable & with_both]
    if 2 * len(part) < len(draws):
        return FlowTime(first, ratio, interval, "undecided")
    low, high = simultaneous(part[:, others] / part[:, [first]], confidence)
    interval[others] = np.stack([low, high], axis=1)
    if (high < 1.0).any():
        falls = "yes"
    elif (low > 1.0 - margin).all():
        falls = "no"
    else:
        falls = "undecided"
    return FlowTime(first, ratio, interval, falls)
