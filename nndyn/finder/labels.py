"""Result of a search for the onset: numbers, a recommended rate, and the reason for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.studies.bootstrap import few_seeds, fewest
from analyzers.studies.learning import learning_study
from nndyn.finder.runs import Adaptive
from nndyn.results import Quantity, result

if TYPE_CHECKING:
    import xarray as xr

    from nndyn.finder.found import FoundOnset

_SUMMARY = (
    "onset",
    "recommended",
    "training_time_at_onset",
    "training_time_below",
    "seeds_used",
    "runs",
    "steps_spent",
)
_GROWTH = ("growing_share", "median_growth", "diverged_share", "results")
_LEARNING = ("median_training_time", "arrived_share", "final_accuracy")


def label(
    growth: xr.Dataset,
    learning: xr.Dataset,
    trained: Mapping[str, float],
    why: str,
    *,
    options: Mapping[str, Any],
    runs: Adaptive,
    warnings: Sequence[str],
) -> FoundOnset:
    """Label what a search found.

    Parameters
    ----------
    growth : xarray.Dataset
        The study of growth over (lr, seed).
    learning : xarray.Dataset
        Results of ``learning`` over (lr, seed), at the rates trained at; on all runs if there are
        none.
    trained : mapping of str to float
        Rates at which all seeds were run until they had learned; ``onset`` is the one nearest to
        it, ``half`` the half of that.
    why : str
        Why the search ended before its aim; empty where it did not.
    options : mapping
        Of the search.
    runs : Adaptive
    warnings : sequence of str
        Lines the reader has to see.

    Returns
    -------
    FoundOnset
        See `nndyn.finder.search.find_onset`.
    """
    import xarray as xr

    from nndyn.finder.found import FoundOnset

    confidence, seeds = float(options["confidence"]), int(growth["seeds_used"])
    rates = sorted(trained.values())
    times = learning_study(learning.sel(lr=rates), confidence=confidence) if rates else None
    untimed = (
        "that rate lies beyond the bounds, or the budget was spent"
        if (learning["verdict"] != "").any()
        else "the runs have no test accuracy"
    )
    if runs.makes and "no test accuracy" in untimed:
        untimed += "; `evaluate` of a nndyn.Loop may return `test_accuracy`"
    onset = growth["onset"]
    found = float(onset)
    ci = growth["onset_ci"].values if "onset_ci" in growth else None
    unit = str(onset.attrs["units"])
    rate, note = _recommended(found, times, growth, rates, options, untimed)
    quantities: dict[str, Quantity] = {
        "onset": Quantity(
            found if np.isfinite(found) else None,
            unit,
            str(onset.attrs["long_name"]),
            ci=ci,
            interval_over="seeds",
            note=onset.attrs.get("note") or (None if np.isfinite(found) else why),
        ),
        "recommended": Quantity(rate, unit, "learning rate to train at", note=note),
        "training_time_at_onset": _time(times, trained, "onset", found, options, untimed),
        "training_time_below": _time(times, trained, "half", found, options, untimed),
        "seeds_used": Quantity(seeds, "1", "seeds with growth at a rate"),
        "runs": Quantity(runs.runs, "1", "runs made"),
        "steps_spent": Quantity(runs.spent, "step", "training steps of all runs"),
    }
    verdict, reason = growth.attrs["verdict"], growth.attrs["reason"]
    if verdict != "found" and why and why not in reason:
        reason += f"; the search ended: {why}"
    if verdict == "found" and seeds < fewest(confidence):
        verdict = "imprecise"
        reason += f"; {few_seeds(seeds, confidence)}"
    elif verdict == "found" and not (
        ci is not None and 0.0 < ci[1] <= ci[0] * options["precision"]
    ):
        verdict = "imprecise"
        reason += (
            f"; wider than a factor {options['precision']:g}: {why or 'the last runs widened it'}"
        )
    labelled = result(
        quantities,
        analyzer="onset",
        recording=xr.Dataset(attrs={"recording_id": runs.folder.design().id}),
        parameters=options,
        summary=_SUMMARY,
        verdict=verdict,
        reason=reason,
        warnings=[*warnings, *json.loads(growth.attrs["warnings"])],
    )
    labelled = labelled.assign({n: growth[n] for n in _both(growth, _GROWTH)})
    if times is not None:
        aligned = times[_both(times, _LEARNING)].reindex(lr=growth["lr"])
        labelled = labelled.assign({n: aligned[n] for n in aligned.data_vars})
    labelled["lr"].attrs.setdefault("units", "1")
    labelled.attrs["along"] = "lr"
    return FoundOnset(labelled.data_vars, labelled.coords, labelled.attrs)


def _both(ds: xr.Dataset, names: Sequence[str]) -> list[str]:
    return [n for name in names for n in (name, f"{name}_ci") if n in ds]


def _time(
    times: xr.Dataset | None,
    trained: Mapping[str, float],
    which: str,
    onset: float,
    options: Mapping[str, Any],
    untimed: str,
) -> Quantity:
    """Return the median training time at one of the rates trained at; `untimed` says why not."""
    what = {"onset": "the rate nearest to the onset", "half": "half of that rate"}[which]
    long_name = f"median training time over seeds at {what}"
    if not np.isfinite(onset):
        return Quantity(None, "step", long_name, note="there is no onset")
    if times is None or which not in trained:
        return Quantity(None, "step", long_name, note=f"not measured: {untimed}")
    rate = trained[which]
    value = float(times["median_training_time"].sel(lr=rate))
    ci = times["median_training_time_ci"].sel(lr=rate).values
    missing = (
        f"fewer than half of the seeds reach {options['threshold']:g} in {options['steps']} steps"
    )
    return Quantity(
        value if np.isfinite(value) else None,
        "step",
        f"{long_name}, lr = {rate:g}",
        ci=ci if np.isfinite(value) else None,
        interval_over="seeds",
        note=None if np.isfinite(value) else f"at lr = {rate:g} {missing}",
    )


def _recommended(
    onset: float,
    times: xr.Dataset | None,
    growth: xr.Dataset,
    trained: Sequence[float],
    options: Mapping[str, Any],
    untimed: str,
) -> tuple[float | None, str]:
    """Return a rate to train at, and why."""
    if not np.isfinite(onset):
        return None, "no onset was found, and no rate was trained at"
    if times is None:
        return None, f"training times were not measured: {untimed}"
    tried = ", ".join(f"{rate:g}" for rate in trained)
    safe = [r for r in trained if not float(growth["diverged_share"].sel(lr=r)) > 0.0]
    medians = {r: float(times["median_training_time"].sel(lr=r)) for r in safe}
    medians = {r: t for r, t in medians.items() if np.isfinite(t)}
    if not medians:
        return None, (
            f"at none of the rates tried ({tried}) do half of the seeds reach "
            f"{options['threshold']:g} in {options['steps']} steps without one diverging; "
            "train longer, or ask for less"
        )
    best = min(medians, key=lambda r: (medians[r], r))
    same = [f"{r:g}" for r in medians if r != best and bool(times["indistinguishable"].sel(lr=r))]
    told = f", not told from {', '.join(same)}" if same else ""
    return best, (
        f"half of the seeds reach {options['threshold']:g} by step {medians[best]:g}, the shortest "
        f"of the rates tried ({tried}){told}; {_side(best, growth, options)}"
    )


def _side(rate: float, growth: xr.Dataset, options: Mapping[str, Any]) -> str:
    """Say on which side of the onset a rate lies, as far as the interval of the onset tells."""
    onset, (low, high) = float(growth["onset"]), growth["onset_ci"].values
    if int(growth["seeds_used"]) < fewest(options["confidence"]):
        return f"the onset is {onset:.3g}, of too few seeds to say on which side of it that is"
    side = "above" if rate > high else "below" if rate < low else "not told from"
    return f"{side} the onset, which is {onset:.3g} [{low:.3g}, {high:.3g}]"
