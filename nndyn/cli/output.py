"""Terminal output of results and progress."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from nndyn.cli.dialect import flags
from nndyn.words.text import escaped, escaped_json

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import Console
    from rich.table import Table


def say(line: object = "", *, err: bool = False) -> None:
    """Print one line, on standard output or error; what files say in it cannot act on a terminal.

    Options that it names as Python does become flags.

    Parameters
    ----------
    line : object
        Control characters in it are escaped, line feeds too.
    err : bool, default False
        Whether it goes to standard error.
    """
    click.echo(flags(escaped(line)), err=err)


def print_lines(text: str, *, err: bool = False) -> None:
    """Print text of several lines as `say` prints one."""
    for line in text.removesuffix("\n").split("\n"):
        say(line, err=err)


def print_json(value: Any) -> None:
    """Print one JSON object on standard output."""
    text = json.dumps(_with_flags(value), allow_nan=False, indent=2, ensure_ascii=False)
    click.echo(escaped_json(text))


def _with_flags(value: Any) -> Any:
    """Return a JSON value whose texts name options by their flags."""
    if isinstance(value, dict):
        return {key: _with_flags(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_with_flags(v) for v in value]
    return flags(value) if isinstance(value, str) else value


def print_result(result: xr.Dataset) -> None:
    """Print the summary of a result as a table on standard output, warnings on standard error."""
    from rich.table import Table
    from rich.text import Text

    from nndyn.results import labelled, labels, to_dict

    values = to_dict(result)
    console, piped = terminal()
    if values["verdict"]:
        reason = flags(escaped(values["reason"]))
        line = Text.assemble((escaped(values["verdict"]), "bold"), f": {reason}")
        console.print(line, soft_wrap=piped)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "value", "interval", "unit"):
        table.add_column(heading, overflow="fold")
    notes: dict[str, str] = {}
    named: dict[str, list[str]] = {}
    for name, entry in values["results"].items():
        value, ci = entry["value"], entry["ci"]
        dim = labelled(result, name)
        if dim:
            named.setdefault(dim, []).append(name)
        elif isinstance(value, list) and isinstance(ci, list):  # one row for each of several
            for label, one, bounds in zip(labels(result, name), value, ci, strict=True):
                add_row(table, label, show(one), show(bounds), entry["unit"])
        else:
            add_row(table, name, show(value), "" if ci is None else show(ci), entry["unit"])
        if "note" in entry and entry["note"] not in (values["reason"], *notes.values()):
            notes[name] = entry["note"]
    if table.row_count:
        print_table(console, table)
    for dim, names in named.items():
        click.echo()
        print_table(console, _columns(result, dim, names))
    for name, note in notes.items():
        console.print(Text(flags(escaped(f"{name}: {note}")), style="dim"), soft_wrap=piped)
    for warning in values["warnings"]:
        say(f"warning: {warning}", err=True)


def _columns(result: xr.Dataset, dim: str, names: list[str]) -> Table:
    """Return values that have names in common as a table, a row for each of these."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(dim, overflow="fold")
    for name in names:
        unit = str(result[name].attrs["units"])
        heading = name.removeprefix(f"{dim}_").replace("_", " ")
        table.add_column(heading + ("" if unit == "1" else f"\n{unit}"), justify="right")
    for i, label in enumerate(result[dim].values.tolist()):
        values = [float(result[name].values[i]) for name in names]
        cells = [show(None if value != value else float(f"{value:.4g}")) for value in values]
        add_row(table, label, *cells)
    return table


def add_row(table: Table, *cells: object) -> None:
    """Add a row of a table; what files say in it is neither markup nor acts on a terminal."""
    from rich.text import Text

    table.add_row(*(Text(escaped(cell)) for cell in cells))


def terminal() -> tuple[Console, bool]:
    """Return standard output, and whether a program reads it, which wraps for itself."""
    from rich.console import Console

    console = Console(highlight=False)
    return console, not (console.is_terminal or "COLUMNS" in os.environ)


def print_table(console: Console, table: Table) -> None:
    """Print a table without blanks at the ends of its lines."""
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()), color=True)


def show(value: Any) -> str:
    """Return a number, a pair or a list the way a reader wants it: six digits, ``null``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "[" + ", ".join(show(v) for v in value) + "]"
    return str(value)


def counted(count: int, noun: str) -> str:
    """Return a number of things: ``1 run``, ``2 runs``, ``3 batches``."""
    plural = "" if count == 1 else "es" if noun.endswith("ch") else "s"
    return f"{count:,} {noun}{plural}"


def duration(seconds: float) -> str:
    """Return a time in the unit a reader would use."""
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
