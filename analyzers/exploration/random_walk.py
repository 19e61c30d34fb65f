"""Random walks, the null model of a path: participation ratio and principal components."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzers.exploration.principal import of_products, principal
from nndyn.numerics.arrays import Array

#: Modes of a walk that are drawn; the others enter by their mean.
MODES = 64
#: Cosines over time that count as a drift.
SLOW = 5


def random_walk_participation(times: int, dimension: int, *, walks: int, seed: int) -> Array:
    """Draw the participation ratio of isotropic Gaussian random walks.

    Parameters
    ----------
    times : int
        States of a walk, at least 2.
    dimension : int
    walks : int
        Number of walks.
    seed : int

    Returns
    -------
    (walks,) float64

    Notes
    -----
    A walk of T centred states in D dimensions has, in the basis of cosines over time, independent
    Gaussian coefficients of variance ``1 / (4 sin²(π k / 2T))``, k = 1 … T - 1: the inverses of the
    eigenvalues of the Laplacian of a path. Only the first 64 are drawn, as a Wishart matrix; those
    behind enter by the mean of what they add to trace and squared trace, of which they hold less
    than 1e-2 and 1e-5. Memory: 64 x min(64, D) numbers a walk; nothing of T x D.

    The limit for large T and D is 5/2.

    References
    ----------
    Antognini and Sohl-Dickstein, NeurIPS 31 (2018), doi:10.48550/arXiv.1806.08805.
    """
    if dimension == 1:
        return np.ones(walks)
    found = np.empty(walks)
    D = float(dimension)
    for i, (products, rest) in enumerate(_drawn(times, dimension, walks, seed)):
        tail, tail_square = float(rest.sum()), float(rest @ rest)
        trace = float(np.trace(products))
        square = float(np.vdot(products, products))
        # means of tr and tr² of what the rest adds, and of twice its product with the drawn part
        square += D * tail**2 + (D**2 + D) * tail_square + 2.0 * tail * trace
        found[i] = (trace + D * tail) ** 2 / square
    return found


def random_walk_shares(
    times: int, dimension: int, count: int, *, walks: int, seed: int
) -> tuple[Array, Array]:
    """Draw the shares of variance of the first principal components of such walks.

    Parameters
    ----------
    times, dimension : int
    count : int
        Components, below `times` and at most `dimension`.
    walks, seed : int

    Returns
    -------
    shares : (walks, count) float64
        For large T and D they are ``6 / (π k)²``.
    drifts : (walks,) float64
        Share of the first component that drifts, see `drift_share`; 1 for large T and D.
    """
    shares, drifts = np.empty((walks, count)), np.empty(walks)
    for i, (products, rest) in enumerate(_drawn(times, dimension, walks, seed)):
        values, vectors = np.linalg.eigh(products)
        shares[i] = values[::-1][:count] / (np.trace(products) + dimension * rest.sum())
        drifts[i] = (vectors[:SLOW, -1] ** 2).sum()  # rows are cosines, the slowest first
    return shares, drifts


def drift_share(scores: Array) -> float:
    """Return the share of a component's variance along the five slowest cosines over time.

    Parameters
    ----------
    scores : (n,) float64
        From their mean, evenly spaced in time.

    Returns
    -------
    float
        Such cosines have half a period to five halves over all of the time: a walk drifts along
        them, and what comes back more often than that does not.
    """
    n = len(scores)
    modes = np.arange(1, min(SLOW, n - 1) + 1)[:, None] * (np.arange(n) + 0.5)
    along = np.sqrt(2.0 / n) * np.cos(np.pi / n * modes) @ scores
    return float(along @ along / (scores @ scores))


def random_walk_scores(times: int, dimension: int, count: int, *, seed: int) -> Array:
    """Draw one walk, and return its states along its first principal components.

    Parameters
    ----------
    times, dimension, count, seed : int

    Returns
    -------
    (times, count) float64

    Notes
    -----
    Of more components than states only the inner products of the coefficients are drawn, of all
    T - 1 modes: memory is that of a few T x T matrices.
    """
    rng = np.random.default_rng(seed)
    if dimension < times:
        walk = rng.standard_normal((times, dimension)).cumsum(axis=0)
        return principal(walk - walk.mean(axis=0), count)[0]
    scale = np.sqrt(_variances(times))
    products = np.outer(scale, scale) * _wishart(rng, times - 1, dimension)
    modes = np.arange(1, times)[:, None] * (np.arange(times) + 0.5)
    cosines = np.sqrt(2.0 / times) * np.cos(np.pi / times * modes)
    return of_products(cosines.T @ products @ cosines, count)[0]


def _variances(times: int) -> Array:
    """Return the variances of the coefficients of a walk in the basis of cosines (T - 1,)."""
    k = np.arange(1, times)
    variances: Array = 1.0 / (4.0 * np.sin(np.pi * k / (2.0 * times)) ** 2)
    return variances


def _drawn(times: int, dimension: int, walks: int, seed: int) -> Iterator[tuple[Array, Array]]:
    """Draw the inner products of the first modes of walks; with them the variances of the rest."""
    rng = np.random.default_rng(seed)
    variances = _variances(times)
    drawn, rest = variances[:MODES], variances[MODES:]
    scale = np.sqrt(np.outer(drawn, drawn))
    for _ in range(walks):
        yield scale * _wishart(rng, len(drawn), dimension), rest


def _wishart(rng: np.random.Generator, modes: int, dimension: int) -> Array:
    """Draw ``Z Zᵀ`` of modes x dimension standard normal numbers."""
    if dimension < modes:
        z = rng.standard_normal((modes, dimension))
        return z @ z.T
    # Bartlett's decomposition: a triangle of normals with chi-distributed lengths on its diagonal
    triangle = np.tril(rng.standard_normal((modes, modes)), -1)
    degrees = dimension - np.arange(modes)
    np.fill_diagonal(triangle, np.sqrt(rng.chisquare(degrees)))
    product: Array = triangle @ triangle.T
    return product
