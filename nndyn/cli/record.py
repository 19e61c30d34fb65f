"""``nndyn record KIND …``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from nndyn.cli.cautions import caution
from nndyn.cli.checkpoints import checkpoints
from nndyn.cli.configuration import config_files
from nndyn.cli.lazy import Group, if_interrupted
from nndyn.cli.output import duration, say
from nndyn.cli.parameters import Name, Number, Whole, check_netcdf
from nndyn.cli.progress import command_bar, log
from nndyn.cli.series import series
from nndyn.cli.signature import WITHOUT_EFFECT, recording_options
from nndyn.cli.standing import of_recording
from nndyn.errors import UnknownNameError, UsageError
from nndyn.options import TRAINING
from nndyn.systems.catalogue import CATALOGUE, entry
from nndyn.systems.recipe import Recipe
from nndyn.words.calibration import calibration
from nndyn.words.names import did_you_mean
from nndyn.words.text import size

if TYPE_CHECKING:
    import xarray as xr


@click.group(cls=Group, help="Record a system: a reference, perturbed replicas and a control.")
def record() -> None:
    """Group of the recording commands."""


record.add_command(series)
record.add_command(checkpoints)


@record.command("training", help="Record the training of a network.")
@recording_options(training=True)
def _training(**options: Any) -> None:
    chosen = {name: options.pop(name) for name in TRAINING}
    _record(lambda: Recipe("training").make(chosen, options["seed"]), options, chosen)


_PARAM = click.option(
    "--param",
    multiple=True,
    metavar="NAME=VALUE",
    help="Parameter of the system, several numbers as A,B,C; `nndyn systems NAME` lists them.",
)
_DISCARD = click.option("--discard", type=Whole(), help="Number of steps to discard before time 0.")


_NAMES = {
    kind: [name for name, row in CATALOGUE.items() if row.kind == kind]
    for kind in ("map", "flow", "gd")
}


@record.command("map", help=f"Record a map: {', '.join(_NAMES['map'])}.", epilog=WITHOUT_EFFECT)
@click.argument("name", type=Name(_NAMES["map"]))
@_PARAM
@_DISCARD
@recording_options()
def _map(name: str, param: tuple[str, ...], discard: int | None, **options: Any) -> None:
    _record(lambda: _named_system("map", name, param, discard=discard), options)


@record.command("flow", help=f"Record a flow: {', '.join(_NAMES['flow'])}.", epilog=WITHOUT_EFFECT)
@click.argument("name", type=Name(_NAMES["flow"]))
@_PARAM
@click.option("--dt", type=Number(), help="Time step.")
@click.option(
    "--method",
    type=click.Choice(["rk4", "dop853"]),
    default="rk4",
    show_default=True,
    help="Integrator: Runge-Kutta steps of dt, or adaptive steps of order 8 between its multiples.",
)
@_DISCARD
@recording_options()
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


@record.command(
    "gd",
    help=f"Record gradient descent with known exponents: {', '.join(_NAMES['gd'])}.",
    epilog=WITHOUT_EFFECT,
)
@click.argument("name", type=Name(_NAMES["gd"]))
@_PARAM
@_DISCARD
@recording_options()
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
            raise UnknownNameError(
                f"{name} has no parameter {key!r}; known: {', '.join(known) or 'none'}"
                f"{did_you_mean(key, known)}"
            )
        yield key, text, isinstance(known[key], tuple)


def _record(
    make: Callable[[], Any], options: dict[str, Any], chosen: Mapping[str, Any] | None = None
) -> None:
    path = options.pop("output")
    dry_run, resume = options.pop("dry_run"), options["resume"]
    overwrite = options["overwrite"]
    how = {"dry_run": dry_run, "overwrite": overwrite, "resume": resume}
    if_interrupted(of_recording(path, options["steps"], **how))
    from nndyn import record as write
    from nndyn.header import manifest
    from nndyn.store import vacant
    from recorders.trials.cost import estimate

    options["control"] = not options.pop("no_control")
    planned = {k: v for k, v in options.items() if k not in _OF_THE_FILE}
    with command_bar(path.name, "preparing") as bar:
        system = make()
        inputs = [*config_files(), *getattr(system, "files", ())]
        vacant(path, overwrite=resume or overwrite, resumable=True, inputs=inputs)
        check_netcdf(path)
        if dry_run:
            cost = estimate(system, **planned)
            caution({**options, **(chosen or {})})
            say(
                f"{system.name}: {options['steps']:,} steps of {_replicas(cost.rows)} with "
                f"{cost.components:,} components; {size(cost.bytes)} in blocks of {cost.block} "
                f"steps; about {duration(cost.seconds)}. Nothing was written."
            )
            return
        if not resume:
            cost = estimate(system, timed=False, **planned)
            caution({**options, **(chosen or {})})
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
    if text := calibration(manifest(recording.attrs, str(path), made=True)):
        say(f"epsilon {text}")
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
    controls = np.flatnonzero(recording["role"].values == CONTROL)
    control = recording["distance_l2"].values[:, controls] if controls.size else np.zeros(1)
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
