"""``nndyn onset …``: the learning rate at the onset of growth, and a recommended one."""

from __future__ import annotations

from copy import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from nndyn.cli.cautions import caution, caution_folder
from nndyn.cli.configuration import config_option
from nndyn.cli.lazy import if_interrupted
from nndyn.cli.output import counted, duration, print_json, say
from nndyn.cli.parameters import FilePath, Number, Whole
from nndyn.cli.progress import command_bar, log, quiet_option
from nndyn.cli.record import record
from nndyn.cli.standing import of_study
from nndyn.cli.study import print_study, study_dict
from nndyn.errors import UsageError
from nndyn.options import TRAINING
from nndyn.words.text import size

#: Options of a recording that make sense for the runs of a search.
_RUNS = ("replicas", "epsilon", "perturb", "pairs", "no_control", "rescale", "seed")
_OFTEN = "evaluate"
_EVALUATED = (
    "Steps between evaluations; auto: as often as takes a twentieth of the work.  [default: auto "
    "in full batch, but a hundred a run or more; else an epoch]"
)

_GONE = "the runs were not kept; with -o they are, and the same command goes on"


def _range(ctx: click.Context, parameter: click.Parameter, text: Any) -> Any:
    """Read ``LO:HI``."""
    if text is None or isinstance(text, tuple):
        return text
    try:
        low, high = (float(part) for part in str(text).split(":"))
    except ValueError:
        raise UsageError(f"lr is {text!r}, expected LO:HI such as 0.1:10") from None
    return low, high


def _params() -> list[click.Parameter]:
    """Return the options: those of a training, of its runs, and of the search."""
    training = record.commands["training"].params
    chosen = [p for p in training if p.name in (*TRAINING, *_RUNS) and p.name not in ("lr", _OFTEN)]
    (often,) = (copy(p) for p in training if p.name == _OFTEN)
    often.help = _EVALUATED
    return [
        *chosen,
        often,
        click.Option(
            ["--lr"],
            callback=_range,
            metavar="LO:HI",
            help="Range of learning rates to search.  [default: found from the sharpness]",
        ),
        click.Option(
            ["--steps"],
            type=Whole(),
            default=300,
            show_default=True,
            help="Steps per run, at most.",
        ),
        click.Option(
            ["--seeds"],
            type=Whole(),
            default=40,
            show_default=True,
            help="Number of seeds, at most.",
        ),
        click.Option(
            ["--precision"],
            type=Number(),
            default=1.5,
            show_default=True,
            help="Ratio of the ends of the interval at which the search stops.",
        ),
        click.Option(
            ["--budget"],
            type=Whole(),
            help="Training steps of all runs together.  [default: those of 60 full runs]",
        ),
        click.Option(
            ["--threshold"],
            type=Number(),
            default=0.93,
            show_default=True,
            help="Test accuracy that counts as learned.",
        ),
        click.Option(
            ["-o", "--output"],
            type=FilePath(),
            help="Folder in which to keep the runs, as a study; the same command continues there.",
        ),
        click.Option(
            ["--mix"],
            is_flag=True,
            help="Continue there even if the rounding of this version differs.",
        ),
        click.Option(
            ["--take-over"],
            is_flag=True,
            help="Continue there with runs whose writer on another host is known to be gone.",
        ),
        click.Option(
            ["--workers"], type=Whole(), metavar="N", help="Record in N processes on this machine."
        ),
        config_option(),
        click.Option(
            ["--dry-run"], is_flag=True, help="Print what it would take and write nothing."
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object."),
        click.Option(["--strict"], is_flag=True, help="Exit with 3 if the onset is not found."),
        quiet_option(),
    ]


def _run(
    *,
    output: Path | None,
    as_json: bool,
    strict: bool,
    dry_run: bool,
    mix: bool,
    take_over: bool,
    workers: int | None,
    threshold: float,
    **options: Any,
) -> int:
    options["control"] = not options.pop("no_control")
    if dry_run:
        _say_cost(output, options, as_json=as_json, workers=workers)
        return 0
    if_interrupted((lambda: _GONE) if output is None else of_study(output))
    caution({**options, "lr": None})
    if output is not None:
        caution_folder(output)
    with command_bar("onset", "preparing") as bar:
        from nndyn import find_onset

        def tell(line: str) -> None:
            bar.what = line.partition(";")[0]
            log(line)

        found = find_onset(
            options.pop("model"),
            options.pop("data"),
            path=output,
            mix=mix,
            take_over=take_over,
            workers=workers,
            threshold=threshold,
            say=tell,
            progress=bar,
            **options,
        )
    if as_json:
        print_json(study_dict(found))
    else:
        print_study(found)
    return 3 if strict and found.attrs["verdict"] != "found" else 0


def _say_cost(
    output: Path | None, options: dict[str, Any], *, as_json: bool, workers: int | None
) -> None:
    """Print what a search takes at most."""
    from nndyn.finder.request import search_cost

    found = search_cost(path=output, **options)
    if as_json:
        print_json({key: value for key, value in asdict(found).items() if value == value})
        return
    where = "" if output is None else f"{output}: "
    spent = f", {found.spent:,} of them there already" if found.spent else ""
    each = f", dealt out to {workers}" if workers else ""
    say(
        f"{where}{found.name}, at most {counted(found.runs, 'run')} of {found.shortest:,} to "
        f"{found.steps:,} steps, of {counted(found.seeds, 'seed')} at lr {found.low:g} to "
        f"{found.high:g}; {found.budget:,} steps in all{spent}; {size(found.bytes)}; about "
        f"{duration(found.seconds)} of one process{each}. Nothing was written."
    )


onset = click.Command(
    "onset",
    callback=_run,
    help="Find the learning rate at the onset of growth with few runs, and recommend one.",
    params=_params(),
)
