"""Subsets of samples: a fixed draw that keeps the proportions of the classes."""

from __future__ import annotations

import numpy as np

from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.data.samples import Samples

# streams of the fixed draws; no seed of a run enters, so that seeds differ in nothing else
TRAINING, TEST, SPLIT = range(3)


def draw(samples: Samples, count: int, stream: int) -> Array:
    """Return `count` rows, stratified by label where there are labels, in ascending order.

    Parameters
    ----------
    samples : Samples
    count : int
        From the number of classes present to the number of samples.
    stream : int
        Key of the draw.

    Returns
    -------
    (count,) int64

    Notes
    -----
    Largest remainder: every class gets its share of `count` rounded down or up, ties going to the
    lower label, and one where that would be none. A row that is in a small draw is in most larger
    ones too: rows are ranked once, and each class gives its first.
    """
    groups = _groups(samples)
    return _first(groups, _shares(np.bincount(groups), count, low=1), stream)


def fifth(samples: Samples, what: str) -> tuple[Array, Array]:
    """Return the rows of the training set and those of the test set, a stratified fifth.

    Parameters
    ----------
    samples : Samples
    what : str
        What messages call the set.

    Returns
    -------
    tuple of two int64 arrays, ascending
        The test set has a fifth of the rows, rounded up, and never all of a class.

    Raises
    ------
    DataError
        If there are too few samples to take a test set from.
    """
    groups = _groups(samples)
    sizes = np.bincount(groups)
    count = min(-(-len(samples) // 5), int((sizes - 1).sum()))
    if count == 0:
        raise DataError(
            f"{what}: {len(samples)} samples of as many classes leave none for a test set; "
            "give at least two of a class"
        )
    test = _first(groups, _shares(sizes, count, low=0, spare=1), SPLIT)
    return np.setdiff1d(np.arange(len(samples)), test), test


def fewer(
    training: Samples, test: Samples | None, count: int, name: str
) -> tuple[Samples, Samples | None]:
    """Return `count` of the training samples, and as large a part of the test set.

    Parameters
    ----------
    training, test : Samples
    count : int
        Training samples to take.
    name : str
        What messages call the set.

    Returns
    -------
    tuple of two Samples
        Both stratified, at least one sample of every class present in each.

    Raises
    ------
    UsageError
        If there are fewer samples than `count`, or more classes.
    """
    if count > len(training):
        raise UsageError(
            f"samples is {count} and {name} has {len(training)} training samples; "
            f"give at most {len(training)}"
        )
    classes = len(np.unique(_groups(training)))
    if count < classes:
        raise UsageError(
            f"samples is {count} and {name} has {classes} classes; give at least {classes}"
        )
    if test is not None and count < len(training):
        part = max(round(len(test) * count / len(training)), len(np.unique(_groups(test))))
        test = test.take(draw(test, part, TEST))
    return training.take(draw(training, count, TRAINING)), test


def _groups(samples: Samples) -> Array:
    """Return the number (N,) of each sample's class among those present; 0 without one each."""
    if not samples.labelled or samples.y.ndim > 1:
        return np.zeros(len(samples), np.int64)
    return np.unique(samples.y, return_inverse=True)[1]


def _first(groups: Array, shares: Array, stream: int) -> Array:
    """Return, ascending, the first ``shares[g]`` rows of every group in a fixed random order."""
    # a legacy generator: its numbers are the same with every version of numpy
    order = np.random.RandomState(stream).permutation(len(groups))
    grouped = order[np.argsort(groups[order], kind="stable")]
    sizes = np.bincount(groups)
    rank = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(grouped[rank < np.repeat(shares, sizes)])


def _shares(sizes: Array, count: int, *, low: int, spare: int = 0) -> Array:
    """Return how many of `count` each group gives, `low` at least, and leaving `spare` at least.

    Parameters
    ----------
    sizes : (groups,) int64
        Members of each group, 1 at least.
    count : int
        ``low * groups <= count <= sum(sizes - spare)``.
    low, spare : int

    Returns
    -------
    (groups,) int64, with sum `count`
    """
    total = int(sizes.sum())
    shares: Array = np.clip(sizes * count // total, low, sizes - spare)
    while missing := count - int(shares.sum()):
        lack = sizes * count - shares * total  # in units of 1 / total: exact
        if missing > 0:
            able = np.flatnonzero(shares < sizes - spare)
            able = able[np.argsort(-lack[able], kind="stable")]
        else:
            able = np.flatnonzero(shares > low)
            able = able[np.argsort(lack[able], kind="stable")]
        shares[able[: abs(missing)]] += np.sign(missing)
    return shares
