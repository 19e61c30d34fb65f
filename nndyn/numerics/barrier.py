"""Barriers: how far a quantity rises along a segment above the straight line between its ends."""

from __future__ import annotations

import numpy as np

from nndyn.numerics.arrays import Array


def excess(values: Array, positions: Array) -> Array:
    """Return values along a segment over the straight line between those of its ends.

    Parameters
    ----------
    values : (..., n) float64
    positions : (n,) float64
        From 0 to 1, both there.

    Returns
    -------
    (..., n) float64
        0 at both ends; NaN where one of them is not finite.
    """
    first, last = values[..., :1], values[..., -1:]
    with np.errstate(invalid="ignore"):  # of an end that is infinite: there is no line
        found: Array = values - ((1.0 - positions) * first + positions * last)
    return found


def height(values: Array, positions: Array) -> Array:
    """Return the barrier: the largest `excess`, at least 0 since the ends count.

    Returns
    -------
    (...) float64

    References
    ----------
    Entezari, R., Sedghi, H., Saukh, O. & Neyshabur, B. The role of permutation invariance in linear
    mode connectivity of neural networks. ICLR 2022. DOI 10.48550/arXiv.2110.06296.
    """
    found: Array = excess(values, positions).max(axis=-1)
    return found
