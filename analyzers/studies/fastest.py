"""Fastest rate, that of the shortest median training time, and its ratio to the onset of growth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzers.studies.bootstrap import drawn, fewest, lower_middle, middle, percentiles
from analyzers.studies.crossings import Passage, logarithmic, scaled
from nndyn.numerics.arrays import Array

#: The fastest is at the onset where the interval of their ratio lies within this factor of 1.
NEAR = 2.0
#: Share of a step of the grid by which the fastest rate may lie beside the one sampled: it holds
#: the optimum where the two sides of the curve differ in slope by a factor of up to three.
REACH = 0.75


@dataclass(frozen=True)
class Fastest:
    """Median training times over seeds along a swept parameter, and the shortest.

    Attributes
    ----------
    rate : float
        Of the shortest median; NaN where there is none. Of several rates that share it, the lower
        one in the middle.
    low, high : float
        Its interval; infinite where the shortest may be that of the first or last rate sampled,
        beyond which it may be shorter still.
    medians : (n,) float64
        inf where fewer than half arrive, NaN where no run was made.
    interval : (n, 2) float64
        Of the medians, over seeds; NaN of fewer than two.
    tied : (n,) bool
        Rates whose median is the shortest.
    alike : (n,) bool
        Rates whose median is not distinguishable from the shortest.
    draws, early_draws : (B, n) float64
        Medians of seeds drawn, and the earliest at which each may have been.
    lowest, highest : float
        Ends of the rates whose median may be the shortest, for all that evaluations tell.
    drawn_lowest, drawn_highest : (B,) float64
        The same of seeds drawn.
    coarse : bool
        Whether a time is not known to the step, because evaluations lie apart.
    step : float
        Of the grid around those rates, in the coordinate in which rates are interpolated.
    """

    rate: float
    low: float
    high: float
    medians: Array
    interval: Array
    tied: Array
    alike: Array
    draws: Array
    early_draws: Array
    lowest: float
    highest: float
    drawn_lowest: Array
    drawn_highest: Array
    coarse: bool
    step: float


@dataclass(frozen=True)
class Coincidence:
    """The ratio of the fastest rate to the onset, with an interval over seeds; NaN is null.

    Attributes
    ----------
    ratio, low, high : float
    step : float
        Factor between rates of the coarser of the two grids.
    span : float
        Factor between the rates whose medians may be the shortest for all that evaluations tell; 1
        where several have the very same.
    """

    ratio: float
    low: float
    high: float
    step: float = np.nan
    span: float = np.nan


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
    rates: Array,
    times: Array,
    earliest: Array | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Fastest:
    """Find the rate of the shortest median training time.

    Parameters
    ----------
    rates : (n,) float64
        Ascending.
    times : (n, S) float64
        Training time of each seed, all of one rate watched equally long; inf where not reached, be
        it that the run diverged; NaN where there was no run.
    earliest : (n, S) float64, optional
        The earliest at which each may have been reached, between two evaluations; by default the
        times themselves.
    confidence : float
    resamples, seed : int

    Returns
    -------
    Fastest
        Intervals are the percentile bootstrap's over seeds, the same seeds at all rates; that of
        the rate reaches at least `REACH` of the way to its neighbours. Rates whose medians lie
        within one gap between evaluations are not told apart, and intervals hold all of them.

    Notes
    -----
    The order of seeds decides which are drawn: sort them for a result that does not depend on it.
    Memory: resamples x n, and resamples x S numbers at a time.
    """
    chosen = drawn(times.shape[1], resamples, seed)
    earliest = times if earliest is None else earliest
    coarse = bool((earliest < times).any())
    medians = lower_middle(times)
    draws, early_draws = median_draws(times, chosen), median_draws(earliest, chosen)
    interval = np.stack(
        [percentiles(early_draws, confidence)[0], percentiles(draws, confidence)[1]], axis=1
    )
    interval[(~np.isnan(times)).sum(axis=1) < 2] = np.nan
    first, last = (int(end[0]) for end in _possible(medians[None], lower_middle(earliest)[None]))
    ends = [_at(rates, end) for end in _possible(draws, early_draws)]
    tied = medians == np.min(medians, where=~np.isnan(medians), initial=np.inf)
    if first < 0:
        nan, none = float("nan"), np.zeros(rates.size, dtype=bool)
        return Fastest(
            rate=nan,
            low=nan,
            high=nan,
            medians=medians,
            interval=interval,
            tied=none,
            alike=none,
            draws=draws,
            early_draws=early_draws,
            lowest=nan,
            highest=nan,
            drawn_lowest=ends[0],
            drawn_highest=ends[1],
            coarse=coarse,
            step=nan,
        )
    shortest = np.flatnonzero(tied)
    best = int(shortest[(shortest.size - 1) // 2])
    with_shortest = draws[:, [best]]
    gap = np.subtract(
        early_draws, with_shortest, out=np.zeros(draws.shape), where=early_draws != with_shortest
    )  # both may be infinite
    low_gap, _ = percentiles(gap, confidence)
    alike = ~np.isnan(medians) & (low_gap <= 0.0)
    to, back = (scaled, np.exp) if logarithmic(rates) else (np.asarray, np.asarray)
    x = to(rates)
    sampled = np.flatnonzero(~np.isnan(medians))
    below, above = sampled[sampled < first], sampled[sampled > last]
    beside = (
        float(back(x[first] + REACH * (x[below[-1]] - x[first]))) if below.size else -np.inf,
        float(back(x[last] + REACH * (x[above[0]] - x[last]))) if above.size else np.inf,
    )
    steps = [x[first] - x[i] for i in below[-1:]] + [x[i] - x[last] for i in above[:1]]
    low, _ = percentiles(ends[0][~np.isnan(ends[0])], confidence)
    _, high = percentiles(ends[1][~np.isnan(ends[1])], confidence)
    return Fastest(
        rate=float(rates[best]),
        low=min(float(low), beside[0]),
        high=max(float(high), beside[1]),
        medians=medians,
        interval=interval,
        tied=tied,
        alike=alike,
        draws=draws,
        early_draws=early_draws,
        lowest=float(rates[first]),
        highest=float(rates[last]),
        drawn_lowest=ends[0],
        drawn_highest=ends[1],
        coarse=coarse,
        step=float(max(steps, default=np.nan)),
    )


def _possible(medians: Array, earliest: Array) -> tuple[Array, Array]:
    """Return the first and last index at which medians (B, n) may be the shortest; -1 for none."""
    least = np.min(medians, axis=1, where=~np.isnan(medians), initial=np.inf)
    may = earliest <= least[:, None]
    first = np.argmax(may, axis=1)
    last = may.shape[1] - 1 - np.argmax(may[:, ::-1], axis=1)
    none = np.isinf(least)
    return np.where(none, -1, first), np.where(none, -1, last)


def _at(rates: Array, index: Array) -> Array:
    """Return the rates at indices, NaN at -1."""
    return np.where(index < 0, np.nan, rates[index])


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
        for both, and reaches `REACH` of a step of the coarser of the two grids either way; an end
        is open, 0 or inf, where draws have their onset beyond the grid or the fastest is at its
        edge.
    """
    log_turning = scaled(turning.rate)
    at = float(middle(log_turning))
    if np.isnan(quickest.rate) or not np.isfinite(at):
        return Coincidence(np.nan, np.nan, np.nan)
    chosen = drawn(len(log_turning), len(quickest.drawn_lowest), seed)
    onsets = middle(log_turning[chosen])
    below, _ = percentiles(scaled(quickest.drawn_lowest) - onsets, confidence)
    _, above = percentiles(scaled(quickest.drawn_highest) - onsets, confidence)
    brackets = [float(middle(scaled(ends))) for ends in (turning.lower, turning.upper)]
    step = max(brackets[1] - brackets[0], quickest.step if quickest.step > 0.0 else 0.0)
    low = min(float(below), float(np.log(quickest.lowest)) - at - REACH * step)
    high = max(float(above), float(np.log(quickest.highest)) - at + REACH * step)
    if np.isneginf(quickest.low):
        low = -np.inf
    if np.isposinf(quickest.high):
        high = np.inf
    return Coincidence(
        float(np.exp(np.log(quickest.rate) - at)),
        float(np.exp(low)),
        float(np.exp(high)),
        float(np.exp(step)),
        quickest.highest / quickest.lowest if quickest.coarse else 1.0,
    )


def judged(compared: Coincidence, seeds: int, confidence: float) -> tuple[str, str]:
    """Say on which side of the onset the fastest rate lies, as far as it is told.

    Parameters
    ----------
    compared : Coincidence
        Not null.
    seeds : int
        With a training time and a turning rate.
    confidence : float

    Returns
    -------
    verdict : str
        ``fastest below the onset``, ``fastest above the onset``, ``at the onset (not
        distinguishable)`` or ``unresolved``.
    why : str
        Why it is unresolved and what would decide; empty where it is not.

    Notes
    -----
    Not to be told from 1 is no coincidence: the interval has to be narrow enough, within a factor
    of `NEAR` either side, and over seeds enough to hold a median at all.
    """
    if seeds < fewest(confidence):
        return "unresolved", (
            f"{seeds} seeds, and no interval over fewer than {fewest(confidence)} holds a median "
            f"with {confidence:.0%}: run more"
        )
    if compared.high < 1.0:
        return "fastest below the onset", ""
    if compared.low > 1.0:
        return "fastest above the onset", ""
    if compared.low >= 1.0 / NEAR and compared.high <= NEAR:
        return "at the onset (not distinguishable)", ""
    if compared.span > NEAR:
        cure = "more frequent evaluations (`evaluate`)"
    elif compared.step > NEAR:
        cure = "a finer grid"
    elif compared.low == 0.0 or np.isinf(compared.high):
        cure = "rates beyond the ends of the sweep"
    else:
        cure = "more seeds"
    return "unresolved", (
        f"the ratio is not told from 1, nor known to lie within a factor of {NEAR:g} of it: {cure} "
        "would decide"
    )
