"""What a search for the onset is asked for, where it begins, and what it will take at most."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analyzers.common.stability import limit
from nndyn.errors import UsageError, is_number, is_whole
from nndyn.finder.bracketing import lattice
from nndyn.finder.runs import Adaptive
from nndyn.studies.folder import Folder
from nndyn.studies.request import Request, request
from nndyn.systems.protocol import WithLoss
from nndyn.systems.recipe import recorded

#: Seeds that look for the range first.
SCOUTS = 3
#: Runs are looked at after this share of their steps, and go on only where they have to.
EARLY = 1.0 / 3.0
#: Full runs of which the steps may be spent unless a budget is given.
_RUNS = 60


def budget_of(steps: int) -> int:
    """Return the training steps to spend where none are given."""
    return _RUNS * steps


@dataclass(frozen=True)
class SearchCost:
    """What a search takes at most.

    Attributes
    ----------
    name : str
        Of the system.
    runs, seeds : int
    shortest, steps : int
        Steps after which a run is looked at first, and those of a full one.
    budget, spent : int
        Training steps of all runs, and those that are in the folder already.
    low, high : float
        The smallest and the largest rate that may be looked at.
    bytes : int
    seconds : float
        Of one process; extrapolated from a few steps.
    """

    name: str
    runs: int
    seeds: int
    shortest: int
    steps: int
    budget: int
    spent: int
    low: float
    high: float
    bytes: int
    seconds: float


def search_cost(
    model: Any,
    data: Any,
    *,
    lr: tuple[float, float] | None = None,
    steps: int = 300,
    seeds: int = 40,
    seed: int = 0,
    precision: float = 1.5,
    budget: int | None = None,
    path: Path | None = None,
    **options: Any,
) -> SearchCost:
    """Estimate what ``nndyn.find_onset`` with these options takes; nothing is written.

    Parameters
    ----------
    model, data, lr, steps, seeds, seed, precision, budget, path, **options
        As of `nndyn.finder.search.find_onset`.

    Returns
    -------
    SearchCost
    """
    from recorders.cost import estimate

    bounds = bounds_of(lr, steps, seeds, precision, budget)
    asked = asked_of(model, data, steps, seed, options)
    there = None if path is None else Adaptive(Folder(path), asked)
    begin = anchor(asked, seed, bounds)
    rates = lattice(begin, precision, bounds)
    most = budget_of(steps) if budget is None else budget
    shortest = max(1, int(steps * EARLY))
    runs = min(most // shortest, seeds * (rates.high - rates.low + 1))
    system = asked.recipe.make({**asked.options({"seed": seed}), "lr": begin}, seed)
    plan = {**recorded(asked.options({"seed": seed})), "seed": seed}
    whole = estimate(system, **plan)
    short = estimate(system, timed=False, **{**plan, "steps": shortest})
    return SearchCost(
        name=system.name,
        runs=runs,
        seeds=seeds,
        shortest=shortest,
        steps=steps,
        budget=most,
        spent=0 if there is None else there.spent,
        low=rates.rate(rates.low),
        high=rates.rate(rates.high),
        bytes=max(runs * short.bytes, math.ceil(most / steps) * whole.bytes),
        seconds=whole.seconds / steps * most,
    )


def asked_of(model: Any, data: Any, steps: int, seed: int, options: Mapping[str, Any]) -> Request:
    """Return the request for the runs of a search.

    Returns
    -------
    Request
        With no axis but seeds.

    Raises
    ------
    UsageError
        If an option is wrong, or a grid.
    """
    chosen = {"store": "distances", **options, "model": model, "data": data, "steps": steps}
    asked = request("training", chosen, seed=seed)
    if len(asked.axes) > 1:
        raise UsageError(f"{next(iter(asked.axes))} is a grid; sweep it instead")
    return asked


def bounds_of(
    lr: Any, steps: Any, seeds: Any, precision: Any, budget: Any
) -> tuple[float, float] | None:
    """Check the options of a search.

    Returns
    -------
    (float, float) or None
        The bounds of the rate.

    Raises
    ------
    UsageError
        If one is wrong.
    """
    for name, value, least in (("steps", steps, 30), ("seeds", seeds, SCOUTS)):
        if not is_whole(value) or value < least:
            raise UsageError(f"{name} is {value!r}, expected a whole number, {least} or more")
    if not (is_number(precision) and 1.05 < precision < np.inf):
        raise UsageError(f"precision is {precision!r}, expected a factor above 1.05")
    if budget is not None and not (is_whole(budget) and budget >= SCOUTS * steps):
        raise UsageError(
            f"budget is {budget!r} training steps, expected at least {SCOUTS * steps}: "
            f"{SCOUTS} runs of {steps}"
        )
    if lr is None:
        return None
    try:
        low, high = (float(v) for v in lr)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not 0.0 < low < high < np.inf:
        raise UsageError(f"lr is {lr!r}, expected the smallest and the largest rate to look at")
    return low, high


def same_start(asked: Request, seed: int) -> list[str]:
    """Warn where seeds do not draw initial weights, as of a module that keeps its own."""
    options = {**asked.options({"seed": seed}), "lr": 1.0}
    starts = {asked.recipe.make(options, s).describe()["initial_sha256"] for s in (seed, seed + 1)}
    if len(starts) > 1:
        return []
    return [
        "all seeds begin at the same weights: the interval is over perturbations and batches; "
        "give `init`, such as 'default', to draw weights"
    ]


def anchor(asked: Request, seed: int, bounds: tuple[float, float] | None) -> float:
    """Return the rate to begin at: from the sharpness at the start, within the bounds."""
    if bounds is not None:
        rate = float(np.sqrt(bounds[0] * bounds[1]))
    else:
        system = asked.recipe.make({**asked.options({"seed": seed}), "lr": 1.0}, seed)
        found = limit(system.describe())
        rate = 0.1
        if found.value is not None and isinstance(system, WithLoss) and not system.no_tangents:
            sharpness = system.curvature(system.initial(seed), 0).get(found.variable, np.nan)
            if np.isfinite(sharpness) and sharpness > 0.0:
                rate = 2.0 * found.value / sharpness
    return float(f"{rate:.2g}")
