"""Bootstrap over seeds: draws, medians of draws, and intervals with open ends."""

from __future__ import annotations

import numpy as np

from nndyn.checks import share, whole
from nndyn.numerics.arrays import Array


def drawn(n: int, resamples: int, seed: int = 0) -> Array:
    """Return indices (resamples, n) of n seeds, drawn with replacement."""
    return np.random.default_rng(seed).integers(0, n, size=(resamples, n))


def fewest(confidence: float) -> int:
    """Return the fewest seeds whose smallest and largest value hold the median that often.

    Returns
    -------
    int

    Notes
    -----
    The median lies outside where all n lie on one side of it: in a share of ``2^(1 - n)``. No
    interval between order statistics of fewer holds it with this confidence.
    """
    return int(np.ceil(1.0 - np.log2(1.0 - confidence) - 1e-9))


def few_seeds(seeds: int, confidence: float) -> str:
    """Return the warning where there are fewer than that."""
    return (
        f"{seeds} seeds: no interval over so few holds the median with {confidence:.0%}; run at "
        f"least {fewest(confidence)}"
    )


def middle(values: Array) -> Array:
    """Return the median along the last axis.

    Parameters
    ----------
    values : (..., n) float64
        NaN counts as absent; infinite values count.

    Returns
    -------
    (...) float64
        The mean of the two in the middle of an even number; NaN where there is none, or one of the
        two is -inf and the other +inf.
    """
    low, high = _two_in_the_middle(values)
    opposite = np.isinf(low) & np.isinf(high) & (low != high)
    out: Array = np.where(opposite, np.nan, low)
    between = ~opposite & (low != high) & ~np.isnan(low)
    out[between] = 0.5 * (low[between] + high[between])
    return out


def lower_middle(values: Array) -> Array:
    """Return the lower median along the last axis.

    Parameters
    ----------
    values : (..., n) float64
        NaN counts as absent, inf as not reached.

    Returns
    -------
    (...) float64
        Of times that are all watched equally long, the Kaplan-Meier median: the first at which half
        have arrived; inf where fewer do, NaN where there is no value.
    """
    return _two_in_the_middle(values)[0]


def _two_in_the_middle(values: Array) -> tuple[Array, Array]:
    ordered = np.sort(values, axis=-1)
    count = (~np.isnan(values)).sum(axis=-1, keepdims=True)
    return tuple(  # type: ignore[return-value]
        np.take_along_axis(ordered, np.maximum(index, 0), axis=-1)[..., 0]
        for index in ((count - 1) // 2, np.minimum(count // 2, values.shape[-1] - 1))
    )


def percentiles(draws: Array, confidence: float) -> tuple[Array, Array]:
    """Return the percentile interval of draws along the first axis, each end a draw itself.

    Parameters
    ----------
    draws : (B, ...) float64
        Infinite ones make open ends; NaN ones could lie anywhere.
    confidence : float

    Returns
    -------
    low, high : (...) float64

    Notes
    -----
    Never interpolated, so that an open end stays open; rounded outwards.
    """
    tail = 0.5 * (1.0 - confidence) * (len(draws) - 1)
    nowhere = np.isnan(draws)
    low = np.sort(np.where(nowhere, -np.inf, draws), axis=0)[int(np.floor(tail))]
    high = np.sort(np.where(nowhere, np.inf, draws), axis=0)[len(draws) - 1 - int(np.floor(tail))]
    return low, high


def median_interval(
    values: Array, confidence: float, resamples: int, seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Return a median and its bootstrap interval.

    Parameters
    ----------
    values : (n,) float64
        NaN counts as absent; infinite values count.
    confidence : float
    resamples, seed : int

    Returns
    -------
    median : float
        NaN where there is none.
    interval : (float, float)
        NaN of fewer than two values.

    Notes
    -----
    Values are sorted first, so that their order does not matter.

    References
    ----------
    Percentile interval: Efron, Annals of Statistics 7 (1979) 1, doi:10.1214/aos/1176344552.
    """
    known = np.sort(values[~np.isnan(values)])
    median = float(middle(known)) if known.size else np.nan
    if known.size < 2:
        return median, (np.nan, np.nan)
    draws = middle(known[drawn(known.size, resamples, seed)])
    low, high = percentiles(draws, confidence)
    return median, (float(low), float(high))


def simultaneous(draws: Array, confidence: float) -> tuple[Array, Array]:
    """Return intervals that hold all at once with the confidence asked for.

    Parameters
    ----------
    draws : (B, n) float64
        Of n quantities, drawn together; infinite ones are allowed, NaN are not.
    confidence : float

    Returns
    -------
    low, high : (n,) float64
        Percentile intervals of one common level, the one at which this share of the draws lies
        inside all of them.

    References
    ----------
    Beran, Journal of the American Statistical Association 83 (1988) 679,
    doi:10.1080/01621459.1988.10478649.
    """
    resamples = len(draws)
    ordered = np.sort(draws, axis=0)
    outer = np.empty(draws.shape, dtype=np.int64)
    for i in range(draws.shape[1]):  # draws beyond each one, on its emptier side
        below = np.searchsorted(ordered[:, i], draws[:, i], side="right")
        above = resamples - np.searchsorted(ordered[:, i], draws[:, i], side="left")
        outer[:, i] = np.minimum(below, above)
    depth = np.sort(outer.min(axis=1))[int(np.floor((1.0 - confidence) * resamples))]
    k = max(int(depth) - 1, 0)
    return ordered[k], ordered[resamples - 1 - k]


def check(confidence: float, resamples: int) -> int:
    """Check the options of a bootstrap; return the number of resamples.

    Returns
    -------
    int

    Raises
    ------
    UsageError
        If one is out of range.
    """
    share("confidence", confidence)
    return whole("resamples", resamples, 100)
