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
    help="Store a measured series from a table (.csv, .tsv, .txt, .dat, gzipped or not), a .npy or "
    "a .nc file.",
)
@click.argument("source", type=FilePath())
@click.option(
    "--interval",
    type=Number(),
    help="Time between two rows, where the file does not say; with 1 time counts steps.  "
    "[default: 1]",
)
@click.option(
    "--column",
    multiple=True,
    metavar="NAME[,NAME]",
    help="Columns of a table that are state; all but that of times unless given.",
)
@click.option(
    "--time",
    metavar="NAME",
    help="Column of a table with the times, numbers or dates; dimension or variable of a .nc file.",
)
@click.option(
    "--resample", is_flag=True, help="Interpolate linearly at even times where they are uneven."
)
@click.option("--decimal", metavar=".|,", help="Decimal mark of a table; recognised unless given.")
@click.option(
    "--separator",
    metavar="CHARACTER|tab|space",
    help="What separates the fields of a table; recognised unless given.",
)
@click.option("--variable", metavar="NAME", help="Which variable of a .nc file.")
@click.option("--group", metavar="NAME", help="Which group of a .nc file.")
@click.option("--overwrite", is_flag=True, help="Replace the file.")
@click.option(
    "--take-over",
    is_flag=True,
    help="Replace what a process of another host had that is known to be gone.",
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
