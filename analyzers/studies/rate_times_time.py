"""Learning rate times training time: faster training against a longer step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzers.studies.bootstrap import simultaneous
from analyzers.studies.fastest import Fastest
from nndyn.numerics.arrays import Array


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
        Ratios are of the same seeds; those that did not arrive keep theirs infinite. Their
        intervals go from the earliest of one median over the latest of the other to the opposite.
    """
    product = quickest.medians * rates
    arrived = np.flatnonzero(np.isfinite(product))
    ratio, interval = np.full(rates.size, np.nan), np.full((rates.size, 2), np.nan)
    if not arrived.size or product[arrived[0]] == 0.0:
        return FlowTime(-1, ratio, interval, "undecided")
    first = int(arrived[0])
    ratio[arrived] = product[arrived] / product[first]
    interval[first] = 1.0
    others = arrived[1:]
    if not others.size or np.isnan(quickest.interval[first]).any():
        return FlowTime(first, ratio, interval, "undecided")
    late, early = quickest.draws * rates, quickest.early_draws * rates
    usable = np.isfinite(late[:, first]) & (early[:, first] > 0.0)
    usable &= ~np.isnan(late[:, others]).any(axis=1)
    if 2 * int(usable.sum()) < len(late):
        return FlowTime(first, ratio, interval, "undecided")
    late, early = late[usable], early[usable]
    low, _ = simultaneous(early[:, others] / late[:, [first]], confidence)
    _, high = simultaneous(late[:, others] / early[:, [first]], confidence)
    interval[others] = np.stack([low, high], axis=1)
    if (high < 1.0).any():
        falls = "yes"
    elif (low > 1.0 - margin).all():
        falls = "no"
    else:
        falls = "undecided"
    return FlowTime(first, ratio, interval, falls)
