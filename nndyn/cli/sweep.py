"""``nndyn sweep KIND …``: the options of ``nndyn record KIND``, each of which may be a grid."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from nndyn.cli.cautions import caution, caution_folder
from nndyn.cli.configuration import config_files, config_option
from nndyn.cli.lazy import Group, if_interrupted
from nndyn.cli.output import counted, duration, say
from nndyn.cli.parameters import FilePath, Grid, Whole
from nndyn.cli.progress import command_bar, log, quiet_option
from nndyn.cli.record import parameters_of, record
from nndyn.cli.standing import of_study
from nndyn.errors import UsageError
from nndyn.studies.grid import numbers
from nndyn.words.text import size

if TYPE_CHECKING:
    import xarray as xr

#: Options of `nndyn record` that a sweep has its own of.
_OWN = ("seed", "resume", "mix", "overwrite", "take_over", "config", "dry_run", "output", "quiet")

_GRIDS = (
    "Every option that takes one value can be a grid: A,B,C; LO:HI:N for N values in equal steps; "
    "LO:HI:Nlog for equal ratios. Schedules, which may contain commas, are separated by "
    "semicolons. Every combination is recorded with every seed. The same command continues a sweep "
    "that was stopped."
)


def _options() -> list[click.Parameter]:
    """Return the options every sweep has."""
    return [
        click.Option(
            ["--seeds"],
            type=Whole(),
            default=1,
            show_default=True,
            metavar="N",
            help="Number of seeds per point of the grid.",
        ),
        click.Option(["--seed"], type=Whole(), default=0, show_default=True, help="First seed."),
        click.Option(
            ["--workers"], type=Whole(), metavar="N", help="Record in N processes on this machine."
        ),
        click.Option(
            ["--scheduler"],
            metavar="ADDRESS",
            help="Record on the workers of a Dask scheduler, such as tcp://host:8786.",
        ),
        click.Option(
            ["--task"], metavar="I/N", help="Record the I-th of N shares, as one job of an array."
        ),
        click.Option(
            ["--resume"], is_flag=True, help="Extend the study by values, seeds or steps."
        ),
        click.Option(
            ["--mix"],
            is_flag=True,
            help="Continue runs even if the rounding of this version differs; their files note it.",
        ),
        click.Option(["--overwrite"], is_flag=True, help="Remove the study in the folder first."),
        click.Option(
            ["--take-over"],
            is_flag=True,
            help="Continue runs whose writer on another host is known to be gone.",
        ),
        config_option(" A list is a grid."),
        click.Option(
            ["--dry-run"], is_flag=True, help="Print what it would take and write nothing."
        ),
        click.Option(
            ["-o", "--output"],
            type=FilePath(),
            required=True,
            help="Folder of the study.",
        ),
        quiet_option(),
    ]


def _swept(parameter: click.Parameter) -> click.Parameter:
    """Return an option that can be a grid; flags, pairs and arguments stay as they are."""
    single = isinstance(parameter, click.Option) and not parameter.is_flag
    if not single or parameter.nargs != 1 or parameter.multiple:
        return parameter
    option = copy.copy(parameter)
    option.type = Grid(parameter.type, ";" if parameter.name == "schedule" else ",")
    return option


class _Sweep(Group):
    """A command for every kind of system that can be recorded, made from its command there."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the kinds."""
        return ["training", "map", "flow", "gd"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make the command of a kind."""
        if cmd_name not in self.list_commands(ctx):
            return None
        single = record.commands[cmd_name]
        params = [_swept(p) for p in single.params if p.name not in _OWN]
        return click.Command(
            cmd_name,
            callback=lambda **options: _run(cmd_name, **options),
            help=f"{(single.help or '').replace('Record', 'Sweep')}\n\n{_GRIDS}",
            short_help=(single.help or "").replace("Record", "Sweep"),
            params=[*params, *_options()],
        )


def _run(
    kind: str,
    *,
    output: Path,
    seeds: int,
    seed: int,
    workers: int | None,
    scheduler: str | None,
    task: str | None,
    resume: bool,
    mix: bool,
    overwrite: bool,
    take_over: bool,
    dry_run: bool,
    **options: Any,
) -> int:
    from nndyn import sweep
    from nndyn.studies.folder import Folder
    from nndyn.studies.request import request
    from nndyn.studies.sweep import cost

    if_interrupted(of_study(output, dry_run=dry_run, overwrite=overwrite))
    name, given = _options_of(kind, options)
    if overwrite:
        Folder(output).check_apart(config_files())
    with command_bar(output.name, "preparing") as bar:
        asked = request(name, given, seeds=seeds, seed=seed)
        chosen = click.get_current_context().get_parameter_source("seeds")
        if chosen is ParameterSource.DEFAULT and list(asked.axes) == ["seed"]:
            grid = "--lr 0.25:8:16log" if kind == "training" else "--param NAME=LO:HI:N"
            raise UsageError(
                f"nothing is swept: which option is to be a grid, such as {grid}, or over how many "
                f"--seeds? 1 makes a study of one run, nndyn record {kind} a recording"
            )
        if dry_run or not output.exists():
            found = cost(asked)
            line = (
                f"{counted(found.cells, 'run')} in {counted(found.batches, 'batch')}, "
                f"{found.steps:,} steps; {size(found.bytes)}; about {duration(found.seconds)} of "
                "one process"
            )
            if dry_run:
                caution(given)
                caution_folder(output)
                say(f"{output}: {line}. Nothing was written.")
                return 0
            if found.seconds > 10.0:
                log(f"{output}: {line}")
        caution(given)
        caution_folder(output)
        bar.doing(f"recording {name}")
        index = sweep(
            name,
            output,
            seeds=seeds,
            seed=seed,
            workers=workers,
            scheduler=scheduler,
            task=task,
            resume=resume,
            mix=mix,
            overwrite=overwrite,
            take_over=take_over,
            progress=bar,
            **given,
        )
    return _say(index, output)


def _options_of(kind: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of the system, and its options as `nndyn.sweep` takes them."""
    options["control"] = not options.pop("no_control")
    name = kind if kind == "training" else str(options.pop("name"))
    if kind == "training":
        return name, options
    items = options.pop("param")
    for key, text, several in parameters_of(kind, name, items, "NAME=VALUE or NAME=GRID"):
        value = numbers(key, text)
        options[key] = tuple(value) if several and isinstance(value, list) else value
    return name, {k: v for k, v in options.items() if v is not None}


def _say(index: xr.Dataset, output: Path) -> int:
    """Print what there is of a study, and what failed; return the exit code."""
    status = index["status"].values.ravel()
    kinds = dict.fromkeys(str(s) for s in status)
    counts = ", ".join(f"{int((status == kind).sum())} {kind}" for kind in kinds)
    axes = " x ".join(
        counted(n, "seed") if name == "seed" else f"{n} {name}" for name, n in index.sizes.items()
    )
    say(f"{output}: {counted(status.size, 'run')} ({axes}): {counts}")
    failed = status == "failed"
    reasons = index["reason"].values.ravel()[failed]
    paths = index["path"].values.ravel()[failed]
    for path, reason in list(zip(paths, reasons, strict=True))[:5]:
        say(f"failed: {path}: {reason}", err=True)
    if len(reasons) > 5:
        say(f"failed: {len(reasons) - 5} more runs", err=True)
    return int(failed.any())


sweep = _Sweep("sweep", help=f"Record a study: a folder of recordings over a grid.\n\n{_GRIDS}")
