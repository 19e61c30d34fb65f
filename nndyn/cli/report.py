"""``nndyn report PATH … -o PAGE``."""

from __future__ import annotations

from pathlib import Path

import click

from nndyn.cli.output import say
from nndyn.cli.parameters import FilePath
from nndyn.cli.progress import command_bar, quiet


@click.command(
    help="Write one page on recordings, a study, or what a folder holds: verdicts, figures, tables "
    "with intervals, and how everything was made. Several are compared as well. It needs no other "
    "file."
)
@click.argument("paths", metavar="PATH...", type=FilePath(), nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=FilePath(dir_okay=False),
    required=True,
    help="Page to write, .html; replaced where it exists.",
)
@quiet
def report(paths: tuple[Path, ...], output: Path) -> None:
    """Write the page."""
    from nndyn.reports.report import report as write

    with command_bar(output.name, unit="runs") as bar:
        write(paths, output, progress=bar)
    say(str(output))
