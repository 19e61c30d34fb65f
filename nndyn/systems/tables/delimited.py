"""Delimited text: the lines that are rows, the ends of fields, and the kinds of fields.

Lines are counted as an editor counts them: comments, blank lines, the header and line breaks
between quotes included. The ``csv`` module reads, because pandas says of no row on which line it
stands and fills up rows that are too short.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nndyn.errors import DataError

#: How a missing value is written, in lower case.
MISSING = frozenset(["", "?", "-", "--", "---", ".", "*", "na", "n/a", "nan", "-nan", "<na>"])
MISSING |= {"nat", "null", "nil", "none", "missing", "#n/a", "#na", "#div/0!", "#value!", "#ref!"}
MISSING |= {"#name?", "#num!", "#null!"}

#: A number with a decimal comma, or with commas between thousands.
COMMA_NUMBER = re.compile(r"[+-]?[0-9]*,[0-9]+(e[+-]?[0-9]+)?", re.IGNORECASE)
_DATE = re.compile(
    r"([0-9]{4}[-/.][0-9]{1,2}([-/.][0-9]{1,2})?|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4})"
    r"([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?( ?(Z|[+-][0-9]{2}:?[0-9]{2}))?)?"
)
_COMMENT = re.compile(r"\s*#(?!n/a|na\b|div/0!|value!|ref!|name\?|num!|null!)", re.IGNORECASE)
#: The first line of some spreadsheets' tables.
_SEPARATES = re.compile(r"sep=.\n", re.IGNORECASE)

Line = tuple[int, list[str]]


@dataclass(frozen=True)
class Table:
    r"""A table of text.

    Attributes
    ----------
    source : str
        What messages call it.
    text : str
        Its lines end with ``\n``.
    separator : str
        One character. A space stands for runs of blanks, the empty string for a single column.
    decimal : str
        ``.`` or ``,``.
    names : tuple of str
        Of the columns.
    headed : bool
        Whether the first record is a header, and no row.
    """

    source: str
    text: str
    separator: str
    decimal: str
    names: tuple[str, ...] = ()
    headed: bool = False

    def records(self) -> Iterator[Line]:
        """Yield the number of the first line and the fields of every record, a header included.

        Yields
        ------
        tuple (int, list of str)

        Raises
        ------
        DataError
            If quotes are not closed.
        """
        lines = _Lines(self.text, runs=self.separator == " ")
        if not self.separator:
            for line in lines:
                yield lines.first, [line.strip().strip('"')]
                lines.fresh = True
            return
        reader = csv.reader(lines, delimiter=self.separator, skipinitialspace=True, strict=True)
        try:
            for fields in reader:
                yield lines.first, fields
                lines.fresh = True
        except csv.Error as error:
            raise DataError(
                f"{self.source}: line {lines.first} cannot be read: {error}; mend its quotes"
            ) from None

    def rows(self) -> Iterator[Line]:
        """Yield the records that are rows, all with a field for each name.

        Yields
        ------
        tuple (int, list of str)

        Raises
        ------
        DataError
            If one has another number of fields.
        """
        width = len(self.names)
        for line, fields in itertools.islice(self.records(), int(self.headed), None):
            if len(fields) == width + 1 and not fields[-1].strip():
                fields.pop()  # there is a separator behind the last field
            if len(fields) != width:
                first = next(self.records())[0]
                raise DataError(
                    f"{self.source}: line {line} has {counted(len(fields))} and line {first} has "
                    f"{width}; mend the line, or begin lines that are no rows with #"
                )
            yield line, fields

    def row(self, number: int) -> Line:
        """Return a row by its number, from 0."""
        return next(itertools.islice(self.rows(), number, None))

    def column(self, column: int) -> list[str]:
        """Return the fields of a column."""
        return [fields[column].strip() for _, fields in self.rows()]

    def named(self, names: Sequence[str], *, headed: bool) -> Table:
        """Return the same table with names of the columns."""
        return replace(self, names=tuple(names), headed=headed)

    def width(self) -> int:
        """Return the number of columns, without an empty one behind the last separators."""
        head = [fields for _, fields in itertools.islice(self.records(), 2)]
        width = len(head[-1])
        if width == 1 or head[-1][-1].strip():
            return width
        open_ended = len(head[0]) < width or not head[0][-1].strip()
        rows = itertools.islice(self.records(), 1, None)
        ended = open_ended and all(
            len(fields) == width and not fields[-1].strip() for _, fields in rows
        )
        return width - 1 if ended else width

    def has_row_names(self) -> bool:
        """Whether rows begin with a name or number, over which the header has nothing."""
        # as R writes them; any other field too many is a mistake
        records = [fields for _, fields in self.records()]
        first = [fields[0] for fields in records[1:]]
        if any(len(fields) != len(records[0]) + 1 for fields in records[1:]):
            return False
        if not any(map(self.is_number, first)):
            return True
        start = int(first[0]) if first[0].isdecimal() else 0
        return first == [str(start + row) for row in range(len(first))]

    def number(self, field: str) -> float:
        """Return a field as a number; `ValueError` if it is none."""
        if "_" in field or (self.decimal == "," and "." in field):
            raise ValueError  # Python takes 1_0 for 10
        return float(field.replace(",", ".") if self.decimal == "," else field)

    def is_number(self, field: str) -> bool:
        """Whether a field is a number; infinity and nan are."""
        try:
            self.number(field)
        except ValueError:
            return False
        return True

    def numbers(self, columns: Sequence[int]) -> NDArray[np.float64]:
        """Return columns as numbers.

        Parameters
        ----------
        columns : sequence of int

        Returns
        -------
        (rows, columns) float64

        Raises
        ------
        DataError
            If a field is missing, not a number or not finite.
        """
        exact = self.decimal == "," or "_" in self.text
        number: Callable[[str], float] = self.number if exact else float
        found = array("d")
        for line, fields in self.rows():
            try:
                found.fromlist([number(fields[column]) for column in columns])
            except ValueError:
                column = next(c for c in columns if not self.is_number(fields[c]))
                raise self.flaw(line, fields, column, "is not a number") from None
        values = np.frombuffer(found).reshape(-1, len(columns))
        bad = np.argwhere(~np.isfinite(values))
        if bad.size:
            line, row = self.row(int(bad[0, 0]))
            raise self.flaw(line, row, columns[int(bad[0, 1])], "is not finite")
        return values

    def flaw(self, line: int, fields: list[str], column: int, flaw: str) -> DataError:
        """Return the error that a field cannot be used, with its line, its column and a cure."""
        field = fields[column].strip()
        cure = "remove or mend the line"
        if is_missing(field):
            found = "a missing value"
        else:
            found = f"{shown(field)}, which {flaw}"
            if self.decimal == "." and COMMA_NUMBER.fullmatch(field):
                cure = "write it with a point, or without separators of thousands"
            elif self.decimal == "," and "." in field:
                cure = "commas are decimal here: write it without points"
            elif "," in field and "." in field:
                cure = "write it without separators of thousands"
        return DataError(
            f"{self.source}: line {line}, column {shown(self.names[column])} has {found}; {cure}"
        )


class _Lines:
    """The lines of a text without those that are blank or a comment.

    Attributes
    ----------
    first : int
        Number of the line that began the record, from 1.
    fresh : bool
        Whether the next line begins a record: between quotes, nothing is passed over.
    """

    def __init__(self, text: str, *, runs: bool) -> None:
        self._lines = enumerate(io.StringIO(text), 1)
        self._runs = runs
        self.first = 0
        self.fresh = True

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        for number, line in self._lines:
            if self.fresh:
                if line.isspace() or (number == 1 and _SEPARATES.fullmatch(line)):
                    continue
                if "#" in line and _COMMENT.match(line):
                    continue
                self.first, self.fresh = number, False
            return " ".join(line.split()) + "\n" if self._runs else line
        raise StopIteration


def is_missing(field: str) -> bool:
    """Whether a field stands for a value that is missing."""
    return field.strip().lower() in MISSING


def is_date(field: str) -> bool:
    """Whether a field looks like a date, with or without a time of day."""
    return _DATE.fullmatch(field.strip()) is not None


def counted(fields: int) -> str:
    """Return a number of fields in words."""
    return f"{fields} field{'' if fields == 1 else 's'}"


def shown_path(path: Path) -> str:
    """Return a path as messages show it: on one line."""
    return str(path) if str(path).isprintable() else repr(str(path))


def shown(field: str) -> str:
    """Return a field or a name as messages show it: quoted, on one line, not too long."""
    return repr(field if len(field) <= 60 else field[:57] + "...")
