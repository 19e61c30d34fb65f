"""Predictors of the fastest rate beside the onset of growth: curvature at the start, stability."""

from __future__ import annotations

import numpy as np

from analyzers.studies.bootstrap import middle
from analyzers.studies.crossings import Passage, first_passage
from nndyn.numerics.arrays import Array


def curvature_rates(rates: Array, ratios: Array) -> Passage:
    """Return the rate at which each seed's initial sharpness is at the limit of its optimizer.

    Parameters
    ----------
    rates : (n,) float64
        Positive.
    ratios : (n, S) float64
        Sharpness at the start over its limit; NaN where it is not known.

    Returns
    -------
    Passage
        ``2 / sharpness`` of gradient descent, exact. NaN where it is not known, infinite where the
        curvature is not positive.

    Notes
    -----
    Limits go as one over the rate, so that every run of a seed gives the same; the median is taken.
    """
    bent = ratios > 0.0
    found = np.where(ratios <= 0.0, np.inf, np.nan)
    np.divide(np.broadcast_to(rates[:, None], ratios.shape), ratios, out=found, where=bent)
    at = middle(found.T)
    return Passage(at, at, at, np.zeros(at.size, bool))


def last_stable_rates(rates: Array, times: Array) -> Passage:
    """Return the last rate up to which each seed learns.

    Parameters
    ----------
    rates : (n,) float64
        Ascending.
    times : (n, S) float64
        Training times: inf where not reached, be it that the run diverged, NaN where there was no
        run.

    Returns
    -------
    Passage
        The last rate before the first at which the seed does not learn, of those above the lowest
        at which it does: below, time may be too short. Infinite where it learns at all of these,
        NaN where it learns at none.
    """
    reached = np.isfinite(times)
    begun = np.maximum.accumulate(reached, axis=0)
    lost = np.where(np.isnan(times), np.nan, (begun & ~reached).astype(np.float64))
    found = first_passage(rates, lost, 0.5)
    rate = np.where(np.isfinite(found.rate), found.lower, found.rate)
    rate[~reached.any(axis=0)] = np.nan
    return Passage(rate, found.lower, found.upper, found.back)
