"""Kernels that recorders and analyzers both need; each has a plain numpy twin in the tests."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@numba.njit(inline="always")
def _apart(rows: Array, r: int, d: int) -> Any:
    return np.float64(rows[r, d]) - np.float64(rows[0, d])


@numba.njit(inline="always")
def _folded(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
    return ((a + e) + (c + g)) + ((b + f) + (d + h))


@numba.njit(cache=True, nogil=True)
def separate(rows: Array, size: int, t: int, l1: Array, linf: Array, gram: Array) -> None:
    """Write distances and inner products of the deviations of `rows` from ``rows[0]``.

    Parameters
    ----------
    rows : (R, P)
    size : int
        The components that count, the first ones.
    t : int
        Index of what is written.
    l1, linf : (n, R) float64, written
        0 for row 0; NaN for every row that holds, or is compared with, a number that is not finite.
    gram : (n, R, R) float64, written
        ``gram[t, r, s] = Σ (rows[r] - rows[0])·(rows[s] - rows[0])``, from direct differences.

    Notes
    -----
    Sums run over every eighth component and are then added up: a processor takes eight at a time,
    and what comes out depends on the numbers alone, not on the processor, on where rows lie in
    memory or which others there are.
    """
    R = rows.shape[0]
    whole = size - size % 8
    for r in range(R):
        a = b = c = d = e = f = g = h = 0.0
        largest = 0.0
        for i in range(0, whole, 8):
            p, q = abs(_apart(rows, r, i)), abs(_apart(rows, r, i + 1))
            u, v = abs(_apart(rows, r, i + 2)), abs(_apart(rows, r, i + 3))
            w, x = abs(_apart(rows, r, i + 4)), abs(_apart(rows, r, i + 5))
            y, z = abs(_apart(rows, r, i + 6)), abs(_apart(rows, r, i + 7))
            a += p
            b += q
            c += u
            d += v
            e += w
            f += x
            g += y
            h += z
            largest = max(largest, max(max(max(p, w), max(q, x)), max(max(u, y), max(v, z))))
        total = _folded(a, b, c, d, e, f, g, h)
        for i in range(whole, size):
            delta = abs(_apart(rows, r, i))
            total += delta
            largest = max(largest, delta)
        l1[t, r] = total if np.isfinite(total) else np.nan
        linf[t, r] = largest if np.isfinite(total) else np.nan
        for s in range(r + 1):
            a = b = c = d = e = f = g = h = 0.0
            for i in range(0, whole, 8):
                a += _apart(rows, r, i) * _apart(rows, s, i)
                b += _apart(rows, r, i + 1) * _apart(rows, s, i + 1)
                c += _apart(rows, r, i + 2) * _apart(rows, s, i + 2)
                d += _apart(rows, r, i + 3) * _apart(rows, s, i + 3)
                e += _apart(rows, r, i + 4) * _apart(rows, s, i + 4)
                f += _apart(rows, r, i + 5) * _apart(rows, s, i + 5)
                g += _apart(rows, r, i + 6) * _apart(rows, s, i + 6)
                h += _apart(rows, r, i + 7) * _apart(rows, s, i + 7)
            product = _folded(a, b, c, d, e, f, g, h)
            for i in range(whole, size):
                product += _apart(rows, r, i) * _apart(rows, s, i)
            gram[t, r, s] = product
            gram[t, s, r] = product


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

    Notes
    -----
    One FFT of length ≥ 2n; O(n log n) time, O(n) memory.
    """
    n = len(x)
    centred = np.asarray(x, dtype=np.float64) - np.mean(x)
    spectrum = np.fft.rfft(centred, 1 << (2 * n - 1).bit_length())
    covariance: Array = np.fft.irfft(spectrum * spectrum.conj())[:n]
    if np.ptp(x) <= 1e-14 * np.max(np.abs(x)):  # the same number but for rounding
        covariance[:] = 0.0
        covariance[0] = 1.0
    covariance /= covariance[0]
    return covariance


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
    times = 2.0 * np.cumsum(autocorrelation(x)) - 1.0
    enough = np.arange(n) >= 5.0 * np.maximum(times, 1.0)
    last = int(np.argmax(enough)) if enough.any() else n - 1
    return float(max(times[last], 1.0 / n))


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
    Two heaps: O(n log n) time, O(n) memory.
    """
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
