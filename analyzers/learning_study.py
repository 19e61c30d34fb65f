"""The study of learning results over a swept parameter and seeds: where training is fastest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyzers.cells import Cells, cells_of
from analyzers.coincidence import Coincidence, Fastest, FlowTime, coincidence, fastest, flow_time
from analyzers.onset import THRESHOLD, turning_rates
from analyzers.onset_study import known_growth, onset_study
from analyzers.passage import logarithmic
from analyzers.resampling import check
from analyzers.sweep_series import medians
from nndyn.errors import DataError
from nndyn.results import Quantity, result

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[Any]

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
        `lyapunov` was not given, or ``unresolved``.

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

    All intervals resample seeds, the same ones at every rate and for the onset; those of
    ``flow_time_ratio`` hold together. With 10 seeds on 12 rates that of ``coincidence`` covers the
    ratio of the true curves in 93 to 99 % of draws, the true optimum lying anywhere between two
    rates; in 89 % where it is a kink, and half way. The shortest of several medians is lower than
    it would be if measured again: ``indistinguishable`` may leave out rates that belong to it.
    """
    found = cells_of(cells)
    check(confidence, resamples)
    options: dict[str, Any] = {"confidence": confidence, "resamples": resamples}
    unit = found.unit(found.name, "1")
    times, warnings = training_times(found)
    beside = None if lyapunov is None else _beside(lyapunov, found)
    times, turning = _sorted(times, found, beside)
    quickest = fastest(found.rates, times, **options)
    quantities: dict[str, Quantity] = {}
    why_not = _why_not(found, times, quickest)
    compared = Coincidence(np.nan, np.nan, np.nan)
    quantities["fastest"] = _fastest(found, quickest, why_not, unit)
    onset, no_onset = _onset(lyapunov, options, unit, found.name)
    quantities["onset"] = onset
    no_ratio = why_not or no_onset
    if not no_ratio and not logarithmic(found.rates):
        no_ratio = f"{found.name} is not positive everywhere: a ratio says nothing"
    if not no_ratio and turning is not None:
        compared = coincidence(quickest, turning, confidence=confidence)
    quantities["coincidence"] = _coincidence(compared, no_ratio)
    flow = None
    if found.name == "lr" and logarithmic(found.rates):
        flow = flow_time(found.rates, quickest, margin=margin, confidence=confidence)
    quantities |= _flow_times(flow, found, quickest, why_not, margin)
    used = int(found.done.any(axis=0).sum())
    quantities["seeds_used"] = Quantity(used, "1", "seeds with a result at a rate or more")
    alike = quickest.alike & (not why_not)
    quantities |= _along(found, times, quickest, alike, options)
    verdict, reason = _judged(found, quantities, lyapunov is not None, why_not or no_ratio, flow)
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


def training_times(cells: Cells) -> tuple[Array, list[str]]:
    """Return training times, all of one rate watched equally long.

    Parameters
    ----------
    cells : Cells

    Returns
    -------
    times : (n, S) float64
        inf where not reached, NaN where there is no result, and at rates of fewer than half of the
        seeds.
    warnings : list of str
        Rates that are left out, and at which runs were asked for different numbers of steps.
    """
    times, steps = cells.number("training_time"), cells.number("steps")
    times = np.where(cells.done & np.isnan(times), np.inf, times)
    shortest = np.fmin.reduce(steps, axis=1)
    longest = np.fmax.reduce(steps, axis=1)
    late = times > shortest[:, None]  # never where the number of steps is not known
    times = np.where(late, np.inf, times)
    times[~cells.shared] = np.nan
    warnings = []
    sparse = int((cells.done.any(axis=1) & ~cells.shared).sum())
    if sparse:
        warnings.append(
            f"{sparse} values of {cells.name} with results of fewer than half of the seeds are "
            "left out"
        )
    uneven = np.flatnonzero(longest > shortest)
    if uneven.size:
        where = ", ".join(f"{cells.rates[i]:.4g}" for i in uneven[:5])
        more = ", …" if uneven.size > 5 else ""
        warnings.append(
            f"at {cells.name} = {where}{more} seeds were run for different numbers of steps: "
            "compared up to the fewest"
        )
    return times, warnings


def _beside(lyapunov: xr.Dataset, cells: Cells) -> Cells:
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


def _sorted(times: Array, cells: Cells, beside: Cells | None) -> tuple[Array, Any]:
    """Return times and turning rates in an order of seeds that is their own."""
    if beside is None:
        return times[:, np.lexsort(times)], None
    growth = known_growth(beside, THRESHOLD)
    diverged = beside.verdict == "diverged"
    order = np.lexsort(np.concatenate([times, growth, diverged]))
    turning = turning_rates(beside.rates, growth[:, order], diverged[:, order])
    return times[:, order], turning


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


def _fastest(cells: Cells, quickest: Fastest, why_not: str, unit: str) -> Quantity:
    long_name = f"{cells.name} of the shortest median training time"
    if why_not:
        return Quantity(None, unit, long_name, note=why_not)
    note = None
    for end, where in ((quickest.low, "lowest"), (quickest.high, "highest")):
        if np.isinf(end):
            note = f"the {where} sampled is not told from the fastest; sweep further"
    return Quantity(
        quickest.rate,
        unit,
        long_name,
        ci=(quickest.low, quickest.high),
        interval_over="seeds",
        note=note,
    )


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


def _coincidence(compared: Coincidence, why_not: str) -> Quantity:
    long_name = "fastest over onset"
    if why_not:
        return Quantity(None, "1", long_name, note=why_not)
    note = None
    if compared.low == 0.0 or np.isinf(compared.high):
        note = "an end is open: the fastest is at an edge of the sweep, or seeds turn beyond it"
    return Quantity(
        compared.ratio,
        "1",
        long_name,
        ci=(compared.low, compared.high),
        interval_over="seeds",
        note=note,
    )


def _flow_times(
    flow: FlowTime | None, cells: Cells, quickest: Fastest, why_not: str, margin: float
) -> dict[str, Quantity]:
    long_name = "whether training time times learning rate falls below its value at small rates"
    if flow is None:
        note = f"the gradient-flow time is of a swept lr; here {cells.name} is swept"
        return {"flow_time_falls": Quantity("undecided", "1", long_name, note=note)}
    dims = (cells.name,)
    missing = "NaN where fewer than half of the seeds arrive"
    product, ends = quickest.medians * cells.rates, quickest.interval * cells.rates[:, None]
    base = f"{cells.rates[flow.first]:.4g}" if flow.first >= 0 else "none"
    return {
        "flow_time_falls": Quantity(
            "undecided" if why_not else flow.falls, "1", long_name, note=why_not or None
        ),
        "flow_time": Quantity(
            np.where(np.isfinite(product), product, np.nan),
            "1",
            "median training time times learning rate",
            dims,
            ci=ends,
            interval_over="seeds",
            note=missing,
        ),
        "flow_time_ratio": Quantity(
            flow.ratio,
            "1",
            f"flow time over that at the lowest rate with one ({base})",
            dims,
            ci=flow.interval,
            interval_over="seeds",
            note=f"{missing}; intervals hold for all rates together; a fall by less than "
            f"{margin:.0%} counts as none",
        ),
    }


def _along(
    cells: Cells, times: Array, quickest: Fastest, alike: Array, options: dict[str, Any]
) -> dict[str, Quantity]:
    """Return training times and accuracies along the swept parameter."""
    dims = (cells.name,)
    unit = cells.unit("training_time", "step")
    known = ~np.isnan(times)
    count = known.sum(axis=1)
    arrived = np.full(len(count), np.nan)
    np.divide(np.isfinite(times).sum(axis=1), count, out=arrived, where=count > 0)
    quantities = {
        "indistinguishable": Quantity(
            alike, "1", "whether the median is not told from the shortest", dims
        ),
        "median_training_time": Quantity(
            np.where(np.isfinite(quickest.medians), quickest.medians, np.nan),
            unit,
            "training time, Kaplan-Meier median over seeds",
            dims,
            ci=quickest.interval,
            interval_over="seeds",
            note="NaN where fewer than half of the seeds arrive; intervals of two seeds or more",
        ),
        "arrived_share": Quantity(
            arrived, "1", "share of seeds that learn", dims, note="NaN where no seed has a result"
        ),
    }
    for name, what in (
        ("best_accuracy", "largest accuracy"),
        ("final_accuracy", "last accuracy"),
        ("sharpness_ratio", "largest sharpness over its limit"),
    ):
        values = cells.number(name)
        if np.isnan(values).all() and name == "sharpness_ratio":
            continue  # not recorded
        median, ci = medians(values, **options)
        quantities[name] = Quantity(
            median,
            "1",
            f"{what}, median over seeds",
            dims,
            ci=ci,
            interval_over="seeds",
            note="NaN where no seed has one; intervals of two seeds or more",
        )
    return quantities


def _judged(
    cells: Cells,
    found: dict[str, Quantity],
    compare: bool,
    why_not: str,
    flow: FlowTime | None,
) -> tuple[str, str]:
    """Return verdict and reason."""
    name = cells.name
    at = found["fastest"]
    if at.value is None:
        return "unresolved", str(at.note)
    parts = [f"training is fastest at {name} = {at.value:.4g}"]
    alike = cells.rates[found["indistinguishable"].value]
    if alike.size > 1:
        parts[0] += f", not told from {alike.min():.4g} to {alike.max():.4g}"
    ratio = found["coincidence"]
    if ratio.value is None:
        verdict = "unresolved" if compare else "found"
        if compare:
            parts.append(f"not compared with an onset: {why_not}")
    else:
        low, high = ratio.ci
        verdict = (
            "fastest below the onset"
            if high < 1.0
            else "fastest above the onset"
            if low > 1.0
            else "at the onset (not distinguishable)"
        )
        parts.append(
            f"that is {ratio.value:.3g} [{low:.3g}, {high:.3g}] of the onset "
            f"{found['onset'].value:.4g}"
        )
    if flow is not None:
        falls = {
            "yes": "falls below its value at the lowest rate",
            "no": "does not fall below its value at the lowest rate",
            "undecided": "is not told from its value at the lowest rate",
        }[flow.falls]
        parts.append(f"training time times {name} {falls}")
    return verdict, "; ".join([*parts, *cells.gaps])
