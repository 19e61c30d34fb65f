"""The curves of a lyapunov result: all that its figure needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzers.estimate import Estimate
from analyzers.growth_rate import running_rate
from analyzers.separation import Separation, mean_increments
from analyzers.transient import filled, independent
from analyzers.validity import Region
from nndyn.results import Quantity

Array = NDArray[Any]


def curves(
    found: Estimate,
    sep: Separation,
    region: Region,
    steps: Array,
    dt: float,
    stationary: bool,
    note: str,
) -> dict[str, Quantity]:
    """Return mean, limits, fit and local exponents over time; `note` says what the mean is of."""
    mean = mean_increments(sep.log_separation)
    offset = mean_increments(sep.log_distance - sep.log_l2 + sep.log_rescale)
    local = mean_increments(steps)
    fit = np.full(sep.time.size, np.nan)
    if found.window is not None and found.exponent is not None:
        a, b = found.window
        line = found.exponent * sep.time[a : b + 1]
        level = mean[a : b + 1] - line
        good = np.isfinite(level)
        fit[a : b + 1] = line + (level[good].mean() if good.any() else np.nan)
    values_of: dict[str, tuple[Array, str, str]] = {
        "mean_log_separation": (mean, "mean over replicas of the log separation", note),
        "floor": (
            np.where(np.isfinite(region.floor), region.floor + offset, np.nan),
            "natural log of the separation that rounding alone would give",
            "NaN where no rounding error is known",
        ),
        "saturation": (
            np.where(np.isfinite(region.limit), region.limit + offset, np.nan),
            "natural log of the largest separation that counts as infinitesimal",
            "NaN where there is no limit",
        ),
        "fit": (fit, "exponent times time over the window", "NaN outside the window"),
        "local_exponent": (
            np.concatenate([[np.nan], local / dt]),
            "growth of the mean log separation over the last sample",
            "NaN at the first time and where no replica has an increment",
        ),
    }
    if stationary:
        values_of["running_exponent"] = (
            np.concatenate([[np.nan], _running(found, steps) / dt]),
            "mean growth from the end of the burn-in",
            "NaN before the end of the burn-in and after the window",
        )
    units = {"local_exponent": f"per {sep.unit}", "running_exponent": f"per {sep.unit}"}
    return {
        name: Quantity(values, units.get(name, "1"), long_name, dims=("time",), note=note or None)
        for name, (values, long_name, note) in values_of.items()
    }


def replicas(sep: Separation) -> Quantity:
    """Return the curve of every replica as it was measured."""
    return Quantity(
        sep.log_separation,
        "1",
        "natural log of the distance to the reference, rescaling put back",
        dims=("time", "replica"),
        note="NaN where a replica coincides with the reference or has diverged",
    )


def _running(found: Estimate, steps: Array) -> Array:
    rate = np.full(len(steps), np.nan)
    if found.window is not None:
        first, last = found.window
        rate[first:last] = running_rate(steps[first:last], 0)
    return rate


def finite_time(steps: Array, start: int, stop: int, horizon: int | None) -> tuple[Array, Array]:
    """Horizons 1, 2, 5, 10, … in samples, and the growth per sample over each."""
    longest = max(stop - start, 1)
    if horizon is not None:
        longest = min(longest, horizon)
    wanted = [m * 10**e for e in range(13) for m in (1, 2, 5) if m * 10**e < longest]
    horizons = np.array([*wanted, longest], dtype=np.int64)
    mean = filled(steps[start : start + longest])
    total = np.cumsum(mean)
    if not total.size:
        return horizons[:1], np.full(1, np.nan)
    horizons = horizons[horizons <= total.size]
    return horizons, total[horizons - 1] / horizons


def replica_exponents(
    found: Estimate, sep: Separation, steps: Array, dt: float, missing: str
) -> Quantity:
    """Return each replica's mean growth over the window; `missing` says why there is none."""
    values = np.full(sep.replicas.size, np.nan)
    note = missing
    if found.window is not None and not missing:
        inside = steps[found.window[0] : found.window[1]]
        for columns in independent(sep.pair):
            known = inside[:, columns]
            known = known[np.isfinite(known)]
            values[columns[0]] = known.mean() / dt if known.size else np.nan
        paired = (sep.pair >= 0).any()
        note = "a mirrored pair counts once: NaN at its second replica" if paired else ""
        if np.isnan(values).all():
            note = "no replica has an increment in the window"
    return Quantity(
        values,
        f"per {sep.unit}",
        "mean growth of a replica over the window",
        ("replica",),
        note=note or None,
    )
