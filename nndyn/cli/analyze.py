"""``nndyn analyze NAME PATH``: one command per analyzer, made from its signature and docstring."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import analyzers
from nndyn.cli.cautions import check_window
from nndyn.cli.lazy import Group
from nndyn.cli.output import print_json, print_result, say
from nndyn.cli.parameters import FilePath, NetcdfPath, OtherRecording, Whole, check_netcdf
from nndyn.cli.progress import analyzed, command_bar, quiet, quiet_option
from nndyn.cli.study import print_study, study_dict
from nndyn.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr


def _numbers(text: Any) -> list[float]:
    """Read ``a,b,c``."""
    if not isinstance(text, str):  # a default
        return list(text)
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r}, expected numbers separated by commas") from None


def _window(text: Any) -> Any:
    """Read ``A:B``."""
    from nndyn.results import Window

    if not isinstance(text, str):
        return text
    try:
        first, last = (float(part) for part in text.split(":"))
    except ValueError:
        raise click.BadParameter(f"{text!r}, expected two times such as 10:50") from None
    return Window((first, last))


def _radius(text: Any) -> Any:
    """Read a number, ``rate:R`` or ``scale:S``."""
    try:
        return float(text)
    except ValueError:
        return text


def click_option(option: analyzers.Option) -> click.Option:
    """Return the command-line option of an analyzer's keyword."""
    from nndyn.results import Radius, Recording, Window

    kind: Any = analyzers.without_none(option.annotation)
    metavar = None
    if kind is int:
        kind = Whole()
    elif kind == Radius:
        kind, metavar = _radius, "R|rate:R|scale:S"
    elif kind == Recording:
        kind, metavar = OtherRecording(), "FILE|N"
    flag = f"--{option.name.replace('_', '-')}"
    if kind is bool:
        return click.Option(
            [f"{flag}/--no-{flag[2:]}"], default=option.default, help=option.help, show_default=True
        )
    if typing.get_origin(kind) is Literal:
        kind = click.Choice([str(choice) for choice in typing.get_args(kind)])
    elif typing.get_origin(kind) is not None:
        kind, metavar = _numbers, "A,B,C"
    elif kind is Window:
        kind, metavar = _window, "A:B"
    return click.Option(
        [flag],
        type=kind,
        metavar=metavar,
        default=option.default,
        help=option.help,
        show_default=option.default is not None,
    )


def along() -> click.Option:
    """Return the option that says along what a study is looked at."""
    return click.Option(
        ["--along"],
        metavar="NAME",
        help="Swept option along which a study is analyzed.  [default: lr if swept]",
    )


def options_of(name: str) -> list[click.Parameter]:
    """Return the command-line options of the analyzer `name`."""
    return [click_option(option) for option in analyzers.options(analyzers.load(name))]


class _Analyze(Group):
    """A command for every row of the table, made when it is asked for."""

    unknown = "no analyzer is called {name!r}; there are {known}"

    def is_known(self, ctx: click.Context, name: str) -> bool:
        """Whether there is an analyzer of that name, with dashes or underscores."""
        return name.replace("-", "_") in self.list_commands(ctx)

    def summaries(self, ctx: click.Context) -> dict[str, str]:
        """Return a line on every analyzer, by name."""
        rows = {name: row.summary for name, row in analyzers.rows().items()}
        return {"all": _all.help or "", **rows}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the table."""
        return ["all", *analyzers.names()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Make the command of an analyzer."""
        if cmd_name == "all":
            return _all
        function = analyzers.load(cmd_name)
        summary = (function.__doc__ or "").strip().split("\n\n")[0]
        return click.Command(
            cmd_name,
            callback=lambda **options: _run(cmd_name, **options),
            help=summary,
            params=[
                click.Argument(["path"], type=FilePath()),
                *options_of(cmd_name),
                click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object."),
                click.Option(
                    ["-o", "--output"],
                    type=NetcdfPath(dir_okay=False),
                    help="Write the whole result to this netCDF file.",
                ),
                click.Option(["--overwrite"], is_flag=True, help="Replace the output file."),
                click.Option(
                    ["--strict"], is_flag=True, help="Exit with 3 if a verdict is unresolved."
                ),
                along(),
                quiet_option(),
            ],
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the analyzers with their summaries."""
        with formatter.section("Analyzers"):
            formatter.write_dl(list(self.summaries(ctx).items()))


def read_from(path: Path, options: Mapping[str, Any] | None = None) -> list[Path]:
    """Return what must not be replaced by a result: recordings, or what a study is of."""
    from nndyn.studies.folder import Folder

    others = [value for value in (options or {}).values() if isinstance(value, Path)]
    return [*(Folder(path).parts if path.is_dir() else [path]), *others]


def _run(
    name: str,
    *,
    path: Path,
    as_json: bool,
    output: Path | None,
    overwrite: bool,
    strict: bool,
    along: str | None,
    **options: Any,
) -> int:
    from nndyn.results import to_dict
    from nndyn.store import open_recording, reading, save_result, vacant

    if output is not None:
        vacant(output, overwrite=overwrite, inputs=read_from(path, options))
        check_netcdf(output)
    if path.is_dir():
        result = study_result(path, name, along=along, **options)
    elif along is not None:
        raise UsageError(f"--along is of studies, and {path} is no folder")
    else:
        with (
            command_bar(f"{name} of {path.name}") as bar,
            reading(path),
            open_recording(path) as recording,
        ):
            check_window(recording, options.get("window"))
            result = analyzed(name, recording, bar, **options)
    if output is not None:
        save_result(result, output, overwrite=overwrite)
    if path.is_dir():
        print_study(result, as_json=as_json)
    elif as_json:
        print_json(to_dict(result))
    else:
        print_result(result)
    return 3 if strict and "unresolved" in _verdicts(result) else 0


def _verdicts(result: xr.Dataset) -> list[str]:
    """Return the verdict of a result, or of every combination of options of a study."""
    each = result["verdict"].values.ravel().tolist() if "verdict" in result else []
    return [result.attrs["verdict"], *each]


@click.command("all", help="Run every analyzer that applies, with its defaults.")
@click.argument("path", type=FilePath())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@quiet
def _all(path: Path, as_json: bool) -> None:
    from nndyn.errors import DataError
    from nndyn.results import to_dict
    from nndyn.store import open_recording, reading

    result_of: Callable[[str], xr.Dataset] = partial(study_result, path)
    as_dict: Callable[[xr.Dataset], dict[str, Any]] = study_dict
    shown: Callable[[xr.Dataset], None] = print_study
    found: list[dict[str, Any]] = []
    with ExitStack() as stack:
        if not path.is_dir():
            stack.enter_context(reading(path))
            recording = stack.enter_context(open_recording(path))
            result_of, as_dict, shown = partial(_result, path, recording), to_dict, print_result
        for name in analyzers.rows():
            if not as_json:
                if found:
                    say()
                say(name)
            try:
                result = result_of(name)
            except DataError as error:  # it does not apply to this recording
                found.append({"analyzer": name, "results": {}, "reason": str(error)})
                if not as_json:
                    say(f"does not apply: {error}")
                continue
            found.append(as_dict(result))
            if not as_json:
                shown(result)
    if as_json:
        print_json({"analyses": found})


def _result(path: Path, recording: xr.Dataset, name: str) -> xr.Dataset:
    with command_bar(f"{name} of {path.name}") as bar:
        return analyzed(name, recording, bar)


def study_result(path: Path, name: str, **options: Any) -> xr.Dataset:
    """Analyze a study, with a bar."""
    from nndyn.studies.analysis import analyze_study

    with command_bar(f"{name} of {path.name}", unit="runs") as bar:
        return analyze_study(path, name, progress=bar, **options)


analyze = _Analyze(
    "analyze",
    help="Analyze a recording or a whole study, offline and without torch.",
)
