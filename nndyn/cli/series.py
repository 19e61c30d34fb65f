"""``nndyn record series``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nndyn.cli.output import say
from nndyn.cli.parameters import FilePath, NetcdfPath, Number, check_netcdf
from nndyn.cli.progress import command_bar, quiet
from nndyn.words.text import size


@click.command(
    "series",
    help="Store a measured series, read from a table (.csv, .tsv, .txt, .dat, gzipped or not), a "
    ".npy or a .nc file.",
)
@click.argument("source", type=FilePath())
@click.option(
    "--interval",
    type=Number(),
    help="Time between two rows, unless the file gives it; with 1, time counts steps.  "
    "[default: 1]",
)
@click.option(
    "--column",
    multiple=True,
    metavar="NAME[,NAME]",
    help="Columns of a table that form the state.  [default: all but the times]",
)
@click.option(
    "--time",
    metavar="NAME",
    help="Times, as numbers or dates: a column of a table, a dimension or variable of a .nc file.",
)
@click.option("--resample", is_flag=True, help="Interpolate uneven times linearly to even ones.")
@click.option("--decimal", metavar=".|,", help="Decimal mark of a table.  [default: recognised]")
@click.option(
    "--separator",
    metavar="CHARACTER|tab|space",
    help="Separator of the fields of a table.  [default: recognised]",
)
@click.option("--variable", metavar="NAME", help="Variable to read from a .nc file.")
@click.option("--group", metavar="NAME", help="Group to read from a .nc file.")
@click.option("--overwrite", is_flag=True, help="Replace the file.")
@click.option(
    "--take-over",
    is_flag=True,
    help="Replace a file whose writer on another host is known to be gone.",
)
@click.option(
    "-o",
    "--output",
    type=NetcdfPath(),
    required=True,
    help="The netCDF file to write.",
)
@quiet
def series(source: Path, column: tuple[str, ...], output: Path, **options: Any) -> None:
    """Store a series, and say what it is."""
    from nndyn.header import manifest

    if not (output.exists() and source.exists() and output.samefile(source)):
        check_netcdf(output)
    with command_bar(output.name, f"reading {source.name}"):
        from recorders.series import record_series

        made = record_series(source, output, column=column or None, **options)
    with made as recording:
        times, columns = recording.sizes["time"], recording.sizes["component"]
        system = manifest(recording.attrs)["system"]
        unit = recording["time"].attrs["units"]
    plural = "s" if columns != 1 else ""
    every = f" every {system['interval']:g} {unit}" if "time" in system else ""
    say(
        f"{output}: {source.name}, {times:,} times{every} of {columns} component{plural}, "
        f"{size(output.stat().st_size)}"
    )
    if "resampled" in system:
        say(f"warning: times are uneven; {system['resampled']}", err=True)
