"""Long series in parts: temporaries have the size of a part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr

#: Numbers in a part: a megabyte, of which a handful are in use at a time.
PART = 2**17


def parts(n: int, width: int = 1) -> Iterator[slice]:
    """Yield adjoining slices of n rows of `width` numbers."""
    length = max(1, PART // max(width, 1))
    for start in range(0, n, length):
        yield slice(start, min(start + length, n))


def rows(variable: xr.Variable, part: slice, at: Array | None, columns: Any) -> Array:
    """Return rows of a variable over (time, …) as float64, read in parts.

    Parameters
    ----------
    variable : xarray.Variable, (time, n)
        Lazy ones are neither read whole nor kept.
    part : slice
        Of the times asked for.
    at : (T,) int64 or None
        Index in `variable` of each of those times, ascending; None where they are its own.
    columns : int or (k,) int64

    Returns
    -------
    (m,) or (m, k) float64
    """
    if at is None:
        return np.asarray(variable[part].values, dtype=np.float64)[:, columns]
    wanted = at[part]
    found = []
    first = int(wanted[0]) if wanted.size else 0
    for piece in parts(int(wanted[-1]) + 1 - first if wanted.size else 0, variable.shape[1]):
        low, high = first + piece.start, first + piece.stop
        inside = wanted[np.searchsorted(wanted, low) : np.searchsorted(wanted, high)]
        if inside.size:
            block = np.asarray(variable[low:high].values, dtype=np.float64)
            found.append(block[inside - low][:, columns])
    return np.concatenate(found) if found else np.zeros((0, variable.shape[1]))[:, columns]


def mean_increments(steps: Array, columns: Array | None = None) -> Array:
    """Return the mean over replicas of increments (n, R), over those that have one; else NaN.

    Parameters
    ----------
    steps : (n, R) float64
    columns : (k,) int64, optional
        The replicas to take; all by default.

    Returns
    -------
    (n,) float64
    """
    mean = np.full(len(steps), np.nan)
    for part in parts(*steps.shape):
        block = steps[part] if columns is None else steps[part][:, columns]
        known = np.isfinite(block)
        count = known.sum(axis=1)
        total = np.where(known, block, 0.0).sum(axis=1)
        np.divide(total, count, out=mean[part], where=count > 0)
    return mean


def filled(steps: Array, columns: Array | None = None) -> Array:
    """Return the mean increments (n,); the few that no replica has are taken as those before."""
    mean = mean_increments(steps, columns)
    before = 0.0
    for part in parts(len(mean)):
        block = mean[part]
        known = np.isfinite(block)
        if not known.all():
            index = np.maximum.accumulate(np.where(known, np.arange(len(block)), -1))
            block[:] = np.where(index >= 0, block[np.maximum(index, 0)], before)
        before = block[-1]
    return mean
