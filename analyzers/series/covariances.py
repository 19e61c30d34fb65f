"""Autocovariances of a trajectory, block by block of its times."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nndyn.numerics.arrays import Array

#: States up to which, and components from which, all products of states are taken.
LONGEST, MANY = 4096, 64


def covariances(x: Array, blocks: int, lags: int) -> Array:
    """Return what every block of times adds to the autocovariance of a trajectory.

    Parameters
    ----------
    x : (T, d) float64
        States, each component of mean 0.
    blocks : int
        Adjoining parts of the times, as long as one another but for one; at most T.
    lags : int
        At most T.

    Returns
    -------
    (blocks, lags) float64
        ``Σ_i x_i · x_{i+k}`` over the times i of a block and k = 0 … lags-1; i+k may lie in a later
        block, and what would lie beyond the end is left out.

    Notes
    -----
    From all products of states where there are few of many components, else component by component
    from Fourier transforms.
    """
    T, d = x.shape
    edges = np.linspace(0, T, blocks + 1).astype(np.int64)
    if T <= LONGEST and d >= MANY:
        return _from_products(x @ x.T, edges, lags)
    return _from_spectra(x, edges, lags)


def _from_products(products: Array, edges: Array, lags: int) -> Array:
    """Add up the diagonals of the products of all states (T, T), each in blocks."""
    found = np.zeros((len(edges) - 1, lags))
    for k in range(lags):
        along = np.concatenate([[0.0], np.cumsum(np.diagonal(products, k))])
        found[:, k] = np.diff(along[np.minimum(edges, len(along) - 1)])
    return found


def _from_spectra(x: Array, edges: Array, lags: int) -> Array:
    """Correlate every block with what follows it."""
    from scipy.fft import irfft, next_fast_len, rfft

    found = np.empty((len(edges) - 1, lags))
    for b, (first, last) in enumerate(pairwise(edges)):
        size = next_fast_len(int(last - first) + lags - 1, real=True)
        product = np.zeros(size // 2 + 1, np.complex128)
        for column in x.T:
            here = rfft(column[first:last], size)
            product += rfft(column[first : last + lags - 1], size) * here.conj()
        found[b] = irfft(product, size)[:lags]
    return found


def passage(r: Array, level: float) -> float | None:
    """Return where an autocorrelation first lies below a level, between two lags on a line.

    Parameters
    ----------
    r : (n,) float64
        At lags 0 … n-1; 1 at the first.
    level : float
        Below 1.

    Returns
    -------
    float or None
        In lags; None where it never does.
    """
    below = np.flatnonzero(r < level)
    if not below.size:
        return None
    k = int(below[0])
    return float(k - 1 + (r[k - 1] - level) / (r[k - 1] - r[k]))
