"""Kernels of the losses: one pass over the outputs.

One call each where torch takes a dozen, which at this size is most of their cost.
"""

from __future__ import annotations

import numba
import numpy as np

from nndyn.numerics.arrays import Array


@numba.njit(inline="always")
def _largest(outputs: Array, largest: Array, where: Array) -> None:
    """Write the largest output of every column, and where it is: the first of equals.

    A column whose first output is NaN has its maximum there. `outputs` is (C, columns) or wider.
    """
    for j in range(largest.size):
        largest[j] = outputs[0, j]
        where[j] = 0
    for c in range(1, outputs.shape[0]):
        for j in range(largest.size):
            value = outputs[c, j]
            above = value > largest[j]
            largest[j] = value if above else largest[j]
            where[j] = c if above else where[j]


@numba.njit(cache=True, nogil=True)
def shift(outputs: Array, labels: Array, picked: Array, correct: Array, count: int) -> None:
    """Subtract the maximum of every column; take the label's output; count the correct samples.

    Parameters
    ----------
    outputs : (R, C, columns), overwritten
        By what is <= 0 in every column that is finite.
    labels : (columns,) int64
    picked : (R, columns), written
        The shifted output of the label.
    correct : (R,), written
        Number of columns whose maximum, the first of equals, is at the label; a column whose first
        output is NaN has its maximum there.
    count : int
        Columns that are samples: the first ones. Those behind only pad.
    """
    R, C, columns = outputs.shape
    largest = np.empty(columns, outputs.dtype)
    where = np.empty(columns, outputs.dtype)  # a number like the others, for vector registers
    for r in range(R):
        _largest(outputs[r], largest, where)
        for c in range(C):
            for j in range(columns):
                outputs[r, c, j] -= largest[j]
        total = 0
        for j in range(columns):
            picked[r, j] = outputs[r, labels[j], j]
            total += j < count and where[j] == labels[j]
        correct[r] = total


@numba.njit(cache=True, nogil=True)
def differing(outputs: Array, count: int, found: Array) -> None:
    """Add the samples whose largest output, the first of equals, is another than in the first row.

    Parameters
    ----------
    outputs : (R, C, columns)
        A column whose first output is NaN has its maximum there.
    count : int
        Columns that are samples: the first ones.
    found : (R,) float64, written
    """
    largest = np.empty(count, outputs.dtype)
    where, first = np.empty(count, np.int16), np.empty(count, np.int16)
    for r in range(outputs.shape[0]):
        _largest(outputs[r], largest, where)
        if r == 0:
            first[:] = where
        total = 0
        for j in range(count):
            total += where[j] != first[j]
        found[r] += total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def gradient(outputs: Array, labels: Array, total: Array, count: int) -> None:
    """Turn exponentials of shifted outputs into the gradient of the mean cross-entropy.

    Parameters
    ----------
    outputs : (R, C, columns), overwritten
        By ``(outputs / total - [c = label]) / count``, 0 in columns that only pad.
    labels : (columns,) int64
    total : (R, columns), written
        Sums of the exponentials over C.
    count : int
        Columns that are samples.
    """
    R, C, columns = outputs.shape
    scale = np.empty(columns, outputs.dtype)
    share = outputs.dtype.type(1) / count
    for r in range(R):
        for j in range(columns):
            scale[j] = outputs[r, 0, j]
        for c in range(1, C):
            for j in range(columns):
                scale[j] += outputs[r, c, j]
        for j in range(columns):
            total[r, j] = scale[j]
            scale[j] = share / scale[j]
        for c in range(C):
            for j in range(count):
                outputs[r, c, j] *= scale[j]
            for j in range(count, columns):
                outputs[r, c, j] = 0
        for j in range(count):
            outputs[r, labels[j], j] -= share
