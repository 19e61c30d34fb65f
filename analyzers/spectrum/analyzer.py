"""Lyapunov spectrum of a recording, from the stretching of tangent vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.common.begins import from_perturbation
from analyzers.common.manifest import manifest
from analyzers.growth.attractor import attractor
from analyzers.growth.cures import earlier, in_force
from analyzers.growth.divergence import ends_before, escape, escaped, leaving
from analyzers.growth.separation import require_dataset
from analyzers.growth.stretching import Rates, rates, stretching
from analyzers.lyapunov.tangent_agreement import agreement, in_buffers
from analyzers.lyapunov.verdict import Course, judge_stationary
from analyzers.spectrum.from_replicas import from_replicas
from analyzers.spectrum.kaplan_yorke import dimension_of, kaplan_yorke
from analyzers.spectrum.labels import doublings, exponents, group, order, signs, total
from analyzers.spectrum.resolution import lose, resolution
from analyzers.spectrum.volume import volume_warnings
from nndyn.checks import number, share
from nndyn.errors import DataError, UsageError
from nndyn.results import Quantity, Window, result

if TYPE_CHECKING:
    import xarray as xr

_SUMMARY = (
    "exponents",
    "exponent_sum",
    "exponent_sum_exact",
    "positive_count",
    "zero_count",
    "positive_sum",
    "kaplan_yorke_dimension",
    "growth_per_doubling",
)
#: e-foldings that chaos has to show.
MIN_GROWTH = 3.0


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
        Level of the intervals.
    window : Window, optional
        Times between which to take the exponents.

    Returns
    -------
    xarray.Dataset
        ``exponents`` (exponent,) in the order of the QR decomposition, ``group``
        (exponent,), equal for neighbours that cannot be told apart; ``exponent_sum`` of
        those that were followed and, where the system knows it and all were,
        ``exponent_sum_exact``; ``positive_count`` and ``zero_count``, exponents above zero,
        and those that are not told from it or whose vectors grow or shrink as a power of
        time, whatever their order; ``positive_sum``, the sum of the former, an upper bound
        of the Kolmogorov-Sinai entropy; ``kaplan_yorke_dimension``;
        ``growth_per_doubling``, the e-foldings of the first vector that the last doubling
        of the time added; of a transient, and without tangents,
        ``kaplan_yorke_finite_time`` and the ``window`` instead of both. Series:
        ``running_exponents`` (time, exponent), the estimate so far, and
        ``finite_time_exponents`` (window_start, exponent), over adjoining windows. The
        verdict is ``chaotic``, ``regular`` or ``unresolved``, and ``finite-time`` of a
        transient and without tangents. Where the reference diverged it is ``diverged``, and
        all is null unless `window` ends before that.

    Raises
    ------
    UsageError
        If an option is out of range, or `window` is given where there are no tangents.
    DataError
        If there are neither tangents nor states of replicas, or too short a time.

    Notes
    -----
    ``chaotic`` are stationary recordings whose growth an exponential explains and a power of
    time does not, as in `lyapunov`. Exponents are means of the logarithms of the diagonal of R
    after the burn-in, neither singular values nor sorted. Those of a transient belong to the
    window over which they are taken. Intervals are Student's over batch means, the change when
    the burn-in doubles and 1e-12 added; of a transient they say how much the exponent changes
    along the window. That of the dimension is from a jackknife of the batches. An exponent is
    lost, and NaN, where its vector falls so far behind the first between two
    orthonormalizations that rounding hides it, see `analyzers.spectrum.resolution`; what is made of
    several exponents is then null unless the others decide it. Where the system knows the sum
    of all exponents, a warning says where it is not met, and whether the length of the steps is
    to blame. One pass over the stretching, which is held: T x k numbers, and as many again
    while it is worked on.

    References
    ----------
    Benettin et al., doi:10.1007/BF02128236 and doi:10.1007/BF02128237; dimension: Frederickson,
    Kaplan, Yorke and Yorke, doi:10.1016/0022-0396(83)90011-6; entropy: Ruelle,
    doi:10.1007/BF02584795.
    """
    _check(recording, burn_in, horizon, confidence)
    recording = from_perturbation(recording)
    parameters = {
        "burn_in": burn_in,
        "horizon": horizon,
        "confidence": confidence,
        "window": None if window is None else list(window),
    }
    ended = escape(recording)
    whole = bool(ended) and not ends_before(recording, window)
    no_exponent = "what stretches on the way out is no exponent"
    if "tangent_log_stretch" not in recording:
        if whole:
            return escaped(recording, parameters, no_exponent)
        if window is not None:
            raise UsageError("window is for tangents, of which the recording has none")
        return _offline(recording, parameters)
    stationary = bool(int(recording.attrs.get("stationary", 0)))
    agreed = ""
    try:
        found = stretching(recording, window)
        if burn_in is None and window is not None:
            burn_in = 0.0
        elif burn_in is None and not stationary:
            burn_in, agreed = agreement(recording, found)
        used = rates(found, burn_in, confidence, stationary=stationary)
    except DataError as error:
        if not ended:
            raise
        note = no_exponent if whole else f"nothing to measure in the window: {error}"
        return escaped(recording, parameters, note)
    if whole and not used.steady:
        note = f"{no_exponent}; {earlier(window)}"
        return escaped(recording, parameters, note)
    resolved = resolution(recording, found, used, confidence)
    lose(used, resolved.lost)
    per = f"per {found.unit}"
    k = len(used.values)
    doubled = doublings(used) if stationary else None
    quantities = {
        "exponents": exponents(used, resolved, per, in_buffers(recording, k)),
        "group": group(used),
        "exponent_sum": total(used, confidence, per),
        "exponent_sum_exact": _exact(recording, found.unit, k, found.dimension),
        **signs(used, resolved, doubled, confidence, per),
    }
    warnings = [*used.warnings, *filter(None, [resolved.note])]
    warnings += volume_warnings(recording, used, resolved, *used.of(np.ones(k, bool), confidence))
    size = kaplan_yorke(used, found.dimension, _system_sum(recording), confidence)
    names: tuple[str, ...] = _SUMMARY
    if doubled is not None:
        quantities["kaplan_yorke_dimension"] = size
        doubling = float(doubled[0])
        known = bool(np.isfinite(doubling))
        quantities["growth_per_doubling"] = Quantity(
            doubling if known else None,
            "1",
            "e-foldings of the first vector that the last doubling of the time added",
            note=None if known else "the derivative is singular",
        )
        verdict, reason = _verdict(recording, used, doubling, len(found.time) - 1, found.unit)
    else:
        names = ("window", *_SUMMARY[:-2], "kaplan_yorke_finite_time")
        span = float(used.time[used.burn_in]), float(used.time[-1])
        quantities["window"] = Quantity(
            span, found.unit, "times between which they are taken", ("bound",)
        )
        quantities["kaplan_yorke_finite_time"] = replace(
            size, long_name=f"{size.long_name} of the finite-time exponents"
        )
        verdict, reason = "finite-time", _finite_reason(used, per, found.unit) + agreed
    if ended:
        verdict, reason = "diverged", f"{ended}; before that: {reason}"
    times, running = used.running()
    starts, finite = used.finite_time(horizon)
    missing = "NaN where an exponent is lost in rounding" if resolved.note else None
    quantities["running_exponents"] = Quantity(
        running, per, "estimates up to the time", ("time", "exponent"), note=missing
    )
    quantities["finite_time_exponents"] = Quantity(
        finite, per, "exponents over one horizon each", ("window_start", "exponent"), note=missing
    )
    return result(
        quantities,
        analyzer="spectrum",
        recording=recording,
        parameters=parameters,
        summary=names,
        verdict=verdict,
        reason=reason,
        warnings=warnings,
        coords={
            "exponent": ("exponent", np.arange(1, k + 1), {"long_name": "in the order of QR"}),
            "time": ("time", times, {"units": found.unit, "long_name": "end of the average"}),
            "window_start": (
                "window_start",
                starts,
                {"units": found.unit, "long_name": "start of a window as long as the horizon"},
            ),
        },
    )


def _check(recording: Any, burn_in: Any, horizon: Any, confidence: Any) -> None:
    require_dataset(recording)
    if burn_in is not None:
        number("burn_in", burn_in, least=0, what="a time")
    if horizon is not None:
        number("horizon", horizon, above=0, what="a time")
    share("confidence", confidence)


def _offline(recording: xr.Dataset, parameters: dict[str, Any]) -> xr.Dataset:
    """Label the finite-time exponents that replicas give."""
    found = from_replicas(recording)
    per = f"per {found.unit}"
    values = found.exponents[-1]
    k = len(values)
    low, high = float(found.time[0]), float(found.time[-1])
    note = f"{k} of {found.replicas} deviations stay above rounding and curvature"
    turning = order(values, np.zeros(k))
    whole = k == found.dimension
    size = dimension_of(values)
    if size is None and whole:
        size = float(k)
    finite = "over a finite time, from replicas: no interval"
    quantities = {
        "exponents": Quantity(
            values,
            per,
            f"Lyapunov exponents {finite}",
            ("exponent",),
            note="; ".join(filter(None, [note, turning])),
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


def _system_sum(recording: xr.Dataset) -> float | None:
    known = manifest(recording).get("exponent_sum")
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
    largest = int(np.nanargmax(used.values))
    value, half = float(used.values[largest]), float(used.half_widths[largest])
    low, high = float(used.time[used.burn_in]), float(used.time[-1])
    behind = f", that of vector {largest + 1}," if largest else ""
    return (
        f"from {unit} {low:g} to {high:g} the largest exponent{behind} is {value:.4g} "
        f"[{value - half:.4g}, {value + half:.4g}] {per}; a transient has exponents of this window "
        "alone, and the interval says how they change along it"
    )


def _verdict(
    recording: xr.Dataset, used: Rates, doubling: float, samples: int, unit: str
) -> tuple[str, str]:
    if used.first is None:
        return "regular", "deviations vanish: the derivative is singular"
    span = float(used.time[-1] - used.time[0])
    sample = span / len(used.steps)
    course = Course(
        total=float(used.steps[:, 0].sum()) * sample,
        growth=used.first.value * len(used.used) * sample,
        doubling=doubling,
        samples=samples,
        time=span,
        ends_on=attractor(recording),
        leaving=leaving(recording),
        recorded=in_force(recording),
    )
    found = judge_stationary(used.first, course, min_growth=MIN_GROWTH, unit=unit, dt=1.0)
    return found.name, found.reason
