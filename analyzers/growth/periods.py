"""Period of a series that repeats itself."""

from __future__ import annotations

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.series import autocorrelation

#: Last samples that are looked at.
SAMPLES = 65_536
#: Fewest periods, of the whole series and of what is looked at.
WHOLE, SEEN = 20, 4
#: Mean squared change over a period, in twice the variance: taken at once, and the most there may
#: be.
EXACT, ALIKE = 1e-4, 1e-2
#: Lags that are tried.
TRIED = 64


def period(x: Array) -> float:
    """Return the period of a series in samples, 0 where it has none.

    Parameters
    ----------
    x : (n,) float64
        Finite.

    Returns
    -------
    float
        The shortest lag at which the series comes back to within 1 % of its fluctuations (an rms
        change of 1 % over a lag is 1e-4 of the variance twice over), or, where there is no such
        lag, that at which it comes closest, to within 10 %; at most a twentieth of the series. A
        lag that is no whole number is found from its multiples, so well that all periods together
        are right to a sample.

    Notes
    -----
    Looks at the last 65,536 samples: one FFT, and one pass for each of at most 100 lags.
    """
    n = len(x)
    x = x[-SAMPLES:]
    longest = min(n // WHOLE, len(x) // SEEN)
    if longest < 2:
        return 0.0
    x = x - x.mean()
    variance = float(np.mean(x * x))
    if variance <= 1e-24 * max(float(np.abs(x).max()), 1.0) ** 2:
        return 0.0

    def change(lag: int) -> float:
        return float(np.mean((x[lag:] - x[:-lag]) ** 2)) / (2.0 * variance)

    r = autocorrelation(x)[: longest + 2]
    r /= 1.0 - np.arange(len(r)) / len(x)
    best, closest = 0, ALIKE
    apart = int(np.argmax(r < 0.5)) if (r < 0.5).any() else len(r)
    lags = 1 + np.flatnonzero((r[1:-1] > r[:-2]) & (r[1:-1] >= r[2:]) & (r[1:-1] > 0.9))
    for lag in lags[lags > max(apart, 1)][:TRIED]:
        changed = change(int(lag))
        if changed < closest:
            best, closest = int(lag), changed
        if closest <= EXACT:
            break
    if not best:
        return 0.0
    found, times = float(best), 1
    while 2 * times * found <= len(x) / 2:
        times *= 2
        near = round(times * found)
        around = [near + i for i in range(-2, 3)]
        changes = [change(lag) for lag in around]
        i = min(max(int(np.argmin(changes)), 1), 3)
        if changes[i] > ALIKE:
            break
        left, middle, right = changes[i - 1 : i + 2]
        bend = left - 2.0 * middle + right
        smooth = bend > 0.0 and max(left, right) <= ALIKE  # or it does not bend as a parabola
        shift = 0.5 * (left - right) / bend if smooth else 0.0
        found = (around[i] + min(max(shift, -0.5), 0.5)) / times
    # a whole number, if the difference does not add up to a hundredth of a sample
    nearest = float(round(found))
    return nearest if abs(found - nearest) * n < 0.01 * found else found


def over_periods(x: Array, length: float) -> Array:
    """Return the means of a series over whole periods, up to its end.

    Parameters
    ----------
    x : (n,) float64
    length : float
        Of a period, in samples; at most n. Sums up to times between samples are interpolated.

    Returns
    -------
    (n // length,) float64
    """
    sums = np.concatenate([[0.0], np.cumsum(x)])
    ends = len(x) - length * np.arange(int(len(x) / length * (1.0 + 1e-12)), -1, -1)
    means: Array = np.diff(np.interp(ends, np.arange(len(sums)), sums)) / length
    return means
