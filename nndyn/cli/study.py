"""Terminal and JSON output of the analysis of a study."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nndyn.cli.output import add_row, print_json, print_result, print_table, say, terminal
from nndyn.words.text import escaped

if TYPE_CHECKING:
    import xarray as xr


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

    from nndyn.words.tables import along, longest, split, width_of

    whole = along(part)
    if len(whole.headings) < 2:
        return
    console, piped = terminal()
    if piped:
        console = Console(highlight=False, width=width_of(whole) + 1)
    for some in split(whole, console.width):
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name, _ in some.headings:
            table.add_column(Text(escaped(name)), overflow="fold", min_width=longest(name))
        for row in some.rows:
            add_row(table, *row)
        say()
        print_table(console, table)
