"""Training and test sets: the named ones of scikit-learn's wheel, and arrays as given.

========================  =====  ====  ========  =======  =======================
name                      train  test  features  classes  features are
========================  =====  ====  ========  =======  =======================
``digits``                1437   360   64        10       pixels scaled to [0, 1]
``iris``                  120    30    4         3        z-scored
``wine``                  142    36    13        3        z-scored
``breast-cancer``         455    114   30        2        z-scored
========================  =====  ====  ========  =======  =======================

The test set is a stratified fifth. The split is fixed: it does not depend on any seed, so that
runs with other seeds differ in their initial conditions alone. Tables are z-scored with the mean
and standard deviation of the training rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.systems.protocol import Array

NAMES = ("digits", "iris", "wine", "breast-cancer")


@dataclass(frozen=True)
class Samples:
    """Samples and their targets.

    Attributes
    ----------
    x : (N, features) float64
    y : (N,) int64 or (N, outputs) float64
        Class labels, or real-valued targets.
    """

    x: Array
    y: Array

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x)

    @property
    def labelled(self) -> bool:
        """Whether the targets are class labels."""
        return self.y.dtype == np.int64

    def reversed(self) -> Samples:
        """Return the same samples in reversed order."""
        return Samples(self.x[::-1], self.y[::-1])

    def describe(self) -> dict[str, Any]:
        """Shapes and the hash of the numbers, as JSON values."""
        digest = hashlib.sha256()
        for array in (self.x, self.y):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return {"x": list(self.x.shape), "y": list(self.y.shape), "sha256": digest.hexdigest()}


def named(name: str) -> tuple[Samples, Samples]:
    """Return the training and the test set called `name`, dashes or underscores alike.

    Parameters
    ----------
    name : str

    Returns
    -------
    tuple of two Samples

    Raises
    ------
    UnknownNameError
        If there is no set of that name.
    """
    key = name.replace("_", "-")
    if key not in NAMES:
        raise UnknownNameError(
            f"unknown data {name!r}; known are {', '.join(NAMES)}, or give arrays (x, y)"
        )
    from sklearn import datasets, model_selection  # a second of import, for named sets only

    load = getattr(datasets, "load_" + key.replace("-", "_"))
    x, y = load(return_X_y=True)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.int64)
    # a seeded legacy generator: the split is the same with every version of numpy
    train, test = model_selection.train_test_split(
        np.arange(len(y)), test_size=0.2, stratify=y, random_state=0
    )
    train, test = np.sort(train), np.sort(test)
    if key == "digits":
        x = x / 16.0
    else:
        spread = x[train].std(axis=0)
        x = (x - x[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return Samples(x[train], y[train]), Samples(x[test], y[test])


def given(pair: Any, what: str, *, flattens: bool) -> Samples:
    """Return arrays or tensors ``(x, y)`` as samples, after checking that they can be used.

    Parameters
    ----------
    pair : tuple of two arrays or tensors
        x: (N, features), or any (N, …) where the model flattens. y: (N,) integers are class
        labels; other numbers, (N,) or (N, outputs), are real-valued targets.
    what : str
        ``"data"`` or ``"test"``: what messages call it.
    flattens : bool
        Whether the model begins with ``nn.Flatten``.

    Returns
    -------
    Samples

    Raises
    ------
    UsageError
        If `pair` is not a pair of numeric arrays, or a shape is wrong.
    DataError
        If a value is not finite, or a label negative.
    """
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise UsageError(
            f"{what} is {type(pair).__name__}; give a pair (x, y) of arrays or tensors"
            + (f", or one of {', '.join(NAMES)}" if what == "data" else "")
        )
    x, y = (_array(value, f"{what}: {name}") for value, name in zip(pair, "xy", strict=True))
    if x.ndim < 2 or (x.ndim > 2 and not flattens):
        raise UsageError(
            f"{what}: x has shape {x.shape}; it must be (samples, features)"
            + ("" if flattens else ", or the model must begin with nn.Flatten")
        )
    if len(x) == 0:
        raise UsageError(f"{what}: x has no rows; give at least one sample")
    if y.ndim not in (1, 2) or len(y) != len(x):
        raise UsageError(
            f"{what}: y has shape {y.shape} and x has {len(x)} rows; "
            "y must be (samples,) or (samples, outputs)"
        )
    x = np.ascontiguousarray(x.reshape(len(x), -1), dtype=np.float64)
    _finite(x, f"{what}: x")
    if y.dtype.kind in "biu" and y.ndim == 1:
        if y.dtype.kind != "b" and y.min() < 0:
            row = int(np.flatnonzero(y < 0)[0])
            raise DataError(f"{what}: label in row {row} is {y[row]}; labels count from 0")
        return Samples(x, y.astype(np.int64))
    y = np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float64)
    _finite(y, f"{what}: y")
    return Samples(x, y)


def _array(value: Any, what: str) -> Array:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = (value.double() if value.is_floating_point() else value).numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise UsageError(f"{what} is not an array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise UsageError(f"{what} has dtype {array.dtype}; give real numbers")
    return array


def _finite(array: Array, what: str) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        row, column = (int(i) for i in bad[0])
        raise DataError(
            f"{what} is {array[row, column]} in row {row}, column {column}; "
            "remove or fill what is missing"
        )


def fit(samples: Samples, what: str, *, inputs: int, outputs: int, loss: str) -> None:
    """Check that `samples` fit the network and the loss.

    Raises
    ------
    UsageError
        If widths differ, a label is not below the number of outputs, or the loss needs class
        labels and there are none.
    """
    if samples.x.shape[1] != inputs:
        raise UsageError(
            f"{what}: x has {samples.x.shape[1]} features and the model takes {inputs}"
        )
    if samples.labelled:
        highest = int(samples.y.max())
        if highest >= outputs:
            row = int(np.flatnonzero(samples.y == highest)[0])
            raise UsageError(
                f"{what}: label in row {row} is {highest} and the model has {outputs} outputs; "
                f"labels must be 0 to {outputs - 1}"
                + ("" if loss == "cross-entropy" else " (real-valued targets must be floats)")
            )
    elif loss == "cross-entropy":
        raise UsageError(
            f"{what}: cross-entropy needs integer class labels (samples,), y has dtype "
            f"{samples.y.dtype} and shape {samples.y.shape}; pass integers or use loss='mse'"
        )
    elif samples.y.shape[1] != outputs:
        raise UsageError(
            f"{what}: y has {samples.y.shape[1]} columns and the model has {outputs} outputs"
        )
