"""Study of lyapunov results over a swept parameter and seeds: the onset of growth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.growth.sign_flips import LEVEL
from analyzers.studies.bootstrap import check, few_seeds, fewest
from analyzers.studies.cells import Cells, cells_of
from analyzers.studies.crossings import Passage, logarithmic
from analyzers.studies.curves import KINDS, series
from analyzers.studies.growth import Growth, growth_of
from analyzers.studies.level_onsets import exponent_onsets, sustained_onset
from analyzers.studies.onset import THRESHOLD, Onset, onset, turning_rates
from nndyn.results import Quantity, result

if TYPE_CHECKING:
    import xarray as xr

_SUMMARY = (
    "onset",
    "exponent_onset",
    "sustained_onset",
    "crossing_back",
    "seeds_used",
    "seeds_unconfirmed",
)


def onset_study(
    cells: xr.Dataset,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    threshold: float = THRESHOLD,
    levels: Sequence[float] = (0.01, 0.05, 0.1),
    horizon: float = 100.0,
) -> xr.Dataset:
    """Where along a swept parameter deviations begin to grow, over seeds.

    Parameters
    ----------
    cells : xarray.Dataset
        Results of ``lyapunov`` over the cells of a study: variables over (RATE, seed, …), RATE
        being the swept parameter. Cells may be missing anywhere.
    confidence : float, default 0.95
        Of the intervals.
    resamples : int, default 2000
        Of the bootstrap.
    threshold : float, default 3
        e-foldings that count as growth.
    levels : sequence of float, default (0.01, 0.05, 0.1)
        Of the finite-time exponent, in its unit.
    horizon : float, default 100
        Longest time over which the finite-time exponent is taken; where less is valid, over that.

    Returns
    -------
    xarray.Dataset
        Numbers, in the unit of RATE: ``onset``, the median over seeds of the rate at which a run's
        growth first passes `threshold`; ``exponent_onset`` (level,), where the median finite-time
        exponent passes each level; ``sustained_onset``, from where half of the seeds are chaotic;
        ``crossing_back``, seeds whose growth falls below the threshold again, ``seeds_used``,
        ``seeds_unconfirmed``, whose growth counts as none at a rate or more. ``turning_rate``
        (seed,). Over (RATE,): ``exponent``, ``median_growth``, ``finite_time_exponent``, medians
        over seeds with intervals; ``growing_share``, ``diverged_share``, with theirs;
        ``unconfirmed``, seeds whose growth counts as none; ``verdicts`` (RATE, kind), how many
        seeds have each. The verdict is ``found``, ``below the grid``, ``above the grid``,
        ``unresolved`` or ``stationary``.

    Raises
    ------
    UsageError
        If an option is out of range.
    DataError
        If `cells` are not over a parameter, of ascending numbers, and seeds.

    Notes
    -----
    The mean exponent of trainings is positive at every learning rate (slow drift, negative
    curvature), so that no zero crossing exists; see `analyzers.studies.onset` for the rule. A
    diverged run grows without limit. Growth that was cut short below the threshold because
    deviations stopped being infinitesimal says neither, and that cell is left out. Growth past the
    threshold that is not told from a neutral path, ``growth_p`` of `lyapunov` being above 0.02,
    counts as none: neither the interval of an exponent over perturbations of one run nor its growth
    alone is evidence. Results without ``growth_p`` count by their growth.

    The interval of ``onset`` is the percentile bootstrap over seeds, widened to the grid. Measured
    on drawn growth with 10 seeds on 12 log-spaced rates, it covers the true median in 94 to 98 % of
    draws when the turning rates spread by 0.2 or more in their logs, and in all when they spread by
    less than a step of the grid. The interval of ``exponent`` resamples seeds, and the replicas of
    each.

    Memory: resamples x seeds numbers at a time.
    """
    found = cells_of(cells)
    resamples = check(confidence, resamples)
    options: dict[str, Any] = {"confidence": confidence, "resamples": resamples}
    quantities: dict[str, Quantity] = {}
    unit = found.unit(found.name, "1")
    diverged = found.verdict == "diverged"
    growth = growth_of(found, threshold)
    logs = logarithmic(found.rates)
    stationary = bool((found.number("stationary") > 0.0).any())
    nothing = np.full(diverged.shape, np.nan)
    turning = turning_rates(
        found.rates,
        nothing if stationary else growth.counted,
        diverged & (not stationary),
        threshold,
    )
    why_not = _why_not(found, turning, stationary)
    measured = None if why_not else onset(turning, logs=logs, **options)
    verdict, reason = _judged(measured, found, why_not, stationary, turning, growth)
    long_name = f"{found.name} at which half of the seeds grow by {threshold:g} e-foldings"
    quantities["onset"] = Quantity(None, unit, long_name, note=why_not)
    if measured is not None:
        ends = (measured.low, measured.high)
        quantities["onset"] = Quantity(
            measured.rate if np.isfinite(measured.rate) else None,
            unit,
            long_name,
            ci=ends,
            interval_over="seeds",
            note=None if np.isfinite([measured.rate, *ends]).all() else reason,
        )
    cut = why_not or None
    quantities["exponent_onset"] = exponent_onsets(found, levels, horizon, cut, unit, **options)
    quantities["sustained_onset"] = sustained_onset(found, growth.unconfirmed, cut, unit, **options)
    quantities["crossing_back"] = Quantity(
        None if stationary else int(turning.back.sum()),
        "1",
        "seeds whose growth falls below the threshold again",
        note=why_not or None,
    )
    used = found.done if stationary else ~np.isnan(turning.rate)[None]
    quantities["seeds_used"] = Quantity(
        int(used.any(axis=0).sum()), "1", "seeds with growth at a rate or more"
    )
    quantities["seeds_unconfirmed"] = Quantity(
        growth.seeds if growth.tested and not stationary else None,
        "1",
        f"seeds of which growth, at a rate or more, is not told from a neutral path (growth_p > "
        f"{LEVEL:g}) and counts as none",
        note=None
        if growth.tested and not stationary
        else why_not or "no run has a growth_p: growth counts by its size alone",
    )
    inside = np.isfinite(turning.rate)
    quantities["turning_rate"] = Quantity(
        turning.rate,
        unit,
        f"{found.name} at which a seed's growth first passes {threshold:g} e-foldings",
        ("seed",),
        note=None
        if inside.all()
        else "-inf: grows at the lowest rate sampled already; inf: never; NaN: not known",
    )
    quantities |= series(found, growth, diverged, threshold, horizon, **options)
    return result(
        quantities,
        analyzer="lyapunov",
        recording=cells,
        parameters={**options, "threshold": threshold, "levels": list(levels), "horizon": horizon},
        summary=_SUMMARY,
        verdict=verdict,
        reason=reason,
        warnings=_warnings(found, measured, turning, confidence, logs),
        coords={
            **found.coords,
            "level": (
                "level",
                np.asarray(levels, np.float64),
                {"units": quantities["exponent"].unit, "long_name": "finite-time exponent"},
            ),
            "kind": ("kind", list(KINDS), {"long_name": "verdict of lyapunov"}),
        },
    )


def _why_not(cells: Cells, turning: Passage, stationary: bool) -> str:
    """Return why there is no onset over seeds; empty where there may be one."""
    if stationary:
        return (
            "the onset is of trainings and other transients; of stationary systems see the "
            "exponent along the sweep"
        )
    if cells.few:
        return cells.few
    if cells.rates.size < 2:
        return f"one value of {cells.name} shows no onset; sweep several"
    used = np.flatnonzero(~np.isnan(turning.rate))
    if used.size < 2:
        at = ""
        if used.size and np.isfinite(turning.rate[used[0]]):
            at = f"; that one turns at {cells.name} = {turning.rate[used[0]]:.4g}"
        return f"{used.size} of {cells.seeds.size} seeds can be used, two are needed{at}"
    if 2 * used.size < cells.seeds.size:
        return f"{used.size} of {cells.seeds.size} seeds can be used, fewer than half"
    return ""


def _judged(
    measured: Onset | None,
    cells: Cells,
    why_not: str,
    stationary: bool,
    turning: Passage,
    growth: Growth,
) -> tuple[str, str]:
    """Return verdict and reason."""
    if measured is None:
        return "stationary" if stationary else "unresolved", why_not
    name, seeds = cells.name, measured.seeds
    bottom = np.min(turning.upper, where=np.isneginf(turning.rate), initial=np.inf)
    top = np.max(turning.lower, where=np.isposinf(turning.rate), initial=-np.inf)
    ends = [f"{end:.4g}" if np.isfinite(end) else "open" for end in (measured.low, measured.high)]
    interval = f"[{', '.join(ends)}]"
    parts = []
    if np.isneginf(measured.rate):
        verdict = "below the grid"
        parts.append(
            f"{measured.below} of {seeds} seeds grow at the lowest {name} sampled already; "
            f"sweep below {bottom:.4g}"
        )
    elif np.isposinf(measured.rate):
        verdict = "above the grid"
        parts.append(
            f"{measured.above} of {seeds} seeds never grow up to the highest {name} sampled; "
            f"sweep above {top:.4g}"
        )
    elif np.isnan(measured.rate):
        verdict = "unresolved"
        parts.append(
            f"half of {seeds} seeds grow at the lowest {name} sampled already, the others never"
        )
    else:
        verdict = "found"
        parts.append(
            f"half of {seeds} seeds turn over at {name} = {measured.rate:.4g}, interval {interval}"
        )
        for n, what in (
            (measured.below, "grow at the lowest sampled already"),
            (measured.above, "never grow"),
        ):
            if n:
                parts.append(f"{n} of them {what}")
    if measured.back:
        parts.append(f"{measured.back} of them cross back at a higher {name}")
    return verdict, "; ".join([*parts, *growth.said, *cells.gaps])


def _warnings(
    cells: Cells, measured: Onset | None, turning: Passage, confidence: float, logs: bool
) -> list[str]:
    said = []
    if measured is not None and measured.seeds < fewest(confidence):
        said.append(few_seeds(measured.seeds, confidence))
    unused = int(np.isnan(turning.rate).sum())
    if measured is not None and unused:
        said.append(f"{unused} of {cells.seeds.size} seeds have no growth at any rate: left out")
    if not logs:
        said.append(f"{cells.name} is not positive everywhere: interpolated linearly, not in logs")
    return said
