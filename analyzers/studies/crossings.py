"""First crossing of a level along a swept parameter that was sampled in part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nndyn.numerics.arrays import Array


@dataclass(frozen=True)
class Passage:
    """First passages, one for each column of values.

    Attributes
    ----------
    rate : (m,) float64
        Where the level is passed; -inf where it is exceeded at the lowest rate sampled already,
        +inf where it never is, NaN where nothing was sampled.
    lower, upper : (m,) float64
        The last rate sampled below the level and the first above; infinite where there is none.
    back : (m,) bool
        Whether a rate beyond the passage lies below the level again.
    """

    rate: Array
    lower: Array
    upper: Array
    back: Array


def scaled(rates: Array) -> Array:
    """Return the coordinate in which rates are interpolated and averaged.

    Parameters
    ----------
    rates : (...) float64
        Finite or not.

    Returns
    -------
    (...) float64
        Natural logs; -inf stays.
    """
    positive = rates > 0.0
    out: Array = np.log(rates, out=np.where(positive, np.inf, rates), where=positive)
    return out


def logarithmic(rates: Array) -> bool:
    """Return whether rates are interpolated in their logs: all of them are positive."""
    return bool((rates > 0.0).all())


def first_passage(rates: Array, values: Array, level: float) -> Passage:
    """Find where each column of values first reaches a level.

    Parameters
    ----------
    rates : (n,) float64
        Ascending.
    values : (n, m) float64
        NaN where not sampled: such rates are skipped. +inf is above every level.
    level : float

    Returns
    -------
    Passage
        Interpolated linearly between the last rate sampled below and the first above, in the log of
        the rate where all rates are positive, in the rate itself otherwise; half way where either
        value is infinite.

    Notes
    -----
    One pass over `values`.
    """
    n, m = values.shape
    columns = np.arange(m)
    known = ~np.isnan(values)
    above = known & (values >= level)
    passed, sampled = above.any(axis=0), known.any(axis=0)
    first = np.argmax(above, axis=0)
    index = np.arange(n)[:, None]
    last_known = np.maximum.accumulate(np.where(known, index, -1), axis=0)
    before = np.where(passed, np.where(first > 0, last_known[first - 1, columns], -1), -1)
    inside = passed & (before >= 0)
    lower = np.where(inside, rates[before], -np.inf)
    lower = np.where(sampled & ~passed, rates[last_known[-1]], lower)
    upper = np.where(passed, rates[first], np.inf)
    rate = np.where(passed, -np.inf, np.inf)
    v0, v1 = values[before[inside], columns[inside]], values[first[inside], columns[inside]]
    share = np.full(v0.shape, 0.5)
    finite = np.isfinite(v0) & np.isfinite(v1)
    share[finite] = (level - v0[finite]) / (v1[finite] - v0[finite])
    if logarithmic(rates):
        ends = np.log(lower[inside]), np.log(upper[inside])
        found = np.exp(ends[0] + share * (ends[1] - ends[0]))
    else:
        found = lower[inside] + share * (upper[inside] - lower[inside])
    rate[inside] = np.clip(found, lower[inside], upper[inside])
    back = (known & ~above & (index > first) & passed).any(axis=0)
    for ends_of in (rate, lower, upper):
        ends_of[~sampled] = np.nan
    return Passage(rate, lower, upper, back)
