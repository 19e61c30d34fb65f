"""A proportion and its exact interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def clopper_pearson(count: Array, total: Array, confidence: float) -> Array:
    """Return exact intervals of proportions.

    Parameters
    ----------
    count : (n,) int
        How many have what is counted.
    total : (n,) int
        Of how many.
    confidence : float

    Returns
    -------
    (n, 2) float64
        Ends within 0 and 1; NaN of none.

    Notes
    -----
    Each tail of the binomial distribution holds at most half of the rest, so that the interval
    covers the proportion in at least the share of cases asked for, whatever it is.

    References
    ----------
    Clopper and Pearson, Biometrika 26 (1934) 404, doi:10.1093/biomet/26.4.404.
    """
    from scipy.special import betaincinv

    tail = 0.5 * (1.0 - confidence)
    with_it, without = np.asarray(count, np.float64), np.asarray(total - count, np.float64)
    # where none has it or all do, the beta distribution degenerates and the end is exact
    low = np.where(with_it > 0, betaincinv(np.maximum(with_it, 1.0), without + 1.0, tail), 0.0)
    high = np.where(
        without > 0, betaincinv(with_it + 1.0, np.maximum(without, 1.0), 1.0 - tail), 1.0
    )
    found = np.stack([low, high], axis=-1)
    found[np.asarray(total) == 0] = np.nan
    return found
