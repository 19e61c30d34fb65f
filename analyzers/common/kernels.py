"""Distances of replicas to their reference from a block of states."""

from __future__ import annotations

import numba
import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.separation import separate


@numba.njit(cache=True)
def scan_block(
    states: Array, first: Array, second: Array, l1: Array, l2: Array, linf: Array, asymmetry: Array
) -> None:
    """Write the distances of every row to row 0, and how far mirrored pairs are from mirrored.

    Parameters
    ----------
    states : (n, R, D) float
    first, second : (pairs,) int64
        Rows of the two partners of each pair.
    l1, l2, linf : (n, R) float64, written
    asymmetry : (n,) float64, written
        The largest ``|δ₊ + δ₋| / (|δ₊| + |δ₋|)`` over pairs; NaN without pairs.
    """
    n, R, D = states.shape
    grams = np.empty((1, R, R))
    for t in range(n):
        separate(states[t], D, 0, l1[t : t + 1], linf[t : t + 1], grams)
        asymmetry[t] = asymmetry_of(grams[0], first, second, l2[t])


@numba.njit(cache=True)
def asymmetry_of(gram: Array, first: Array, second: Array, l2: Array) -> float:
    """Write the l2 distances of every row, and return the largest asymmetry of a pair.

    Parameters
    ----------
    gram : (R, R) float64
        Inner products of the deviations.
    first, second : (pairs,) int64
    l2 : (R,) float64, written

    Returns
    -------
    float
        NaN without pairs.
    """
    for r in range(l2.size):
        l2[r] = np.sqrt(gram[r, r])
    largest = np.nan
    for p in range(first.size):
        i, j = first[p], second[p]
        length = l2[i] + l2[j]
        if length > 0.0:
            both = gram[i, i] + gram[j, j] + 2.0 * gram[i, j]
            ratio = np.sqrt(max(both, 0.0)) / length
            if not ratio <= largest:
                largest = ratio
    return largest
