"""Whether numbers are finite, of arrays too large for as many truth values beside them."""

from __future__ import annotations

import numpy as np

from nndyn.numerics.arrays import Array

#: Numbers that are looked at together, so that their truth values stay in the cache.
_AT_ONCE = 2**16


def all_finite(values: Array) -> bool:
    """Whether every number of an array is finite.

    Parameters
    ----------
    values : (...) of real numbers
        One that is not contiguous is copied.

    Returns
    -------
    bool

    Notes
    -----
    One pass; it ends where a number is not finite.
    """
    flat = values.reshape(-1)
    pieces = (flat[start : start + _AT_ONCE] for start in range(0, flat.size, _AT_ONCE))
    return all(np.isfinite(piece).all() for piece in pieces)
