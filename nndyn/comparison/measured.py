"""What the analyzers say of one recording, each asked once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.common.begins import from_perturbation
from analyzers.common.endings import ends
from analyzers.common.manifest import system_of
from analyzers.common.progress import part
from analyzers.common.sketches import components, is_sketched, trajectories
from nndyn.analysis import analyzer
from nndyn.comparison.clock import Clock, ratios
from nndyn.comparison.curves import curves
from nndyn.comparison.numbers import Number, null, of, product, ratio, warnings_of
from nndyn.comparison.options import Options
from nndyn.comparison.quantities import ANALYZERS
from nndyn.errors import DataError
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr

#: Points an autocorrelation time to which states are thinned out, where they are too many.
FINE = 8


@dataclass
class Measured:
    """One column of the comparison.

    Attributes
    ----------
    numbers : dict of str to Number
        By the names of `nndyn.comparison.quantities.QUANTITIES`.
    ratios : list of Number
        Exponents over the largest.
    verdicts, reasons : dict of str to str
        By analyzer; verdict ``-`` and the refusal where it does not apply.
    facts : dict of str to str
    dimension : int or None
        Numbers of a state.
    stationary : bool
    curves : dict of str to (n, …) float64
        See `nndyn.comparison.curves`.
    warnings : list of str
    path, identity : str
        Of the file or folder, which who asks knows; of the recording.
    runs : int
        Of which these are medians.
    """

    numbers: dict[str, Number]
    ratios: list[Number]
    verdicts: dict[str, str]
    reasons: dict[str, str]
    facts: dict[str, str]
    dimension: int | None
    stationary: bool
    curves: dict[str, Array] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    path: str = ""
    identity: str = ""
    runs: int = 1


def measure(recording: xr.Dataset, options: Options) -> Measured:
    """Ask every analyzer about a recording.

    Parameters
    ----------
    recording : xarray.Dataset
    options : Options

    Returns
    -------
    Measured

    Raises
    ------
    RecordingError
        If the file is damaged.

    Notes
    -----
    Passes over the data and peak memory are those of the analyzers, one after the other; their
    results are dropped but for numbers and a few hundred points of each curve.
    """
    stationary = bool(int(recording.attrs.get("stationary", 0)))
    found: dict[str, xr.Dataset | str] = {}
    plot: dict[str, float] = {}
    for i, name in enumerate(ANALYZERS):
        asked: dict[str, Any] = {"confidence": options.confidence}
        try:
            if name == "learning":
                asked = {} if options.threshold is None else {"threshold": options.threshold}
            elif name == "recurrence":
                plot, asked = _plot(recording, found["autocorrelation"], options)
            with part(i, len(ANALYZERS), name):
                found[name] = analyzer(name)(recording, **asked)
        except DataError as error:  # it does not apply to this recording
            found[name] = str(error)
    exponent, source = _exponent(found)
    clock = Clock(exponent, stationary)
    numbers = {
        **_numbers(recording, found, clock),
        **_recurrence(found["recurrence"], plot),
    }
    return Measured(
        numbers=numbers,
        ratios=ratios(found["spectrum"], stationary),
        verdicts={n: "-" if isinstance(r, str) else r.attrs["verdict"] for n, r in found.items()},
        reasons={n: r if isinstance(r, str) else r.attrs["reason"] for n, r in found.items()},
        facts=_facts(recording, found, exponent, source, stationary),
        dimension=_dimension(recording),
        stationary=stationary,
        curves=curves(found, clock, numbers["autocorrelation_time"], plot),
        warnings=[
            f"{n}: {line}"
            for n, r in found.items()
            if not isinstance(r, str)
            for line in warnings_of(r)
        ],
        identity=str(recording.attrs.get("recording_id", "")),
    )


def _exponent(found: dict[str, xr.Dataset | str]) -> tuple[Number, str]:
    """Return the maximum exponent, of replicas or else of tangents, and which analyzer gave it."""
    of_replicas = of(found["lyapunov"], "lyapunov_max")
    spectrum = found["spectrum"]
    if of_replicas.value is not None or isinstance(spectrum, str):
        return of_replicas, "lyapunov" if of_replicas.value is not None else ""
    values = spectrum["exponents"].values
    if isinstance(found["lyapunov"], str) and values.ndim == 1 and np.isfinite(values).any():
        largest = int(np.nanargmax(np.where(np.isfinite(values), values, -np.inf)))
        return of(spectrum, "exponents", largest), "spectrum"
    return of_replicas, ""


def _numbers(
    recording: xr.Dataset, found: dict[str, xr.Dataset | str], clock: Clock
) -> dict[str, Number]:
    """Return all numbers but those of recurrence."""
    exponent = clock.exponent
    time = of(found["autocorrelation"], "autocorrelation_time")
    transient = null("an attractor, no transient")
    forgotten = time
    if not clock.stationary:
        transient = clock.times(_transient(found["lyapunov"]))
        forgotten = null("a transient: the time belongs to the window, not to the motion")
    spectrum = found["spectrum"]
    entropy = of(spectrum, "positive_sum")
    if not isinstance(spectrum, str) and entropy.value is not None:
        largest = int(np.nanargmax(np.nan_to_num(spectrum["exponents"].values, nan=-np.inf)))
        entropy = Clock(of(spectrum, "exponents", largest), clock.stationary).over(entropy)
    dimension = "kaplan_yorke_dimension"
    if not isinstance(spectrum, str) and dimension not in spectrum:
        dimension = "kaplan_yorke_finite_time"
    walk = of(found["exploration"], "random_walk_participation_ratio")
    return {
        "lyapunov_max": exponent,
        "exponent_per_autocorrelation_time": product(exponent, forgotten),
        "exponent_per_epoch": product(exponent, _steps_of_an_epoch(recording)),
        "exponent_per_lr_time": ratio(exponent, _rate(recording)),
        "growth": of(found["lyapunov"], "growth"),
        "autocorrelation_lyapunov_times": clock.times(forgotten),
        "transient_lyapunov_times": transient,
        "entropy_bound_ratio": entropy,
        "positive_count": of(spectrum, "positive_count"),
        "kaplan_yorke_dimension": of(spectrum, dimension),
        "autocorrelation_time": time,
        "msd_exponent": of(found["exploration"], "msd_exponent"),
        "participation_over_random_walk": ratio(
            of(found["exploration"], "participation_ratio"), walk
        ),
        "training_time": of(found["learning"], "training_time"),
        "gradient_flow_time": of(found["learning"], "gradient_flow_time"),
    }


def _transient(lyapunov: xr.Dataset | str) -> Number:
    """Return how long growth lasted, from the perturbation on."""
    end = of(lyapunov, "transient_end")
    if isinstance(lyapunov, str) or end.value is None:
        return end
    return Number(end.value - float(lyapunov["time"].values[0]), note=end.note)


def _steps_of_an_epoch(recording: xr.Dataset) -> Number:
    """Return how many steps a training takes through its data."""
    if "epoch" not in recording or recording.sizes["time"] < 2:
        return null("no training: there are no epochs")
    time, epoch = (recording[name].values[[0, -1]] for name in ("time", "epoch"))
    if not epoch[1] > epoch[0]:
        return null("less than an epoch was recorded")
    return Number(float((time[1] - time[0]) / (epoch[1] - epoch[0])))


def _rate(recording: xr.Dataset) -> Number:
    """Return the learning rate of a training, where it has one."""
    system = system_of(recording)
    lr, schedule = system.get("lr"), system.get("schedule") or "constant"
    if not isinstance(lr, int | float):
        return null("no learning rate is known")
    if schedule != "constant":
        return null(f"no constant learning rate: it follows {schedule}")
    return Number(float(lr)) if lr > 0 else null("the learning rate is 0")


def _plot(
    recording: xr.Dataset, autocorrelation: xr.Dataset | str, options: Options
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return how a recurrence plot is made of a motion, and the options that say so.

    Returns
    -------
    dict of str to float
        The numbers that begin with ``recurrence_``.
    dict

    Raises
    ------
    DataError
        If the motion has no autocorrelation time.
    """
    from nndyn.results import Window

    time = of(autocorrelation, "autocorrelation_time")
    if time.value is None or isinstance(autocorrelation, str):
        raise DataError(f"no Theiler window: there is no autocorrelation time: {time.note}")
    spacing = float(autocorrelation["lag"].values[1])
    recording = from_perturbation(recording)
    states = trajectories(recording)
    count = int(ends(recording, states)[0])
    fine = time.value / spacing
    stride = max(1, min(int(fine / FINE), count // options.points))
    points = min(-(-count // stride), options.points)
    theiler = max(1, math.ceil(options.theiler * fine / stride))
    asked: dict[str, Any] = {"radius": f"rate:{options.rate}", "theiler": theiler}
    if stride > 1:
        asked["stride"] = stride
    if points * stride < count:
        first = float(states[states.dims[0]].values[0])
        asked["window"] = Window((first, first + ((points - 1) * stride + 0.5) * spacing))
    plot = {
        "recurrence_theiler": theiler,
        "recurrence_stride": stride,
        "recurrence_points": points,
        "recurrence_sampling": fine / stride,
    }
    return plot, asked


def _recurrence(recurrence: xr.Dataset | str, plot: dict[str, float]) -> dict[str, Number]:
    """Return the numbers of a recurrence plot, and how it was made."""
    names = ("rate_obtained", "determinism", "laminarity", "diagonal_entropy")
    why = recurrence if isinstance(recurrence, str) else ""
    made = ("recurrence_theiler", "recurrence_stride", "recurrence_points", "recurrence_sampling")
    return {
        **{name: Number(float(plot[name])) if name in plot else null(why) for name in made},
        **{name: of(recurrence, name) for name in names},
    }


def _facts(
    recording: xr.Dataset,
    found: dict[str, xr.Dataset | str],
    exponent: Number,
    source: str,
    stationary: bool,
) -> dict[str, str]:
    """Return what is said of a recording in words."""
    system = system_of(recording)
    unit = str(recording["time"].attrs.get("units", "step"))
    result = found.get(source, "")
    of_what = "none" if exponent.value is None else "asymptotic"
    if exponent.value is not None and not stationary:
        of_what = "of the window"
        if not isinstance(result, str) and np.isfinite(result["window"].values).all():
            of_what += " {:g}:{:g}".format(*result["window"].values)
    return {
        "kind": str(system.get("kind") or "unknown"),
        "system": str(system.get("name") or system.get("model") or ""),
        "time_unit": unit,
        "exponent_kind": of_what,
        "exponent_from": source,
        "states": "sketch"
        if is_sketched(recording)
        else "full"
        if "state" in recording
        else "none",
    }


def _dimension(recording: xr.Dataset) -> int | None:
    """Return of how many numbers a state is."""
    if is_sketched(recording):
        return components(recording, trajectories(recording))
    if "parameter_size" in recording:
        return int(recording["parameter_size"].values.sum())
    return int(recording["state"].shape[-1]) if "state" in recording else None
