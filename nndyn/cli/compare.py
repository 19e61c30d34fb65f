"""``nndyn compare PATH …``: recordings and studies side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nndyn.cli.output import print_json, print_table, say, terminal
from nndyn.cli.parameters import FilePath, NetcdfPath, Number, Whole, check_netcdf
from nndyn.cli.progress import command_bar, quiet_option
from nndyn.words.dialect import flags
from nndyn.words.text import escaped, shortened

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

#: Characters of the names of rows, of a column, and of the name of a recording.
_MARGIN, _COLUMN, _NAME = 18, 14, 42


def options() -> list[click.Parameter]:
    """Return the paths and options of a comparison, printed or drawn."""
    return [
        click.Argument(["paths"], nargs=-1, type=FilePath(), metavar="PATH..."),
        click.Option(
            ["--with", "beside"],
            type=click.Choice(["catalogue"]),
            help="Set the logistic map, the Hénon map, Lorenz's flow, a limit cycle and a random "
            "walk beside them, recorded now.",
        ),
        click.Option(
            ["--rate"],
            type=Number(),
            default=0.05,
            show_default=True,
            help="Recurrence rate of all recurrence plots.",
        ),
        click.Option(
            ["--theiler"],
            type=Number(),
            default=1.0,
            show_default=True,
            help="Theiler window of these, in autocorrelation times of each motion.",
        ),
        click.Option(
            ["--points"],
            type=Whole(),
            default=1000,
            show_default=True,
            help="Most points of a recurrence plot.",
        ),
        click.Option(
            ["--threshold"],
            type=Number(),
            help="Test accuracy of the training time.  [default: that of nndyn analyze learning]",
        ),
        click.Option(
            ["--confidence"],
            type=Number(),
            default=0.95,
            show_default=True,
            help="Level of the intervals.",
        ),
    ]


def compared(paths: Sequence[Path], beside: str | None, **asked: Any) -> xr.Dataset:
    """Compare, with a bar."""
    from analyzers.common.progress import telling
    from nndyn.comparison.comparison import compare as call

    with command_bar("compare") as bar, telling(bar.share):
        return call(paths, catalogue=beside == "catalogue", **asked)


def warn(result: xr.Dataset) -> None:
    """Say what may not be compared."""
    for warning in json.loads(result.attrs["warnings"]):
        say(f"warning: {warning}", err=True)


def parts(paths: Sequence[Path]) -> list[Path]:
    """Return what must not be replaced: recordings, and what studies are of."""
    from nndyn.cli.analyze import read_from

    return [part for path in paths for part in read_from(path)]


def _run(
    paths: tuple[Path, ...], *, as_json: bool, output: Path | None, overwrite: bool, **asked: Any
) -> None:
    from nndyn.store import save_result, vacant

    if output is not None:
        vacant(output, overwrite=overwrite, inputs=parts(paths))
        check_netcdf(output)
    result = compared(paths, **asked)
    if output is not None:
        save_result(result, output, overwrite=overwrite)
    if as_json:
        print_json(as_dict(result))
    else:
        _print(result)


compare = click.Command(
    "compare",
    callback=_run,
    help="Set recordings and studies side by side: trainings, maps, flows and series.",
    params=[
        *options(),
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object."),
        click.Option(
            ["-o", "--output"],
            type=NetcdfPath(dir_okay=False),
            help="Write the whole result to this netCDF file.",
        ),
        click.Option(["--overwrite"], is_flag=True, help="Replace the output file."),
        quiet_option(),
    ],
)


def as_dict(result: xr.Dataset) -> dict[str, Any]:
    """Return the JSON object of a comparison: values in the order of ``sources``."""
    from nndyn.results import to_dict

    found = to_dict(result)
    for name, entry in found["results"].items():
        entry.pop("note", None)
        entry["recording"] = result["recording"].values.tolist()
        if "notes" in result[name].attrs:
            entry["notes"] = [n or None for n in json.loads(result[name].attrs["notes"])]
    names = ("recording", "path", "recording_id")
    rows = zip(*(result[name].values.tolist() for name in names), strict=True)
    found["sources"] = [dict(zip(("name", "path", "id"), row, strict=True)) for row in rows]
    found["verdicts"] = {
        name: {
            analyzer: {"verdict": verdict, "reason": reason}
            for analyzer, verdict, reason in zip(
                result["analyzer"].values.tolist(), verdicts, reasons, strict=True
            )
        }
        for name, verdicts, reasons in zip(
            result["recording"].values.tolist(),
            result["verdicts"].values.tolist(),
            result["reasons"].values.tolist(),
            strict=True,
        )
    }
    del found["source"]
    return found


def _print(result: xr.Dataset) -> None:
    """Print the comparison as tables of as many columns as the width has room for."""
    from rich.console import Console
    from rich.text import Text

    console, piped = terminal()
    notes = console
    count = result.sizes["recording"]
    room = count if piped else max(1, (console.width - _MARGIN) // (_COLUMN + 1))
    marks: dict[str, int] = {}
    for first in range(0, count, room):
        if first:
            say()
        shown = range(first, min(first + room, count))
        if piped:  # a program wraps for itself
            console = Console(highlight=False, width=60 + 60 * count)
        print_table(console, _table(result, shown, marks, piped))
    for note, number in marks.items():
        notes.print(Text(flags(escaped(f"#{number} {note}")), style="dim"), soft_wrap=piped)
    warn(result)


def _table(result: xr.Dataset, shown: range, marks: dict[str, int], piped: bool) -> Table:
    """Return some recordings as columns; of all of these alike, what any has is a row."""
    from rich.table import Table
    from rich.text import Text

    from nndyn.comparison.table import rows

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold", max_width=None if piped else _MARGIN)
    for name in result["recording"].values[list(shown)].tolist():
        heading = Text(escaped(shortened(name, _NAME)))
        table.add_column(heading, overflow="fold", max_width=None if piped else _COLUMN)
    last = ""
    for title, label, cells in rows(result, shown, marks, "; " if piped else "\n"):
        if title != last:
            table.add_row(Text(title, style="dim"), *[""] * len(shown))
            last = title
        lines = ["\n".join(map(escaped, cell.split("\n"))) for cell in cells]
        table.add_row(Text(f" {label}"), *map(Text, lines))
    return table
