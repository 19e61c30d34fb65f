"""Kaplan-Meier median of times to an event that not every run reaches."""

from __future__ import annotations

import warnings

import numpy as np

from nndyn.numerics.arrays import Array


def median_time(
    times: Array, end: float, confidence: float
) -> tuple[float | None, tuple[float, float] | None]:
    """Return the Kaplan-Meier median of times, some of which were not reached.

    Parameters
    ----------
    times : (n,) float64
        When each run arrived; NaN for one that did not, be it for want of time or because it
        diverged: it stays at risk to the end.
    end : float
        Time up to which all runs were watched.
    confidence : float

    Returns
    -------
    median : float or None
        None where fewer than half of the runs arrived.
    interval : (float, float) or None
        Where the pointwise log-log interval of the survival function holds one half; the upper end
        is infinite where it does not come down to that. None of one run, or where none arrived.

    References
    ----------
    Brookmeyer and Crowley, Biometrics 38 (1982) 29, doi:10.2307/2530286.
    """
    from scipy.stats import CensoredData, ecdf

    arrived = times[np.isfinite(times)]
    if not arrived.size:
        return None, None
    missing = len(times) - len(arrived)
    survival = ecdf(CensoredData(arrived, right=np.full(missing, end))).sf
    median = _passes_half(survival.quantiles, survival.probabilities)
    if len(times) == 1:
        return median, None
    with warnings.catch_warnings():  # it is undefined where no run is left: 0, put in below
        warnings.filterwarnings("ignore", "The confidence interval is undefined")
        interval = survival.confidence_interval(confidence, method="log-log")
    bounds = [
        _passes_half(part.quantiles, np.nan_to_num(part.probabilities, nan=0.0))
        for part in (interval.low, interval.high)
    ]
    low, high = (np.inf if bound is None else bound for bound in bounds)
    return (None if missing * 2 > len(times) else median), (low, high)


def _passes_half(times: Array, probabilities: Array) -> float | None:
    """Return the first time at which survival is one half or less."""
    below = np.flatnonzero(probabilities <= 0.5 + 1e-12)
    return float(times[below[0]]) if below.size else None
