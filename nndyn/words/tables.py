"""Tables of results as text: the same numbers, in the same form, wherever they are shown."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nndyn.results import labelled, labels, to_dict
from nndyn.words.numbers import show

if TYPE_CHECKING:
    import xarray as xr

#: Dimensions of what has more than one value for each value of a swept option.
_FURTHER = {"bound", "seed", "kind", "level"}
#: Characters between two columns.
_GAP = 2


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes
    ----------
    headings : tuple of (str, str)
        Of every column its name and its unit, empty where it has none.
    rows : list of tuple of str
    """

    headings: tuple[tuple[str, str], ...]
    rows: list[tuple[str, ...]]


def summary(result: xr.Dataset) -> Table:
    """Return the estimates of a result, a row each, with interval and unit.

    Parameters
    ----------
    result : xarray.Dataset
        What an analyzer returned. Values that have names have tables of their own: see `named`.

    Returns
    -------
    Table
    """
    rows: list[tuple[str, ...]] = []
    for name, entry in to_dict(result)["results"].items():
        value, ci, unit = entry["value"], entry["ci"], entry["unit"]
        if labelled(result, name):
            continue
        if isinstance(value, list) and isinstance(ci, list):  # one row for each of several
            each = zip(labels(result, name), value, ci, strict=True)
            rows += [(label, show(one), show(bounds), unit) for label, one, bounds in each]
        else:
            rows.append((name, show(value), "" if ci is None else show(ci), unit))
    return Table((("", ""), ("value", ""), ("interval", ""), ("unit", "")), rows)


def named(result: xr.Dataset) -> list[Table]:
    """Return the values of a result that have names, a table for those with names in common."""
    found: dict[str, list[str]] = {}
    for name in to_dict(result)["results"]:
        dim = labelled(result, name)
        if dim:
            found.setdefault(dim, []).append(name)
    return [_columns(result, dim, names) for dim, names in found.items()]


def _columns(result: xr.Dataset, dim: str, names: list[str]) -> Table:
    headings = [(dim, "")]
    for name in names:
        unit = str(result[name].attrs["units"])
        heading = name.removeprefix(f"{dim}_").replace("_", " ")
        headings.append((heading, "" if unit == "1" else unit))
    rows: list[tuple[str, ...]] = []
    for i, label in enumerate(result[dim].values.tolist()):
        values = [float(result[name].values[i]) for name in names]
        cells = [show(None if value != value else float(f"{value:.3g}")) for value in values]
        rows.append((str(label), *cells))
    return Table(tuple(headings), rows)


def notes(result: xr.Dataset) -> dict[str, str]:
    """Return what there is to say of single estimates, once each, and not what the reason says."""
    values = to_dict(result)
    found: dict[str, str] = {}
    for name, entry in values["results"].items():
        if "note" in entry and entry["note"] not in (values["reason"], *found.values()):
            found[name] = entry["note"]
    return found


def series(result: xr.Dataset) -> list[str]:
    """Return what of a study has one value for each value of the swept option and combination."""
    return [
        str(name)
        for name, variable in result.data_vars.items()
        if result.attrs["along"] in variable.dims
        and not _FURTHER & set(map(str, variable.dims))
        and not str(name).startswith("cell_")
    ]


def of_combination(part: xr.Dataset) -> xr.Dataset:
    """Return one combination of a study with a summary of single numbers alone, no warnings."""
    rate = part.attrs["along"]
    numbers = [name for name in json.loads(part.attrs["summary"]) if rate not in part[name].dims]
    return part.assign_attrs(warnings="[]", summary=json.dumps(numbers))


def along(part: xr.Dataset) -> Table:
    """Return what one combination of a study has along the swept option, which comes first.

    Parameters
    ----------
    part : xarray.Dataset
        Of `nndyn.studies.analysis.combinations`.

    Returns
    -------
    Table
    """
    rate = str(part.attrs["along"])
    names = [name for name in series(part) if part[name].dims == (rate,)]
    columns = [column(part, name) for name in names]
    headings = tuple((name.replace("_", " "), "") for name in (rate, *names))
    return Table(headings, list(zip(places(part), *columns, strict=True)))


def known(table: Table) -> tuple[Table, list[str]]:
    """Return a table without the columns in which nothing is known, and what these are called."""
    columns = zip(*table.rows, strict=True) if table.rows else ((),) * len(table.headings)
    null = [set(column) == {"null"} for column in columns]
    kept = [i for i, empty in enumerate(null) if not empty]
    names = [heading for (heading, _), empty in zip(table.headings, null, strict=True) if empty]
    return _some(table, kept), names


def places(part: xr.Dataset) -> list[str]:
    """Return the values of the swept option of a study's result."""
    return [show(float(f"{value:.4g}")) for value in part[part.attrs["along"]].values]


def column(part: xr.Dataset, name: str, between: str = " ") -> list[str]:
    """Return the values of a variable along the swept option, each with its interval behind it.

    Parameters
    ----------
    part : xarray.Dataset
        Of `nndyn.studies.analysis.combinations`.
    name : str
    between : str, default " "
        Between a value and its interval.

    Returns
    -------
    list of str
        Numbers have three digits.
    """
    return [_entry(part, name, i, between) for i in range(part[name].size)]


def _entry(part: xr.Dataset, name: str, i: int, between: str) -> str:
    value: Any = part[name].values[i].item()
    if isinstance(value, bool) or not isinstance(value, float):
        return show(value)
    text = "null" if value != value else f"{value:.3g}"
    if f"{name}_ci" in part:
        low, high = part[f"{name}_ci"].values[i]
        told = low == low and not (value != value and math.isinf(low))
        text += f"{between}[{low:.3g}, {high:.3g}]" if told else ""
    return text


def split(table: Table, room: int) -> list[Table]:
    """Return the columns of a table in as many tables as a width asks for, each with the first.

    Parameters
    ----------
    table : Table
    room : int
        Characters of a line.

    Returns
    -------
    list of Table
        Each column is as wide as its entries; one that is wider than the room has its own table.
    """
    first, *widths = _widths(table)
    parts: list[list[int]] = []
    left = -1
    for i, width in enumerate(widths, 1):
        if width > left:
            parts.append([])
            left = room - first
        parts[-1].append(i)
        left -= width
    return [_some(table, (0, *part)) for part in parts]


def _some(table: Table, columns: Sequence[int]) -> Table:
    """Return columns of a table."""
    rows = [tuple(row[i] for i in columns) for row in table.rows]
    return Table(tuple(table.headings[i] for i in columns), rows)


def width_of(table: Table) -> int:
    """Return the characters of a line of a table."""
    return sum(_widths(table))


def longest(heading: str) -> int:
    """Return the characters of the longest word of a heading, which is not cut."""
    return max(map(len, heading.split(" ")))


def _widths(table: Table) -> list[int]:
    """Return the characters of each column, with the gap to the next one."""
    return [
        max(longest(heading), *(len(x) for row in table.rows for x in row[i].split("\n")), 0) + _GAP
        for i, (heading, _) in enumerate(table.headings)
    ]
