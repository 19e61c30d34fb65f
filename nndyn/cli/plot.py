"""``nndyn plot NAME PATH -o FIGURE``."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nndyn.cli.analyze import along, options_of, read_from, study_result
from nndyn.cli.cautions import check_window
from nndyn.cli.lazy import Group
from nndyn.cli.output import say
from nndyn.cli.parameters import FilePath, Number
from nndyn.cli.progress import analyzed, command_bar, quiet_option
from nndyn.errors import UsageError
from nndyn.figures import FIGURES, draw, save
from nndyn.figures.style import Look, checked
from nndyn.words.dialect import flags

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Figures that can be of a whole study as well: the curves of all its runs.
_CURVES = ("lyapunov", "learning")
#: How a figure looks.
_LOOK = ("title", "size", "dpi", "style")


class Size(click.ParamType):  # type: ignore[type-arg]
    """Width and height, ``4x3``, or a width, in inches."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a width, or width and height."""
        if not isinstance(value, str):
            return value
        try:
            sides = tuple(float(side) for side in re.split("[x\u00d7,]", value.lower()))
        except ValueError:
            sides = ()
        if len(sides) not in (1, 2):
            raise UsageError(
                f"size is {value!r}, expected inches: WIDTHxHEIGHT, such as 4x3, or a width"
            )
        return sides if len(sides) == 2 else sides[0]


class _Plot(Group):
    """A command for every figure."""

    def summaries(self, ctx: click.Context) -> dict[str, str]:
        """Return a line on every figure, by name."""
        rows = {name: row.summary for name, row in FIGURES.items()}
        return {**rows, **{name: one.short_help or "" for name, one in _STUDIES.items()}}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the figures."""
        return [*FIGURES, *_STUDIES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make the command of a figure, with the options of its analyzer."""
        if cmd_name in _STUDIES:
            return _STUDIES[cmd_name]
        if cmd_name not in FIGURES:
            return None
        summary = FIGURES[cmd_name].summary
        more = " For a study, the curves of all its runs." if cmd_name in _CURVES else ""
        return click.Command(
            cmd_name,
            callback=lambda **options: _run(cmd_name, **options),
            help=summary + more,
            short_help=summary,
            params=[
                click.Argument(["path"], type=FilePath()),
                *options_of(cmd_name),
                *([along()] if more else []),
                *_drawing(),
            ],
        )


def _drawing() -> list[click.Parameter]:
    """Return the options that every figure has."""
    return [
        click.Option(
            ["-o", "--output"],
            type=FilePath(dir_okay=False),
            required=True,
            callback=_drawable,
            help="Figure to write: .png, .pdf or .svg.",
        ),
        click.Option(["--title"], help="Title of the figure."),
        click.Option(
            ["--size"],
            type=Size(),
            metavar="WIDTHxHEIGHT",
            help="Size in inches: 4x3, or a width alone.",
        ),
        click.Option(["--dpi"], type=Number(), help="Dots per inch.  [default: 200]"),
        click.Option(["--style"], metavar="NAME", help="Matplotlib style, or a .mplstyle file."),
        quiet_option(),
    ]


def _drawable(ctx: click.Context, parameter: click.Parameter, output: Path) -> Path:
    """Refuse a name that is of no figure, before any work."""
    from nndyn.store.locks import vacant

    if output.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"{output}: expected a name that ends in .png, .pdf or .svg")
    vacant(output, overwrite=True)
    return output


def _look(options: dict[str, Any]) -> Look:
    """Take how the figure is to look from the options, and check it before any work."""
    return checked({key: options.pop(key) for key in _LOOK})


def _run(name: str, *, path: Path, output: Path, along: str | None = None, **options: Any) -> None:
    from nndyn.store import open_recording, reading
    from nndyn.store.apart import check_apart

    look = _look(options)
    if path.is_dir():
        if name not in _CURVES:
            known = ", ".join(f"nndyn plot {one}" for one in (*_STUDIES, *_CURVES))
            raise UsageError(f"{path} is a folder; of a study there are {known}")
        _run_curves(name, path, output, along, options, look)
        return
    if along is not None:
        raise UsageError(f"--along is of studies, and {path} is no folder")
    check_apart(output, read_from(path, options))
    with command_bar(output.name) as bar:
        with reading(path), open_recording(path) as recording:
            check_window(recording, options.get("window"))
            result = analyzed(name, recording, bar, **options)
        bar.doing("drawing")
        _save(draw(name, result, **look), output)
    say(f"{output}: {result.attrs['verdict']}: {result.attrs['reason']}")


def _run_curves(
    name: str,
    path: Path,
    output: Path,
    along: str | None,
    options: dict[str, Any],
    look: Look,
) -> None:
    from nndyn.figures.curves import NEEDED, curves
    from nndyn.store.apart import check_apart
    from nndyn.studies.analysis import run_results

    check_apart(output, read_from(path, options))
    with command_bar(f"{name} of {path.name}", unit="runs") as bar:
        rate, found = run_results(
            path, name, keep=NEEDED[name], along=along, progress=bar, **options
        )
    for label, runs in found:
        made = curves(name, runs, rate, **look)
        _save_part(made, path, output, label if len(found) > 1 else "", _below(made))


def _run_study(path: Path, output: Path, along: str | None, **options: Any) -> None:
    from nndyn.figures.study import study
    from nndyn.store.apart import check_apart
    from nndyn.studies.analysis import growth_and_learning

    look = _look(options)
    check_apart(output, read_from(path))
    found = growth_and_learning(partial(study_result, path, along=along))
    for label, growth, learning in found:
        results = [one for one in (growth, learning) if one is not None]
        lines = [f"{one.attrs['verdict']}: {one.attrs['reason']}" for one in results]
        _save_part(study(growth, learning, **look), path, output, label, *lines)


def _run_verdicts(path: Path, output: Path, along: str | None, **options: Any) -> None:
    from nndyn.figures.verdicts import maps, verdicts
    from nndyn.store.apart import check_apart

    look = _look(options)
    check_apart(output, read_from(path))
    for label, part in maps(study_result(path, "lyapunov", along=along)):
        made = verdicts(part, **look)
        _save_part(made, path, output, label, _below(made))


def _save(figure: Figure, output: Path) -> None:
    """Save a figure; the words below it name options as the command line does."""
    caption = getattr(figure, "caption", None)
    if caption is not None:
        caption.set_text(flags(caption.get_text()))
    save(figure, output)


def _below(figure: Figure) -> str:
    """Return the words below a figure."""
    caption = getattr(figure, "caption", None)
    return "" if caption is None else str(caption.get_text())


def _save_part(figure: Figure, path: Path, output: Path, label: str, *lines: str) -> None:
    """Save the figure of one combination of options, and say what it shows."""
    from nndyn.store.apart import check_apart

    name = output
    if label:
        name = output.with_stem(f"{output.stem}_{re.sub(r'[^A-Za-z0-9.=+-]+', '-', label)}")
        check_apart(name, read_from(path))
    with command_bar(name.name, "drawing"):
        _save(figure, name)
    for line in lines:
        say(f"{name}: {line}")


def _of_study(name: str, callback: Callable[..., None], text: str, short: str) -> click.Command:
    params: list[click.Parameter] = [click.Argument(["path"], type=FilePath()), along()]
    return click.Command(
        name, callback=callback, help=text, short_help=short, params=[*params, *_drawing()]
    )


_STUDIES = {
    "study": _of_study(
        "study",
        _run_study,
        "Exponent, growth and training time of a study along a swept option, with the onset.",
        "Exponent, growth and training time along a swept option.",
    ),
    "verdicts": _of_study(
        "verdicts",
        _run_verdicts,
        "The verdict of every run of a study, as a map over one or two swept options.",
        "Map of the verdicts of a study over one or two swept options.",
    ),
}


plot = _Plot("plot", help="Draw a figure of a recording or a study.")
