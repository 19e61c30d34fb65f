"""Terminal and JSON output of the analysis of a study."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nndyn.cli.output import add_row, print_json, print_result, print_table, say, terminal
from nndyn.words.text import escaped

if TYPE_CHECKING:
    import xarray as xr

#: Characters between two columns.
_GAP = 2


def print_study(result: xr.Dataset, *, as_json: bool = False) -> None:
    """Print the summary of a study and a table along the swept option, or one JSON object."""
    from nndyn.studies.analysis import combinations
    from nndyn.words.tables import of_combination

    if as_json:
        print_json(study_dict(result))
        return
    warnings = json.loads(result.attrs["warnings"])
    for i, (label, part) in enumerate(combinations(result)):
        if label:
            if i:
                say()
            say(label)
        print_result(of_combination(part))
        _print_series(part)
    for warning in warnings:
        say(f"warning: {warning}", err=True)


def study_dict(result: xr.Dataset) -> dict[str, Any]:
    """Return the JSON object of a study: its summary, and what there is along the swept option."""
    from nndyn.results import to_dict
    from nndyn.studies.analysis import combinations
    from nndyn.words.tables import series

    rate = result.attrs["along"]
    names = [*json.loads(result.attrs["summary"]), rate, *series(result)]
    whole = to_dict(result.assign_attrs(summary=json.dumps(list(dict.fromkeys(names)))))
    parts = [
        {"at": label, "verdict": part.attrs["verdict"], "reason": part.attrs["reason"]}
        for label, part in combinations(result)
        if label
    ]
    return {**whole, **({"combinations": parts} if parts else {})}


def _print_series(part: xr.Dataset) -> None:
    """Print what there is along the swept option, in as many tables as the width asks for."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from nndyn.words.tables import along

    whole = along(part)
    columns = dict(
        zip((name for name, _ in whole.headings), zip(*whole.rows, strict=True), strict=True)
    )
    (rate, first), *others = columns.items()
    if not others:
        return
    console, piped = terminal()
    widths = {name: _width(name, entries) for name, entries in others}
    margin = _width(rate, first)
    if piped:
        console = Console(highlight=False, width=margin + sum(widths.values()) + 1)
    for some in _fitting(widths, console.width - margin):
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in (rate, *some):
            table.add_column(Text(escaped(name)), overflow="fold", min_width=_longest(name))
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
    return max(map(len, name.split(" ")))
