"""The maximum Lyapunov exponent of a recording, from the separation of its replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from analyzers.common.begins import from_perturbation
from analyzers.common.progress import part
from analyzers.growth.attractor import attractor
from analyzers.growth.cures import earlier, in_force
from analyzers.growth.divergence import ends_before, escape, leaving
from analyzers.growth.separation import Separation, require, separation
from analyzers.growth.valid_region import valid_region
from analyzers.lyapunov.beside.alternatives import Alternatives, alternatives
from analyzers.lyapunov.beside.functions import functions
from analyzers.lyapunov.beside.parameters import NAMES, by_parameter, coordinate, parted
from analyzers.lyapunov.curves import curves, finite_time, replica_exponents, replicas
from analyzers.lyapunov.estimators import along_stationary, along_transient, leave_out_kinks
from analyzers.lyapunov.labels import diverged, numbers, summary
from analyzers.lyapunov.tangent_continuation import continued
from analyzers.lyapunov.verdict import Verdict
from nndyn.checks import choice, number, share
from nndyn.errors import DataError, UsageError
from nndyn.results import Quantity, Window, result

if TYPE_CHECKING:
    import xarray as xr


def lyapunov(
    recording: xr.Dataset,
    *,
    distance: Literal["l1", "l2", "linf", "output"] = "l2",
    burn_in: float | None = None,
    confidence: float = 0.95,
    min_growth: float = 3.0,
    drift: float = 0.005,
    window: Window | None = None,
    horizon: float | None = None,
    parameter: str | None = None,
    by: Literal["parameter", "layer"] = "parameter",
) -> xr.Dataset:
    """Maximum Lyapunov exponent from the separation of perturbed replicas.

    The curve is the mean over perturbed replicas of ``s_r(t) = ln d_r(t) + log_rescale_r(t)``.
    On a stationary recording the exponent is the curve's total growth over the elapsed time after
    a burn-in. Along a transient, training above all, it is the slope of the phase of steady growth
    with the most e-foldings, and belongs to that window: report both.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording with perturbed replicas. Attribute ``stationary`` chooses the branch.
    distance : {"l1", "l2", "linf", "output"}, default "l2"
        Norm of the deviations, or the distance of the outputs on the test set; whether deviations
        are infinitesimal is decided in l2, of the weights.
    burn_in : float, optional
        Time left out at the start; by default a twentieth of the usable part of a stationary
        recording, and the first step of a transient.
    confidence : float, default 0.95
        Level of the interval.
    min_growth : float, default 3
        Least growth of chaos, transient or not, in e-foldings.
    drift : float, default 0.005
        Slope, per step or sample, below which growth is slow drift and no chaos (transients).
    window : Window, optional
        Times between which to measure the exponent; by default those that the curve gives.
    horizon : float, optional
        Longest time over which the finite-time exponents are taken; by default all that is valid.
    parameter : str, optional
        Name of a parameter, or of a layer, whose growth and share are told too, or all.
    by : {"parameter", "layer"}, default "parameter"
        Of what they are told: of parameters, or of all that belong to a module.

    Returns
    -------
    xarray.Dataset
        Numbers, in natural logs and per unit of time: ``lyapunov_max`` (with interval), ``window``,
        ``growth`` in e-foldings, ``growth_lower_bound``, whether it ends only because deviations
        can no longer be used, ``growth_p``, how often a path of the same steps with random signs
        grows as much (transients), ``growth_per_doubling``, the e-foldings that the last doubling
        of the time added (stationary recordings), ``transient_end``, ``aligned``, ``attractor``;
        and
        ``replica_exponent`` (replica,), each replica's mean growth over the window, of a mirrored
        pair their mean at its first and NaN at its second. Curves over
        (time, replica) or (time,), each a natural log with the rescaling put back:
        ``log_separation``, ``mean_log_separation``, ``floor``, ``saturation``, ``fit``; and
        ``local_exponent`` (time), ``running_exponent`` (time, stationary recordings),
        ``finite_time_exponent`` (horizon). The verdict is ``chaotic``, ``transient``,
        ``saturated``, ``regular``, ``unresolved`` or ``diverged``.

    Raises
    ------
    UsageError
        If an option is out of range, the window holds fewer than three times, or distances by
        parameter are asked for in another norm than l2.
    UnknownNameError
        If there is no such parameter.
    DataError
        If there is no perturbed replica or distance to use, a stationary recording has fewer than
        10 usable times, deviations cannot be used in the window, or the horizon is shorter than the
        time between two states.

    Notes
    -----
    Stored distances: one pass over them. From ``state`` alone, or with mirrored pairs: one pass
    over ``state`` too, at most 64 MiB of it at a time. Beside that and the result, which has R + 7
    numbers a time for R perturbed replicas: R + 5 at most. Measured as the rise of resident memory
    at its peak (``tests/benchmarks/memory.py``): 884 MiB, result included, for 10⁷ steps of one
    replica, 1042 MiB for 10⁷ of three along a transient, 32 MiB for 200 states of 2,000,000
    weights.

    The interval of a stationary recording is over time: Student's t over batch means. That of a
    transient is over perturbations of this run, not over seeds, and no evidence for growth: a
    jackknife over replicas; those that disagree have no exponent. Growth of a transient is called
    only where ``growth_p`` is at most 0.02, see `analyzers.growth.sign_flips`; chaos of a
    stationary recording only where an exponential explains the growth and a power of time does not,
    see `analyzers.growth.doubling`. Where replicas stop being infinitesimal and there are tangents,
    the first vector is followed from there on. A stationary recording whose reference diverged has
    no numbers, unless `window` ends before that.

    Beside the exponent of a transient stand, where they were recorded, ``sharpness_ratio``
    (sharpness_time), sharpness over the limit above which a minimum repels the optimizer, and
    ``unstable_until``, the last time at which it exceeds 1; ``quadratic_exponent`` and
    ``quadratic_growth``, what the same deviations do in the same window, and over the time of the
    growth, on the quadratic expansion of the loss at the start.

    With `parameter` or `by`, in the window and the valid region of the whole run:
    ``parameter_growth`` (parameter,), ``parameter_exponent``, the share of the squared distance at
    its start, its end and in the mean (``parameter_share_start``, ``_end``, ``_mean``) and
    ``parameter_relative``, distance over length of the weights where states are stored; curves
    ``parameter_log_separation``, ``parameter_share`` and ``parameter_local_exponent`` (time,
    parameter). Parameters that act on each other have one exponent in common once deviations point
    the same way: which of them carries the growth is what the shares say. Without stored distances
    by parameter: one pass over ``state``.

    With ``distance="output"`` every number is of the function on the test set, at the times of
    evaluations, and beside them stand ``weights_growth`` and ``outputs_growth`` over the same time,
    as long as deviations of the weights are infinitesimal, and ``prediction_disagreement`` at the
    end; `reason` says whether the functions part with the weights.

    References
    ----------
    Benettin, Galgani, Giorgilli and Strelcyn, Meccanica 15 (1980) 9, doi:10.1007/BF02128236; signs:
    Romano, doi:10.1080/01621459.1990.10474928; powers of time: Contopoulos, Galgani and Giorgilli,
    doi:10.1103/PhysRevA.18.1183.
    """
    require(recording)
    _check(distance, confidence, burn_in, min_growth, drift, horizon)
    if by != "parameter" and parameter is None:
        parameter = "all"
    _check_parameter(parameter, by, distance)
    recording = from_perturbation(recording)
    if window is not None:
        window = _window(window)
    parameters = {
        "distance": distance,
        "burn_in": burn_in,
        "confidence": confidence,
        "min_growth": min_growth,
        "drift": drift,
        "window": None if window is None else list(window),
        "horizon": horizon,
        "parameter": parameter,
        "by": by,
    }
    ended = escape(recording)
    if ended and int(recording.attrs.get("stationary", 0)) and not ends_before(recording, window):
        note = f"what grows on the way out is no exponent; {earlier(window)}"
        return diverged(recording, parameters, ended, note)
    try:
        return _measure(recording, parameters, window)
    except DataError as error:
        if not ended:
            raise
        note = f"nothing to measure before the reference diverged: {error}"
        return diverged(recording, parameters, ended, note)


def _measure(
    recording: xr.Dataset, parameters: dict[str, Any], window: Window | None
) -> xr.Dataset:
    with part(0, 2, "distances"):
        sep = separation(recording, parameters["distance"])
    with part(1, 2, "exponent"):
        return _estimate(recording, parameters, window, sep)


def _estimate(
    recording: xr.Dataset, parameters: dict[str, Any], window: Window | None, sep: Separation
) -> xr.Dataset:
    stationary = bool(int(recording.attrs.get("stationary", 0)))
    region = valid_region(recording, sep, accumulate=not stationary)
    region.stop = max(region.stop, 0)  # from the first time on, a tangent may be followed
    del sep.sizes
    region, tangent_from = continued(recording, sep, region)
    ends_on = attractor(recording)
    asked = _indices(sep, window)
    warnings = sep.warnings + region.warnings
    if asked is not None and asked[1] > region.stop:
        where = (
            f"reaches beyond {sep.unit} {sep.time[region.stop]:g}, where deviations can no longer "
            f"be used ({region.ended_by})"
        )
        if region.stop - asked[0] < 3:
            raise DataError(f"the window {where}; ask for an earlier one")
        warnings.append(f"the window {where}: cut there")
        asked = (asked[0], region.stop)
    if sep.collapsed.any():
        which = ", ".join(str(int(r)) for r in sep.replicas[sep.collapsed])
        warnings.append(f"replica {which} coincides with the reference at times: left out there")
    steps = sep.increments()
    if not stationary:
        leave_out_kinks(sep, region, steps, warnings)
    dt = (sep.time[-1] - sep.time[0]) / (sep.time.size - 1)
    longest = _samples(parameters["horizon"], dt, sep)
    estimate = along_stationary if stationary else along_transient
    found = estimate(
        sep,
        region,
        steps,
        dt,
        burn_in=parameters["burn_in"],
        confidence=parameters["confidence"],
        min_growth=parameters["min_growth"],
        drift=parameters["drift"],
        window=asked,
        ends_on=ends_on,
        leaving=leaving(recording) if stationary else 0.0,
        recorded=in_force(recording),
    )
    ended = escape(recording)
    if ended:
        before = (
            "too early to measure growth; lower the learning rate"
            if found.window is None
            else f"before that: {found.verdict.reason}"
        )
        found.verdict = Verdict("diverged", f"{ended}; {before}")
    no_replicas = found.note if found.window is None else ""
    if tangent_from is not None and found.window is not None and found.window[0] >= tangent_from:
        if not stationary:
            found.half_width, found.note = None, "of one tangent vector: no interval"
        no_replicas = "the window lies where one tangent vector is followed, not the replicas"
    beside = alternatives(recording, sep, found, region.stop) if not stationary else Alternatives()
    quantities = numbers(found, sep, ends_on, stationary)
    note = ""
    if tangent_from is not None:
        note = f"from {sep.unit} {sep.time[tangent_from]:g} on of the first tangent vector"
    quantities |= curves(found, sep, region, steps, dt, stationary, note)
    quantities["log_separation"] = replicas(sep)
    quantities["replica_exponent"] = replica_exponents(found, sep, steps, dt, no_replicas)
    quantities |= beside.quantities
    names, coords, reasons = beside.names, beside.coords, beside.reasons
    if parameters["distance"] == "output":
        last = region.stop if tangent_from is None else tangent_from
        learned = functions(recording, sep, found.start, last, parameters["min_growth"])
        quantities |= learned.quantities
        names, reasons = [*names, *learned.names], [*reasons, *learned.reasons]
    if parameters["parameter"] is not None:
        of = parted(recording, sep, steps, parameters["parameter"], parameters["by"])
        quantities |= by_parameter(
            recording, sep, found, of, dt, stationary=stationary, until=tangent_from
        )
        names, coords = [*names, *NAMES], {**coords, **coordinate(of)}
    horizons, rates = finite_time(steps, found.start, region.stop, longest)
    quantities["finite_time_exponent"] = Quantity(
        rates / dt,
        f"per {sep.unit}",
        "growth of the mean log separation from the start, over the horizon",
        dims=("horizon",),
    )
    return result(
        quantities,
        analyzer="lyapunov",
        recording=recording,
        parameters=parameters,
        summary=summary(stationary, *names),
        verdict=found.verdict.name,
        reason="; ".join([found.verdict.reason, *reasons]),
        warnings=warnings,
        coords={
            "time": ("time", sep.time, {"units": sep.unit, "long_name": "time of the state"}),
            "replica": ("replica", sep.replicas, {"long_name": "index in the recording"}),
            "horizon": (
                "horizon",
                horizons * dt,
                {"units": sep.unit, "long_name": "time over which growth is taken"},
            ),
            **coords,
        },
    )


def _window(window: Any) -> Window:
    try:
        low, high = (float(v) for v in window)
    except (TypeError, ValueError):
        raise UsageError(f"window is {window!r}, expected two times") from None
    return Window((low, high))


def _check(
    distance: str,
    confidence: float,
    burn_in: float | None,
    min_growth: float,
    drift: float,
    horizon: float | None,
) -> None:
    choice("distance", distance, ("l1", "l2", "linf", "output"))
    share("confidence", confidence)
    if burn_in is not None:
        number("burn_in", burn_in, least=0, what="a time")
    number("min_growth", min_growth, above=0, what="a number of e-foldings")
    number("drift", drift, least=0, what="a rate")
    if horizon is not None:
        number("horizon", horizon, above=0, what="a time")


def _check_parameter(parameter: str | None, by: str, distance: str) -> None:
    choice("by", by, ("parameter", "layer"))
    if parameter is None:
        return
    if not isinstance(parameter, str):
        raise UsageError(f"parameter is {parameter!r}, expected a name, or 'all'")
    if distance != "l2":
        raise UsageError(f"distances by parameter are l2; leave out distance={distance!r}")


def _samples(horizon: float | None, dt: float, sep: Separation) -> int | None:
    """Return the largest number of samples that a horizon holds."""
    if horizon is None:
        return None
    count = min(horizon / dt * (1.0 + 1e-9), sep.time.size)  # 0.3 holds three of 0.1
    if count < 1:
        raise DataError(f"the horizon is {horizon:g}, shorter than a sample of {dt:g} {sep.unit}")
    return int(count)


def _indices(sep: Separation, window: Window | None) -> tuple[int, int] | None:
    """First and last time index inside a window."""
    if window is None:
        return None
    low, high = window
    inside = np.flatnonzero((sep.time >= low) & (sep.time <= high))
    if inside.size < 3:
        raise UsageError(
            f"the window {low:g}:{high:g} holds {inside.size} times, expected at least 3; the "
            f"recording runs from {sep.time[0]:g} to {sep.time[-1]:g} {sep.unit}"
        )
    return int(inside[0]), int(inside[-1])
