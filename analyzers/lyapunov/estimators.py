"""Estimators of the exponent: along a stationary recording, and along a transient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from analyzers.common.blocks import filled, mean_increments, parts
from analyzers.growth.cures import longer_use
from analyzers.growth.doubling import growth_per_doubling
from analyzers.growth.growth_rate import growth_rate
from analyzers.growth.separation import Separation, kinks
from analyzers.growth.valid_region import Region
from analyzers.lyapunov.phases import SHORTEST
from analyzers.lyapunov.transient import cumulative, independent, measure_growth
from analyzers.lyapunov.verdict import Course, Verdict, judge_stationary, judge_transient
from nndyn.errors import DataError
from nndyn.numerics.arrays import Array

#: Fewest usable times of a stationary recording.
FEWEST = 10
#: Unit rounding from which there is little room for deviations: that of float32.
COARSE = 1e-10
#: Share of a stationary recording left out at its start unless a burn-in is given.
BURN_IN = 0.05


@dataclass
class Estimate:
    """What either branch finds; indices are into the times of the separation.

    `cut` says that `growth` ends where deviations stopped being infinitesimal, not by itself; `p`,
    of transients, is that of the sign-flip test, and `doubling`, of stationary recordings, the
    growth per doubling of the time; `rounding` the e-foldings by which rounding may have changed
    `growth`.
    """

    verdict: Verdict
    exponent: float | None
    half_width: float | None
    window: tuple[int, int] | None
    growth: float | None
    transient_end: int | None
    note_end: str
    note: str
    aligned: bool | None
    over: str
    start: int
    cut: bool = False
    p: float | None = None
    doubling: float | None = None
    rounding: float = 0.0


def along_stationary(
    sep: Separation,
    region: Region,
    steps: Array,
    dt: float,
    *,
    burn_in: float | None,
    confidence: float,
    min_growth: float,
    window: tuple[int, int] | None,
    ends_on: tuple[str, int],
    leaving: float,
    recorded: Mapping[str, Any],
    **_: Any,
) -> Estimate:
    """Estimate the mean growth rate of a stationary recording; options as for `lyapunov`."""
    first, last = window or (0, region.stop)
    part = steps[first:last]
    if burn_in is not None:
        burn = int(np.ceil(burn_in / dt))
    else:
        burn = 0 if window else max(1, int(BURN_IN * len(part)))
    usable = int(np.isfinite(mean_increments(part[burn:])).sum())
    if usable < FEWEST:
        ended = "" if region.ended_by == "end" else f", deviations being usable up to {last}"
        cure = longer_use(region.ended_by, sep.rescaled, recorded=recorded)
        if region.ended_by == "saturation" and last < 2:
            cure = "perturb less (`epsilon`)"
        elif region.ended_by == "end" and (window or burn_in is not None):
            cure = "leave a longer time to it (`burn_in`, `window`)"
        where = "in the window" if window else "after the burn-in"
        raise DataError(
            f"{usable} usable times {where}{ended}: too short to fit, at least {FEWEST} "
            f"are needed; {cure}"
        )
    rate = growth_rate(part, burn, confidence=confidence)
    growth = rate.value * usable
    course = cumulative(filled(part))
    doubling = growth_per_doubling(course)
    verdict = judge_stationary(
        rate,
        Course(
            total=float(course[-1]),
            growth=growth,
            doubling=doubling,
            samples=len(part),
            time=len(part) * dt,
            ends_on=ends_on,
            ended_by=region.ended_by,
            rescaled=sep.rescaled,
            followed=sep.rescaled or sep.followed is not None,
            leaving=leaving,
            recorded=recorded,
        ),
        min_growth=min_growth,
        unit=sep.unit,
        dt=dt,
    )
    note = ""
    if rate.blocks < 20:
        note = f"{rate.blocks} blocks only: the interval is wide for a short recording"
    return Estimate(
        verdict=verdict,
        exponent=rate.value / dt,
        half_width=rate.half_width / dt,
        window=(first + burn, last),
        growth=growth,
        transient_end=None,
        note_end="stationary recording: there is no transient",
        note=note,
        aligned=None,
        over="time",
        start=first + burn,
        doubling=doubling if np.isfinite(doubling) else None,
    )


def along_transient(
    sep: Separation,
    region: Region,
    steps: Array,
    dt: float,
    *,
    burn_in: float | None,
    confidence: float,
    min_growth: float,
    drift: float,
    window: tuple[int, int] | None,
    ends_on: tuple[str, int],
    recorded: Mapping[str, Any],
    **_: Any,
) -> Estimate:
    """Estimate the slope of the main growth phase of a transient; options as for `lyapunov`."""
    start = max(1, int(np.ceil((burn_in or 0.0) / dt)))
    early = float(np.nan_to_num(mean_increments(steps[:start])).sum())
    coarse = sep.resolution > COARSE
    cure = longer_use(region.ended_by, sep.rescaled, coarse, recorded)
    if region.stop - start < SHORTEST:
        if region.ended_by == "saturation" and region.stop < 2:
            cure = "perturb less (`epsilon`)"
        elif region.ended_by == "saturation" and not (sep.rescaled or coarse):
            cure = "perturb less (`epsilon`) or record with `rescale`"
        reason = (
            f"deviations can be used for {max(region.stop - start, 0)} steps after the start only "
            f"({region.ended_by}), {SHORTEST} are needed; {cure}"
        )
        if abs(early) >= 1.0:
            reason += f"; before that they changed by {early:.3g} e-foldings"
        if region.ended_by == "end":
            raise DataError(reason)
        saturated = region.ended_by == "saturation" and region.stop > start
        return Estimate(
            Verdict("unresolved", reason),
            *(None,) * 3,
            growth=float(filled(steps[start : region.stop]).sum()) if saturated else None,
            transient_end=None,
            note_end=reason,
            note=reason,
            aligned=None,
            over="perturbations",
            start=min(start, region.stop),
            cut=region.ended_by == "saturation",
        )
    measure = partial(
        measure_growth,
        steps,
        independent(sep.pair),
        sep.aligned,
        start=start,
        stop=region.stop,
        confidence=confidence,
    )
    found = measure()
    verdict = judge_transient(
        found,
        early=early,
        ended_by=region.ended_by,
        cure=cure,
        ends_on=ends_on,
        min_growth=min_growth,
        drift=drift,
        unit=sep.unit,
        dt=dt,
        time=sep.time,
    )
    p = found.p
    if window is not None:  # the verdict is on the run, the numbers are those asked for
        found = measure(window=(max(window[0], start), window[1]))
    note_end = ""
    if found.end is None:
        note_end = {
            "saturation": f"deviations stopped being infinitesimal before growth ended; {cure}",
            "end": "no growth phase ended within the recording",
        }.get(region.ended_by, f"the valid region ended first ({region.ended_by})")
    note = "" if found.half_width is not None else "one replica: no interval"
    measured = verdict.exponent or window is not None
    if not measured:
        note = "replicas disagree: they have no common exponent"
    return Estimate(
        verdict=verdict,
        exponent=found.slope / dt if measured else None,
        half_width=None if found.half_width is None or not measured else found.half_width / dt,
        window=found.window,
        growth=found.total,
        transient_end=found.end,
        note_end=note_end,
        note=note,
        aligned=found.aligned,
        over="perturbations",
        start=start,
        cut=found.end is None and region.ended_by in ("saturation", "floor"),
        p=p,
        rounding=_rounding(sep, region, region.stop if found.end is None else found.end),
    )


def _rounding(sep: Separation, region: Region, end: int) -> float:
    """Return the e-foldings by which rounding may have changed the growth up to an index."""
    share = np.exp(region.floor[end] - (sep.mean[end] - sep.offset[end]))
    return float(-np.log1p(-min(share, 0.99))) if np.isfinite(share) else 0.0


def leave_out_kinks(sep: Separation, region: Region, steps: Array, warnings: list[str]) -> None:
    """Blank the increments in which one replica jumps, and say so."""
    count, first = 0, ""
    for part in parts(region.stop, steps.shape[1]):
        jumps = kinks(steps[part])
        found = np.argwhere(jumps)
        if len(found) and not count:
            t, r = found[0] + (part.start, 0)
            first = (
                f"replica {sep.replicas[r]} changes {np.exp(abs(steps[t, r])):.0f}-fold in the "
                f"step to {sep.unit} {sep.time[t + 1]:g}"
            )
        count += len(found)
        steps[part][jumps] = np.nan
    if count:
        more = f", and {count - 1} more such jumps" if count > 1 else ""
        warnings.append(f"replicas disagree: {first}, as if it crossed a kink{more}; left out")
