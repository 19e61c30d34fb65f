"""Mean growth rate of a stationary recording: total growth over elapsed time, without a fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analyzers.common.blocks import mean_increments, parts
from analyzers.growth.periods import over_periods, period
from nndyn.numerics.arrays import Array
from nndyn.numerics.series import autocorrelation_time, batch_means, t_interval

#: Blocks of batch means, where the length allows; and the fewest that give an interval to trust.
BLOCKS, FEWEST = 20, 4
#: Fluctuations of a rate, in units of it, that are those of rounding.
STEADY = 1e-6
#: Shortest block, in integrated autocorrelation times.
TIMES = 10.0


@dataclass(frozen=True)
class GrowthRate:
    """A mean growth rate per sample, and how well it is known.

    Attributes
    ----------
    value : float
        Per sample.
    half_width : float
        Of its confidence interval, numerical error included.
    blocks : int
        Blocks of the batch means.
    correlation_time : float
        Integrated autocorrelation time of the increments, in samples.
    resolved : bool
        Whether there were at least `FEWEST` blocks of 10 correlation times.
    numerical : float
        The part of the half-width that is no sampling error.
    turns : int
        Maxima of the growth per sample.
    """

    value: float
    half_width: float
    blocks: int
    correlation_time: float
    resolved: bool
    numerical: float
    turns: int


def growth_rate(steps: Array, burn_in: int, *, confidence: float = 0.95) -> GrowthRate:
    """Return the mean growth per sample after a burn-in, with a batch-means interval.

    Parameters
    ----------
    steps : (n, R) float64
        Growth of ``ln d`` of every replica over every sample; NaN where there is none. Replicas of
        one reference share its local exponents, so they are averaged first; the largest
        disagreement between them is a numerical error (finite distance, rounding, alignment).
    burn_in : int
        Samples left out at the start while deviations turn towards the growing direction.
    confidence : float

    Returns
    -------
    GrowthRate
        The interval is Student's t over batch means, 20 blocks of at least 10 integrated
        autocorrelation times; fewer blocks, down to 4, where the series is shorter. Growth that
        repeats itself, as on a cycle, is taken over whole periods, so that what alternates along
        the cycle does not count as fluctuation. To the interval are added the change when the
        burn-in doubles, the disagreement of replicas, and 1e-12.

    References
    ----------
    Batch means: Flegal and Jones, Annals of Statistics 38 (2010) 1034, doi:10.1214/09-AOS735.
    """
    used = _means(steps, burn_in)
    turns = int(((used[1:-1] > used[:-2]) & (used[1:-1] >= used[2:])).sum())
    cycle, numerical = period(used), 1e-12
    if cycle:
        if not cycle.is_integer():  # known to a sample in all
            numerical += float(np.abs(used - used.mean()).max()) / len(used)
        used = over_periods(used, cycle)
    value = float(used.mean())
    steady = float(used.std()) <= STEADY * abs(value) + 1e-12
    time = 1.0 if steady else max(autocorrelation_time(used), 1.0)
    # what repeats itself or stays the same does not fluctuate: its blocks need not be long
    possible = int(len(used) // (1.0 if cycle or steady else TIMES * time))
    blocks = min(max(possible, FEWEST), BLOCKS)
    _, half_width = t_interval(batch_means(used, blocks), confidence)
    del used
    later = _means(steps, 2 * burn_in)
    if cycle and len(later) >= cycle:
        later = over_periods(later, cycle)
    numerical += abs(float(later.mean()) - value) if later.size else 0.0
    numerical += disagreement(steps, burn_in)
    return GrowthRate(
        value=value,
        half_width=half_width + numerical,
        blocks=blocks,
        correlation_time=time * max(cycle, 1.0),
        resolved=possible >= FEWEST,
        numerical=numerical,
        turns=turns,
    )


def _blocks(steps: Array, first: int) -> Iterator[Array]:
    """Yield the increments (m, R) from sample `first` on, in parts."""
    whole = steps[first:]
    for part in parts(len(whole), steps.shape[1]):
        yield whole[part]


def _means(steps: Array, first: int) -> Array:
    """Return the mean over replicas of the increments from `first` on, where there is one."""
    means, n = np.empty(max(len(steps) - first, 0)), 0
    for block in _blocks(steps, first):
        mean = mean_increments(block)
        mean = mean[np.isfinite(mean)]
        means[n : n + len(mean)] = mean
        n += len(mean)
    return means[:n]


def disagreement(steps: Array, first: int = 0) -> float:
    """Return the largest difference between a replica's mean growth and that of all, per sample.

    Parameters
    ----------
    steps : (n, R) float64
    first : int, default 0
        Samples left out at the start.

    Returns
    -------
    float
        Over the samples at which every replica has an increment; 0 for one replica.
    """
    total, count = np.zeros(steps.shape[1]), 0
    for block in _blocks(steps, first):
        common = block[np.isfinite(block).all(axis=1)]
        total += common.sum(axis=0)
        count += len(common)
    if not count:
        return 0.0
    means = total / count
    return float(np.max(np.abs(means - means.mean())))


def running_rate(steps: Array, burn_in: int) -> Array:
    """Return the mean growth per sample from the end of the burn-in to every sample.

    Parameters
    ----------
    steps : (n, R) float64
    burn_in : int

    Returns
    -------
    (n,) float64
        NaN up to the burn-in; samples without an increment are left out of growth and time.
    """
    rate = mean_increments(steps)
    rate[:burn_in] = np.nan
    count, total = 0, 0.0
    for part in parts(len(rate)):
        known = np.isfinite(rate[part])
        counts = count + np.cumsum(known)
        totals = np.where(known, rate[part], 0.0)
        totals[0] += total
        totals = np.cumsum(totals)
        count, total = int(counts[-1]), totals[-1]
        rate[part] = np.nan
        np.divide(totals, counts, out=rate[part], where=counts > 0)
    return rate
