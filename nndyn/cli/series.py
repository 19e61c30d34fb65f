"""``nndyn record series``."""

from __future__ import annotations

from pathlib import Path

import click

from nndyn.cli.output import say, size


@click.command("series", help="Store a measured series from a .csv, .npy or .nc file.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--interval",
    type=float,
    default=1.0,
    show_default=True,
    help="Time between two rows, in time units; with 1 time counts steps.",
)
@click.option("--variable", metavar="NAME", help="Which variable of a .nc file.")
@click.option("--overwrite", is_flag=True, help="Replace the file.")
@click.option(
    "--take-over",
    is_flag=True,
    help="Replace what a process of another host had that is known to be gone.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The netCDF file to write.",
)
def series(
    source: Path,
    interval: float,
    variable: str | None,
    overwrite: bool,
    take_over: bool,
    output: Path,
) -> None:
    """Store a series, and say what it is."""
    from recorders.series import record_series

    with record_series(
        source,
        output,
        interval=interval,
        variable=variable,
        overwrite=overwrite,
        take_over=take_over,
    ) as recording:
        times, columns = recording.sizes["time"], recording.sizes["component"]
    plural = "s" if columns != 1 else ""
    say(
        f"{output}: {source.name}, {times:,} times of {columns} component{plural}, "
        f"{size(output.stat().st_size)}"
    )
