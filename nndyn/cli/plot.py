"""``nndyn plot NAME PATH -o FIGURE``."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import analyzers
from nndyn.cli import compare
from nndyn.cli.analyze import along, click_option, read_from, study_result
from nndyn.cli.cautions import check_window
from nndyn.cli.lazy import Group
from nndyn.cli.output import say
from nndyn.cli.parameters import FilePath, Number
from nndyn.cli.progress import command_bar, quiet_option
from nndyn.errors import DataError, UsageError
from nndyn.figures import FIGURES, draw, result_maker, save
from nndyn.figures.style import Look, checked
from nndyn.words.dialect import flags

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from nndyn.runtime.progress import Bar

#: Figures that can be of a whole study as well: the curves of all its runs.
_CURVES = ("lyapunov", "learning")
#: Figure that can be an animation as well.
_MOVING = "lyapunov"
#: How files of figures end, and animations.
_FORMS, _ANIMATION = ("png", "pdf", "svg"), "gif"
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
                *map(click_option, analyzers.options(result_maker(cmd_name))),
                *([along()] if more else []),
                *_drawing(cmd_name == _MOVING),
            ],
        )


def _drawing(moving: bool = False) -> list[click.Parameter]:
    """Return the options that every figure has."""
    forms = (*_FORMS, _ANIMATION)
    more = ", or .gif, which moves" if moving else ""
    return [
        click.Option(
            ["-o", "--output"],
            type=FilePath(dir_okay=False),
            required=True,
            callback=_vacant,
            help=f"Figure to write: .png, .pdf or .svg{more}.",
        ),
        click.Option(
            ["--format", "form"],
            type=click.Choice(forms, case_sensitive=False),
            metavar=None if moving else f"[{'|'.join(_FORMS)}]",
            help="What to write.  [default: as the name of the figure ends]",
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


def _vacant(ctx: click.Context, parameter: click.Parameter, output: Path) -> Path:
    """Refuse a name at which nothing can be written, before any work."""
    from nndyn.store.locks import vacant

    vacant(output, overwrite=True)
    return output


def _form(output: Path, form: str | None, *, moves: bool) -> str:
    """Return what is to be written, and refuse what no figure is, before any work."""
    ending = output.suffix[1:].lower()
    known = (*_FORMS, _ANIMATION)
    if form is None and ending not in known:
        raise UsageError(f"{output}: expected a name that ends in .png, .pdf or .svg")
    if form is not None and ending in known and ending != form:
        raise UsageError(f"format is {form}, and {output} ends in .{ending}; leave out one of them")
    form = form or ending
    if form == _ANIMATION and not moves:
        raise UsageError(
            f"{output}: a .gif moves, and this figure does not; expected .png, .pdf or .svg, or "
            f"`nndyn plot {_MOVING}` of a recording, which draws a separation as it grows"
        )
    return form


def _look(options: dict[str, Any]) -> Look:
    """Take how the figure is to look from the options, and check it before any work."""
    return checked({key: options.pop(key) for key in _LOOK})


def _run(
    name: str,
    *,
    path: Path,
    output: Path,
    form: str | None,
    along: str | None = None,
    **options: Any,
) -> None:
    from nndyn.store import open_recording, reading
    from nndyn.store.apart import check_apart

    look = _look(options)
    form = _form(output, form, moves=name == _MOVING and not path.is_dir())
    if path.is_dir():
        if name not in _CURVES:
            known = ", ".join(f"nndyn plot {one}" for one in (*_STUDIES, *_CURVES))
            raise UsageError(f"{path} is a folder; of a study there are {known}")
        _draw_runs(name, path, output, form, along, options, look)
        return
    if along is not None:
        raise UsageError(f"--along is of studies, and {path} is no folder")
    check_apart(output, read_from(path, options))
    with command_bar(output.name) as bar:
        with reading(path), open_recording(path) as recording:
            check_window(recording, options.get("window"))
            result = _made(name, recording, bar, **options)
            beside = _components(recording, bar) if form == _ANIMATION else None
        bar.doing("drawing")
        if form == _ANIMATION:
            _save_animation(result, beside, output, look)
        else:
            _save(draw(name, result, **look), output, form)
    say(f"{output}: {result.attrs['verdict']}: {result.attrs['reason']}")


def _made(name: str, recording: xr.Dataset, bar: Bar, **options: Any) -> xr.Dataset:
    """Return what a figure draws, and let a bar follow."""
    from analyzers.common.progress import telling

    with telling(bar.share):
        return result_maker(name)(recording, **options)


def _components(recording: xr.Dataset, bar: Bar) -> xr.Dataset | None:
    """Return the paths to be drawn beside a separation, None of what has none."""
    try:
        return _made("path", recording, bar)
    except DataError:  # no states, or of one number: the distances alone
        return None


def _save_animation(
    result: xr.Dataset, components: xr.Dataset | None, output: Path, look: Look
) -> None:
    """Save a separation that moves; the words below it name options as the command line does."""
    from nndyn.figures.animation import animation
    from nndyn.store.files import write_whole

    said = result.assign_attrs(reason=flags(str(result.attrs["reason"])))
    write_whole(output, animation(said, components, **look))


def _run_runs(
    name: str, *, path: Path, output: Path, form: str | None, along: str | None, **options: Any
) -> None:
    look = _look(options)
    form = _form(output, form, moves=False)
    if path.is_file():
        raise UsageError(f"nndyn plot {name} is of studies, and {path} is no folder")
    _draw_runs(name, path, output, form, along, options, look)


def _draw_runs(
    name: str,
    path: Path,
    output: Path,
    form: str,
    along: str | None,
    options: dict[str, Any],
    look: Look,
) -> None:
    from nndyn.figures.runs import of_runs
    from nndyn.store.apart import check_apart

    check_apart(output, read_from(path, options))
    with command_bar(f"{name} of {path.name}", unit="runs") as bar:
        parts = of_runs(name, path, along=along, progress=bar, **options)
    for label, figure in parts:
        made = figure(**look)
        _save_part(made, path, output, form, label if len(parts) > 1 else "", _below(made))


def _run_study(
    path: Path, output: Path, form: str | None, along: str | None, **options: Any
) -> None:
    from nndyn.figures.study import study
    from nndyn.store.apart import check_apart
    from nndyn.studies.analysis import growth_and_learning

    look = _look(options)
    form = _form(output, form, moves=False)
    check_apart(output, read_from(path))
    found = growth_and_learning(partial(study_result, path, along=along))
    for label, growth, learning in found:
        results = [one for one in (growth, learning) if one is not None]
        lines = [f"{one.attrs['verdict']}: {one.attrs['reason']}" for one in results]
        _save_part(study(growth, learning, **look), path, output, form, label, *lines)


def _run_verdicts(
    path: Path, output: Path, form: str | None, along: str | None, **options: Any
) -> None:
    from nndyn.figures.verdicts import maps, verdicts
    from nndyn.store.apart import check_apart

    look = _look(options)
    form = _form(output, form, moves=False)
    check_apart(output, read_from(path))
    for label, part in maps(study_result(path, "lyapunov", along=along)):
        made = verdicts(part, **look)
        _save_part(made, path, output, form, label, _below(made))


def _save(figure: Figure, output: Path, form: str) -> None:
    """Save a figure; the words below it name options as the command line does."""
    caption = getattr(figure, "caption", None)
    if caption is not None:
        caption.set_text(flags(caption.get_text()))
    save(figure, output, form)


def _below(figure: Figure) -> str:
    """Return the words below a figure."""
    caption = getattr(figure, "caption", None)
    return "" if caption is None else str(caption.get_text())


def _save_part(
    figure: Figure, path: Path, output: Path, form: str, label: str, *lines: str
) -> None:
    """Save the figure of one combination of options, and say what it shows."""
    from nndyn.store.apart import check_apart

    name = output
    if label:
        name = output.with_stem(f"{output.stem}_{re.sub(r'[^A-Za-z0-9.=+-]+', '-', label)}")
        check_apart(name, read_from(path))
    with command_bar(name.name, "drawing"):
        _save(figure, name, form)
    for line in lines:
        say(f"{name}: {line}")


def _of_study(
    name: str, callback: Callable[..., None], text: str, short: str, *own: click.Parameter
) -> click.Command:
    params: list[click.Parameter] = [click.Argument(["path"], type=FilePath()), *own, along()]
    return click.Command(
        name, callback=callback, help=text, short_help=short, params=[*params, *_drawing()]
    )


def _quantity() -> click.Option:
    return click.Option(
        ["--quantity"],
        metavar="NAME",
        help="Such as loss, test_accuracy, sharpness, or component:K, a number of the state."
        "  [default: loss, of what has none component:0]",
    )


def _run_compare(paths: tuple[Path, ...], output: Path, form: str | None, **options: Any) -> None:
    from nndyn.figures.comparison import comparison
    from nndyn.store.apart import check_apart

    look = _look(options)
    form = _form(output, form, moves=False)
    check_apart(output, compare.parts(paths))
    result = compare.compared(paths, **options)
    _save(comparison(result, **look), output, form)
    say(f"{output}: {result.attrs['verdict']}: {result.attrs['reason']}")
    compare.warn(result)


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
    "curves": _of_study(
        "curves",
        partial(_run_runs, "curves"),
        "A quantity over time, of the runs of a study: medians and quartiles over seeds.",
        "A quantity over time, with medians and quartiles over seeds.",
        _quantity(),
    ),
    "orbit": _of_study(
        "orbit",
        partial(_run_runs, "orbit"),
        "The last values of a quantity against the swept option of a study: of a map, its "
        "bifurcation diagram.",
        "Last values of a quantity against the swept option.",
        _quantity(),
        click.Option(
            ["--last"],
            type=Number(),
            default=0.25,
            show_default=True,
            metavar="N",
            help="How many values of each run, or below 1 which share of them.",
        ),
    ),
    "compare": click.Command(
        "compare",
        callback=_run_compare,
        help="Separation, spectra, displacement and recurrence of recordings side by side.",
        short_help="Recordings side by side, on clocks in common.",
        params=[*compare.options(), *_drawing()],
    ),
}


plot = _Plot("plot", help="Draw a figure of a recording or a study.")
