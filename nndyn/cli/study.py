"""Terminal and JSON output of the analysis of a study."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nndyn.cli.output import add_row, print_json, print_result, print_table, say, show, terminal
from nndyn.words.text import escaped

if TYPE_CHECKING:
    import xarray as xr

#: Characters between two columns.
_GAP = 2


def print_study(result: xr.Dataset, *, as_json: bool = False) -> None:
    """Print the summary of a study and a table along the swept option, or one JSON object."""
    from nndyn.studies.analysis import combinations

    if as_json:
        print_json(study_dict(result))
        return
    warnings = json.loads(result.attrs["warnings"])
    for i, (label, part) in enumerate(combinations(result)):
        summary = json.loads(part.attrs["summary"])
        numbers = [n for n in summary if result.attrs["along"] not in part[n].dims]
        part.attrs |= {"warnings": "[]", "summary": json.dumps(numbers)}
        if label:
            if i:
                say()
            say(label)
        print_result(part)
        _print_series(part)
    for warning in warnings:
        say(f"warning: {warning}", err=True)


def study_dict(result: xr.Dataset) -> dict[str, Any]:
    """Return the JSON object of a study: its summary, and what there is along the swept option."""
    from nndyn.results import to_dict
    from nndyn.studies.analysis import combinations

    rate = result.attrs["along"]
    names = [*json.loads(result.attrs["summary"]), rate, *_series(result)]
    whole = to_dict(result.assign_attrs(summary=json.dumps(list(dict.fromkeys(names)))))
    parts = [
        {"at": label, "verdict": part.attrs["verdict"], "reason": part.attrs["reason"]}
        for label, part in combinations(result)
        if label
    ]
    return {**whole, **({"combinations": parts} if parts else {})}


def _series(result: xr.Dataset) -> list[str]:
    """Return what has one value for each value of the swept option, for each combination."""
    own = {"bound", "seed", "kind", "level"}
    return [
        str(name)
        for name, variable in result.data_vars.items()
        if result.attrs["along"] in variable.dims
        and not own & set(map(str, variable.dims))
        and not str(name).startswith("cell_")
    ]


def _print_series(part: xr.Dataset) -> None:
    """Print what there is along the swept option, in as many tables as the width asks for."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rate = part.attrs["along"]
    names = [name for name in _series(part) if part[name].dims == (rate,)]
    if not names:
        return
    console, piped = terminal()
    columns = {name: [_entry(part, name, i) for i in range(part.sizes[rate])] for name in names}
    first = [show(float(f"{value:.4g}")) for value in part[rate].values]
    widths = {name: _width(name, entries) for name, entries in columns.items()}
    margin = _width(rate, first)
    if piped:
        console = Console(highlight=False, width=margin + sum(widths.values()) + 1)
    for some in _fitting(widths, console.width - margin):
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in (rate, *some):
            heading = Text(escaped(name.replace("_", " ")))
            table.add_column(heading, overflow="fold", min_width=_longest(name))
        for row in zip(first, *(columns[name] for name in some), strict=True):
            add_row(table, *row)
        say()
        print_table(console, table)


def _fitting(widths: dict[str, int], room: int) -> Iterator[list[str]]:
    """Give the columns of one table after the other, each as wide as its entries.

    Yields
    ------
    list of str
    """
    some: list[str] = []
    for name, width in widths.items():
        if some and sum(widths[one] for one in some) + width > room:
            yield some
            some = []
        some.append(name)
    yield some


def _width(name: str, entries: Sequence[str]) -> int:
    """Return the characters of a column, with the gap to the next one."""
    return max(_longest(name), *map(len, entries)) + _GAP


def _longest(name: str) -> int:
    """Return the characters of the longest word of a heading, which is not cut."""
    return max(map(len, name.split("_")))


def _entry(part: xr.Dataset, name: str, i: int) -> str:
    """Return a value with three digits, and its interval where it has one."""
    value = part[name].values[i].item()
    if isinstance(value, bool) or not isinstance(value, float):
        return show(value)
    text = "null" if value != value else f"{value:.3g}"
    if f"{name}_ci" in part:
        low, high = part[f"{name}_ci"].values[i]
        text += f" [{low:.3g}, {high:.3g}]" if low == low else ""
    return text
