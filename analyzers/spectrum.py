"""The Lyapunov spectrum, from the stretching of tangent vectors."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyzers.kaplan_yorke import dimension_of, kaplan_yorke
from analyzers.offline_spectrum import from_replicas
from analyzers.separation import require_dataset
from analyzers.stretching import Rates, rates, stretching
from analyzers.tangent_agreement import agreement, in_buffers
from nndyn.errors import UsageError
from nndyn.results import Quantity, Window, result

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[Any]

_SUMMARY = (
    "exponents",
    "exponent_sum",
    "exponent_sum_exact",
    "positive_count",
    "zero_count",
    "positive_sum",
    "kaplan_yorke_dimension",
)


def spectrum(
    recording: xr.Dataset,
    *,
    burn_in: float | None = None,
    horizon: float | None = None,
    confidence: float = 0.95,
    window: Window | None = None,
) -> xr.Dataset:
    """Lyapunov spectrum, its sum, and the Kaplan-Yorke dimension.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``tangent_log_stretch``: record with ``tangents``. Without it, with ``state`` and
        perturbed replicas: finite-time exponents from their deviations, as many as those support.
    burn_in : float, optional
        Time left out at the start, while vectors turn towards their directions; by default a
        twentieth of a stationary recording. Of a transient, such as a training, the time until the
        first vector agrees with one that started elsewhere: an absolute cosine of at least 0.9
        over five samples; nothing where that is never reached.
    horizon : float, optional
        Time over which finite-time exponents are taken; a hundredth of what is used by default.
    confidence : float, default 0.95
        Of the intervals.
    window : Window, optional
        Use the time between these two alone.

    Returns
    -------
    xarray.Dataset
        ``exponents`` (exponent,) in the order of the QR decomposition, ``group`` (exponent,), equal
        for neighbours that cannot be told apart; ``exponent_sum`` of those that were followed and,
        where the system knows it and all were, ``exponent_sum_exact``; ``positive_count`` and
        ``zero_count``, exponents with an interval above zero and one that holds zero;
        ``positive_sum``, the sum of the former, an upper bound of the Kolmogorov-Sinai entropy;
        ``kaplan_yorke_dimension``; of a transient, and without tangents,
        ``kaplan_yorke_finite_time`` and the ``window`` instead. Series: ``running_exponents``
        (time, exponent), the estimate so far, and ``finite_time_exponents`` (horizon, exponent).
        The verdict is ``chaotic``, ``regular`` or ``unresolved``, and ``finite-time`` of a
        transient and without tangents.

    Raises
    ------
    UsageError
        If an option is out of range, or `window` is given where there are no tangents.
    DataError
        If there are neither tangents nor states of replicas, or too short a time.

    Notes
    -----
    Exponents are means of the logarithms of the diagonal of R after the burn-in, neither singular
    values nor sorted. Those of a transient belong to the window over which they are taken.
    Intervals are Student's over batch means, the change when the burn-in doubles and 1e-12 added;
    of a transient they say how much the exponent changes along the window. That of the dimension is
    from a jackknife of the batches. One pass over the stretching, which is held: T x k numbers, and
    as many again while it is worked on.

    References
    ----------
    Benettin et al., doi:10.1007/BF02128236 and doi:10.1007/BF02128237; dimension: Frederickson,
    Kaplan, Yorke and Yorke, doi:10.1016/0022-0396(83)90011-6; entropy: Ruelle,
    doi:10.1007/BF02584795.
    """
    _check(recording, burn_in, horizon, confidence)
    parameters = {
        "burn_in": burn_in,
        "horizon": horizon,
        "confidence": confidence,
        "window": None if window is None else list(window),
    }
    if "tangent_log_stretch" not in recording:
        if window is not None:
            raise UsageError("window is for tangents, of which the recording has none")
        return _offline(recording, parameters)
    stationary = bool(int(recording.attrs.get("stationary", 0)))
    found = stretching(recording, window)
    agreed = ""
    if burn_in is None and window is not None:
        burn_in = 0.0
    elif burn_in is None and not stationary:
        burn_in, agreed = agreement(recording, found)
    used = rates(found, burn_in, confidence)
    per = f"per {found.unit}"
    k = len(used.values)
    positive = used.values - used.half_widths > 0.0
    zero = np.abs(used.values) <= used.half_widths
    singular = "" if np.isfinite(used.values).all() else "-inf: the derivative is singular"
    note = "; ".join(filter(None, (singular, in_buffers(recording, k)))) or None
    quantities = {
        "exponents": Quantity(
            used.values,
            per,
            "Lyapunov exponents",
            ("exponent",),
            ci=used.values[:, None] + np.array([-1.0, 1.0]) * used.half_widths[:, None],
            interval_over="time",
            note=note,
        ),
        "group": Quantity(
            _groups(used), "1", "equal where exponents cannot be told apart", ("exponent",)
        ),
        "exponent_sum": _sum(used, np.ones(k, bool), confidence, per, "sum of the exponents"),
        "exponent_sum_exact": _exact(recording, found.unit, k, found.dimension),
        "positive_count": Quantity(
            int(positive.sum()), "1", "exponents whose interval lies above zero"
        ),
        "zero_count": Quantity(int(zero.sum()), "1", "exponents whose interval holds zero"),
        "positive_sum": _sum(
            used,
            positive,
            confidence,
            per,
            "sum of the positive exponents, a bound of the entropy",
        ),
    }
    size = kaplan_yorke(used, found.dimension, _system_sum(recording), confidence)
    names: tuple[str, ...] = _SUMMARY
    verdict, reason = _verdict(used, per)
    if stationary:
        quantities["kaplan_yorke_dimension"] = size
    else:
        names = ("window", *_SUMMARY[:-1], "kaplan_yorke_finite_time")
        span = float(used.time[used.burn_in]), float(used.time[-1])
        quantities["window"] = Quantity(
            span, found.unit, "times between which they are taken", ("bound",)
        )
        quantities["kaplan_yorke_finite_time"] = replace(
            size, long_name=f"{size.long_name} of the finite-time exponents"
        )
        verdict, reason = "finite-time", _finite_reason(used, per, found.unit) + agreed
    times, running = used.running()
    windows, finite = used.finite_time(horizon)
    quantities["running_exponents"] = Quantity(
        running, per, "estimates up to the time", ("time", "exponent"), note="NaN at the burn-in"
    )
    quantities["finite_time_exponents"] = Quantity(
        finite, per, "exponents over one horizon each", ("horizon", "exponent")
    )
    return result(
        quantities,
        analyzer="spectrum",
        recording=recording,
        parameters=parameters,
        summary=names,
        verdict=verdict,
        reason=reason,
        warnings=used.warnings,
        coords={
            "exponent": ("exponent", np.arange(1, k + 1), {"long_name": "in the order of QR"}),
            "time": ("time", times, {"units": found.unit, "long_name": "end of the average"}),
            "horizon": (
                "horizon",
                windows,
                {"units": found.unit, "long_name": "start of the horizon"},
            ),
        },
    )


def _check(recording: Any, burn_in: Any, horizon: Any, confidence: Any) -> None:
    require_dataset(recording)
    for name, value, least in (("burn_in", burn_in, 0.0), ("horizon", horizon, 1e-300)):
        if value is not None and not (isinstance(value, int | float) and value >= least):
            raise UsageError(f"{name} is {value!r}, expected a time, not negative")
    if not (isinstance(confidence, float) and 0.0 < confidence < 1.0):
        raise UsageError(f"confidence is {confidence!r}, expected a number between 0 and 1")


def _offline(recording: xr.Dataset, parameters: dict[str, Any]) -> xr.Dataset:
    """Label the finite-time exponents that replicas give."""
    found = from_replicas(recording)
    per = f"per {found.unit}"
    values = found.exponents[-1]
    k = len(values)
    low, high = float(found.time[0]), float(found.time[-1])
    note = f"{k} of {found.replicas} deviations stay above rounding and curvature"
    whole = k == found.dimension
    size = dimension_of(values)
    if size is None and whole:
        size = float(k)
    finite = "over a finite time, from replicas: no interval"
    quantities = {
        "exponents": Quantity(
            values, per, f"Lyapunov exponents {finite}", ("exponent",), note=note
        ),
        "window": Quantity(
            (low, high), found.unit, "times between which they are taken", ("bound",)
        ),
        "exponent_sum": Quantity(float(values.sum()), per, "sum of the exponents", note=note),
        "kaplan_yorke_finite_time": Quantity(
            size,
            "1",
            "Kaplan-Yorke dimension of the finite-time exponents",
            note=None if size is not None else f"at least {k}: {note}",
        ),
        "running_exponents": Quantity(
            found.exponents, per, "estimates up to the time", ("time", "exponent")
        ),
    }
    names = ("exponents", "window", "exponent_sum", "kaplan_yorke_finite_time")
    return result(
        quantities,
        analyzer="spectrum",
        recording=recording,
        parameters=parameters,
        summary=names,
        verdict="finite-time",
        reason=f"{note} from {found.unit} {low:g} to {high:g} (then: {found.ended_by}); a shorter "
        "part of the recording may show more, tangents show all of it, with intervals",
        warnings=found.warnings,
        coords={
            "exponent": ("exponent", np.arange(1, k + 1), {"long_name": "in the order of QR"}),
            "time": ("time", found.time[1:], {"units": found.unit, "long_name": "end of the time"}),
        },
    )


def _groups(used: Rates) -> Array:
    """Return a number from 1 on for each exponent, equal where neighbouring intervals overlap."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(np.diff(used.values)) > used.half_widths[1:] + used.half_widths[:-1]
    groups: Array = 1 + np.concatenate([[0], np.cumsum(apart)])
    return groups


def _sum(used: Rates, chosen: Array, confidence: float, unit: str, long_name: str) -> Quantity:
    """Return the sum of some exponents; its interval is its own, since they fluctuate together."""
    if not chosen.any():
        return Quantity(0.0, unit, long_name)
    value, half_width = used.of(chosen, confidence)
    if not np.isfinite(value):
        return Quantity(None, unit, long_name, note="-inf: the derivative is singular")
    ci = (value - half_width, value + half_width)
    return Quantity(value, unit, long_name, ci=ci, interval_over="time")


def _system_sum(recording: xr.Dataset) -> float | None:
    known = json.loads(str(recording.attrs.get("manifest", "{}"))).get("exponent_sum")
    return None if known is None else float(known)


def _exact(recording: xr.Dataset, unit: str, k: int, dimension: int) -> Quantity:
    known = _system_sum(recording)
    note = None
    if known is None:
        note = "the system does not know it"
    elif k < dimension:
        known, note = None, f"of all {dimension} exponents, {k} of which were followed"
    return Quantity(known, f"per {unit}", "exact sum of all exponents", note=note)


def _finite_reason(used: Rates, per: str, unit: str) -> str:
    value, half = float(used.values[0]), float(used.half_widths[0])
    low, high = float(used.time[used.burn_in]), float(used.time[-1])
    return (
        f"from {unit} {low:g} to {high:g} the first exponent is {value:.4g} "
        f"[{value - half:.4g}, {value + half:.4g}] {per}; a transient has exponents of this window "
        "alone, and the interval says how they change along it"
    )


def _verdict(used: Rates, per: str) -> tuple[str, str]:
    value, half = float(used.values[0]), float(used.half_widths[0])
    if value == -np.inf:
        return "regular", "deviations vanish: the derivative is singular"
    shown = f"the largest exponent is {value:.4g} [{value - half:.4g}, {value + half:.4g}] {per}"
    if value - half > 0.0:
        return "chaotic", shown
    if value + half < 0.0:
        return "regular", f"{shown}: deviations shrink"
    return "unresolved", (
        f"{shown}: the interval holds zero, as on a cycle of a flow or on a torus; a longer "
        "recording narrows it"
    )
