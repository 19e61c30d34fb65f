"""Statistics of series: autocorrelation, means and their errors, running medians."""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np

from nndyn.numerics.arrays import Array

#: Lags of an autocorrelation that are taken together, the first time and at most; samples at least.
FEWEST_LAGS, MOST_LAGS, SAMPLES = 2**14, 2**18, 2**16
#: Series below this length are short.
SHORT = 2**16


def autocorrelation(x: Array) -> Array:
    """Return the autocorrelation of a series at lags 0 … n-1.

    Parameters
    ----------
    x : (n,) float64
        Finite.

    Returns
    -------
    (n,) float64
        ``Σ (x_i - m)(x_{i+k} - m) / Σ (x_i - m)²`` (the biased form, which is positive
        semi-definite); 1 at lag 0 and 0 beyond for a series that does not vary.
    """
    return np.concatenate(list(_autocorrelations(x)))


def _autocorrelations(x: Array) -> Iterator[Array]:
    """Give the autocorrelation in stretches of lags, the first short, by FFTs of limited length.

    Yields
    ------
    (k,) float64
        Of a stretch, which adds up the cross spectra of blocks of the series and of what lies the
        lags ahead: O(n log n) time, and a few MB beside the series, however long it is.
    """
    n = len(x)
    low, high = float(np.min(x)), float(np.max(x))
    if high - low <= 1e-14 * max(high, -low):  # the same number but for rounding
        yield np.concatenate([np.ones(1), np.zeros(n - 1)])
        return
    mean, power, first = np.mean(x), 1.0, 0
    while first < n:
        lags = min(max(first, FEWEST_LAGS), MOST_LAGS, n - first)
        half = 1 << (max(lags, min(n, SAMPLES)) - 1).bit_length()
        spectrum = np.zeros(half + 1, dtype=np.complex128)
        for a in range(0, n - first, half):
            here = np.fft.rfft(x[a : a + half] - mean, 2 * half)
            ahead = np.fft.rfft(x[a + first : a + first + half + lags] - mean, 2 * half)
            spectrum += ahead * here.conj()
        covariance: Array = np.fft.irfft(spectrum)[:lags]
        if first == 0:
            power = covariance[0]
        yield covariance / power
        first += lags


def autocorrelation_time(x: Array) -> float:
    """Return the integrated autocorrelation time ``1 + 2 Σ r(k)`` of a series, in samples.

    Parameters
    ----------
    x : (n,) float64

    Returns
    -------
    float
        The sum runs to the first lag of at least five, and five times the value so far; never below
        1/n. 1 for white noise, below 1 for an anticorrelated series.

    References
    ----------
    Self-consistent window: Wolff, Computer Physics Communications 156 (2004) 143,
    doi:10.1016/S0010-4655(03)00467-3.
    """
    n = len(x)
    if n < 2:
        return 1.0
    first, total, time = 0, 0.0, 1.0
    for r in _autocorrelations(x):
        r[0] += total
        sums = np.cumsum(r)
        times = 2.0 * sums - 1.0
        enough = np.arange(first, first + len(r)) >= 5.0 * np.maximum(times, 1.0)
        time = times[int(np.argmax(enough)) if enough.any() else -1]
        if enough.any():
            break
        first, total = first + len(r), sums[-1]
    return float(max(time, 1.0 / n))


def rounding_of_a_step(growth: Array, index: Array, distance: Array) -> tuple[float, int]:
    """Return the rounding error of one step that explains how far rounding alone parted two runs.

    Parameters
    ----------
    growth : (T,) float64
        Natural logarithm of the growth of deviations since the first time.
    index : (n,) int
        Of times after the first.
    distance : (n,) float64
        Of the two runs at them; positive.

    Returns
    -------
    error : float
        The largest that any distance tells, if each step adds as much, and what was added grows as
        deviations do; 0 where there is no distance.
    at : int
        Which distance tells it.
    """
    if not len(index):
        return 0.0, 0
    log_sums = np.concatenate([[-np.inf], np.logaddexp.accumulate(-growth[1:])])
    errors = np.log(distance) - (growth[index] + log_sums[index])
    at = int(np.argmax(errors))
    return float(np.exp(errors[at])), at


def batch_means(x: Array, blocks: int) -> Array:
    """Return the means of adjoining blocks of equal length.

    Parameters
    ----------
    x : (n,) float64
    blocks : int
        At most n; what is left over at the start is not used.

    Returns
    -------
    (blocks,) float64
    """
    length = len(x) // blocks
    means: Array = x[len(x) - blocks * length :].reshape(blocks, length).mean(axis=1)
    return means


def t_quantile(confidence: float, degrees: int) -> float:
    """Return the two-sided Student t quantile at `confidence` for `degrees` of freedom."""
    from scipy.special import stdtrit  # scipy.stats takes a second and 60 MB to import

    return float(stdtrit(degrees, 0.5 + 0.5 * confidence))


def t_interval(values: Array, confidence: float = 0.95) -> tuple[float, float]:
    """Return mean and half-width of Student's t interval of independent values.

    Parameters
    ----------
    values : (n,) float64
        At least two.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    mean, half_width : float
        The half-width is infinite for fewer than two values.
    """
    n = len(values)
    if n < 2:
        return float(np.mean(values)), float("inf")
    error = float(np.std(values, ddof=1)) / n**0.5
    return float(np.mean(values)), t_quantile(confidence, n - 1) * error


def jackknife_error(estimates: Array) -> float:
    """Return the standard error that n leave-one-out estimates give.

    Parameters
    ----------
    estimates : (n,) float64

    Returns
    -------
    float
        ``√((n-1)/n Σ (θ_i - mean θ)²)``.

    References
    ----------
    Efron and Stein, Annals of Statistics 9 (1981) 586, doi:10.1214/aos/1176345462.
    """
    n = len(estimates)
    return float(np.sqrt((n - 1) / n * np.sum((estimates - np.mean(estimates)) ** 2)))


def running_median(x: Array) -> Array:
    """Return at every index the median of the values up to it.

    Parameters
    ----------
    x : (n,) float64

    Returns
    -------
    (n,) float64

    Notes
    -----
    Two heaps: O(n log n) time, and n numbers beside the result. The first kernel of a process takes
    a second and 50 MB to load, more than a short series does in plain Python.
    """
    return short_running_median(x) if len(x) < SHORT else long_running_median(x)


def short_running_median(x: Array) -> Array:
    """Do what `running_median` does, with lists of numbers."""
    import heapq

    low: list[float] = []  # negated: the smaller half
    high: list[float] = []
    medians = np.empty(len(x))
    for i, value in enumerate(x.tolist()):
        heapq.heappush(high, -heapq.heappushpop(low, -value))
        if len(high) > len(low):
            heapq.heappush(low, -heapq.heappop(high))
        medians[i] = -low[0] if len(low) > len(high) else 0.5 * (high[0] - low[0])
    return medians


@numba.njit(cache=True, nogil=True)
def long_running_median(x: Array) -> Array:
    """Do what `running_median` does, with arrays."""
    n = x.size
    low = np.empty(n // 2 + 2)  # negated: the smaller half, or one more
    high = np.empty(n // 2 + 2)
    lows, highs = 0, 0
    medians = np.empty(n)
    for i in range(n):
        if lows == 0 or x[i] <= -low[0]:
            lows = _push(low, lows, -x[i])
        else:
            highs = _push(high, highs, x[i])
        if highs > lows:
            value = high[0]
            highs = _pop(high, highs)
            lows = _push(low, lows, -value)
        elif lows > highs + 1:
            value = -low[0]
            lows = _pop(low, lows)
            highs = _push(high, highs, value)
        medians[i] = -low[0] if lows > highs else 0.5 * (high[0] - low[0])
    return medians


@numba.njit(cache=True, nogil=True)
def _push(heap: Array, size: int, value: float) -> int:
    """Add a value to a heap whose smallest comes first; return its new size."""
    i = size
    while i > 0 and heap[(i - 1) // 2] > value:
        heap[i] = heap[(i - 1) // 2]
        i = (i - 1) // 2
    heap[i] = value
    return size + 1


@numba.njit(cache=True, nogil=True)
def _pop(heap: Array, size: int) -> int:
    """Take the smallest value off a heap; return its new size."""
    size -= 1
    value, i = heap[size], 0
    while 2 * i + 1 < size:
        child = 2 * i + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[i] = heap[child]
        i = child
    heap[i] = value
    return size
