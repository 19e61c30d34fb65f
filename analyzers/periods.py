"""The period of a series that repeats itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nndyn.numerics import autocorrelation

Array = NDArray[Any]

#: Last samples that are looked at.
SAMPLES = 65_536
#: Fewest periods, of the whole series and of what is looked at.
WHOLE, SEEN = 20, 4
#: Mean squared change over a period, in twice the variance: taken at once, and the most there may
#: be.
EXACT, ALIKE = 1e-4, 1e-2
#: Lags that are tried.
TRIED = 64


def period(x: Array) -> int:
    """Return the period of a series in samples, 1 where it has none.

    Parameters
    ----------
    x : (n,) float64
        Finite.

    Returns
    -------
    int
        The shortest lag at which the series comes back to within 1 % of its fluctuations (an rms
        change of 1 % over a lag is 1e-4 of the variance twice over), or, where there is no such
        lag, that at which it comes closest, to within 10 %. A period that is no whole number of
        samples is thus found as a multiple that nearly is. At most a twentieth of the series.

    Notes
    -----
    Looks at the last 65,536 samples: one FFT, and one pass for each of at most 64 lags.
    """
    n = len(x)
    x = x[-SAMPLES:]
    longest = min(n // WHOLE, len(x) // SEEN)
    if longest < 2:
        return 1
    x = x - x.mean()
    variance = float(np.mean(x * x))
    if variance <= 1e-24 * max(float(np.abs(x).max()), 1.0) ** 2:
        return 1
    r = autocorrelation(x)[: longest + 2]
    r /= 1.0 - np.arange(len(r)) / len(x)
    lags = 1 + np.flatnonzero((r[1:-1] > r[:-2]) & (r[1:-1] >= r[2:]) & (r[1:-1] > 0.9))
    best, closest = 1, ALIKE
    for lag in lags[:TRIED]:
        change = float(np.mean((x[lag:] - x[:-lag]) ** 2)) / (2.0 * variance)
        if change <= EXACT:
            return int(lag)
        if change < closest:
            best, closest = int(lag), change
    return best
