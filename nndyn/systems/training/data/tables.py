"""Tables of a user's samples: text and ``.npz`` files."""

from __future__ import annotations

import itertools
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.tables import files
from nndyn.systems.tables.column_names import is_index
from nndyn.systems.tables.delimited import Line, Table, is_missing, shown
from nndyn.systems.training.data.samples import Samples, from_arrays

SUFFIXES = (".npz", *files.SUFFIXES)
LABELS = ("label", "target", "class", "y")
INTEGER = re.compile(r"[+-]?[0-9]+")


def read(path: Path, *, classes: bool = False) -> tuple[Samples, Samples | None]:
    """Return the samples in a ``.npz`` file or a table, and its test set where it has one.

    Parameters
    ----------
    path : Path
    classes : bool, default False
        Whether all labels of a table are classes; see `read_table`.

    Returns
    -------
    tuple (Samples, Samples or None)

    Raises
    ------
    UsageError
        If there is no such file, or its header names two label columns.
    DataError
        If it cannot be read, or what it holds cannot be used.
    """
    try:
        if not path.is_file():
            found = "is a folder" if path.is_dir() else "does not exist"
            raise UsageError(f"{path} {found}; give a .npz or .csv file")
        if path.suffix.lower() == ".npz":
            return read_npz(path)
        return read_table(path, classes=classes), None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None


def read_npz(path: Path) -> tuple[Samples, Samples | None]:
    """Return the arrays ``x`` and ``y`` of a file, and ``x_test`` and ``y_test`` where it has them.

    Parameters
    ----------
    path : Path
        ``x_train`` and ``y_train`` are understood too. Arrays enter as given; labels may be text.

    Returns
    -------
    tuple (Samples, Samples or None)

    Raises
    ------
    DataError
        If the file is damaged, an array is missing or holds Python objects, or a value cannot be
        used.
    """
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is not a .npz file, or is cut off; write it with numpy.savez")
    arrays: dict[str, Array] = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            keys = list(file.files)
            for key in {"x", "y", "x_train", "y_train", "x_test", "y_test"} & set(keys):
                name = key.removesuffix("_train")
                if name in arrays:
                    raise DataError(f"{path} has both {name} and {name}_train; keep one")
                arrays[name] = file[key]
    except DataError:
        raise
    except (ValueError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "allow_pickle" in reason:
            reason = "an array holds Python objects; save numbers, or text labels as a str array"
        raise DataError(f"{path} cannot be read: {reason}") from None
    wanted = ["x", "y"] + ["x_test", "y_test"] * bool({"x_test", "y_test"} & set(arrays))
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise DataError(
            f"{path} has no {' or '.join(missing)}; it has {', '.join(keys) or 'nothing'}. "
            "Give x and y, and x_test and y_test for a test set"
        )
    classes = None
    targets = [name for name in wanted if name.startswith("y")]
    if all(arrays[name].dtype.kind == "U" and arrays[name].ndim == 1 for name in targets):
        for name in targets:
            if not np.char.strip(arrays[name]).all():
                row = int(np.argmin(np.char.str_len(np.char.strip(arrays[name]))))
                raise DataError(f"{path}: {name} is empty in row {row}; remove or name the label")
        classes, codes = encode([str(label) for name in targets for label in arrays[name]])
        cut = len(arrays["y"])
        arrays["y"] = codes[:cut]
        arrays["y_test"] = codes[cut:]
    training = from_arrays((arrays["x"], arrays["y"]), str(path))
    test = None
    if len(wanted) == 4:
        test = from_arrays((arrays["x_test"], arrays["y_test"]), f"{path} (test)")
        test = replace(test, classes=classes)
    return replace(training, classes=classes), test


def encode(labels: Iterable[str]) -> tuple[tuple[str, ...], Array]:
    """Return the names that occur, sorted, and the number (N,) int64 of each label among them."""
    names, codes = np.unique(np.array(list(labels), dtype=str), return_inverse=True)
    return tuple(str(name) for name in names), codes.astype(np.int64)


def read_table(path: Path, *, classes: bool = False) -> Samples:
    """Return the rows of a table of text, one column of which is labels.

    Parameters
    ----------
    path : Path
        See `nndyn.systems.tables.files.read`. The first line is a header if a field of it is text
        over a column of numbers. The label column is the one the header calls ``label``,
        ``target``, ``class`` or ``y``, else the last.
    classes : bool, default False
        Whether all labels are classes, as cross-entropy takes them.

    Returns
    -------
    Samples
        x is (N, columns - 1) float64, as given: nothing is scaled. Labels that are all written as
        integers are classes counted from 0, and with `classes` those written as 0.0 and 1.0 as
        well; text is classes, 0 for the first in sorted order; other numbers are real-valued
        targets (N,), 3.0 among them.

    Raises
    ------
    UsageError
        If two columns have the name of a label column.
    DataError
        If a field is missing or not a finite number, labels mix numbers and text or are no
        classes, a column numbers the rows, a line has another number of fields, or there is
        nothing to read, or two ways to.

    Notes
    -----
    Three passes over the text, which is held in memory; peak memory beyond it is 8 bytes a number
    twice over, and the labels as text.
    """
    table = files.read(path, fewest=2)
    head = list(itertools.islice(table.records(), 2))
    width = table.width()
    if width < 2:
        raise DataError(
            f"{table.source}: line {head[0][0]} has a single column; give features and a label, "
            "separated by commas"
        )
    names = [field.strip() for field in head[0][1]]
    headed = _is_header(table, head)
    if len(names) == width + 1 and not names[-1]:
        names.pop()
    if headed:
        if len(names) == width - 1 and table.has_row_names():
            names.insert(0, "")
        named = [i for i, name in enumerate(names) if name.lower() in LABELS]
        if len(named) > 1:
            raise UsageError(
                f"{table.source}: columns {' and '.join(names[i] for i in named)} could all be the "
                "label; rename all but one"
            )
        label = named[0] if named else width - 1
        table = table.named(names, headed=True)
    else:
        label = width - 1
        table = table.named([str(column + 1) for column in range(width)], headed=False)
    if next(table.rows(), None) is None:
        raise DataError(f"{table.source} has a header and no rows")
    features = [column for column in range(width) if column != label]
    if headed:
        _refuse_index(table, next((c for c in features if is_index(names[c])), None))
    x = table.numbers(features)
    y, encoded = _targets(table, label, classes=classes)
    if not headed:
        counts = np.arange(len(x)) + x[0, 0] if x[0, 0] in (0, 1) and len(x) > 2 else None
        _refuse_index(table, 0 if counts is not None and (x[:, 0] == counts).all() else None)
    return replace(from_arrays((x, y), table.source), classes=encoded)


def _refuse_index(table: Table, column: int | None) -> None:
    """Refuse a column that numbers the rows, unless there is none."""
    if column is not None:
        raise DataError(
            f"{table.source}: column {shown(table.names[column])} numbers the rows; remove it, or "
            "give it the name of a feature in the first line"
        )


def _targets(table: Table, column: int, *, classes: bool) -> tuple[Array, tuple[str, ...] | None]:
    """Return the label column as numbers, and the names of classes that are text.

    Parameters
    ----------
    table : Table
    column : int
    classes : bool
        Whether all labels are classes.

    Returns
    -------
    tuple (array (N,) int64 or float64, tuple of str or None)

    Raises
    ------
    DataError
        If a label is missing, negative or not finite, no class where it must be one, or numbers
        and text are mixed.
    """
    labels = table.column(column)

    def refuse(row: int, flaw: str) -> None:
        raise table.flaw(*table.row(row), column, flaw)

    for row, label in enumerate(labels):
        if is_missing(label):
            refuse(row, "is not a label")
    numeric = [table.is_number(label) for label in labels]
    if not any(numeric):
        names, codes = encode(labels)
        return codes, names
    if not all(numeric):
        # the rarer kind is the one to look at
        odd = sum(numeric) < len(numeric) / 2
        refuse(numeric.index(odd), "stands among " + ("text" if odd else "numbers"))
    values = np.array([table.number(label) for label in labels])
    whole = values == np.floor(values)
    if all(INTEGER.fullmatch(label) for label in labels) or (classes and whole.all()):
        bad = np.flatnonzero(~((values >= 0) & (values < 2**31)))
        if bad.size:
            refuse(int(bad[0]), "is no class label, 0 to 2147483647")
        return values.astype(np.int64), None
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        refuse(int(bad[0]), "is not finite")
    if classes:
        refuse(int(np.argmin(whole)), "is no class, as loss 'cross-entropy' takes them")
    return values, None


def _is_header(table: Table, head: list[Line]) -> bool:
    """Whether the first of two lines names the columns of the other.

    A field that is missing never makes a header; a text over numbers makes one, and then no
    other field may be a number, unless one of them is the name of a label column.

    Parameters
    ----------
    table : Table
    head : list of one or two lines

    Returns
    -------
    bool

    Raises
    ------
    DataError
        If the first line is half a header.
    """
    number, first = head[0]
    second = head[1][1] if len(head) > 1 else [""] * len(first)
    over = [
        not (table.is_number(above) or is_missing(above)) and table.is_number(below)
        for above, below in zip(first, second[-len(first) :], strict=False)
    ]
    named = [i for i, field in enumerate(first) if field.strip().lower() in LABELS]
    if any(over):
        plain = [i for i, field in enumerate(first) if table.is_number(field)]
        if plain and not named:
            raise DataError(
                f"{table.source}: line {number} is neither a header nor a row: "
                f"{shown(first[over.index(True)])} stands over numbers, and column {plain[0] + 1} "
                f"reads {shown(first[plain[0]])}; name every column, or mend the line"
            )
        return True
    # text over text: a header if its name of a label column is not itself a class further down
    return any(all(line[i] != first[i] for _, line in _rest(table, i)) for i in named)


def _rest(table: Table, column: int) -> Iterator[Line]:
    """Yield the lines after the first that have the column."""
    rows = itertools.islice(table.records(), 1, None)
    return (line for line in rows if len(line[1]) > column)
