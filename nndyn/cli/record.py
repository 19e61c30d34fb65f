"""``nndyn record KIND …``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from nndyn import config
from nndyn.cli.output import duration, progress_bar, size
from nndyn.errors import UnknownNameError, UsageError
from nndyn.systems.catalogue import entry

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _load_config(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    """Let a file give defaults; the command line still comes first."""
    if path is None:
        return
    options = {p.name for p in ctx.command.params if isinstance(p, click.Option) and p.name}
    values = config.read(path, options - {"config", "help"})
    for option in ctx.command.params:
        if option.name in values and option.name != "param":
            _check_kind(path, option, values[option.name])
    if isinstance(values.get("param"), dict):
        values["param"] = [f"{name}={value}" for name, value in values["param"].items()]
    ctx.default_map = values


def _check_kind(path: Path, option: click.Parameter, value: Any) -> None:
    """Refuse a value of another kind than the option's, which click would convert or choke on."""
    kind = {"integer": int, "float": int | float, "boolean": bool}.get(option.type.name, str)
    items = value if option.nargs > 1 and isinstance(value, list) else [value]
    good = len(items) == option.nargs and all(isinstance(v, kind) for v in items)
    if not good or (kind is not bool and any(isinstance(v, bool) for v in items)):
        raise UsageError(f"{path}: {option.name} is {value!r}, expected {option.type.name}")


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
        click.option("--resume", is_flag=True, help="Go on with the file, or start it."),
        click.option("--overwrite", is_flag=True, help="Replace the file."),
        click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            is_eager=True,
            expose_value=False,
            callback=_load_config,
            help="TOML file with options; those given here come first.",
        ),
        click.option("--dry-run", is_flag=True, help="Say what it would take, write nothing."),
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path),
            required=True,
            help="The netCDF file to write.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.group(help="Run a system with perturbed replicas and store what happens.")
def record() -> None:
    """Group of the recording commands."""


@record.command("training", help="Record the training of a network.")
@click.option(
    "--data",
    default="digits",
    show_default=True,
    help="digits, iris, wine or breast-cancer.",
)
@click.option("--model", required=True, help="mlp:INPUT-HIDDEN-…-OUTPUT, such as mlp:64-32-10.")
@click.option(
    "--activation",
    default="tanh",
    show_default=True,
    help="tanh, relu, sigmoid, gelu, sin or identity.",
)
@click.option("--init", help="normal:S (default normal:1), xavier, kaiming or default.")
@click.option("--loss", default="cross-entropy", show_default=True, help="cross-entropy or mse.")
@click.option("--optimizer", default="sgd", show_default=True, help="sgd or adam.")
@click.option("--lr", type=float, required=True, help="Learning rate.")
@click.option("--momentum", type=float, default=0.0, show_default=True, help="Of sgd.")
@click.option(
    "--betas", type=float, nargs=2, default=(0.9, 0.999), show_default=True, help="Of adam."
)
@click.option("--batch-size", type=int, help="Samples a step; full batch unless given.")
@click.option("--dtype", default="float64", show_default=True, help="float64 or float32.")
@_common
def _training(
    data: str,
    model: str,
    activation: str,
    init: str | None,
    loss: str,
    optimizer: str,
    lr: float,
    momentum: float,
    betas: tuple[float, float],
    batch_size: int | None,
    dtype: str,
    **options: Any,
) -> None:
    from nndyn import Training

    system = Training(
        model,
        data,
        activation=activation,
        init=init,
        loss=loss,
        optimizer=optimizer,
        lr=lr,
        momentum=momentum,
        betas=betas,
        batch_size=batch_size,
        dtype=dtype,
        seed=options["seed"],
    )
    _record(system, options)


_PARAM = click.option(
    "--param",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the system; `nndyn systems NAME` lists them.",
)
_DISCARD = click.option("--discard", type=int, help="Steps before time 0.")


@record.command("map", help="Record a map: logistic, skew_tent or henon.")
@click.argument("name")
@_PARAM
@_DISCARD
@_common
def _map(name: str, param: tuple[str, ...], discard: int | None, **options: Any) -> None:
    _record(_named_system("map", name, param, discard=discard), options)


@record.command("flow", help="Record a flow: lorenz63.")
@click.argument("name")
@_PARAM
@click.option("--dt", type=float, help="Time step of the Runge-Kutta method.")
@_DISCARD
@_common
def _flow(
    name: str, param: tuple[str, ...], dt: float | None, discard: int | None, **options: Any
) -> None:
    _record(_named_system("flow", name, param, dt=dt, discard=discard), options)


def _named_system(kind: str, name: str, param: tuple[str, ...], **options: Any) -> Any:
    from nndyn import systems

    known = entry(name, kind).parameters
    values: dict[str, Any] = {k: v for k, v in options.items() if v is not None}
    for item in param:
        key, equals, number = item.partition("=")
        if not equals:
            raise UsageError(f"--param is {item!r}, expected NAME=VALUE")
        if key not in known:
            raise UnknownNameError(f"{name} has no parameter {key!r}; known: {', '.join(known)}")
        try:
            values[key] = float(number)
        except ValueError:
            raise UsageError(f"parameter {key} is {number!r}, expected a number") from None
    return getattr(systems, name.replace("-", "_"))(**values)


def _record(system: Any, options: dict[str, Any]) -> None:
    from nndyn import record as write
    from nndyn.store import vacant
    from recorders.estimate import estimate

    path = options.pop("output")
    options["control"] = not options.pop("no_control")
    dry_run, resume = options.pop("dry_run"), options["resume"]
    planned = {k: v for k, v in options.items() if k not in ("resume", "overwrite")}
    vacant(path, overwrite=resume or options["overwrite"], cure="overwrite or resume it")
    if dry_run:
        cost = estimate(system, **planned)
        click.echo(
            f"{system.name}: {options['steps']:,} steps of {cost.rows} replicas with "
            f"{cost.components:,} components; {size(cost.bytes)} in blocks of {cost.block} steps; "
            f"about {duration(cost.seconds)}. Nothing was written."
        )
        return
    if not resume:
        cost = estimate(system, timed=False, **planned)
        if cost.work > _LONG:
            cost = estimate(system, **planned)
            click.echo(f"{path}: {size(cost.bytes)}, about {duration(cost.seconds)}", err=True)
    with progress_bar(system.name) as progress:
        recording = write(system, path, **options, progress=progress)
    steps = recording.sizes["time"] - 1
    click.echo(
        f"{path}: {system.name}, {steps:,} steps, {recording.sizes['replica']} replicas, "
        f"{size(path.stat().st_size)}"
    )
    if recording.attrs["status"] == "stopped":
        click.echo(f"warning: {recording.attrs['stop_reason']}", err=True)
    for r, at in json.loads(recording.attrs["redrawn"])[:5]:
        click.echo(f"warning: replica {r} met the reference and was redrawn at step {at}", err=True)
    for r, at in enumerate(recording["diverged_at"].values[1:], start=1):
        if at >= 0 and recording.attrs["status"] != "stopped":
            click.echo(f"warning: replica {r} is not finite from step {at} on", err=True)


#: Floating-point operations above which a run is announced with its size and expected time.
_LONG = 2e11
