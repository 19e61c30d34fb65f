"""Valid region of a deviation: above the rounding floor, and still infinitesimal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.blocks import mean_increments, parts
from analyzers.growth.separation import Separation
from nndyn.numerics.arrays import Array
from nndyn.numerics.series import rounding_of_a_step, running_median
from nndyn.recording import FLOOR_MARGIN, STEP_SHARE

if TYPE_CHECKING:
    import xarray as xr

#: Largest ``|δ₊ + δ₋| / (|δ₊| + |δ₋|)`` of an infinitesimal pair.
PAIR_LIMIT = 0.1


@dataclass
class Region:
    """Where the deviations can be used.

    Attributes
    ----------
    stop : int
        Index of the last valid time, -1 where the first one is not valid.
    ended_by : str
        ``end``, ``saturation``, ``floor``, ``divergence``, ``collapse``.
    floor, limit : (T,) float64
        Natural log of the l2 distance below which rounding, above which curvature shows; NaN where
        not known.
    warnings : list of str
    """

    stop: int
    ended_by: str
    floor: Array
    limit: Array
    warnings: list[str] = field(default_factory=list)


def valid_region(recording: xr.Dataset, sep: Separation, *, accumulate: bool = True) -> Region:
    """Return the times at which every replica's deviation is signal and infinitesimal.

    Parameters
    ----------
    recording : xarray.Dataset
    sep : Separation
    accumulate : bool
        Whether rounding errors grow along with the deviation (the identity of a perturbation
        matters), or only that of the single step counts (growth alone matters).

    Returns
    -------
    Region
        The first replica to leave ends it for all.
    """
    warnings: list[str] = []
    injected, measured = rounding_per_step(recording, sep)
    if not measured:
        injected = sep.resolution
    floor = log_floor(sep, injected, accumulate=accumulate)
    limit, rule = log_limit(sep)
    sizes = sep.sizes
    with_value = np.isfinite(sizes.highest)
    above = with_value & (sizes.highest > limit)
    if sizes.asymmetry is not None:
        above = with_value & (sizes.asymmetry > PAIR_LIMIT)
    below = with_value & (sizes.lowest < floor + np.log(FLOOR_MARGIN))
    if not measured and below[0]:
        below[:] = False  # states far below order 1: that guess says nothing
        floor[:] = -np.inf
    causes = {
        "saturation": above,
        "floor": below,
        "divergence": sizes.gone,
        "collapse": ~with_value & sizes.collapsed & ~sizes.gone,
    }
    if sep.rescaled:
        causes.pop("collapse")  # the recorder draws a collapsed replica anew
    stop, ended_by = sep.time.size - 1, "end"
    for name, bad in causes.items():
        if bad.any() and int(np.argmax(bad)) - 1 < stop:
            stop, ended_by = int(np.argmax(bad)) - 1, name
    if not measured and ended_by == "floor":
        warnings.append(
            "no rounding_distance and no control that moved: the floor is taken as one unit of "
            f"rounding ({sep.resolution:.1e}) a step for states of order 1"
        )
    if rule and (accumulate or ended_by == "saturation"):
        warnings.append(rule)
    return Region(stop, ended_by, floor, limit, warnings)


def log_limit(sep: Separation) -> tuple[Array, str]:
    """Return the natural log of the largest infinitesimal l2 distance at every time, (T,).

    Parameters
    ----------
    sep : Separation

    Returns
    -------
    limit : (T,) float64
        With mirrored pairs, the distance at which their asymmetry, proportional to it, passes 0.1;
        otherwise 2 % of the median step length of the reference so far. Where the reference starts
        at rest: 2 % of its longest step; where it never moves or its steps are not known: 2 % of
        the largest distance, if distances grew more than a thousandfold, else of the length of
        the reference's first state, and no limit (inf) where that is 0 or not recorded, unless
        deviations are longer than 1.
    rule : str
        The rule in words where it is not the usual one, else empty.
    """
    highest = sep.sizes.highest
    if sep.sizes.asymmetry is not None:
        share = sep.sizes.asymmetry / PAIR_LIMIT
        known = np.isfinite(share) & (share > 0.0)
        return highest - np.log(share, out=np.full(share.shape, np.nan), where=known), ""
    known = np.isfinite(highest)
    measured, start = bool(known.any()), float(highest[np.argmax(known)])
    steps = sep.sizes.step_length
    if steps is not None and np.isfinite(steps[1:]).any():
        steps = np.where(np.isfinite(steps), steps, 0.0)
        limit = np.empty(len(steps))
        limit[0], limit[1:] = steps[1], running_median(steps[1:])
        for part in parts(len(limit)):
            median = limit[part].copy()
            limit[part] = -np.inf
            np.log(median, out=limit[part], where=median > 0.0)
        limit += np.log(STEP_SHARE)
        if not measured or start <= limit[1]:
            return limit, ""
        longest = float(steps.max())
        if longest > 0.0 and start <= np.log(STEP_SHARE * longest):
            return np.full(len(limit), np.log(STEP_SHARE * longest)), (
                "the reference starts at rest: deviations count as infinitesimal up to 2 % of its "
                f"longest step ({STEP_SHARE * longest:.3g})"
            )
        if longest > np.exp(start) * 1e-3:
            return limit, ""
    largest = float(np.fmax.reduce(highest))
    if measured and largest - start > np.log(1e3):
        level = float(largest + np.log(STEP_SHARE))
        what = f"2 % of the largest distance ({np.exp(level):.3g})"
    elif sep.sizes.extent > 0.0:
        level = float(np.log(STEP_SHARE * sep.sizes.extent))
        what = f"2 % of the length of the state ({np.exp(level):.3g})"
    elif start > 0.0:
        level = float(np.log(STEP_SHARE))
        what = "2 % of one, the length of the state being unknown"
    else:
        level = np.inf
        what = "any distance, none having grown a thousandfold"
    return np.full(len(highest), level), (
        "no mirrored pairs with states and no step length to compare with: deviations count as "
        f"infinitesimal up to {what}"
    )


def log_floor(sep: Separation, injected: float, *, accumulate: bool) -> Array:
    """Return the natural log of the l2 distance that rounding alone would give, (T,).

    Parameters
    ----------
    sep : Separation
    injected : float
        l2 length of the rounding error of one step.
    accumulate : bool
        True: an error made at t' has grown with the deviation since, so the floor is
        ``d(t) Σ_{0<t'≤t} injected / d(t')``, rescaling included. False: the last error alone.

    Returns
    -------
    (T,) float64
        -inf at the first time and where nothing is injected.
    """
    log_d = sep.sizes.geometric
    out = np.full(len(log_d), -np.inf)
    if injected <= 0.0:
        return out
    if not accumulate:
        out[1:] = np.log(injected)
        return out
    carried = -np.inf
    for part in parts(len(log_d)):
        here = log_d[part]
        known = np.isfinite(here)
        if part.start == 0:
            known[0] = False
        total = np.where(known, np.log(injected) - here, -np.inf)
        total[0] = np.logaddexp(carried, total[0])
        total = np.logaddexp.accumulate(total)
        out[part][known] = total[known] + here[known]
        carried = total[-1]
    return out


def rounding_per_step(recording: xr.Dataset, sep: Separation) -> tuple[float, bool]:
    """Return the l2 rounding error of one step, from the twin and the control.

    Parameters
    ----------
    recording : xarray.Dataset
    sep : Separation

    Returns
    -------
    injected : float
        The largest that explains the distance of either at any time of the first steps, given the
        growth of the deviations.
    measured : bool
        Whether there is such a distance.
    """
    start = sep.time[0]
    curves: list[tuple[Array, Array]] = []
    last = sep.time[min(50, sep.time.size - 1)]
    if "rounding_distance" in recording:
        times = np.asarray(recording["floor_time"].values, dtype=np.float64)
        curves.append((times, np.asarray(recording["rounding_distance"].values, dtype=np.float64)))
    if sep.sizes.control is not None:
        curves.append((sep.time[: len(sep.sizes.control)], sep.sizes.control))
    steps = mean_increments(np.diff(sep.sizes.early, axis=0))  # nothing later is used
    growth = np.concatenate([[0.0], np.cumsum(np.where(np.isfinite(steps), steps, 0.0))])
    injected = 0.0
    for times, values in curves:
        index = np.searchsorted(sep.time, times)
        use = (times > start) & (times <= last) & np.isfinite(values)
        use &= index < sep.time.size
        use &= values > 0.0
        injected = max(injected, rounding_of_a_step(growth, index[use], values[use])[0])
    return injected, injected > 0.0
