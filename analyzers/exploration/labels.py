"""Numbers, series and intervals of an exploration, labelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.common.sketches import OVER
from analyzers.exploration.diffusion import Exponent
from analyzers.exploration.path import Explored
from analyzers.exploration.random_walk import random_walk_participation
from analyzers.exploration.sketched import Errors
from nndyn.numerics.arrays import Array
from nndyn.numerics.series import t_quantile
from nndyn.recording import PERTURBED
from nndyn.results import Quantity

if TYPE_CHECKING:
    import xarray as xr


_UNTOLD = (
    "the state does not move, or in more directions than a quarter of the numbers of its sketch"
)


def per_replica(recording: xr.Dataset, name: str, default: Array) -> Array:
    """Return a variable over replicas, `default` where there is none."""
    return np.asarray(recording[name].values) if name in recording else default


class Rows:
    """What was found, one row a replica; NaN for those that diverged."""

    def __init__(
        self, found: dict[int, Explored], replicas: int, errors: dict[int, Errors] | None = None
    ) -> None:
        self.found, self.replicas = found, replicas
        #: Of what is told from sketches.
        self.errors = errors or {}

    def numbers(self, of: Callable[[Explored], float | None]) -> Array:
        """Return a number of every replica (R,)."""
        values = np.full(self.replicas, np.nan)
        for r, explored in self.found.items():
            value = of(explored)
            values[r] = np.nan if value is None else value
        return values

    def series(self, of: Callable[[Explored], Array]) -> Array:
        """Return a series of every replica (n, R)."""
        values = np.full((len(of(self.found[0])), self.replicas), np.nan)
        for r, explored in self.found.items():
            values[:, r] = of(explored)
        return values


def numbers(
    recording: xr.Dataset, rows: Rows, times: Array, role: Array, confidence: float
) -> dict[str, Quantity]:
    """Return every number of the reference, with its interval, and of every replica."""
    steps = len(times) - 1
    path = _path_length(recording, rows, times)
    displacement = rows.numbers(lambda e: e.displacement)
    far = displacement * steps >= path * (1.0 - 1e-12)  # a straight path of equal steps is far
    tortuosity = np.divide(
        path, displacement, out=np.full(len(path), np.nan), where=far & (path > 0)
    )
    pair = per_replica(recording, "pair", np.full(len(role), -1))
    once = (role == PERTURBED) & ((pair < 0) | (pair > np.arange(len(role))))
    still = "the state does not move"
    errors = dict(rows.errors.get(0, {}))
    if errors:
        errors["tortuosity"] = tortuosity[0] * errors["displacement"] / displacement[0]
    found: dict[str, Quantity] = {}
    for name, values, unit, long_name, note in (
        ("path_length", path, "1", "length of the path through the states", ""),
        ("displacement", displacement, "1", "distance of the last state from the first", ""),
        (
            "tortuosity",
            tortuosity,
            "1",
            "path length over displacement",
            "the displacement is shorter than a mean step" if path[0] > 0 else still,
        ),
        (
            "mean_turning_angle",
            rows.numbers(lambda e: _mean(e.turns)),
            "rad",
            "mean angle between a step and the next",
            "there are no two steps in succession",
        ),
        (
            "radius_of_gyration",
            rows.numbers(lambda e: e.gyration),
            "1",
            "root mean squared distance of the states to their mean",
            "",
        ),
        (
            "participation_ratio",
            rows.numbers(lambda e: e.participation_ratio),
            "1",
            "effective number of directions of the states: (tr C)² / tr C² of their covariance",
            _UNTOLD if rows.errors else still,
        ),
        (
            "loss_rise_fraction",
            _rises(recording, times, len(role)),
            "1",
            "share of the evaluations on which the loss is above that of the one before",
            "the recording has no two evaluations of a loss",
        ),
    ):
        known = bool(np.isfinite(values[0]))
        ci, over = _prediction(values[once], confidence), "perturbations"
        if known and np.isfinite(errors.get(name, np.nan)):
            ci, over = _with_error(ci, float(values[0]), float(errors[name]))
        found[name] = Quantity(
            values[0] if known else None,
            unit,
            long_name,
            ci=ci if known else None,
            interval_over=over,
            note=None if known else note,
        )
        found[f"replica_{name}"] = _of_replicas(values, unit, long_name)
    for name, exponent, which in (
        ("msd_exponent", lambda e: e.last, "last"),
        ("msd_exponent_first", lambda e: e.first, "first"),
    ):
        found |= _exponent(name, exponent, rows, which)
    return found


def _exponent(
    name: str, of: Callable[[Explored], Exponent], rows: Rows, which: str
) -> dict[str, Quantity]:
    long_name = f"exponent of the mean-squared displacement over the {which} decade of lags"
    reference = rows.found[0]
    exponent, value, ci = of(reference), None, None
    over = f"time and {OVER}" if rows.errors else "time"
    note = exponent.note or None
    if reference.shrinks:
        note = f"withheld: displacements shrink ({reference.shrinks})"
    elif exponent.value is not None:
        value = exponent.value
        if exponent.half_width is not None:
            ci = (value - exponent.half_width, value + exponent.half_width)
    lags = {} if exponent.lags is None else {"lags": list(exponent.lags)}
    values = rows.numbers(lambda e: None if e.shrinks else of(e).value)
    return {
        name: Quantity(value, "1", long_name, ci=ci, interval_over=over, note=note, attrs=lags),
        f"replica_{name}": _of_replicas(values, "1", long_name),
    }


def _of_replicas(values: Array, unit: str, long_name: str) -> Quantity:
    return Quantity(
        values,
        unit,
        f"{long_name}, of every replica",
        ("replica",),
        note=None if np.isfinite(values).all() else "NaN where there is none, as for the reference",
    )


def companion(
    times: int, dimension: int, walks: int, seed: int, confidence: float
) -> dict[str, Quantity]:
    """Return the participation ratios of random walks; rounding is added to their interval."""
    drawn = random_walk_participation(times, dimension, walks=walks, seed=seed)
    low, high = np.quantile(drawn, [0.5 - 0.5 * confidence, 0.5 + 0.5 * confidence])
    return {
        "random_walk_participation_ratio": Quantity(
            float(np.median(drawn)),
            "1",
            "median participation ratio of random walks of as many states and components",
            ci=(float(low) - 1e-9, float(high) + 1e-9),
            interval_over="random walks",
        )
    }


def series(recording: xr.Dataset, rows: Rows, times: Array, role: Array) -> dict[str, Quantity]:
    """Return the series over time and lag."""
    one = ("time", "replica")
    ends = "NaN where there is no step, and where a step has no length"
    found = {
        "step_length": Quantity(
            rows.series(lambda e: e.lengths),
            "1",
            "l2 length of the step that led to the state",
            one,
            note="NaN at the first state",
        ),
        "turning_angle": Quantity(
            rows.series(lambda e: e.turns), "rad", "angle between two steps", one, note=ends
        ),
        "progress": Quantity(
            rows.series(lambda e: e.progress),
            "1",
            "cosine between the step that led to the state and the way left to the end",
            one,
            note=ends,
        ),
        "mean_squared_displacement": Quantity(
            rows.series(lambda e: e.msd),
            "1",
            "mean squared displacement over all starts",
            ("lag", "replica"),
            **_msd_interval(rows),
        ),
    }
    perturbed = np.flatnonzero(role == PERTURBED)
    rescaled = "log_rescale" in recording and bool(np.any(recording["log_rescale"].values))
    if perturbed.size and "distance_l2" in recording and not rescaled:
        at = np.searchsorted(recording["time"].values, times)
        distance = np.asarray(recording["distance_l2"].values)[at][:, perturbed]
        spread = np.sqrt(np.mean(distance**2, axis=1))
        found["replica_spread"] = Quantity(
            spread,
            "1",
            "root mean square of the distances of perturbed replicas to the reference",
            ("time",),
            note=None if np.isfinite(spread).all() else "NaN from where a replica has diverged",
        )
    return found


def _path_length(recording: xr.Dataset, rows: Rows, times: Array) -> Array:
    """Return the sum of the steps recorded where states were left out, else of those between."""
    known = "step_length" in recording
    if known and (rows.errors or len(times) < recording.sizes["time"]):
        inside = recording["time"].values <= times[-1]
        steps = np.asarray(recording["step_length"].values, np.float64)[inside]
        total: Array = np.where(np.isfinite(rows.numbers(lambda e: 0.0)), steps.sum(axis=0), np.nan)
        return total
    return rows.numbers(lambda e: float(np.nansum(e.lengths)))


def _rises(recording: xr.Dataset, times: Array, replicas: int) -> Array:
    if "loss" not in recording:
        return np.full(replicas, np.nan)
    loss = recording["loss"]
    values = np.asarray(loss.values, np.float64)[loss[loss.dims[0]].values <= times[-1]]
    values = values[np.isfinite(values).any(axis=1)]  # at others something else was logged
    if len(values) < 2:
        return np.full(replicas, np.nan)
    rises: Array = np.mean(values[1:] > values[:-1], axis=0)
    rises[~np.isfinite(values).all(axis=0)] = np.nan
    return rises


def _with_error(
    ci: tuple[float, float] | None, value: float, error: float
) -> tuple[tuple[float, float], str]:
    """Return an interval that holds the error of a sketch, and what it is over."""
    if ci is None:
        return (value - error, value + error), OVER
    middle, half = 0.5 * (ci[0] + ci[1]), float(np.hypot(0.5 * (ci[1] - ci[0]), error))
    return (middle - half, middle + half), f"perturbations and {OVER}"


def _msd_interval(rows: Rows) -> dict[str, Any]:
    """Return the interval of mean-squared displacements that are told from sketches."""
    if not rows.errors:
        return {}
    found = rows.series(lambda e: e.msd)
    half = np.full(found.shape, np.nan)
    for r, errors in rows.errors.items():
        half[:, r] = errors["mean_squared_displacement"]
    return {"ci": np.stack([found - half, found + half], axis=-1), "interval_over": OVER}


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _prediction(values: Array, confidence: float) -> tuple[float, float] | None:
    """Return where one more positive value would lie, None with fewer than two to tell."""
    known = values[np.isfinite(values)]
    n = len(known)
    if n < 2:
        return None
    half = t_quantile(confidence, n - 1) * float(np.std(known, ddof=1)) * (1.0 + 1.0 / n) ** 0.5
    mean = float(np.mean(known))
    half += 1e-12 * abs(mean)
    return max(0.0, mean - half), mean + half
