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

import numpy as np

from nndyn.systems.training.data.samples import Samples

NAMES = ("digits", "iris", "wine", "breast-cancer")


def read(name: str) -> tuple[Samples, Samples]:
    """Return the training and the test set called `name`, one of `NAMES`."""
    from sklearn import datasets, model_selection  # a second of import, for these sets only

    load = getattr(datasets, "load_" + name.replace("-", "_"))
    x, y = load(return_X_y=True)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.int64)
    # a seeded legacy generator: the split is the same with every version of numpy
    train, test = model_selection.train_test_split(
        np.arange(len(y)), test_size=0.2, stratify=y, random_state=0
    )
    train, test = np.sort(train), np.sort(test)
    if name == "digits":
        x = x / 16.0
    else:
        spread = x[train].std(axis=0)
        x = (x - x[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    whole = Samples(x, y, image=(1, 8, 8) if name == "digits" else None)
    return whole.take(train), whole.take(test)
