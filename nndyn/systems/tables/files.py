"""Files of text tables: their encoding, their separator and their decimal mark.

What is not given is recognised, and where a file can be read in two ways, asked for.
"""

from __future__ import annotations

import gzip
import itertools
import re
import zlib
from collections import Counter
from pathlib import Path

from nndyn.errors import DataError, UsageError
from nndyn.systems.tables.delimited import (
    COMMA_NUMBER,
    Table,
    is_date,
    is_missing,
    shown,
    shown_path,
)

#: Endings of the names of tables; ``.gz`` may follow.
SUFFIXES = (".csv", ".tsv", ".txt", ".dat")

#: Separators that have a name, and what they are.
_NAMED = {"tab": "\t", "\\t": "\t", "space": " "}
#: Those that are recognised; a single column has none.
_SEPARATORS = ("\t", ";", ",", "|", " ", "")
_DECIMALS = (".", ",")
#: Records from which they are.
_SAMPLE = 100

#: 1,234: as many numbers would have it with commas between thousands.
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+")
#: Two integers joined by a comma are never written like this, numbers with decimal commas are.
_DECIMAL = re.compile(r"-0+,|[+-]?0[0-9]+,|[^,]*,0[0-9]")


def suffix(path: Path) -> str:
    """Return what the name of a file ends with, in lower case, apart from ``.gz``."""
    name = path.name.lower().removesuffix(".gz")
    ending = Path(name).suffix
    return path.suffix.lower() if path.suffix.lower() == ".gz" and not is_table(ending) else ending


def is_table(ending: str) -> bool:
    """Whether files whose names end so are tables of text."""
    return ending in SUFFIXES


def read(
    path: Path, *, separator: str | None = None, decimal: str | None = None, fewest: int = 1
) -> Table:
    """Return the table in a file; its columns have no names yet.

    Parameters
    ----------
    path : Path
        Text in UTF-8, in UTF-16 with a byte-order mark, or else in Latin-1; gzipped if the name
        ends with ``.gz``.
    separator : str, optional
        One character, ``tab``, or ``space`` for runs of blanks.
    decimal : {".", ","}, optional
    fewest : int, default 1
        Columns there must be for the table to make sense.

    Returns
    -------
    Table

    Raises
    ------
    UsageError
        If `separator` or `decimal` is none.
    DataError
        If the file is empty or not text, or can be read in two ways.
    OSError
        If it cannot be read.
    """
    if decimal is not None and decimal not in _DECIMALS:
        raise UsageError(f"decimal is {decimal!r}, expected . or ,")
    if separator is not None:
        character = _NAMED.get(separator, separator)
        if len(character) != 1 or character.isalnum() or character in '"#+-.\r\n':
            raise UsageError(
                f"separator is {separator!r}, expected a character such as ; or |, tab or space"
            )
        if character == decimal:
            raise UsageError(f"separator and decimal are both {decimal!r}; give another of one")
        separator = character
    source = shown_path(path)
    text = _decoded(path, source)
    if not any(True for _ in Table(source, text, "", ".").records()):
        raise DataError(f"{source} is empty; give rows of numbers")
    if separator not in (None, " ") and separator not in text:
        raise DataError(f"{source}: no line has the separator {separator!r}; leave it out")
    separators = _SEPARATORS if separator is None else (separator,)
    decimals = _DECIMALS if decimal is None else (decimal,)
    tables = [Table(source, text, mark, point) for mark in separators for point in decimals]
    given = separator is not None, decimal is not None
    fits = [_fit(table, fewest, *given) for table in tables]
    best = [table for table, fit in zip(tables, fits, strict=True) if fit == max(fits)]
    ways = [(table.separator, table.decimal) for table in best]
    chosen = best[0]
    if (",", ".") in ways and ("", ",") in ways:
        alone = best[ways.index(("", ","))]
        rows = [fields[0] for _, fields in itertools.islice(alone.records(), _SAMPLE)]
        numbers = [COMMA_NUMBER.fullmatch(row) is not None for row in rows]
        named = "," not in rows[0]  # the first line is the name of one column
        if all(numbers[1:]) and (named or any(_DECIMAL.match(row) for row in rows)):
            return alone
        if all(numbers):
            line, fields = next(alone.records())
            raise DataError(
                f"{source}: line {line} has {shown(fields[0])}, one number with a decimal comma or "
                "two; give `decimal=','` for one, `separator=','` for two"
            )
    if decimal is None and chosen.decimal == ",":
        _refuse_thousands(chosen)
    return chosen


def _decoded(path: Path, source: str) -> str:
    r"""Return the text of a file, with lines that end with ``\n``."""
    content = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            content = gzip.decompress(content)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"{source} is no gzip file, or is cut off: {error}") from None
    try:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            text = content.decode("utf-16")
        else:
            text = content.decode("utf-8-sig")
    except UnicodeDecodeError:  # only names can be misspelled: digits are the same everywhere
        text = content.decode("latin-1")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{source} is not text: line {line} has a zero byte; save it as .csv")
    return text


def _fit(table: Table, fewest: int, separated: bool, pointed: bool) -> float:
    """Return how well a separator and a decimal mark explain the first rows.

    Parameters
    ----------
    table : Table
    fewest : int
        Columns there must be.
    separated, pointed : bool
        Whether separator and decimal mark were given.

    Returns
    -------
    float
        The share of rows with the usual number of fields, times that of fields that are numbers,
        dates or missing; half of it if the first line does not have as many; -1 if they do not
        explain it at all.
    """
    rows = []
    try:
        for _, fields in itertools.islice(table.records(), _SAMPLE):
            rows.append(fields)
    except DataError:
        if not rows:
            return 0.0
    head = rows.pop(0) if len(rows) > 1 else rows[0]
    width, usual = Counter(len(fields) for fields in rows).most_common(1)[0]
    if not separated and width < max(2 if table.separator else 1, fewest):
        return 0.0 if (table.separator, table.decimal) == ("", ".") else -1.0
    fields = [field.strip() for row in rows for field in row]
    commas = any(COMMA_NUMBER.fullmatch(field) for field in fields)
    if not table.separator and table.decimal == "," and _parted(head[0]):
        return -1.0
    if table.decimal == "," and not commas and (table.separator == "," or not pointed):
        return -1.0
    good = sum(table.is_number(f) or is_missing(f) or is_date(f) for f in fields)
    apart = not table.separator or len(head) in (width - 1, width, width + 1)
    return usual / len(rows) * good / len(fields) * (1.0 if apart else 0.5)


def _parted(line: str) -> bool:
    """Whether a comma in a line separates, since it is not that of a number."""
    return "," in line and COMMA_NUMBER.fullmatch(line) is None


def _refuse_thousands(table: Table) -> None:
    """Ask where every comma may as well stand between thousands."""
    found = [
        (line, field.strip())
        for line, fields in itertools.islice(table.records(), _SAMPLE)
        for field in fields
        if COMMA_NUMBER.fullmatch(field.strip())
    ]
    if found and all(_THOUSANDS.fullmatch(field) for _, field in found):
        line, field = found[0]
        raise DataError(
            f"{table.source}: line {line} has {shown(field)}, with a decimal comma or one between "
            "thousands; give `decimal=','` or write it without"
        )
