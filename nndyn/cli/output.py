"""Terminal output of results and progress."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Literal

import click

from nndyn.words.dialect import flags
from nndyn.words.text import escaped, escaped_json

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import Console
    from rich.table import Table

    from nndyn.words.tables import Table as TextTable


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
    from rich.text import Text

    from nndyn.words.tables import named, notes, summary

    console, piped = terminal()
    if result.attrs["verdict"]:
        reason = flags(escaped(result.attrs["reason"]))
        line = Text.assemble((escaped(result.attrs["verdict"]), "bold"), f": {reason}")
        console.print(line, soft_wrap=piped)
    estimates = summary(result)
    if estimates.rows:
        print_table(console, _drawn(estimates))
    for table in named(result):
        click.echo()
        print_table(console, _drawn(table, "right"))
    for name, note in notes(result).items():
        console.print(Text(flags(escaped(f"{name}: {note}")), style="dim"), soft_wrap=piped)
    for warning in json.loads(result.attrs["warnings"]):
        say(f"warning: {warning}", err=True)


def _drawn(of: TextTable, justify: Literal["left", "right"] = "left") -> Table:
    """Return a table for the terminal, its first column to the left."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", collapse_padding=justify == "right")
    for i, (heading, unit) in enumerate(of.headings):
        above = Text("\n".join(escaped(part) for part in (heading, unit) if part))
        table.add_column(above, overflow="fold", justify=justify if i else "left")
    for row in of.rows:
        add_row(table, *row)
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
