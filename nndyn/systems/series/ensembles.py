"""Deviations of replicas from their reference: which are independent, and how alike they are."""

from __future__ import annotations

import numpy as np

from nndyn.recording import PERTURBED
from nndyn.systems.series.measured import Array

#: First and second rows of every pair of perturbed replicas that are not mirror images.
Pairs = tuple[Array, Array]


def alignment(gram: Array, pairs: Pairs) -> Array:
    """Mean absolute cosine between the deviations of perturbed replicas, ± partners left out.

    Parameters
    ----------
    gram : (n, R, R) float64
        Inner products of the deviations.
    pairs : Pairs

    Returns
    -------
    (n,) float64
        NaN where fewer than two deviations are left that are finite and not zero.
    """
    lengths = np.sqrt(np.einsum("nrr->nr", gram))
    first, second = pairs
    norms = lengths[:, first] * lengths[:, second]
    products = gram[:, first, second]
    valid = np.isfinite(norms) & (norms > 0) & np.isfinite(products)
    cosines = np.zeros_like(norms)
    np.divide(np.abs(products), norms, out=cosines, where=valid)
    count = valid.sum(axis=1)
    mean = np.full(len(gram), np.nan)
    # accumulate adds in one order, whatever n; sum does not, and a resumed run would show it
    total = np.add.accumulate(cosines, axis=1)[:, -1]
    np.divide(total, count, out=mean, where=count > 0)
    aligned: Array = np.minimum(mean, 1.0)
    return aligned


def independent(role: Array, pair: Array) -> Pairs:
    """Pairs of perturbed replicas that are not each other's mirror image."""
    first, second = np.triu_indices(len(role), k=1)
    chosen = (role[first] == PERTURBED) & (role[second] == PERTURBED) & (pair[first] != second)
    return first[chosen], second[chosen]
