"""Kernels of the losses: a few passes over the outputs of a row of weights, in the cache.

Outputs are ``(R, C, columns)``; a column whose first output is NaN has its maximum there.
"""

from __future__ import annotations

import numba
import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.functions.exponential import exp, log


@numba.njit(inline="always")
def _largest(outputs: Array, largest: Array, where: Array) -> None:
    """Write the largest output of every column, and where it is: the first of equals."""
    for j in range(largest.size):
        largest[j] = outputs[0, j]
        where[j] = 0
    for c in range(1, outputs.shape[0]):
        for j in range(largest.size):
            value = outputs[c, j]
            above = value > largest[j]
            largest[j] = value if above else largest[j]
            where[j] = c if above else where[j]


@numba.njit(inline="always")
def _hits(where: Array, labels: Array, count: int) -> int:
    total = 0
    for j in range(count):
        total += where[j] == labels[j]
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def cross_entropy(
    outputs: Array,
    labels: Array,
    count: int,
    whole: int,
    gradient: bool,
    loss: Array,
    correct: Array,
) -> None:
    """Write the mean of ``log Σ exp z - z[label]`` over the samples, and its gradient.

    Parameters
    ----------
    outputs : (R, C, columns), overwritten
        By the gradient, 0 in columns that only pad; without `gradient`, by no matter what.
    labels : (columns,) int64
    count : int
        Columns that are samples: the first ones.
    whole : int
        Samples of which it is the mean; of those beyond `count` the sum is 0 here.
    gradient : bool
    loss : (R,) float64, written
    correct : (R,) float64, written
        Number of samples whose maximum, the first of equals, is at the label.

    Notes
    -----
    Every column is shifted by its maximum. Four numbers a column beside the outputs.
    """
    R, C, columns = outputs.shape
    largest = np.empty(columns, outputs.dtype)
    where = np.empty(columns, outputs.dtype)  # a number like the others, for vector registers
    picked, total = np.empty(columns), np.empty(columns)
    share = 1.0 / whole
    for r in range(R):
        _largest(outputs[r], largest, where)
        correct[r] = _hits(where, labels, count)
        for j in range(count):
            picked[j] = np.float64(outputs[r, labels[j], j]) - np.float64(largest[j])
        total[:] = 0.0
        for c in range(C):
            for j in range(columns):
                e = exp(np.float64(outputs[r, c, j]) - np.float64(largest[j]))
                outputs[r, c, j] = e
                total[j] += e
        for j in range(count):
            picked[j] = log(total[j]) - picked[j]
        mean = 0.0
        for j in range(count):
            mean += picked[j]
        loss[r] = mean * share
        if not gradient:
            continue
        for j in range(columns):
            total[j] = share / total[j] if j < count else 0.0
        for c in range(C):
            for j in range(columns):
                outputs[r, c, j] *= total[j]
        outputs[r, :, count:] = 0.0  # what only pads may be infinite
        for j in range(count):
            outputs[r, labels[j], j] -= share


@numba.njit(cache=True, nogil=True, error_model="numpy")
def mean_square(
    outputs: Array, targets: Array, first: int, count: int, whole: int, loss: Array
) -> None:
    """Write the mean over all entries of the squared difference to the targets, and its gradient.

    Parameters
    ----------
    outputs : (R, C, columns), overwritten
        By the gradient, 0 in columns that only pad.
    targets : (C, ≥ first + count)
    first : int
        Column of the targets at which these begin.
    count : int
        Columns that are samples: the first ones.
    whole : int
        Samples of which it is the mean; of those beyond `count` the sum is 0 here.
    loss : (R,) float64, written
    """
    R, C, columns = outputs.shape
    total = np.empty(columns)
    share = 1.0 / (whole * C)
    for r in range(R):
        total[:] = 0.0
        for c in range(C):
            for j in range(count):
                off = np.float64(outputs[r, c, j]) - np.float64(targets[c, first + j])
                outputs[r, c, j] = 2.0 * share * off
                total[j] += off * off
        outputs[r, :, count:] = 0.0
        mean = 0.0
        for j in range(count):
            mean += total[j]
        loss[r] = mean * share


@numba.njit(cache=True, nogil=True)
def hits(outputs: Array, labels: Array, count: int, correct: Array) -> None:
    """Write the number of samples whose largest output, the first of equals, is the label's.

    Parameters
    ----------
    outputs : (R, C, columns)
    labels : (columns,) int64
    count : int
        Columns that are samples: the first ones.
    correct : (R,) float64, written
    """
    largest = np.empty(outputs.shape[2], outputs.dtype)
    where = np.empty(outputs.shape[2], outputs.dtype)
    for r in range(outputs.shape[0]):
        _largest(outputs[r], largest, where)
        correct[r] = _hits(where, labels, count)


@numba.njit(cache=True, nogil=True)
def compare(outputs: Array, count: int, classes: bool, squares: Array, differing: Array) -> None:
    """Add what every row differs by from the first.

    Parameters
    ----------
    outputs : (R, C, columns)
    count : int
        Columns that are samples: the first ones.
    classes : bool
        Whether outputs tell classes, by the largest, the first of equals.
    squares : (R,) float64, written
        Squared l2 distance.
    differing : (R,) float64, written
        Samples that are put in another class; untouched without `classes`.
    """
    R, C, _ = outputs.shape
    largest, total = np.empty(count, outputs.dtype), np.empty(count)
    where, first = np.empty(count, np.int32), np.empty(count, np.int32)
    for r in range(R):
        if classes:
            _largest(outputs[r], largest, where)
            for j in range(count if r == 0 else 0):  # a copy by slices compiles for two seconds
                first[j] = where[j]
            others = 0
            for j in range(count):
                others += where[j] != first[j]
            differing[r] += others
        total[:] = 0.0
        for c in range(C):
            for j in range(count):
                apart = np.float64(outputs[r, c, j]) - np.float64(outputs[0, c, j])
                total[j] += apart * apart
        for j in range(count):
            squares[r] += total[j]
