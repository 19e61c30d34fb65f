"""``nndyn plot NAME PATH -o FIGURE``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import analyzers
from nndyn.cli.analyze import options_of
from nndyn.errors import UsageError
from nndyn.figures import FIGURES, draw


class _Plot(click.Group):
    """A command for every figure."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the figures."""
        return list(FIGURES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make the command of a figure, with the options of its analyzer."""
        if cmd_name not in FIGURES:
            return None
        return click.Command(
            cmd_name,
            callback=lambda **options: _run(cmd_name, **options),
            help=FIGURES[cmd_name].summary,
            short_help=FIGURES[cmd_name].summary,
            params=[
                click.Argument(["path"], type=click.Path(path_type=Path)),
                *options_of(cmd_name),
                click.Option(
                    ["-o", "--output"],
                    type=click.Path(path_type=Path, dir_okay=False),
                    required=True,
                    help="The figure: .png, .pdf or .svg.",
                ),
            ],
        )


def _run(name: str, *, path: Path, output: Path, **options: Any) -> None:
    from nndyn.store import open_recording, reading

    if output.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"{output}: expected a name that ends in .png, .pdf or .svg")
    with reading(path), open_recording(path) as recording:
        result = analyzers.load(name)(recording, **options)
    figure = draw(name, result)
    try:
        figure.savefig(output, dpi=200)
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}") from error
    click.echo(f"{output}: {result.attrs['verdict']}: {result.attrs['reason']}")


plot = _Plot("plot", help="Draw a figure of a recording.")
