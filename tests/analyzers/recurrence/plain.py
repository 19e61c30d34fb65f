"""Recurrence by brute force: whole matrices, and lines followed entry by entry."""

import numpy as np


def distances(x, y, norm):
    """Return the distances of all rows of x (N, d) to all rows of y (M, d)."""
    away = np.abs(x[:, None] - y[None])
    if norm == "l1":
        return away.sum(-1)
    return away.max(-1) if norm == "max" else np.sqrt((away**2).sum(-1))


def runs(entries):
    """Return the lengths of the runs of False and of True."""
    lengths = {False: [], True: []}
    edges = np.flatnonzero(np.diff(entries)) + 1
    for run in np.split(entries, edges) if len(entries) else ():
        lengths[bool(run[0])].append(len(run))
    return lengths


def lines(R, theiler, symmetric):
    """Return the lengths of diagonal, vertical and white vertical lines."""
    N, M = R.shape
    columns = [runs(R[:, j]) for j in range(M)]
    offsets = [k for k in range(1 - N, M) if not symmetric or abs(k) >= theiler]
    return (
        [n for k in offsets for n in runs(np.diagonal(R, k))[True]],
        [n for column in columns for n in column[True]],
        [n for column in columns for n in column[False]],
    )


def entropy(lengths):
    _, numbers = np.unique(lengths, return_counts=True)
    p = numbers / numbers.sum()
    return -np.sum(p * np.log(p))


def measures(R, theiler, symmetric, min_diagonal, min_vertical):
    """Return every measure of a matrix, NaN where there is no value."""
    diagonal, vertical, white = lines(R, theiler, symmetric)
    i, j = np.indices(R.shape)
    outside = R[np.abs(i - j) >= theiler] if symmetric else R.ravel()
    long = [n for n in diagonal if n >= min_diagonal]
    tall = [n for n in vertical if n >= min_vertical]
    nan = np.nan
    return {
        "recurrence_rate": R.mean(),
        "rate_obtained": outside.mean() if outside.size else nan,
        "determinism": sum(long) / sum(diagonal) if diagonal else nan,
        "mean_diagonal_length": np.mean(long) if long else nan,
        "max_diagonal_length": max(diagonal, default=nan),
        "divergence": 1.0 / max(diagonal, default=nan),
        "diagonal_entropy": entropy(long) if long else nan,
        "laminarity": sum(tall) / sum(vertical) if vertical else nan,
        "trapping_time": np.mean(tall) if tall else nan,
        "max_vertical_length": max(vertical, default=nan),
        "vertical_entropy": entropy(tall) if tall else nan,
        "mean_recurrence_time": np.mean(white) if white else nan,
        "max_recurrence_time": max(white, default=nan),
        "recurrence_time_entropy": entropy(white) if white else nan,
    }


def embedded(x, dimension, delay):
    n = len(x) - (dimension - 1) * delay
    return np.stack([x[k * delay : k * delay + n] for k in range(dimension)], axis=1)
