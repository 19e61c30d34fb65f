"""A user's own samples from a file: ``.csv`` and ``.npz``."""

from __future__ import annotations

import csv
import itertools
import re
import zipfile
import zlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from nndyn.errors import DataError, UsageError
from nndyn.systems.protocol import Array
from nndyn.systems.training.samples import Samples, from_arrays

SUFFIXES = (".npz", ".csv")
LABELS = ("label", "target", "class", "y")
MISSING = ("", "?", "-", "na", "n/a", "nan", "null", "none")
INTEGER = re.compile(r"[+-]?[0-9]+")

Line = tuple[int, list[str]]


def read(path: Path) -> tuple[Samples, Samples | None]:
    """Return the samples in a ``.npz`` or ``.csv`` file, and its test set where it has one.

    Parameters
    ----------
    path : Path

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
        return read_npz(path) if path.suffix.lower() == ".npz" else (read_csv(path), None)
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


def read_csv(path: Path) -> Samples:
    """Return the rows of a table of numbers, separated by commas, one column of which is labels.

    Parameters
    ----------
    path : Path
        UTF-8. The first line is a header if a field of it is text over a column of numbers. The
        label column is the one the header calls ``label``, ``target``, ``class`` or ``y``, else
        the last.

    Returns
    -------
    Samples
        x is (N, columns - 1) float64, as given: nothing is scaled. Labels that are all written as
        integers are classes counted from 0; text is classes, 0 for the first in sorted order;
        other numbers are real-valued targets (N,), 3.0 among them.

    Raises
    ------
    UsageError
        If two columns have the name of a label column.
    DataError
        If a field is missing or not a finite number, labels mix numbers and text, a line has
        another number of fields, or there is nothing to read.

    Notes
    -----
    One pass; peak memory is 8 bytes a number twice over, and the labels as text.
    """
    lines = _lines(path)
    head = list(itertools.islice(lines, 2))
    if not head:
        raise DataError(f"{path} is empty; give rows of numbers and a label")
    names = [field.strip() for field in head[0][1]]
    if len(names) < 2:
        raise DataError(
            f"{path}: line {head[0][0]} has a single column; give features and a label, "
            "separated by commas"
        )
    if _is_header(path, head):
        named = [i for i, name in enumerate(names) if name.lower() in LABELS]
        if len(named) > 1:
            raise UsageError(
                f"{path}: columns {' and '.join(names[i] for i in named)} could all be the label; "
                "rename all but one"
            )
        label = named[0] if named else len(names) - 1
        del head[0]
    else:
        label = len(names) - 1
        names = [str(column + 1) for column in range(len(names))]
    x, labels, numbers = array("d"), [], array("q")
    for number, fields in itertools.chain(head, lines):
        if len(fields) != len(names):
            raise DataError(
                f"{path}: line {number} has {len(fields)} fields and line 1 has {len(names)}"
            )
        labels.append(fields.pop(label).strip())
        numbers.append(number)
        try:
            x.fromlist(list(map(float, fields)))  # a third faster than extend
        except ValueError:
            features = names[:label] + names[label + 1 :]
            name, field = next(
                pair for pair in zip(features, fields, strict=True) if not _is_number(pair[1])
            )
            raise DataError(_flaw(path, number, name, field, "is not a number")) from None
    if not labels:
        raise DataError(f"{path} has a header and no rows")
    rows = np.frombuffer(x).reshape(len(labels), -1)
    if not np.isfinite(rows).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(rows))[0])
        column += column >= label
        field = next(fields[column] for number, fields in _lines(path) if number == numbers[row])
        raise DataError(_flaw(path, numbers[row], names[column], field, "is not finite"))
    y, classes = _targets(path, labels, numbers, names[label])
    return replace(from_arrays((rows, y), str(path)), classes=classes)


def _targets(
    path: Path, labels: list[str], numbers: array[int], name: str
) -> tuple[Array, tuple[str, ...] | None]:
    """Return the label column as numbers, and the names of classes that are text.

    Parameters
    ----------
    path : Path
    labels : list of str
        The fields of the column.
    numbers : array of int
        Their lines.
    name : str
        Of the column.

    Returns
    -------
    tuple (array (N,) int64 or float64, tuple of str or None)

    Raises
    ------
    DataError
        If a label is missing, negative or not finite, or numbers and text are mixed.
    """
    for number, label in zip(numbers, labels, strict=True):
        if label.lower() in MISSING:
            raise DataError(_flaw(path, number, name, label, "is not a label"))
    numeric = [_is_number(label) for label in labels]
    if not any(numeric):
        classes, codes = encode(labels)
        return codes, classes
    if not all(numeric):
        # the rarer kind is the one to look at
        odd = sum(numeric) < len(numeric) / 2
        row = numeric.index(odd)
        raise DataError(
            _flaw(
                path,
                numbers[row],
                name,
                labels[row],
                "stands among " + ("text" if odd else "numbers"),
            )
        )
    if all(INTEGER.fullmatch(label) for label in labels):
        for number, label in zip(numbers, labels, strict=True):
            if not 0 <= float(label) < 2**31:
                raise DataError(
                    _flaw(path, number, name, label, "is no class label, 0 to 2147483647")
                )
        return np.array([int(float(label)) for label in labels], np.int64), None
    values = np.array([float(label) for label in labels])
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(_flaw(path, numbers[row], name, labels[row], "is not finite"))
    return values, None


def _lines(path: Path) -> Iterator[Line]:
    """Yield the number and the fields of every line that is not blank."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, skipinitialspace=True)
        try:
            for fields in reader:
                if fields:
                    yield reader.line_num, fields
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num} cannot be read: {error}") from None
        except UnicodeDecodeError:
            raise DataError(
                f"{path}: a character after line {reader.line_num} is not UTF-8; save it as UTF-8"
            ) from None


def _is_header(path: Path, head: list[Line]) -> bool:
    """Whether the first of two lines names the columns of the other.

    A field that is missing never makes a header; a text over numbers makes one, and then no
    other field may be a number, unless one of them is the name of a label column.

    Parameters
    ----------
    path : Path
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
        _is_text(above) and _is_number(below) for above, below in zip(first, second, strict=False)
    ]
    named = [i for i, field in enumerate(first) if field.strip().lower() in LABELS]
    if any(over):
        plain = [i for i, field in enumerate(first) if _is_number(field)]
        if plain and not named:
            raise DataError(
                f"{path}: line {number} is neither a header nor a row: {first[over.index(True)]!r} "
                f"stands over numbers, and column {plain[0] + 1} reads {first[plain[0]]!r}; "
                "name every column, or mend the line"
            )
        return True
    # text over text: a header if its name of a label column is not itself a class further down
    return any(all(line[i] != first[i] for _, line in _rest(path, i)) for i in named)


def _rest(path: Path, column: int) -> Iterator[Line]:
    """Yield the lines after the first that have the column."""
    return (line for line in itertools.islice(_lines(path), 1, None) if len(line[1]) > column)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field  # Python reads 1_0 as 10


def _is_text(field: str) -> bool:
    return not _is_number(field) and field.strip().lower() not in MISSING


def _flaw(path: Path, number: int, name: str, field: str, flaw: str) -> str:
    missing = field.strip().lower() in MISSING
    found = "a missing value" if missing else f"{field!r}, which {flaw}"
    return f"{path}: line {number}, column {name!r} has {found}; remove or mend the line"
