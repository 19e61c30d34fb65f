"""The claim that training is fastest at the onset of growth, and gains by it: what a study says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.studies.bootstrap import check, fewest
from analyzers.studies.cells import Cells, cells_of
from analyzers.studies.crossings import Passage, logarithmic
from analyzers.studies.fastest import Coincidence, coincidence, fastest
from analyzers.studies.growth import growth_of
from analyzers.studies.hypotheses.equivalence import FACTOR, each, equivalence
from analyzers.studies.hypotheses.fall import MARGIN, Fall, fall, none
from analyzers.studies.hypotheses.predictors import curvature_rates, last_stable_rates
from analyzers.studies.learning import beside_of, order_of, training_times
from analyzers.studies.onset import onset, turning_rates
from nndyn.checks import whole
from nndyn.errors import DataError
from nndyn.results import Quantity, result

if TYPE_CHECKING:
    import xarray as xr

#: Fewest seeds with which anything is settled.
SEEDS = 10
#: What the claim can be.
VERDICTS = ("holds", "does not", "not decided", "not settled")

_SUMMARY = (
    *("fastest", "onset", "coincidence", "fall", "fall_from", "curvature_rate"),
    *("over_curvature_rate", "last_stable_rate", "over_last_stable_rate", "seeds_used"),
)


def verdict(compared: str, falls: str, seeds: int, fewest_seeds: int = SEEDS) -> str:
    """Say what becomes of the claim, by the rule alone.

    Parameters
    ----------
    compared : str
        What `analyzers.studies.hypotheses.equivalence.equivalence` says of fastest over onset.
    falls : str
        Whether training time times learning rate falls: ``yes``, ``no`` or ``undecided``.
    seeds : int
    fewest_seeds : int, default 10

    Returns
    -------
    str
        One of `VERDICTS`: ``not settled`` of too few seeds; ``holds`` where the ratio is equivalent
        to 1 and the time falls; ``does not`` where the ratio is different or the time does not
        fall; else ``not decided``.
    """
    if seeds < fewest_seeds:
        return "not settled"
    if compared == "different" or falls == "no":
        return "does not"
    return "holds" if compared == "equivalent" and falls == "yes" else "not decided"


def claim_study(
    cells: xr.Dataset,
    *,
    lyapunov: xr.Dataset,
    factor: float = FACTOR,
    margin: float = MARGIN,
    comparisons: int = 1,
    confidence: float = 0.95,
    resamples: int = 20_000,
    seeds: int = SEEDS,
) -> xr.Dataset:
    """Whether training is fastest at the onset of growth, and faster than a longer step makes it.

    Parameters
    ----------
    cells : xarray.Dataset
        Results of ``learning`` over the cells of a study, (lr, seed).
    lyapunov : xarray.Dataset
        Results of ``lyapunov`` over the same cells.
    factor : float, default 1.5
        The fastest rate is at the onset where their ratio lies within this factor of 1.
    margin : float, default 0.1
        A fall of training time times learning rate by less than this share counts as none.
    comparisons : int, default 1
        How many studies are judged together: by chance one verdict of all is wrong with at most
        1 - `confidence`, two intervals at this level being used where both have to hold.
    confidence : float, default 0.95
        With which no verdict is wrong.
    resamples : int, default 20000
        Of the bootstrap.
    seeds : int, default 10
        Fewest seeds with which anything is settled.

    Returns
    -------
    xarray.Dataset
        ``fastest``, ``onset``; ``coincidence``, the ratio of the two, and ``fall``, training time
        times learning rate at the fastest rate over that at ``fall_from``, with the intervals that
        decide; ``curvature_rate``, at which the initial sharpness is at the limit of the optimizer,
        ``last_stable_rate``, up to which half of the seeds learn, and the ratios of the fastest to
        these, with intervals of each alone; ``rate_times_time`` (lr,), that of ``fall`` at every
        rate; ``seeds_used``, with training times and growth. The verdict is ``holds``, ``does
        not``, ``not decided`` or ``not settled``.

    Raises
    ------
    UsageError
        If an option is out of range.
    DataError
        If `cells` are not over ascending, positive learning rates and seeds, or `lyapunov` is over
        others.

    Notes
    -----
    The rule is that of `verdict`. The claim holds where both parts are shown: the whole interval of
    ``coincidence`` lies in [1 / factor, factor], two one-sided tests, and the whole interval of
    ``fall`` lies below 1. It does not where either is refuted: the interval of ``coincidence`` lies
    outside, or that of ``fall`` above ``1 - margin``. All intervals resample seeds, the same ones
    at every rate, for the onset and for the fastest rate, which is chosen anew in every draw; see
    `analyzers.studies.learning` for times and their medians. Of ratios at the edge of the range,
    ``coincidence`` is called equivalent in under 5 % of draws.

    Memory: resamples x (seeds + rates) numbers a few times.
    """
    found = cells_of(cells)
    resamples = check(confidence, resamples)
    options: dict[str, Any] = {"factor": factor, "margin": margin, "comparisons": comparisons}
    options |= {"confidence": confidence, "resamples": resamples, "seeds": whole("seeds", seeds, 2)}
    level = each(confidence, comparisons)
    equivalence(1.0, 1.0, factor)
    if not logarithmic(found.rates):
        raise DataError(f"{found.name} has values that are not positive: a ratio says nothing")
    beside = beside_of(lyapunov, found)
    growth = growth_of(beside)
    times, earliest, warnings = training_times(found)
    order = order_of(times, beside, growth)
    times, earliest = times[:, order], earliest[:, order]
    diverged = (beside.verdict == "diverged")[:, order]
    turning = turning_rates(found.rates, growth.counted[:, order], diverged)
    quickest = fastest(found.rates, times, earliest, confidence=level, resamples=resamples)
    used = int(((~np.isnan(times)).any(axis=0) & ~np.isnan(turning.rate)).sum())
    compared = coincidence(quickest, turning, confidence=level)
    fell = none(found.rates.size)
    if not np.isnan(quickest.rate):
        fell = fall(found.rates, times, earliest, quickest, margin=margin, confidence=level)
    enough = max(seeds, fewest(level))
    equal = equivalence(compared.low, compared.high, factor)
    said = verdict(equal, fell.falls, used, enough)
    predictors = {
        "curvature_rate": curvature_rates(
            found.rates, found.number("sharpness_ratio_start")[:, order]
        ),
        "last_stable_rate": last_stable_rates(found.rates, times),
    }
    alone = fastest(found.rates, times, earliest, confidence=confidence, resamples=resamples)
    quantities = _numbers(found, quickest.rate, (alone.low, alone.high), turning, compared, fell)
    for name, passage in predictors.items():
        quantities |= _predictor(name, passage, coincidence(alone, passage, confidence=confidence))
    quantities["rate_times_time"] = Quantity(
        fell.ratios,
        "1",
        "training time times learning rate, over that at the small one",
        (found.name,),
        note="NaN where fewer than half of the seeds arrive",
    )
    quantities["seeds_used"] = Quantity(used, "1", "seeds with training times and growth")
    return result(
        quantities,
        analyzer="claim",
        recording=cells,
        parameters=options,
        summary=_SUMMARY,
        verdict=said,
        reason="; ".join([*_reasons(compared, equal, fell, factor, used, enough), *found.gaps]),
        warnings=warnings,
        coords=found.coords,
    )


def _numbers(
    cells: Cells,
    rate: float,
    ends: tuple[float, float],
    turning: Passage,
    compared: Coincidence,
    fell: Fall,
) -> dict[str, Quantity]:
    """Label the fastest rate, the onset, and what is made of them."""
    at = onset(turning)
    null = "there is no median training time"
    both = "there is no fastest rate, or no onset within the sweep"
    slower = "there is no rate below the fastest at which half of the seeds learn"
    return {
        "fastest": _labelled(
            rate, ends, f"{cells.name} of the shortest median training time", null
        ),
        "onset": _labelled(
            at.rate,
            (at.low, at.high),
            f"{cells.name} at which half of the seeds grow",
            "half of the seeds turn outside the sweep",
        ),
        "coincidence": _labelled(
            compared.ratio, (compared.low, compared.high), "fastest over onset", both
        ),
        "fall": _labelled(
            fell.ratio,
            (fell.low, fell.high),
            "training time times learning rate at the fastest rate, over that at a small one",
            slower,
        ),
        "fall_from": Quantity(
            None if np.isnan(fell.rate) else fell.rate,
            "1",
            "the small learning rate",
            note=slower if np.isnan(fell.rate) else None,
        ),
    }


def _predictor(name: str, passage: Passage, compared: Coincidence) -> dict[str, Quantity]:
    """Label a predictor of the fastest rate, and the ratio of that to it."""
    what = {
        "curvature_rate": "learning rate at which the initial sharpness is at its limit",
        "last_stable_rate": "last learning rate up to which half of the seeds learn",
    }[name]
    at = onset(passage)
    return {
        name: _labelled(at.rate, (at.low, at.high), what, "not known, or outside the sweep"),
        f"over_{name}": _labelled(
            compared.ratio,
            (compared.low, compared.high),
            f"fastest over {name.replace('_', ' ')}",
            "either of the two is not known",
        ),
    }


def _labelled(value: float, ends: tuple[float, float], what: str, null: str) -> Quantity:
    if not np.isfinite(value):
        return Quantity(None, "1", what, note=null)
    return Quantity(value, "1", what, ci=ends, interval_over="seeds")


def _reasons(
    compared: Coincidence, equal: str, fell: Fall, factor: float, seeds: int, enough: int
) -> list[str]:
    """Return what the verdict rests on, in parts of a sentence."""
    few = f"{seeds} seed{'' if seeds == 1 else 's'}, {enough} are needed"
    said = [few] if seeds < enough else []
    if np.isnan(compared.ratio):
        said.append("no ratio: half of the seeds learn at no rate, or turn outside the sweep")
    else:
        where = {
            "equivalent": "within",
            "different": "outside",
            "undecided": "partly within",
        }[equal]
        said.append(
            f"fastest over onset is {compared.ratio:.3g} {_ends(compared)}, {where} "
            f"[{1.0 / factor:.3g}, {factor:.3g}]"
        )
    if not np.isfinite(fell.ratio):
        said.append("training time times lr cannot be compared with that at a smaller rate")
    else:
        falls = {"yes": "falls", "no": "does not fall", "undecided": "is not told from unchanged"}
        said.append(
            f"training time times lr {falls[fell.falls]}: {fell.ratio:.3g} {_ends(fell)} of that "
            f"at lr = {fell.rate:.4g}"
        )
    return said


def _ends(found: Coincidence | Fall) -> str:
    """Write an interval of a ratio; an end at 0 or infinity is open."""
    ends = (f"{x:.3g}" if 0.0 < x < np.inf else "open" for x in (found.low, found.high))
    return f"[{', '.join(ends)}]"
