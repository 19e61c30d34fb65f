"""The mean growth rate of a stationary recording: total growth over elapsed time, no fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nndyn.numerics import autocorrelation_time, batch_means, t_interval

Array = NDArray[Any]

#: Blocks of batch means, where the length allows; and the fewest that give an interval to trust.
BLOCKS, FEWEST = 20, 4
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
    """

    value: float
    half_width: float
    blocks: int
    correlation_time: float
    resolved: bool
    numerical: float


def growth_rate(
    steps: Array, burn_in: int, *, confidence: float = 0.95, period: int = 1
) -> GrowthRate:
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
    period : int, default 1
        Of the cycle the reference is on: growth is taken over whole periods where there are at
        least 20, so that what alternates along the cycle does not count as fluctuation.

    Returns
    -------
    GrowthRate
        The interval is Student's t over batch means, 20 blocks of at least 10 integrated
        autocorrelation times; fewer blocks, down to 4, where the series is shorter. To it are
        added the change when the burn-in doubles, the disagreement of replicas, and 1e-12.

    References
    ----------
    Batch means: Flegal and Jones, Annals of Statistics 38 (2010) 1034, doi:10.1214/09-AOS735.
    """
    from analyzers.separation import mean_increments

    if period > 1 and (len(steps) - burn_in) // period >= BLOCKS:
        whole = steps[len(steps) % period :]
        cycles = whole.reshape(-1, period, steps.shape[1]).mean(axis=1)
        rate = growth_rate(cycles, -(-burn_in // period), confidence=confidence)
        return replace(rate, correlation_time=rate.correlation_time * period)
    used = mean_increments(steps[burn_in:])
    used = used[np.isfinite(used)]
    value = float(used.mean())
    time = max(autocorrelation_time(used), 1.0)
    possible = int(len(used) // (TIMES * time))
    blocks = min(max(possible, FEWEST), BLOCKS)
    _, half_width = t_interval(batch_means(used, blocks), confidence)
    later = mean_increments(steps[2 * burn_in :])
    later = later[np.isfinite(later)]
    numerical = 1e-12 + (abs(float(later.mean()) - value) if later.size else 0.0)
    numerical += disagreement(steps[burn_in:])
    return GrowthRate(value, half_width + numerical, blocks, time, possible >= FEWEST, numerical)


def disagreement(steps: Array) -> float:
    """Return the largest difference between a replica's mean growth and that of all, per sample.

    Parameters
    ----------
    steps : (n, R) float64

    Returns
    -------
    float
        Over the samples at which every replica has an increment; 0 for one replica.
    """
    common = steps[np.isfinite(steps).all(axis=1)]
    if not len(common):
        return 0.0
    means = common.mean(axis=0)
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
    from analyzers.separation import mean_increments

    mean = mean_increments(steps)
    mean[:burn_in] = np.nan
    known = np.isfinite(mean)
    count = np.cumsum(known)
    total = np.cumsum(np.where(known, mean, 0.0))
    rate: Array = np.divide(total, count, out=np.full(len(mean), np.nan), where=count > 0)
    return rate
