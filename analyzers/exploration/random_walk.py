"""Participation ratio of random walks: the null model of a path."""

from __future__ import annotations

import numpy as np

from nndyn.numerics.arrays import Array

#: Modes of a walk that are drawn; the others enter by their mean.
MODES = 64


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
    rng = np.random.default_rng(seed)
    k = np.arange(1, times)
    variances = 1.0 / (4.0 * np.sin(np.pi * k / (2.0 * times)) ** 2)
    drawn, rest = variances[:MODES], variances[MODES:]
    scale = np.sqrt(np.outer(drawn, drawn))
    found = np.empty(walks)
    tail, tail_square = float(rest.sum()), float(rest @ rest)
    D = float(dimension)
    for i in range(walks):
        products = scale * _wishart(rng, len(drawn), dimension)
        trace = float(np.trace(products))
        square = float(np.vdot(products, products))
        # means of tr and tr² of what the rest adds, and of twice its product with the drawn part
        square += D * tail**2 + (D**2 + D) * tail_square + 2.0 * tail * trace
        found[i] = (trace + D * tail) ** 2 / square
    return found


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
