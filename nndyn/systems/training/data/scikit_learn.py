"""The tables and digits of scikit-learn's wheel.

========================  =====  ====  ========  =======  =======================
name                      train  test  features  classes  features are
========================  =====  ====  ========  =======  =======================
``digits``                1437   360   64        10       pixels scaled to [0, 1]
``iris``                  120    30    4         3        z-scored
``wine``                  142    36    13        3        z-scored
``breast-cancer``         455    114   30        2        z-scored
========================  =====  ====  ========  =======  =======================

Tables are z-scored with the mean and standard deviation of the 120, 142 or 455 training rows,
also where a run takes fewer of them: a row is the same numbers in every run.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.systems.training.data.samples import Samples

NAMES = ("digits", "iris", "wine", "breast-cancer")
#: Tables of the wheel, the class in the last column, and the lines above their rows.
_FILES = {
    "digits": ("digits.csv.gz", 0),
    "iris": ("iris.csv", 1),
    "wine": ("wine_data.csv", 1),
    "breast-cancer": ("breast_cancer.csv", 1),
}


def read(name: str) -> tuple[Samples, Samples]:
    """Return the training and the test set called `name`, one of `NAMES`."""
    x, y = _table(name)
    train, test = split(y)
    if name == "digits":
        x = x / 16.0
    else:
        spread = x[train].std(axis=0)
        x = (x - x[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    whole = Samples(x, y, image=(1, 8, 8) if name == "digits" else None)
    return whole.take(train), whole.take(test)


def split(classes: Array) -> tuple[Array, Array]:
    """Return the rows of the training set and those of the test set, a stratified fifth.

    Parameters
    ----------
    classes : (N,) int64
        Of each row, from 0 on.

    Returns
    -------
    tuple of two int64 arrays, ascending
        Those of scikit-learn's ``train_test_split(test_size=0.2, stratify=classes,
        random_state=0)``, which rows have always been divided by here.
    """
    # a seeded legacy generator: the split is the same with every version of numpy
    draws = np.random.RandomState(0)
    sizes = np.bincount(classes)
    count = -(-len(classes) // 5)
    kept = _shares(sizes, len(classes) - count, draws)
    given = _shares(sizes - kept, count, draws)
    train, test = [], []
    for label, size in enumerate(sizes):
        rows = np.flatnonzero(classes == label)[draws.permutation(size)]
        train.append(rows[: kept[label]])
        test.append(rows[kept[label] : kept[label] + given[label]])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


def _shares(sizes: Array, count: int, draws: np.random.RandomState) -> Array:
    """Return how many of `count` each class gives: largest remainder, ties drawn."""
    exact = sizes / sizes.sum() * count
    shares = np.floor(exact)
    missing = int(count - shares.sum())
    for rest in np.unique(exact - shares)[::-1]:
        if missing == 0:
            break
        tied = np.flatnonzero(exact - np.floor(exact) == rest)
        taken = draws.choice(tied, size=min(len(tied), missing), replace=False)
        shares[taken] += 1
        missing -= len(taken)
    whole: Array = shares.astype(np.int64)
    return whole


def _table(name: str) -> tuple[Array, Array]:
    """Return features (N, features) and classes (N,) of a table as the wheel has it."""
    # not through scikit-learn, of which the import takes a second, more than a short run
    package = find_spec("sklearn")
    folders = [] if package is None else package.submodule_search_locations or []
    file, lines = _FILES[name]
    for where in (Path(folder) / "datasets" / "data" / file for folder in folders):
        if where.is_file():
            rows = np.loadtxt(where, delimiter=",", skiprows=lines)
            return rows[:, :-1], rows[:, -1].astype(np.int64)
    from sklearn import datasets  # of a version that keeps them elsewhere

    x, y = getattr(datasets, "load_" + name.replace("-", "_"))(return_X_y=True)
    return np.asarray(x, np.float64), np.asarray(y, np.int64)
