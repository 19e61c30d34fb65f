"""Curves of a lyapunov result, as its figure needs them."""

from __future__ import annotations

import numpy as np

from analyzers.common.blocks import filled, mean_increments, parts
from analyzers.growth.growth_rate import running_rate
from analyzers.growth.separation import Separation
from analyzers.growth.valid_region import Region
from analyzers.lyapunov.estimators import Estimate
from analyzers.lyapunov.transient import independent
from nndyn.numerics.arrays import Array
from nndyn.results import Quantity


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
    local = np.full(sep.time.size, np.nan)
    local[1:] = mean_increments(steps)
    local /= dt
    for limit in (region.floor, region.limit):  # returned themselves: of no use to others by now
        limit += sep.offset
        limit[~np.isfinite(limit)] = np.nan
    values_of: dict[str, tuple[Array, str, str]] = {
        "mean_log_separation": (sep.mean, "mean over replicas of the log separation", note),
        "floor": (
            region.floor,
            "natural log of the separation that rounding alone would give",
            "NaN where no rounding error is known",
        ),
        "saturation": (
            region.limit,
            "natural log of the largest separation that counts as infinitesimal",
            "NaN where there is no limit",
        ),
        "fit": (_fit(found, sep), "exponent times time over the window", "NaN outside the window"),
        "local_exponent": (
            local,
            "growth of the mean log separation over the last sample",
            "NaN at the first time and where no replica has an increment",
        ),
    }
    if stationary:
        values_of["running_exponent"] = (
            _running(found, steps, dt),
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


def _fit(found: Estimate, sep: Separation) -> Array:
    fit = np.full(sep.time.size, np.nan)
    if found.window is None or found.exponent is None:
        return fit
    a, b = found.window
    line = fit[a : b + 1]
    np.multiply(found.exponent, sep.time[a : b + 1], out=line)
    total, count = 0.0, 0
    for part in parts(line.size):
        level = sep.mean[a : b + 1][part] - line[part]
        level = level[np.isfinite(level)]
        total, count = total + float(level.sum()), count + level.size
    line += total / count if count else np.nan
    return fit


def _running(found: Estimate, steps: Array, dt: float) -> Array:
    rate = np.full(len(steps) + 1, np.nan)
    if found.window is not None:
        first, last = found.window
        rate[first + 1 : last + 1] = running_rate(steps[first:last], 0)
    rate /= dt
    return rate


def finite_time(steps: Array, start: int, stop: int, most: int | None) -> tuple[Array, Array]:
    """Horizons 1, 2, 5, 10, … in samples, at most `most`, and the growth per sample over each."""
    longest = max(stop - start, 1)
    if most is not None:
        longest = min(longest, most)
    wanted = [m * 10**e for e in range(13) for m in (1, 2, 5) if m * 10**e < longest]
    horizons = np.array([*wanted, longest], dtype=np.int64)
    mean = filled(steps[start : start + longest])
    total = np.cumsum(mean, out=mean)
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
            total, count = 0.0, 0
            for part in parts(len(inside), steps.shape[1]):
                known = inside[part][:, columns]
                known = known[np.isfinite(known)]
                total, count = total + float(known.sum()), count + known.size
            values[columns[0]] = total / count / dt if count else np.nan
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
