"""Columns of a text table as a series: the header, the states, and the times."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.series.measured import Series, named, refuse_lying, strictly_monotonous
from nndyn.systems.series.sampling import Times, at_even_times, of_numbers, of_text, refuse_compact
from nndyn.systems.tables import files
from nndyn.systems.tables.column_names import is_time
from nndyn.systems.tables.delimited import Table, is_date, is_missing, shown
from nndyn.words.names import did_you_mean


def read(
    path: Path,
    *,
    interval: float | None = None,
    column: str | Sequence[str] | None = None,
    time: str | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    resample: bool = False,
) -> Series:
    """Return the columns of a table that are state, as a series.

    Parameters
    ----------
    path : Path
        See `nndyn.systems.tables.files.read`. The first line is a header if its fields are text and
        no numbers.
    interval : float, optional
        Between two rows, where no column says.
    column : str or sequence of str, optional
        Names of the columns that are state, separated by commas; all but `time` unless given.
        Without a header they are called x, or x0, x1, …
    time : str, optional
        Name of the column of times, numbers or dates.
    separator, decimal : str, optional
        Recognised unless given.
    resample : bool, default False
        Interpolate at even times where they are uneven.

    Returns
    -------
    Series

    Raises
    ------
    UsageError
        If an option is wrong; `UnknownNameError` if there is no such column.
    DataError
        If a field cannot be used, times are uneven, what a column is cannot be known, or the
        table can be read in two ways.
    """
    fewest = 1 if time is None else 2
    table = _headed(files.read(path, separator=separator, decimal=decimal, fewest=fewest))
    at = None if time is None else _find(table, time)
    chosen = _chosen(table, column, at)
    names = [table.names[c] for c in chosen]
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise DataError(f"{table.source}: two columns are called {shown(twice[0])}; rename one")
    rows = _numbers(table, chosen)

    def place(row: int) -> str:
        return f"line {table.row(row)[0]}"

    def cure(name: str, others: Sequence[str]) -> str:
        time = f"`time={name!r}` or " if others else ""
        return f"give {time}{_columns(others or [name])}"

    if column is None:
        if not table.headed and table.separator:
            refuse_lying(rows, "name its columns in a first line", table.source)
        refuse_not_state(names, rows, chosen, source=table.source, place=place, cure=cure)
    times = None if at is None else _times(table, at, place)
    return at_even_times(
        rows,
        named(names, len(names)),
        times,
        source=table.source,
        place=place,
        interval=interval,
        resample=resample,
        without=f"{_columns(names)} alone",
    )


def refuse_not_state(
    names: Sequence[str],
    rows: Array,
    positions: Sequence[int],
    *,
    source: str,
    place: Callable[[int], str],
    cure: Callable[[str, Sequence[str]], str],
) -> None:
    """Ask what a column is whose name is that of times or row numbers, or a first that only rises.

    Parameters
    ----------
    names : sequence of str
        Of the columns that would be state.
    rows : (T, D) float64
    positions : sequence of int
        Their columns in the table.
    source : str
        What messages call the table.
    place : callable
        Returns what messages call a row.
    cure : callable
        Returns how to say what it is, from its name and those of the other columns.

    Raises
    ------
    DataError
        If there is one. The only column of a table may rise: it is all there is.
    """
    for i, (name, position) in enumerate(zip(names, positions, strict=True)):
        first = position == 0 and len(names) > 1
        if is_time(name):
            why = "has the name of times or row numbers"
        elif first and strictly_monotonous(rows[:, i]):
            way = "rises" if rows[1, i] > rows[0, i] else "falls"
            ends = f"from {place(0)} to {place(len(rows) - 1)}"
            why = f"only {way} {ends}, as times or row numbers do"
        else:
            continue
        others = [other for other in names if other != name and not is_time(other)]
        raise DataError(
            f"{source}: column {shown(name)} {why}, and is not taken for state; "
            + cure(name, others)
        )


def _headed(table: Table) -> Table:
    """Return the table with names of its columns, from its first line where that is a header."""
    head = list(itertools.islice(table.records(), 2))
    (line, first), width = head[0], table.width()
    first = [field.strip() for field in first]
    if len(first) == width + 1 and not first[-1]:
        first.pop()
    text = [f for f in first if not (table.is_number(f) or is_missing(f) or is_date(f))]
    numbers = [f for f in first if table.is_number(f) and not is_missing(f)]
    counts = [str(i) for i in range(len(first))]
    written_by_pandas = len(first) > 1 and first == ["", *counts[:-1]]
    if text and (numbers or any(map(is_date, first))) and len(head) > 1:
        second = head[1][1]
        over = [a for a, b in zip(first, second, strict=False) if a in text and table.is_number(b)]
        if over:
            raise DataError(
                f"{table.source}: line {line} is neither a header nor a row: {shown(over[0])} "
                "stands over a number, and others are numbers; name every column, or mend the line"
            )
        text = []
    if not (text or written_by_pandas):
        if len(first) > 1 and first == counts:
            _refuse_counts(table, line)
        return table.named(named(None, width), headed=False)
    if len(first) == width - 1 and table.has_row_names():
        first.insert(0, "")
    names = [name or f"Unnamed: {i}" for i, name in enumerate(first)]
    return table.named(names, headed=True)


def _refuse_counts(table: Table, line: int) -> None:
    """Ask whether a first line 0, 1, 2 names columns, as pandas does, over other numbers."""
    others = (fields for _, fields in itertools.islice(table.records(), 1, 4))
    if any("." in field or "e" in field.lower() for fields in others for field in fields):
        raise DataError(
            f"{table.source}: line {line} counts the columns from 0, names of them or numbers; "
            "remove it, or write numbers as 0.0"
        )


def _find(table: Table, name: str) -> int:
    """Return the column of that name."""
    count = table.names.count(name)
    if count == 0:
        raise UnknownNameError(
            f"{table.source} has no column {shown(name)}; known: {', '.join(table.names)}"
            f"{did_you_mean(name, table.names)}"
        )
    if count > 1:
        raise DataError(f"{table.source}: {count} columns are called {shown(name)}; rename them")
    return table.names.index(name)


def _chosen(table: Table, column: str | Sequence[str] | None, time: int | None) -> list[int]:
    """Return the columns that are state."""
    if column is None:
        found = [c for c in range(len(table.names)) if c != time]
        if not found:
            raise DataError(f"{table.source} has times and no other column; add one with numbers")
        return found
    given = [column] if isinstance(column, str) else list(column)
    parts = [
        part.strip()
        for item in given
        for part in ([item] if item in table.names else item.split(","))
    ]
    found = [_find(table, part) for part in parts]
    if len(set(found)) < len(found) or time in found:
        raise UsageError(f"column is {','.join(parts)!r}, expected each once, and not that of time")
    return found


def _columns(names: Sequence[str]) -> str:
    """Return the option that takes columns."""
    return f"`column={','.join(names)!r}`"


def _numbers(table: Table, columns: Sequence[int]) -> Array:
    """Return columns as numbers, and say how to leave out one that is text."""
    line, fields = next(table.rows(), (0, []))
    if not line:
        raise DataError(f"{table.source} has a header and no rows; give rows of numbers")
    for c in columns:
        if not table.is_number(fields[c]) and not is_missing(fields[c]):
            good = [n for n, f in zip(table.names, fields, strict=True) if table.is_number(f)]
            what = "dates" if is_date(fields[c]) else "text"
            cure = f"give {_columns(good)}"
            if not good:
                cure = "give a column of numbers, or begin lines that are no rows with #"
            elif what == "dates":
                cure = f"give `time={table.names[c]!r}`, or{cure[4:]}"
            if "," not in fields[c] or not good:
                raise DataError(
                    f"{table.source}: line {line}, column {shown(table.names[c])} has {what}, "
                    f"{shown(fields[c].strip())}, and no number; {cure}"
                )
    return table.numbers(columns)


def _times(table: Table, column: int, place: Callable[[int], str]) -> Times:
    """Return a column as times."""
    name, fields = table.names[column], table.column(column)
    missing = next((row for row, field in enumerate(fields) if is_missing(field)), None)
    if missing is not None:
        raise table.flaw(*table.row(missing), column, "")
    if not table.is_number(fields[0]):
        return of_text(name, fields, table.source, place)
    values = table.numbers([column])[:, 0]
    refuse_compact(name, values, table.source, place)
    return of_numbers(name, values)
