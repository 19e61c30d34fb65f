"""``nndyn onset …``: the learning rate at the onset of growth, and one to train at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nndyn.cli.configuration import config_option
from nndyn.cli.lazy import if_interrupted
from nndyn.cli.output import print_json
from nndyn.cli.parameters import FilePath
from nndyn.cli.progress import command_bar, log, quiet_option
from nndyn.cli.record import record
from nndyn.cli.standing import of_study
from nndyn.cli.study import print_study, study_dict
from nndyn.errors import UsageError
from nndyn.systems.recipe import TRAINING

#: Options of a recording that make sense for the runs of a search.
_RUNS = ("replicas", "epsilon", "perturb", "pairs", "no_control", "rescale", "evaluate", "seed")

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
    chosen = [p for p in training if p.name in (*TRAINING, *_RUNS) and p.name != "lr"]
    return [
        *chosen,
        click.Option(
            ["--lr"],
            callback=_range,
            metavar="LO:HI",
            help="Smallest and largest rate to look at; else begin where sharpness says.",
        ),
        click.Option(
            ["--steps"], type=int, default=300, show_default=True, help="Of a run, at most."
        ),
        click.Option(["--seeds"], type=int, default=40, show_default=True, help="At most."),
        click.Option(
            ["--precision"],
            type=float,
            default=1.5,
            show_default=True,
            help="Stop where the ends of the interval differ by this factor.",
        ),
        click.Option(
            ["--budget"], type=int, help="Training steps to spend.  [default: 60 full runs]"
        ),
        click.Option(
            ["--threshold"],
            type=float,
            default=0.93,
            show_default=True,
            help="Test accuracy that counts as learned.",
        ),
        click.Option(
            ["-o", "--output"],
            type=FilePath(),
            help="Keep the runs, a study, in this folder; the same command goes on there.",
        ),
        click.Option(
            ["--mix"], is_flag=True, help="Go on there with runs of a version with other rounding."
        ),
        click.Option(
            ["--take-over"],
            is_flag=True,
            help="Go on there with what processes of another host had that are known to be gone.",
        ),
        config_option(),
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object."),
        click.Option(["--strict"], is_flag=True, help="Exit with 3 where it is not found."),
        quiet_option(),
    ]


def _run(*, output: Path | None, as_json: bool, strict: bool, **options: Any) -> int:
    if_interrupted((lambda: _GONE) if output is None else of_study(output))
    options["control"] = not options.pop("no_control")
    with command_bar("onset", "preparing") as bar:
        from nndyn import find_onset

        def say(line: str) -> None:
            bar.what = line.partition(";")[0]
            log(line)

        found = find_onset(
            options.pop("model"),
            options.pop("data"),
            path=output,
            say=say,
            progress=bar,
            **options,
        )
    if as_json:
        print_json(study_dict(found))
    else:
        print_study(found)
    return 3 if strict and found.attrs["verdict"] != "found" else 0


onset = click.Command(
    "onset",
    callback=_run,
    help="Find the learning rate at the onset of growth with few runs, and one to train at.",
    params=_params(),
)
