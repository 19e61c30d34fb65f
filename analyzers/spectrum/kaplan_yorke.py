"""Kaplan-Yorke dimension of a spectrum."""

from __future__ import annotations

import numpy as np

from analyzers.growth.stretching import Rates
from nndyn.numerics.arrays import Array
from nndyn.numerics.series import batch_means, jackknife_error, t_quantile
from nndyn.results import Quantity

#: Batches of the jackknife.
BATCHES = 20


def kaplan_yorke(
    used: Rates, dimension: int, exact_sum: float | None, confidence: float
) -> Quantity:
    """Return the dimension, with an interval from a jackknife of batches.

    Parameters
    ----------
    used : Rates
        NaN where an exponent is lost; it counts as if it had not been followed.
    dimension : int
        Of the phase.
    exact_sum : float or None
        Of all exponents; 0 of a system that preserves volume.
    confidence : float

    Returns
    -------
    Quantity
        Null where the exponents that were followed do not suffice; 0 where the first is negative.
    """
    long_name = "Kaplan-Yorke dimension"
    known = ~np.isnan(used.values)
    values, k = used.values[known], int(known.sum())
    whole = k == dimension
    value = dimension_of(values)
    if len(known) == dimension and exact_sum == 0.0:
        return Quantity(float(dimension), "1", long_name, note="all of it: volume is preserved")
    if value is None and not whole:
        which = "followed" if known.all() else "not lost in rounding"
        those = f"the sum of the {k} exponents that were" if k > 1 else "the one exponent that was"
        note = f"at least {k}: {those} {which} is not negative"
        return Quantity(None, "1", long_name, note=note)
    if value is None:
        note = "all of it: the sum of the exponents is not negative"
        return Quantity(float(dimension), "1", long_name, note=note)
    if not np.isfinite(values).all() or value == 0.0:
        return Quantity(value, "1", long_name)
    blocks = min(BATCHES, len(used.used))
    means = np.stack([batch_means(column, blocks) for column in used.used[:, known].T], axis=1)
    without = [dimension_of(row) for row in (means.sum(axis=0) - means) / (blocks - 1)]
    if any(other is None for other in without):
        note = f"no interval: some parts of the recording support no dimension below {k}"
        return Quantity(value, "1", long_name, note=note)
    half = t_quantile(confidence, blocks - 1) * jackknife_error(np.array(without, float)) + 1e-12
    return Quantity(value, "1", long_name, ci=(value - half, value + half), interval_over="time")


def dimension_of(exponents: Array) -> float | None:
    """Return the dimension, None where the sum of all never falls below zero.

    Parameters
    ----------
    exponents : (k,) float64

    Returns
    -------
    float or None
    """
    ordered = np.sort(exponents)[::-1]
    if ordered[0] < 0.0:
        return 0.0
    sums = np.cumsum(ordered)
    below = np.flatnonzero(sums < 0.0)
    if not below.size:
        return None
    j = int(below[0])
    before = float(sums[j - 1]) if j else 0.0
    return j + before / abs(float(ordered[j]))
