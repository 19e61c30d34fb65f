"""``nndyn record KIND …``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from nndyn.cli.configuration import config_files, load_config
from nndyn.cli.lazy import if_interrupted
from nndyn.cli.output import duration, say, size
from nndyn.cli.parameters import FilePath, Tangents
from nndyn.cli.progress import command_bar, log, quiet
from nndyn.cli.series import series
from nndyn.cli.standing import of_recording
from nndyn.errors import UnknownNameError, UsageError
from nndyn.systems.catalogue import CATALOGUE, entry
from nndyn.systems.recipe import TRAINING, Recipe

if TYPE_CHECKING:
    import xarray as xr

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _common(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options every recording has, named as the arguments of `nndyn.record`."""
    options: list[Decorator] = [
        click.option("--steps", type=int, required=True, help="Steps of the system."),
        click.option(
            "--replicas", type=int, default=5, show_default=True, help="Perturbed copies."
        ),
        click.option(
            "--epsilon",
            type=float,
            default=1e-8,
            show_default=True,
            help="Perturbations are uniform in (-EPSILON, EPSILON).",
        ),
        click.option(
            "--perturb",
            type=click.Choice(["weights", "all"]),
            default="weights",
            show_default=True,
            help="Perturb the weights alone, or biases too.",
        ),
        click.option("--pairs", is_flag=True, help="Mirror every second perturbation (±)."),
        click.option("--no-control", is_flag=True, help="Leave out the unperturbed twin."),
        click.option(
            "--rescale",
            type=int,
            metavar="K",
            help="Every K steps put deviations back to their initial length.",
        ),
        click.option(
            "--store",
            default="full",
            show_default=True,
            metavar="full|every:K|distances",
            help="Which states to keep; distances are always kept.",
        ),
        click.option(
            "--state",
            type=click.Choice(["weights", "phase"]),
            default="weights",
            show_default=True,
            help="Keep the weights, or the optimizer's buffers too.",
        ),
        click.option(
            "--evaluate",
            type=int,
            metavar="K",
            help="Steps between evaluations; each step in full batch, each epoch otherwise.",
        ),
        click.option(
            "--seed",
            type=int,
            default=0,
            show_default=True,
            help="Draws weights, initial states, perturbations and batch order.",
        ),
        click.option(
            "--tangents",
            type=Tangents(),
            default="0",
            metavar="K|all",
            help="Tangent vectors to push along the reference; with them --replicas may be 0.",
        ),
        click.option(
            "--tangent-every",
            type=int,
            default=1,
            show_default=True,
            metavar="K",
            help="Steps between their orthonormalizations.",
        ),
        click.option(
            "--tangent-start",
            type=click.Choice(["weights", "random", "replicas"]),
            help="Begin in random directions of the weights, the optimizer's buffers last, of the "
            "whole phase, or in those of the perturbations.  [default: weights of trainings, "
            "random of maps and flows]",
        ),
        click.option("--resume", is_flag=True, help="Go on with the file, or start it."),
        click.option(
            "--mix",
            is_flag=True,
            help="Resume what a version with other rounding began; the file notes it.",
        ),
        click.option("--overwrite", is_flag=True, help="Replace the file."),
        click.option(
            "--take-over",
            is_flag=True,
            help="Resume or replace what a process of another host had that is known to be gone.",
        ),
        click.option(
            "--config",
            type=FilePath(dir_okay=False),
            is_eager=True,
            expose_value=False,
            callback=load_config,
            help="TOML file with options; those given here come first.",
        ),
        click.option("--dry-run", is_flag=True, help="Say what it would take, write nothing."),
        click.option(
            "-o",
            "--output",
            type=FilePath(),
            required=True,
            help="The netCDF file to write.",
        ),
        quiet,
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.group(help="Run a system with perturbed replicas and store what happens.")
def record() -> None:
    """Group of the recording commands."""


record.add_command(series)


@record.command("training", help="Record the training of a network.")
@click.option(
    "--data",
    default="digits",
    show_default=True,
    help="digits, iris, wine, breast-cancer, fashion-mnist, mnist, a .npz file or a table (.csv).",
)
@click.option(
    "--data-dir",
    type=FilePath(),
    help="Folder of the files of fashion-mnist and mnist.",
)
@click.option("--samples", type=int, metavar="N", help="Train on N samples, stratified by label.")
@click.option(
    "--model",
    help="mlp:INPUT-…-OUTPUT, such as mlp:64-32-10; cnn:CHANNELS-…, such as cnn:8-16; or "
    "package.module:factory, a function of yours that returns a torch module.  [default: that of "
    "data with a name, mlp:64-32-10 of digits]",
)
@click.option(
    "--activation",
    default="tanh",
    show_default=True,
    help="tanh, relu, sigmoid, gelu, sin or identity; of mlp: and cnn:.",
)
@click.option(
    "--init",
    help="normal:S (default normal:1 of mlp: and cnn:), xavier, kaiming or default (torch's).",
)
@click.option(
    "--loss",
    default="cross-entropy",
    show_default=True,
    help="cross-entropy (:label_smoothing=S:ignore_index=K:weight=W,W) or mse.",
)
@click.option("--optimizer", default="sgd", show_default=True, help="sgd, adam, adamw or rmsprop.")
@click.option("--lr", type=float, help="Learning rate.  [default: 0.1 of sgd, 0.001 of the others]")
@click.option("--momentum", type=float, default=0.0, show_default=True, help="Of sgd and rmsprop.")
@click.option("--nesterov", is_flag=True, help="Nesterov's form of the momentum of sgd.")
@click.option(
    "--weight-decay",
    type=float,
    default=0.0,
    show_default=True,
    help="Added to the gradient; of adamw apart from it.",
)
@click.option(
    "--betas",
    type=float,
    nargs=2,
    default=(0.9, 0.999),
    show_default=True,
    help="Of adam and adamw.",
)
@click.option("--alpha", type=float, default=0.99, show_default=True, help="Of rmsprop.")
@click.option("--clip-norm", type=float, help="Shorten gradients longer than that (l2).")
@click.option("--batch-size", type=int, help="Samples a step; full batch unless given.")
@click.option(
    "--schedule",
    default="constant",
    show_default=True,
    help="Of the learning rate: constant, cosine:T, warmup:K, step:K, step:K:G, or several "
    "joined by commas, which multiply.",
)
@click.option(
    "--sharpness",
    metavar="every:K",
    help="Extreme eigenvalues of the Hessian at every K-th step and the last.",
)
@click.option(
    "--quadratic-model",
    is_flag=True,
    help="Follow the perturbations on the quadratic expansion of the loss at the start as well.",
)
@click.option("--dtype", default="float64", show_default=True, help="float64 or float32.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@_common
def _training(**options: Any) -> None:
    chosen = {name: options.pop(name) for name in TRAINING}
    _record(lambda: Recipe("training").make(chosen, options["seed"]), options)


_PARAM = click.option(
    "--param",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the system, several numbers as A,B,C; `nndyn systems NAME` lists them.",
)
_DISCARD = click.option("--discard", type=int, help="Steps before time 0.")


_NAMES = {
    kind: ", ".join(name for name, row in CATALOGUE.items() if row.kind == kind)
    for kind in ("map", "flow", "gd")
}


@record.command("map", help=f"Record a map: {_NAMES['map']}.")
@click.argument("name")
@_PARAM
@_DISCARD
@_common
def _map(name: str, param: tuple[str, ...], discard: int | None, **options: Any) -> None:
    _record(lambda: _named_system("map", name, param, discard=discard), options)


@record.command("flow", help=f"Record a flow: {_NAMES['flow']}.")
@click.argument("name")
@_PARAM
@click.option("--dt", type=float, help="Time step.")
@click.option(
    "--method",
    type=click.Choice(["rk4", "dop853"]),
    default="rk4",
    show_default=True,
    help="Runge-Kutta steps of dt, or an adaptive method of order 8 between multiples of it.",
)
@_DISCARD
@_common
def _flow(
    name: str,
    param: tuple[str, ...],
    dt: float | None,
    method: str,
    discard: int | None,
    **options: Any,
) -> None:
    _record(
        lambda: _named_system("flow", name, param, dt=dt, method=method, discard=discard), options
    )


@record.command("gd", help=f"Record gradient descent with known exponents: {_NAMES['gd']}.")
@click.argument("name")
@_PARAM
@_DISCARD
@_common
def _gd(name: str, param: tuple[str, ...], discard: int | None, **options: Any) -> None:
    _record(lambda: _named_system("gd", name, param, discard=discard), options)


def _named_system(kind: str, name: str, param: tuple[str, ...], **options: Any) -> Any:
    values: dict[str, Any] = {k: v for k, v in options.items() if v is not None}
    for key, number, several in parameters_of(kind, name, param, "NAME=VALUE"):
        try:
            numbers = [float(part) for part in number.split(",")]
        except ValueError:
            raise UsageError(f"parameter {key} is {number!r}, expected a number") from None
        if len(numbers) > 1 and not several:
            raise UsageError(f"parameter {key} is {number!r}, expected one number")
        values[key] = numbers if several else numbers[0]
    return Recipe(name).make(values, 0)  # a seed is the recording's


def parameters_of(
    kind: str, name: str, items: Sequence[str], form: str
) -> Iterator[tuple[str, str, bool]]:
    """Take options ``--param`` apart.

    Yields
    ------
    name, text, several : str, str, bool
        The name of a parameter, what is given, and whether it is several numbers.

    Raises
    ------
    UsageError
        If one is not of the form asked for.
    UnknownNameError
        If the system has no such parameter.
    """
    known = entry(name, kind).parameters
    for item in items:
        key, equals, text = item.partition("=")
        if not equals:
            raise UsageError(f"--param is {item!r}, expected {form}")
        if key not in known:
            raise UnknownNameError(f"{name} has no parameter {key!r}; known: {', '.join(known)}")
        yield key, text, isinstance(known[key], tuple)


def _record(make: Callable[[], Any], options: dict[str, Any]) -> None:
    path = options.pop("output")
    dry_run, resume = options.pop("dry_run"), options["resume"]
    overwrite = options["overwrite"]
    if_interrupted(of_recording(path, options["steps"], dry_run=dry_run, overwrite=overwrite))
    from nndyn import record as write
    from nndyn.store import vacant
    from recorders.estimate import estimate

    options["control"] = not options.pop("no_control")
    planned = {k: v for k, v in options.items() if k not in _OF_THE_FILE}
    with command_bar(path.name, "preparing") as bar:
        system = make()
        inputs = [*config_files(), *getattr(system, "files", ())]
        vacant(path, overwrite=resume or overwrite, resumable=True, inputs=inputs)
        if dry_run:
            cost = estimate(system, **planned)
            say(
                f"{system.name}: {options['steps']:,} steps of {_replicas(cost.rows)} with "
                f"{cost.components:,} components; {size(cost.bytes)} in blocks of {cost.block} "
                f"steps; about {duration(cost.seconds)}. Nothing was written."
            )
            return
        if not resume:
            cost = estimate(system, timed=False, **planned)
            if cost.work > _LONG:
                cost = estimate(system, **planned)
                log(f"{path}: {size(cost.bytes)}, about {duration(cost.seconds)}")
        bar.doing(f"recording {system.name}")
        recording = write(system, path, **options, progress=bar)
    steps = recording.sizes["time"] - 1
    say(
        f"{path}: {system.name}, {steps:,} steps, {_replicas(recording.sizes['replica'])}, "
        f"{size(path.stat().st_size)}"
    )
    for warning in _warnings(recording):
        say(f"warning: {warning}", err=True)


def _replicas(count: int) -> str:
    return f"{count} replica{'s' if count != 1 else ''}"


def _warnings(recording: xr.Dataset) -> Iterator[str]:
    """Say what a reader of the recording has to know."""
    import numpy as np

    from nndyn.header import redrawn
    from nndyn.recording import CONTROL

    stopped = recording.attrs["status"] == "stopped"
    if stopped:
        yield recording.attrs["stop_reason"]
    control = recording["distance_l2"].values[:, recording["role"].values == CONTROL]
    if np.nanmax(control, initial=0) > 0:
        yield (
            f"the unperturbed control departs from the reference, up to {np.nanmax(control):.2g}: "
            "replicas are not rounded alike, and distances of that size mean nothing"
        )
    for r, at in redrawn(recording.attrs)[:5]:
        yield f"replica {r} met the reference and was redrawn at step {at}"
    for r, at in enumerate(recording["diverged_at"].values[1:], start=1):
        if at >= 0 and not stopped:
            yield f"replica {r} is not finite from step {at} on"


#: Options that say what to do with a file there.
_OF_THE_FILE = ("resume", "mix", "overwrite", "take_over")
#: Floating-point operations above which a run is announced with its size and expected time.
_LONG = 2e11
