"""The options of every recording, named as the arguments of `nndyn.record`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from nndyn.cli.configuration import load_config
from nndyn.cli.parameters import FilePath, NetcdfPath, Number, Tangents, Whole
from nndyn.cli.progress import quiet_option

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

#: Options that do nothing but for trainings: taken of maps and flows too, and not in their help.
_OF_TRAININGS = ("perturb", "state", "evaluate")
#: What the help of maps and flows says of them.
WITHOUT_EFFECT = (
    "For scripts that record trainings as well, these are taken and change nothing: "
    f"{', '.join(f'--{name}' for name in _OF_TRAININGS)}."
)
#: What others say in the help of maps and flows.
_OF_FORMULAS = {
    "seed": {"help": "Draws initial states and perturbations."},
    "tangent_start": {
        "metavar": "random|replicas",
        "help": "Begin in random directions, or in those of the perturbations.  [default: random]",
    },
}


def recording_options(*, training: bool = False) -> Decorator:
    """Return a decorator that gives a command the options of a recording.

    Parameters
    ----------
    training : bool, default False
        Whether it records trainings, for which some options are alone.

    Returns
    -------
    callable
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(_options()):
            if not training and option.name in _OF_TRAININGS:
                option.hidden = True
            for key, text in {} if training else _OF_FORMULAS.get(option.name, {}).items():
                setattr(option, key, text)
            with_option(function, option)
        return function

    return decorate


def with_option(function: Callable[..., Any], option: click.Option) -> None:
    """Put an option before those that a function has that becomes a command."""
    function.__dict__.setdefault("__click_params__", []).append(option)


def _options() -> list[click.Option]:
    return [
        click.Option(["--steps"], type=Whole(), required=True, help="Steps of the system."),
        click.Option(
            ["--replicas"], type=Whole(), default=5, show_default=True, help="Perturbed copies."
        ),
        click.Option(
            ["--epsilon"],
            type=Number(),
            default=1e-8,
            show_default=True,
            help="Perturbations are uniform in (-EPSILON, EPSILON).",
        ),
        click.Option(
            ["--perturb"],
            type=click.Choice(["weights", "all"]),
            default="weights",
            show_default=True,
            help="Perturb the weights alone, or biases too.",
        ),
        click.Option(["--pairs"], is_flag=True, help="Mirror every second perturbation (±)."),
        click.Option(["--no-control"], is_flag=True, help="Leave out the unperturbed twin."),
        click.Option(
            ["--rescale"],
            type=Whole(),
            metavar="K",
            help="Every K steps put deviations back to their initial length.",
        ),
        click.Option(
            ["--store"],
            default="full",
            show_default=True,
            metavar="full|every:K|distances",
            help="Which states to keep; distances are always kept.",
        ),
        click.Option(
            ["--state"],
            type=click.Choice(["weights", "phase"]),
            default="weights",
            show_default=True,
            help="Keep the weights, or the optimizer's buffers too.",
        ),
        click.Option(
            ["--evaluate"],
            type=Whole(),
            metavar="K",
            help="Steps between evaluations; each step in full batch, each epoch otherwise.",
        ),
        click.Option(
            ["--seed"],
            type=Whole(),
            default=0,
            show_default=True,
            help="Draws weights, initial states, perturbations and batch order.",
        ),
        click.Option(
            ["--tangents"],
            type=Tangents(),
            default="0",
            metavar="K|all",
            help="Tangent vectors to push along the reference; with them --replicas may be 0.",
        ),
        click.Option(
            ["--tangent-every"],
            type=Whole(),
            default=1,
            show_default=True,
            metavar="K",
            help="Steps between their orthonormalizations.",
        ),
        click.Option(
            ["--tangent-start"],
            type=click.Choice(["weights", "random", "replicas"]),
            help="Begin in random directions of the weights, the optimizer's buffers last, of the "
            "whole phase, or in those of the perturbations.  [default: weights of trainings, "
            "random of maps and flows]",
        ),
        click.Option(["--resume"], is_flag=True, help="Go on with the file, or start it."),
        click.Option(
            ["--mix"],
            is_flag=True,
            help="Resume what a version with other rounding began; the file notes it.",
        ),
        click.Option(["--overwrite"], is_flag=True, help="Replace the file."),
        click.Option(
            ["--take-over"],
            is_flag=True,
            help="Resume or replace what a process of another host had that is known to be gone.",
        ),
        click.Option(
            ["--config"],
            type=FilePath(dir_okay=False),
            is_eager=True,
            expose_value=False,
            callback=load_config,
            help="TOML file with options; those given here come first.",
        ),
        click.Option(["--dry-run"], is_flag=True, help="Say what it would take, write nothing."),
        click.Option(
            ["-o", "--output"],
            type=NetcdfPath(),
            required=True,
            help="The netCDF file to write.",
        ),
        quiet_option(),
    ]
