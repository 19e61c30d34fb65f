"""Training and test sets by name, from files, and arrays as given.

Named images are scaled to [0, 1], named tables z-scored with the training rows; arrays and files
enter as they are. The test set of scikit-learn's sets and of files without one is a stratified
fifth. Every draw is fixed: it does not depend on any seed, so that runs with other seeds differ in
their initial conditions alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nndyn.checks import whole
from nndyn.errors import UnknownNameError, UsageError
from nndyn.runtime.paths import located
from nndyn.systems.spelling import canonical
from nndyn.systems.tables import files as text_files
from nndyn.systems.training.data import images, subsets, tables
from nndyn.systems.training.data import scikit_learn as wheel
from nndyn.systems.training.data.samples import Samples, check, from_arrays
from nndyn.words.names import did_you_mean

NAMES = (*wheel.NAMES, *images.NAMES)

#: What was read last inside `read_once`, by what was asked for; None outside.
_READ: ContextVar[dict[tuple[Any, ...], Loaded] | None] = ContextVar("_READ", default=None)


@dataclass(frozen=True)
class Loaded:
    """What a run trains on.

    Attributes
    ----------
    training : Samples
    test : Samples or None
    name : str
        Of the set, with dashes; a file's name; or ``"arrays"``.
    """

    training: Samples
    test: Samples | None
    name: str


@contextmanager
def read_once() -> Iterator[None]:
    """Let a set that is named inside again and again be read once: runs share its samples.

    The last one is held, until another is asked for. Inside of itself it changes nothing.
    """
    before = _READ.set({} if _READ.get() is None else _READ.get())
    try:
        yield
    finally:
        _READ.reset(before)


def load(
    data: Any,
    test: Any = None,
    *,
    samples: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    classes: bool = False,
) -> Loaded:
    """Return the training and the test set that `data` means, checked.

    Parameters
    ----------
    data : str, path, or tuple (x, y) of arrays or tensors
        One of `NAMES`, dashes or underscores alike; the path of a ``.npz`` file or a table,
        ``.csv``, ``.tsv``, ``.txt`` or ``.dat`` (see `nndyn.systems.training.data.tables`); or
        arrays, which enter as given: x (N, ...), y (N, ...) integers, such as class labels, or
        real-valued targets; other forms of them see `from_arrays`.
    test : tuple (x, y), optional
        Test set for given arrays.
    samples : int, optional
        Take so many of the training samples, stratified by label, and as large a part of the test
        set; all of them unless given.
    data_dir : path, optional
        Folder of the files of ``fashion-mnist`` or ``mnist``.
    classes : bool, default False
        Whether all labels of a table are classes, 1.0 as well as 1: the loss takes such.

    Returns
    -------
    Loaded

    Raises
    ------
    UsageError
        If an argument is wrong or does not apply, a file is not there, or shapes do not fit;
        `UnknownNameError` for a name that is not known.
    DataError
        If a file is damaged or cannot be downloaded, or a value is missing or not finite.

    Notes
    -----
    Peak memory is twice the samples, 8 bytes a number; of images, one byte a pixel of all and 8 of
    those taken, 55 MB and 440 MB for ``fashion-mnist`` whole, 55 MB and 44 MB with
    ``samples=6000``.
    """
    samples = None if samples is None else whole("samples", samples, 1)
    by_name = isinstance(data, (str, os.PathLike))
    if by_name and test is not None:
        raise UsageError(f"data {os.fspath(data)!r} brings its own test set; leave test out")
    name = _name(data) if by_name else "arrays"
    known = _READ.get() if by_name else None
    asked = (str(data), samples, str(data_dir), classes)
    if known is not None and (found := known.get(asked)):  # another thread may forget it any time
        return found
    if data_dir is not None and not isinstance(data_dir, (str, os.PathLike)):
        raise UsageError(f"data_dir is {data_dir!r}, expected the path of a folder")
    if data_dir is not None and name not in images.NAMES:
        raise UsageError(f"data_dir applies to {' and '.join(images.NAMES)}; leave it out")
    training: Samples
    held_out: Samples | None
    if name in images.NAMES:
        training, held_out = images.read(name, data_dir)
    elif name in wheel.NAMES:
        training, held_out = wheel.read(name)
    elif by_name:
        training, held_out = tables.read(located(data, "data"), classes=classes)
    else:
        training = from_arrays(data, "data", names=NAMES)
        held_out = None if test is None else from_arrays(test, "test")
    what = name if by_name else "data"
    check(training, held_out)
    if by_name and held_out is None:
        rows, test_rows = subsets.fifth(training, what)
        training, held_out = training.take(rows), training.take(test_rows)
    if samples is not None:
        training, held_out = subsets.fewer(training, held_out, int(samples), what)
    if name in images.NAMES:  # after the rows were chosen: a float is eight times a pixel
        training = images.unit(training)
        held_out = None if held_out is None else images.unit(held_out)
    found = Loaded(training, held_out, name)
    if known is not None:
        known.clear()
        known[asked] = found
    return found


def files(data: Any, data_dir: str | os.PathLike[str] | None = None) -> tuple[Path, ...]:
    """Return the files of the user's that samples are read from.

    Parameters
    ----------
    data, data_dir
        As of `load`.

    Returns
    -------
    tuple of Path
    """
    if not isinstance(data, (str, os.PathLike)):
        return ()
    name = _name(data)
    if data_dir is not None:
        return tuple(images.locate(name, data_dir))
    return () if name in NAMES else (located(data, "data"),)


def _name(data: str | os.PathLike[str]) -> str:
    """Return what the set is called, refusing what is neither known nor a file's path."""
    text = os.fspath(data)
    if isinstance(data, str) and canonical(text) in NAMES:
        return str(canonical(text))
    if text_files.suffix(Path(text)) in tables.SUFFIXES:
        return Path(text).name
    raise UnknownNameError(
        f"unknown data {text!r}; known: {', '.join(NAMES)}, or give the path of a .npz or .csv "
        f"file, or arrays (x, y){did_you_mean(text, NAMES)}"
    )
