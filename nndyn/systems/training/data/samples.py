"""Samples and their targets, and the checks on arrays that come from outside."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.data.several import Several


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples and their targets.

    Attributes
    ----------
    x : (N, ...) float64 or int64, or Several
        Of any trailing shape; integers where integers were given (for embeddings). Several are
        what a model takes together, in which booleans stay such.
    y : (N, ...) int64 or float64
        Class labels, or real-valued targets, in the shape given.
    image : tuple (channels, height, width), optional
        Of named images, whose `x` is in flat rows ``(N, channels * height * width)``.
    classes : tuple of str, optional
        Names of the labels, where they were text.
    whole : bool
        Whether there are no targets apart, and a loss gets all that the model does.
    """

    x: Any
    y: Array
    image: tuple[int, int, int] | None = None
    classes: tuple[str, ...] | None = None
    whole: bool = False

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x)

    @property
    def labelled(self) -> bool:
        """Whether the targets are integers, such as class labels."""
        return self.y.dtype == np.int64

    @property
    def flat(self) -> Array:
        """The samples as rows ``(N, features)``, a view where the layout allows."""
        rows: Array = self.x.reshape(len(self.x), -1)
        return rows

    def in_rows(self) -> Samples:
        """Return the same samples with x (N, features)."""
        return replace(self, x=self.flat)

    def take(self, rows: Array | slice) -> Samples:
        """Return the samples in `rows`, in that order."""
        return dataclasses.replace(self, x=self.x[rows], y=self.y[rows])

    def reversed(self) -> Samples:
        """Return the same samples in reversed order, in memory of their own."""
        return self.take(np.arange(len(self))[::-1])  # torch takes no view that runs backwards

    def describe(self) -> dict[str, Any]:
        """Shapes and the hash of the numbers, as JSON values."""
        digest, x = hashlib.sha256(), self.x
        several = isinstance(x, Several)
        for array in (*(x.parts if several else (x,)), self.y):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).data)
        shape = {k: list(v.shape) for k, v in x.items()} if several else list(x.shape)
        return {"x": shape, "y": list(self.y.shape), "sha256": digest.hexdigest()}


def from_arrays(pair: Any, what: str, *, names: Iterable[str] = ()) -> Samples:
    """Return arrays or tensors ``(x, y)`` as samples, after checking that they can be used.

    Parameters
    ----------
    pair : tuple of two arrays or tensors
        x: (N, ...) real numbers, or a dict of such by name. y: (N, ...) integers or booleans, such
        as class labels, stay integers; other real numbers are real-valued targets. Of more than
        two the last is y, and the others are what a model takes in that order. A dict alone is
        what a model takes, and there are no targets beside.
    what : str
        ``"data"``, ``"test"`` or a file's name: what messages call it.
    names : iterable of str, default ()
        What could stand in place of a pair, for the message.

    Returns
    -------
    Samples

    Raises
    ------
    UsageError
        If `pair` is not a pair of numeric arrays, or a shape is wrong.
    DataError
        If a value is missing or not finite.

    Notes
    -----
    Always copies, 8 bytes a number, so that what the caller does to the arrays later does not
    change a run.
    """
    if isinstance(pair, Mapping):
        whole = _several(Several(pair), what)
        return Samples(whole, np.zeros((len(whole), 0)), whole=True)
    if isinstance(pair, tuple) and len(pair) > 2:
        pair = (Several(pair[:-1]), pair[-1])
    if isinstance(pair, (tuple, list)) and len(pair) == 2:
        if isinstance(pair[0], Mapping):
            pair = (Several(pair[0]), pair[1])
        if isinstance(pair[0], Several):
            several = _several(pair[0], what)
            return Samples(several, _targets(_array(pair[1], f"{what}: y"), len(several), what))
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        found = f"{len(pair)} items" if isinstance(pair, (tuple, list)) else type(pair).__name__
        others = "".join(f", {name}" for name in names)
        raise UsageError(
            f"{what} is {found}, expected a pair (x, y) of arrays or tensors"
            + (f", or one of{others[1:]}" if others else "")
        )
    x, y = (_array(value, f"{what}: {name}") for value, name in zip(pair, "xy", strict=True))
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise UsageError(f"{what}: x has shape {x.shape}; it must be (samples, features, ...)")
    if len(x) == 0:
        raise UsageError(f"{what}: x has no rows; give at least one sample")
    return Samples(_numbers(x, f"{what}: x"), _targets(y, len(x), what))


def _targets(y: Array, count: int, what: str) -> Array:
    if y.ndim == 0 or len(y) != count or 0 in y.shape:
        raise UsageError(
            f"{what}: y has shape {y.shape} and x has {count} rows; "
            "y must be (samples,) or (samples, outputs, ...)"
        )
    return _numbers(y.astype(np.int64) if y.dtype == bool else y, f"{what}: y")


def _several(given: Several, what: str) -> Several:
    """Return arrays that a model takes together, checked."""
    if not given.parts:
        raise UsageError(f"{what} is an empty dict; give arrays by the names of arguments")
    found: list[Array] = []
    for name, value in given.items():
        part = _array(value, f"{what}: {name}")
        if part.ndim == 0 or part.shape[0] == 0:
            raise UsageError(f"{what}: {name} has shape {part.shape}; it must be (samples, ...)")
        if len(part) != len(found[0] if found else part):
            first = given.items()[0][0]
            raise UsageError(
                f"{what}: {name} has {len(part)} rows and {first} has {len(found[0])}; give a row "
                "a sample in each"
            )
        found.append(part.copy() if part.dtype == bool else _numbers(part, f"{what}: {name}"))
    return Several(found if given.names is None else dict(zip(given.names, found, strict=True)))


def check(training: Samples, test: Samples | None) -> None:
    """Check that a test set is of the kind of the training set.

    Parameters
    ----------
    training : Samples
    test : Samples or None

    Raises
    ------
    UsageError
        If one has integer targets and the other has none, or their trailing shapes differ.

    Notes
    -----
    A label that the test set has and the training set lacks is allowed.
    """
    if test is None:
        return
    if _names(training.x) != _names(test.x):
        raise UsageError(
            f"test has {_names(test.x)} and data has {_names(training.x)}; give the same"
        )
    if test.labelled != training.labelled:
        raise UsageError("data and test must both have integer labels, or neither")
    pairs = [("x", training.x, test.x), ("y", training.y, test.y)]
    if isinstance(training.x, Several):
        parts = zip(training.x.items(), test.x.items(), strict=True)
        pairs = [(name, ours, theirs) for (name, ours), (_, theirs) in parts]
    for name, ours, theirs in pairs:
        if ours.shape[1:] != theirs.shape[1:]:
            raise UsageError(
                f"test: {name} has shape {theirs.shape} and that of data has {ours.shape}; "
                "all but the first numbers must be equal"
            )
    if isinstance(training.x, Several):
        return
    if training.x.dtype != test.x.dtype:
        raise UsageError(
            f"test: x is {test.x.dtype} and that of data is {training.x.dtype}; "
            "give integers in both or in neither"
        )


def _names(x: Any) -> str:
    return ", ".join(name for name, _ in x.items()) if isinstance(x, Several) else "x"


def _array(value: Any, what: str) -> Array:
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise DataError(f"{what} has masked entries; remove or fill what is missing")
    try:
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu()
            value = (value.double() if value.is_floating_point() else value).numpy()
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UsageError(f"{what} is not an array: {str(error).splitlines()[0]}") from None
    if array.dtype.kind not in "biuf":
        raise UsageError(f"{what} has dtype {array.dtype}, expected real numbers")
    return array


def _numbers(array: Array, what: str) -> Array:
    """Return a contiguous int64 or float64 copy, all finite."""
    integers = array.dtype.kind in "iu"
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise DataError(f"{what} holds {array.max()}, beyond 64-bit integers; give real numbers")
    array = np.array(array, np.int64 if integers else np.float64, order="C")
    if not integers and not np.isfinite(array).all():
        position = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        places = ("row {}", "row {}, column {}")
        place = (
            places[array.ndim - 1].format(*position)
            if array.ndim <= 2
            else f"row {position[0]}, position {position[1:]}"
        )
        raise DataError(f"{what} is {array[position]} in {place}; remove or fill what is missing")
    return array


def classes(training: Samples, test: Samples | None, ignored: int | None) -> int | None:
    """Return the number of classes, of which the training set may lack the last; None if none."""
    sets = (training,) if test is None else (training, test)
    if not training.labelled:
        return None
    labels = [s.y if ignored is None else s.y[s.y != ignored] for s in sets]
    return max((int(y.max()) for y in labels if y.size), default=0) + 1
