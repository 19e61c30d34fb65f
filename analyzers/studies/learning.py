"""Study of learning results over a swept parameter and seeds: the fastest training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.studies.bootstrap import check, few_seeds, fewest
from analyzers.studies.cells import Cells, cells_of
from analyzers.studies.crossings import Passage, logarithmic
from analyzers.studies.fastest import Coincidence, Fastest, coincidence, fastest, judged
from analyzers.studies.growth import Growth, growth_of
from analyzers.studies.labels import along, fastest_rate, flow_times, ratio
from analyzers.studies.lyapunov import onset_study
from analyzers.studies.onset import turning_rates
from analyzers.studies.rate_times_time import FlowTime, flow_time
from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.results import Quantity, result

if TYPE_CHECKING:
    import xarray as xr

_SUMMARY = ("fastest", "onset", "coincidence", "flow_time_falls", "seeds_used")


def learning_study(
    cells: xr.Dataset,
    *,
    lyapunov: xr.Dataset | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    margin: float = 0.1,
) -> xr.Dataset:
    """Where along a swept parameter training is fastest, and whether that is at the onset.

    Parameters
    ----------
    cells : xarray.Dataset
        Results of ``learning`` over the cells of a study, (RATE, seed), RATE being the swept
        parameter. Cells may be missing anywhere.
    lyapunov : xarray.Dataset, optional
        Results of ``lyapunov`` over the same cells, for the onset.
    confidence : float, default 0.95
        Of the intervals.
    resamples : int, default 2000
        Of the bootstrap.
    margin : float, default 0.1
        A fall of the gradient-flow time by less than this share counts as none.

    Returns
    -------
    xarray.Dataset
        Numbers: ``fastest``, the rate of the shortest median training time over seeds, and
        ``onset``, both in the unit of RATE; ``coincidence``, the ratio of the two;
        ``flow_time_falls``, ``yes``, ``no`` or ``undecided``: whether training time times learning
        rate falls below its value at the lowest rate; ``seeds_used``. Over (RATE,):
        ``indistinguishable``, whether a rate's median is not told from the shortest;
        ``median_training_time`` and ``arrived_share``; ``flow_time`` and ``flow_time_ratio``, where
        RATE is ``lr``; ``best_accuracy``, ``final_accuracy``, ``sharpness_ratio``, medians over
        seeds. The verdict is ``fastest below the onset``, ``fastest above the onset``, ``at the
        onset (not distinguishable)``, ``found`` where there is no onset to compare with because
        `lyapunov` was not given, or ``unresolved``, with what would decide.

    Raises
    ------
    UsageError
        If an option is out of range.
    DataError
        If `cells` are not over a parameter, of ascending numbers, and seeds, or `lyapunov` is over
        others.

    Notes
    -----
    Medians are Kaplan and Meier's: a run that did not arrive, be it that it diverged, stays at risk
    to the last step, and fewer than half arriving gives none. Runs of one rate are all watched as
    long as the shortest of them was asked to run, so that the median is an order statistic.

    Times are those of evaluations: each may have been reached as early as just after the one
    before, and intervals hold all of that, so that rates within one gap are not told apart. Of
    rates that share the shortest median the lower one in the middle is given, one that was run.

    A ratio that is not told from 1 is at the onset only where its interval lies within a factor of
    two of 1; else more seeds, a finer grid or more evaluations would have to decide. Over fewer
    seeds than can hold a median with the confidence asked for, six at 95 %, nothing is said of the
    two.

    All intervals resample seeds, the same ones at every rate and for the onset; those of
    ``flow_time_ratio`` hold together. That of the fastest rate reaches three quarters of the way to
    its neighbours at least: a kink may lie there. With 6 or 10 seeds on 12 rates that of
    ``coincidence`` covers the ratio of the true curves, a kink anywhere between two rates, in 93 %
    of draws or more. The shortest of several medians is lower than it would be if measured again:
    ``indistinguishable`` may leave out rates that belong to it.
    """
    found = cells_of(cells)
    resamples = check(confidence, resamples)
    options: dict[str, Any] = {"confidence": confidence, "resamples": resamples}
    unit = found.unit(found.name, "1")
    times, earliest, warnings = training_times(found)
    beside = None if lyapunov is None else beside_of(lyapunov, found)
    growth = None if beside is None else growth_of(beside)
    order = order_of(times, beside, growth)
    times, earliest = times[:, order], earliest[:, order]
    quickest = fastest(found.rates, times, earliest, **options)
    quantities: dict[str, Quantity] = {}
    why_not = _why_not(found, times, quickest)
    quantities["fastest"] = fastest_rate(found, quickest, why_not, unit)
    onset, no_onset = _onset(lyapunov, options, unit, found.name)
    quantities["onset"] = onset
    no_ratio = why_not or no_onset
    if not no_ratio and not logarithmic(found.rates):
        no_ratio = f"{found.name} is not positive everywhere: a ratio says nothing"
    compared, verdict, undecided = Coincidence(np.nan, np.nan, np.nan), "unresolved", ""
    seeds = int((~np.isnan(times)).any(axis=0).sum())
    if not no_ratio and beside is not None and growth is not None:
        turning = turning_of(beside, growth, order)
        compared = coincidence(quickest, turning, confidence=confidence)
        seeds = int(((~np.isnan(times)).any(axis=0) & ~np.isnan(turning.rate)).sum())
        verdict, undecided = judged(compared, seeds, confidence)
    elif not why_not and lyapunov is None:
        verdict = "found"
    quantities["coincidence"] = ratio(compared, no_ratio)
    flow = None
    if found.name == "lr" and logarithmic(found.rates):
        flow = flow_time(found.rates, quickest, margin=margin, confidence=confidence)
    quantities |= flow_times(flow, found, quickest, why_not, margin)
    used = int(found.done.any(axis=0).sum())
    quantities["seeds_used"] = Quantity(used, "1", "seeds with a result at a rate or more")
    alike = quickest.alike & (not why_not)
    quantities |= along(found, times, quickest, alike, options)
    if not why_not:
        if verdict == "found" and 2 <= seeds < fewest(confidence):
            warnings.append(few_seeds(seeds, confidence))
        warnings += _coarse(times, earliest, found.unit("training_time", "step"))
    parts = _parts(found, quantities, quickest, lyapunov is not None, why_not or no_ratio, flow)
    unconfirmed = growth.said if growth is not None and not no_ratio else []
    reason = "; ".join([*([undecided] if undecided else []), *parts, *unconfirmed, *found.gaps])
    return result(
        quantities,
        analyzer="learning",
        recording=cells,
        parameters={**options, "margin": margin},
        summary=_SUMMARY,
        verdict=verdict,
        reason=reason,
        warnings=warnings,
        coords=found.coords,
    )


def training_times(cells: Cells) -> tuple[Array, Array, list[str]]:
    """Return training times, all of one rate watched equally long.

    Parameters
    ----------
    cells : Cells

    Returns
    -------
    times : (n, S) float64
        inf where not reached, NaN where there is no result, and at rates of fewer than half of the
        seeds.
    earliest : (n, S) float64
        The earliest at which each may have been reached, after the evaluation before.
    warnings : list of str
        Rates that are left out, and at which runs that did not arrive were watched for different
        numbers of steps.
    """
    times, steps = cells.number("training_time"), cells.number("steps")
    times = np.where(cells.done & np.isnan(times), np.inf, times)
    # a run that has arrived was watched long enough, however short it was
    watched = np.where(np.isinf(times), steps, np.nan)
    shortest, longest = np.fmin.reduce(watched, axis=1), np.fmax.reduce(watched, axis=1)
    late = times > shortest[:, None]  # never where the number of steps is not known
    times = np.where(late, np.inf, times)
    times[~cells.shared] = np.nan
    earliest = cells.number("training_time_earliest")
    earliest = np.where(np.isfinite(times) & ~np.isnan(earliest), earliest, times)
    warnings = []
    sparse = int((cells.done.any(axis=1) & ~cells.shared).sum())
    if sparse:
        warnings.append(
            f"{sparse} values of {cells.name} with results of fewer than half of the seeds are "
            "left out"
        )
    uneven = np.flatnonzero(longest > shortest)
    if uneven.size:
        where = ", ".join(f"{cells.rates[i]:.4g}" for i in uneven)
        warnings.append(
            f"at {cells.name} = {where} seeds that did not arrive were run for different "
            "numbers of steps: compared up to the fewest"
        )
    return times, earliest, warnings


def beside_of(lyapunov: xr.Dataset, cells: Cells) -> Cells:
    """Return the results of lyapunov over the same cells.

    Returns
    -------
    Cells

    Raises
    ------
    DataError
        If they are over others.
    """
    beside = cells_of(lyapunov)
    if (
        beside.name != cells.name
        or not np.array_equal(beside.rates, cells.rates)
        or not np.array_equal(beside.seeds, cells.seeds)
    ):
        raise DataError(
            "the lyapunov results are over other cells than the learning results; "
            "analyze the same study with both"
        )
    return beside


def order_of(times: Array, beside: Cells | None, growth: Growth | None) -> Array:
    """Return an order of seeds that depends on what they do alone."""
    if beside is None or growth is None:
        return np.lexsort(times)
    diverged = beside.verdict == "diverged"
    return np.lexsort(np.concatenate([times, growth.counted, diverged]))


def turning_of(beside: Cells, growth: Growth, order: Array) -> Passage:
    """Return the turning rates of seeds in an order."""
    diverged = beside.verdict == "diverged"
    return turning_rates(beside.rates, growth.counted[:, order], diverged[:, order])


def _coarse(times: Array, earliest: Array, unit: str) -> list[str]:
    """Warn where evaluations lie so far apart that times are not known to the step."""
    arrived = np.isfinite(times)
    gap = float(np.max(times[arrived] - earliest[arrived], initial=0.0))
    if not gap:
        return []
    return [
        f"times are those of evaluations up to {gap + 1:g} {unit}s apart: intervals reach back to "
        "the evaluation before, and rates within one gap are not told apart; record with a smaller "
        "`evaluate`"
    ]


def _why_not(cells: Cells, times: Array, quickest: Fastest) -> str:
    """Return why there is no fastest rate; empty where there is one."""
    if cells.few:
        return cells.few
    if cells.rates.size < 2:
        return f"one value of {cells.name} leaves nothing to compare; sweep several"
    used = int(cells.done.any(axis=0).sum())
    if used < 2:
        return f"{used} of {cells.seeds.size} seeds can be used, two are needed"
    if int(cells.shared.sum()) < 2:
        return f"too few values of {cells.name} were run with half of the seeds"
    if np.isnan(quickest.rate):
        return f"fewer than half of the seeds learn at every {cells.name}: no median training time"
    return ""


def _onset(
    lyapunov: xr.Dataset | None, options: dict[str, Any], unit: str, name: str
) -> tuple[Quantity, str]:
    """Return the onset of the same cells, and why there is none."""
    long_name = f"{name} at which half of the seeds grow"
    if lyapunov is None:
        why = "results of lyapunov were not given"
        return Quantity(None, unit, long_name, note=why), why
    study = onset_study(lyapunov, **options)
    value = float(study["onset"])
    note = study["onset"].attrs.get("note")
    ci = study["onset_ci"].values if "onset_ci" in study else None
    found = Quantity(
        value if np.isfinite(value) else None,
        unit,
        str(study["onset"].attrs["long_name"]),
        ci=ci,
        interval_over="seeds",
        note=note,
    )
    return found, "" if np.isfinite(value) else f"no onset: {note}"


def _parts(
    cells: Cells,
    found: dict[str, Quantity],
    quickest: Fastest,
    compare: bool,
    why_not: str,
    flow: FlowTime | None,
) -> list[str]:
    """Return what was found, in parts of a sentence."""
    name = cells.name
    at = found["fastest"]
    if at.value is None:
        return [str(at.note)]
    parts = [f"training is fastest at {name} = {at.value:.4g}"]
    others = cells.rates[quickest.tied & (cells.rates != at.value)]
    if others.size:
        parts[0] += f", tied with {', '.join(f'{rate:.4g}' for rate in others)}"
    alike = cells.rates[found["indistinguishable"].value]
    if alike.size > 1:
        told = ", ".join(f"{rate:.4g}" for rate in alike if rate != at.value)
        parts[0] += f", not told from {told}"
    compared = found["coincidence"]
    if compared.value is not None:
        low, high = compared.ci
        parts.append(
            f"that is {compared.value:.3g} [{low:.3g}, {high:.3g}] of the onset "
            f"{found['onset'].value:.4g}"
        )
    elif compare:
        parts.append(f"not compared with an onset: {why_not}")
    if flow is not None:
        falls = {
            "yes": "falls below its value at the lowest rate",
            "no": "does not fall below its value at the lowest rate",
            "undecided": "is not told from its value at the lowest rate",
        }[flow.falls]
        parts.append(f"training time times {name} {falls}")
    return parts
