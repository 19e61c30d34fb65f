"""``nndyn plot NAME PATH -o FIGURE``."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import click

from nndyn.cli.analyze import along, options_of, read_from, study_result
from nndyn.cli.output import say
from nndyn.cli.parameters import FilePath
from nndyn.cli.progress import analyzed, command_bar, quiet_option
from nndyn.errors import UsageError
from nndyn.figures import FIGURES, draw, save


class _Plot(click.Group):
    """A command for every figure."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the figures."""
        return [*FIGURES, "study"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make the command of a figure, with the options of its analyzer."""
        if cmd_name == "study":
            return _study
        if cmd_name not in FIGURES:
            return None
        return click.Command(
            cmd_name,
            callback=lambda **options: _run(cmd_name, **options),
            help=FIGURES[cmd_name].summary,
            short_help=FIGURES[cmd_name].summary,
            params=[
                click.Argument(["path"], type=FilePath()),
                *options_of(cmd_name),
                _output(),
                quiet_option(),
            ],
        )


def _output() -> click.Option:
    return click.Option(
        ["-o", "--output"],
        type=FilePath(dir_okay=False),
        required=True,
        callback=_drawable,
        help="The figure: .png, .pdf or .svg.",
    )


def _drawable(ctx: click.Context, parameter: click.Parameter, output: Path) -> Path:
    """Refuse a name that is of no figure, before any work."""
    from nndyn.store.locks import vacant

    if output.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"{output}: expected a name that ends in .png, .pdf or .svg")
    vacant(output, overwrite=True)
    return output


def _run(name: str, *, path: Path, output: Path, **options: Any) -> None:
    from nndyn.store import open_recording, reading
    from nndyn.store.apart import check_apart

    if path.is_dir():
        raise UsageError(f"{path} is a folder; nndyn plot study draws a study")
    check_apart(output, read_from(path, options))
    with command_bar(output.name) as bar:
        with reading(path), open_recording(path) as recording:
            result = analyzed(name, recording, bar, **options)
        bar.doing("drawing")
        save(draw(name, result), output)
    say(f"{output}: {result.attrs['verdict']}: {result.attrs['reason']}")


def _run_study(path: Path, output: Path, along: str | None) -> None:
    from nndyn.figures.study import study
    from nndyn.store.apart import check_apart
    from nndyn.studies.analysis import growth_and_learning

    check_apart(output, read_from(path))
    found = growth_and_learning(partial(study_result, path, along=along))
    for label, growth, learning in found:
        name = output
        if label:
            name = output.with_stem(f"{output.stem}_{re.sub(r'[^A-Za-z0-9.=+-]+', '-', label)}")
            check_apart(name, read_from(path))
        with command_bar(name.name, "drawing"):
            save(study(growth, learning), name)
        for result in (growth, learning):
            if result is not None:
                say(f"{name}: {result.attrs['verdict']}: {result.attrs['reason']}")


_study = click.Command(
    "study",
    callback=_run_study,
    help="Exponent, growth and training time of a study along a swept option, with the onset.",
    short_help="Exponent, growth and training time along a swept option.",
    params=[click.Argument(["path"], type=FilePath()), along(), _output(), quiet_option()],
)


plot = _Plot("plot", help="Draw a figure of a recording or a study.")
