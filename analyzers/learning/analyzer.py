"""Training times and accuracies of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from analyzers.common.manifest import system_of
from analyzers.common.stability import limit, ratio
from analyzers.growth.separation import require_dataset
from analyzers.learning.evaluations import Evaluations
from analyzers.learning.kaplan_meier import median_time
from nndyn.checks import choice, share
from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.recording import CONTROL
from nndyn.results import Quantity, result

if TYPE_CHECKING:
    import xarray as xr

_SUMMARY = (
    "training_time",
    "training_time_held",
    "gradient_flow_time",
    "best_accuracy",
    "final_accuracy",
    "sharpness_limit",
    "sharpness_ratio",
)


def learning(
    recording: xr.Dataset,
    *,
    threshold: float = 0.93,
    on: Literal["test", "training"] = "test",
    confidence: float = 0.95,
) -> xr.Dataset:
    """Training time and accuracies of a network.

    Parameters
    ----------
    recording : xarray.Dataset
        Of a training with accuracies.
    threshold : float, default 0.93
        Accuracy that counts as learned.
    on : {"test", "training"}, default "test"
        Set whose accuracy is taken.
    confidence : float, default 0.95
        Level of the intervals.

    Returns
    -------
    xarray.Dataset
        Numbers: ``training_time``, the first evaluation with an accuracy of at least `threshold`,
        and ``training_time_held``, the first from which on all have, both as medians over reference
        and perturbed replicas; ``gradient_flow_time``, the former times a constant learning rate;
        ``best_accuracy`` and ``final_accuracy`` of the reference; ``sharpness_limit``, above which
        a minimum repels the optimizer, and ``sharpness_ratio``, the largest sharpness over it,
        where ``sharpness`` was recorded, with ``sharpness_ratio_start``, the one at the start;
        ``critical_ratio``, the largest learning rate over the step length along an update that
        raises the loss, where that was.
        ``training_time_earliest`` and ``training_time_held_earliest``, after the evaluation before
        each;
        ``replica_training_time``, ``replica_training_time_held`` (replica,), with the interval
        between evaluations; ``accuracy`` (time, replica). The verdict is ``learned``, ``not
        learned`` or ``diverged``.

    Raises
    ------
    UsageError
        If an option is out of range.
    DataError
        If the recording keeps no such accuracy.

    Notes
    -----
    Medians are Kaplan and Meier's: a run that did not arrive, be it that it diverged, stays at risk
    to the last step, and with fewer than half arriving there is no median. Their intervals are over
    perturbations of this run, not over seeds. Times are those of evaluations: a threshold reached
    at one was passed after the one before, and intervals reach back to there, exclusive; at the
    first evaluation, back to the start of the recording. An accuracy that passed the threshold
    between two evaluations and was lost again by the second is not seen.

    The limit of the sharpness is ``2 / lr`` of gradient descent; those of other optimizers, some
    of which are limits of the preconditioned sharpness, are those of
    `analyzers.common.stability.limit`.

    One pass over the accuracies; memory: a few (time, replica) arrays.

    References
    ----------
    Limits: Cohen et al., ICLR (2021), doi:10.48550/arXiv.2103.00065.
    """
    accuracy = _accuracy(recording, threshold, on, confidence)
    axis = accuracy.dims[0]
    values = np.asarray(accuracy.values, np.float64)
    times = np.asarray(accuracy[axis].values, np.float64)
    known = np.isfinite(values).any(axis=1)
    if known.any():  # of a loop of the user's, which may have logged something else at others
        values, times = values[known], times[known]
    unit = str(recording["time"].attrs.get("units", "step"))
    end = float(recording["time"].values[-1])
    role = np.asarray(recording["role"].values)
    runs = role != CONTROL
    reached = values >= threshold  # never where diverged: NaN
    first = np.where(reached.any(axis=0), times[np.argmax(reached, axis=0)], np.nan)
    last_miss = len(times) - np.argmax(~reached[::-1], axis=0)
    since = np.where(reached.all(axis=0), 0, last_miss)
    held = np.where(reached[-1], times[np.minimum(since, len(times) - 1)], np.nan)
    quantities: dict[str, Quantity] = {}
    seen = Evaluations(times, float(recording["time"].values[0]), unit)
    for name, found, what in (
        ("training_time", first, f"first {unit} with {on} accuracy of at least {threshold:g}"),
        ("training_time_held", held, f"first {unit} from which on it is at least {threshold:g}"),
    ):
        quantities |= _times(name, found, runs, what, seen, end, confidence)
    reference = values[:, 0]
    finite = np.flatnonzero(np.isfinite(reference))
    for name, value, what in (
        ("best_accuracy", np.nanmax(reference) if finite.size else None, "largest"),
        ("final_accuracy", reference[finite[-1]] if finite.size else None, "last"),
    ):
        quantities[name] = Quantity(
            value,
            "1",
            f"{what} {on} accuracy of the reference",
            note=None if finite.size else "the reference diverged before an evaluation",
        )
    quantities["accuracy"] = Quantity(
        values, "1", f"{on} accuracy", ("time", "replica"), note="NaN where diverged"
    )
    system = system_of(recording)
    quantities |= _flow_time(quantities["training_time"], system, unit)
    quantities |= _sharpness(recording, system)
    verdict, reason = _verdict(recording, quantities, unit, end, threshold, on)
    sought = ("critical_ratio",) if "critical_ratio" in quantities else ()
    return result(
        quantities,
        analyzer="learning",
        recording=recording,
        parameters={"threshold": threshold, "on": on, "confidence": confidence},
        summary=(*_SUMMARY, *sought),
        verdict=verdict,
        reason=reason,
        coords={
            "time": ("time", times, {"units": unit, "long_name": "time of the evaluation"}),
            "replica": ("replica", np.arange(len(role)), {"long_name": "index in the recording"}),
        },
    )


def _accuracy(recording: Any, threshold: float, on: str, confidence: float) -> xr.DataArray:
    require_dataset(recording)
    share("threshold", threshold, closed=True)
    share("confidence", confidence)
    choice("on", on, ("test", "training"))
    name = "test_accuracy" if on == "test" else "accuracy"
    if name not in recording:
        raise DataError(
            f"the recording has no {name}: it is of no training on class labels"
            + (" with a test set; look at `on='training'`" if on == "test" else "")
        )
    accuracy: xr.DataArray = recording[name]
    if not accuracy.sizes[accuracy.dims[0]]:
        raise DataError(f"the recording has no evaluation: {name} is empty")
    return accuracy


def _times(
    name: str,
    found: Array,
    runs: Array,
    what: str,
    seen: Evaluations,
    end: float,
    confidence: float,
) -> dict[str, Quantity]:
    """Label the times (R,) of every run at which something was reached, and their median."""
    unit = seen.unit
    earliest = np.array([seen.earliest(at) for at in found])
    median, ci = median_time(found[runs], end, confidence)
    missing = int(np.isnan(found[runs]).sum())
    notes, over = [], "perturbations"
    if missing:
        notes.append(f"not reached by {unit} {end:g} in {missing} of {int(runs.sum())} runs")
        if median is not None and ci is not None and np.isinf(ci[1]):
            notes.append(f"the interval begins at {unit} {seen.earliest(ci[0]):g} and has no end")
    since = None if median is None else seen.earliest(median)
    if median is not None and since is not None:
        if ci is not None:
            ci = (seen.earliest(ci[0]), ci[1])
        elif since < median:
            ci, over = (since, median), "time between evaluations"
        if text := seen.gap(median):
            notes.append(text)
    return {
        name: Quantity(
            median,
            unit,
            f"{what}, median over runs",
            ci=ci if median is not None else None,
            interval_over=over,
            note="; ".join(notes) or None,
        ),
        f"{name}_earliest": Quantity(
            since,
            unit,
            f"{what}, at the earliest: after the evaluation before",
            note=None if since is not None else notes[0],
        ),
        f"replica_{name}": Quantity(
            found,
            unit,
            what,
            ("replica",),
            ci=np.stack([earliest, found], axis=1),
            interval_over="time between evaluations",
            note="NaN where not reached",
        ),
    }


def _flow_time(training_time: Quantity, system: dict[str, Any], unit: str) -> dict[str, Quantity]:
    lr, schedule = system.get("lr"), system.get("schedule", "constant")
    long_name = "training time times the learning rate"
    if training_time.value is None:
        found = Quantity(None, "1", long_name, note=training_time.note)
    elif lr is None or schedule != "constant":
        why = "the learning rate is not known" if lr is None else f"it follows {schedule}"
        found = Quantity(None, "1", long_name, note=f"no constant learning rate: {why}")
    else:
        ci = training_time.ci and (training_time.ci[0] * lr, training_time.ci[1] * lr)
        found = Quantity(
            training_time.value * lr,
            "1",
            long_name,
            ci=ci,
            interval_over=training_time.interval_over,
        )
    return {"gradient_flow_time": found}


def _sharpness(recording: xr.Dataset, system: dict[str, Any]) -> dict[str, Quantity]:
    found = limit(system)
    over = ratio(recording)
    largest, first, note = None, None, found.why
    late = note
    if over is not None:
        times, values, _ = over
        largest, late = float(np.nanmax(values)), "the start was not looked at"
        if times[0] == float(recording["time"].values[0]) and np.isfinite(values[0]):
            first, late = float(values[0]), ""
    elif found.value is not None:
        note = late = f"{found.variable} was not recorded"
    names = ("sharpness at which the optimizer turns unstable", "largest sharpness over its limit")
    return {
        **_critical(recording),
        "sharpness_limit": Quantity(found.value, "1", names[0], note=found.why or None),
        "sharpness_ratio": Quantity(largest, "1", names[1], note=note or None),
        "sharpness_ratio_start": Quantity(
            first, "1", "sharpness at the start over its limit", note=late or None
        ),
    }


def _critical(recording: xr.Dataset) -> dict[str, Quantity]:
    """Return how far updates went beyond the step length that raises the loss, if it was sought."""
    if "critical_ratio" not in recording:
        return {}
    values = np.asarray(recording["critical_ratio"].values, np.float64)
    known = values[np.isfinite(values)]
    note = f"above 1 at {int((known > 1).sum())} of {known.size} looks"
    if known.size < values.size:
        note += f"; at {values.size - known.size} more there was none, see critical_reason"
    largest = float(known.max()) if known.size else None
    what = "largest learning rate over the step length that raises the loss"
    return {"critical_ratio": Quantity(largest, "1", what, note=note)}


def _verdict(
    recording: xr.Dataset,
    found: dict[str, Quantity],
    unit: str,
    end: float,
    threshold: float,
    on: str,
) -> tuple[str, str]:
    time = found["training_time"]
    if time.value is not None:
        exact = float(found["training_time_earliest"].value) == time.value
        return "learned", (
            f"{on} accuracy reaches {threshold:g} {'at' if exact else 'by'} {unit} {time.value:g}"
            + (f"; {time.note}" if time.note else "")
        )
    if int(recording["diverged_at"].values[0]) >= 0:
        return "diverged", (
            f"the reference is not finite from step {int(recording['diverged_at'].values[0])} on; "
            f"{on} accuracy of {threshold:g} {time.note}"
        )
    return "not learned", f"{on} accuracy of {threshold:g} is {time.note}"
