"""Request for a search: its options, its starting rate, and its cost at most."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from analyzers.common.stability import limit
from nndyn.checks import number, whole
from nndyn.errors import UsageError
from nndyn.finder.bracketing import lattice
from nndyn.finder.factory import is_factory, made
from nndyn.finder.runs import Adaptive
from nndyn.studies.design import fitting
from nndyn.studies.folder import Folder
from nndyn.studies.request import Request, request
from nndyn.systems.protocol import System, WithLoss
from nndyn.systems.recipe import recorded
from recorders.batch import cores

#: Seeds that look for the range first.
SCOUTS = 3
#: Runs are looked at after this share of their steps, and go on only where they have to.
EARLY = 1.0 / 3.0
#: Evaluations of a run at least, where leaving some out takes a noticeable part of its work away.
_EVALUATIONS = 100
#: Floating-point operations of a step of a row from which it is computed outside of Python mostly.
_LONG = 5e6
#: Runs under way at once at most, of each of which files are open.
_OPEN = 64
#: Full runs of which the steps may be spent unless a budget is given.
_RUNS = 60


class Effort(NamedTuple):
    """Steps of a run, seeds, and training steps of all runs together."""

    steps: int
    seeds: int
    budget: int


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
    from recorders.trials.cost import estimate

    steps, seeds, most = effort_of(steps, seeds, budget)
    bounds, seed = bounds_of(lr, precision), whole("seed", seed, 0)
    asked = asked_of(model, data, bounds, steps, seed, options)
    folder = None if path is None else Folder(path)
    asked = seldom(asked, seed, folder)
    there = None if folder is None else Adaptive(folder, asked)
    begin = anchor(asked, seed, bounds)
    rates = lattice(begin, precision, bounds)
    shortest = max(1, int(steps * EARLY))
    runs = min(most // shortest, seeds * (rates.high - rates.low + 1))
    system = made(asked, begin, seed)
    plan = {**recorded(asked.options({"seed": seed})), "seed": seed}
    full = estimate(system, **plan)
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
        bytes=max(runs * short.bytes, math.ceil(most / steps) * full.bytes),
        seconds=full.seconds / steps * most,
    )


def asked_of(
    model: Any,
    data: Any,
    bounds: tuple[float, float] | None,
    steps: int,
    seed: int,
    options: Mapping[str, Any],
) -> Request:
    """Return the request for the runs of a search, of a training or of what a function makes.

    Returns
    -------
    Request
        With no axis but seeds.

    Raises
    ------
    UsageError
        If an option is wrong, or a grid, or a function is given with data or without bounds.
    """
    chosen = {"store": "distances", **options, "steps": steps}
    if not is_factory(model):
        asked = request("training", {**chosen, "model": model, "data": data}, seed=seed)
    else:
        if data is not None:
            raise UsageError("data is given beside a function that makes systems; use it there")
        if bounds is None:
            raise UsageError(
                "lr is not given, and a function that makes systems has no sharpness to begin "
                "from; give the smallest and the largest rate, such as lr=(0.01, 10)"
            )
        asked = request(model, chosen, seed=seed)
        # only with a rate there is a system, which says where tangent vectors begin
        settled = replace(asked, axes={"lr": {bounds[0]: bounds[0]}, **asked.axes}).settled(None)
        asked = replace(settled, axes=asked.axes)
    if len(asked.axes) > 1:
        raise UsageError(f"{next(iter(asked.axes))} is a grid; sweep it instead")
    return asked


def seldom(asked: Request, seed: int, folder: Folder | None) -> Request:
    """Return the request with no more evaluations than it takes, unless it says how many.

    Parameters
    ----------
    asked : Request
    seed : int
    folder : Folder or None
        What is there goes on as it was begun.

    Returns
    -------
    Request
    """
    if callable(asked.recipe.system) or asked.fixed.get("evaluate") is not None:
        return asked
    if folder is not None and folder.is_study():
        every = folder.design().options.get("evaluate")
    else:
        system = made(asked, 1.0, seed)
        most = max(1, asked.fixed["steps"] // _EVALUATIONS)
        every = min(system.evaluate_auto, most) if system.evaluate_every == 1 else None
    return replace(asked, fixed={**asked.fixed, "evaluate": every})


def effort_of(steps: Any, seeds: Any, budget: Any) -> Effort:
    """Return how much a search may do, checked; `budget` is None where none is given.

    Returns
    -------
    Effort

    Raises
    ------
    UsageError
        If a number is wrong.
    """
    steps = whole("steps", steps, 30)
    seeds = whole("seeds", seeds, SCOUTS)
    if budget is None:
        return Effort(steps, seeds, _RUNS * steps)
    least, cure = SCOUTS * steps, f": {SCOUTS} runs of {steps}"
    what = "a whole number of training steps"
    return Effort(steps, seeds, whole("budget", budget, least, what=what, cure=cure))


def bounds_of(lr: Any, precision: Any) -> tuple[float, float] | None:
    """Return the bounds of the rate, checked as the precision is.

    Returns
    -------
    (float, float) or None

    Raises
    ------
    UsageError
        If either is wrong.
    """
    number("precision", precision, above=1.05, what="a factor")
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
    starts = {made(asked, 1.0, s).describe()["initial_sha256"] for s in (seed, seed + 1)}
    if len(starts) > 1:
        return []
    return [
        "all seeds begin at the same weights: the interval is over perturbations and batches; "
        "give `init`, such as 'default', to draw weights"
    ]


def alone(asked: Request, seed: int) -> tuple[System | None, int]:
    """Return a system like those of the runs, and how many of these may be under way at once.

    Returns
    -------
    System or None
        None where several are best advanced together: where steps are not computed outside of
        Python mostly, in as many threads as there are cores.
    int
    """
    system, _, fits = fitting(replace(asked, fixed={**asked.fixed, "lr": 1.0}), {"seed": seed})
    long = system.work(1) >= _LONG
    return (system if long and system.concurrent and cores() > 1 else None), min(fits, _OPEN)


def anchor(asked: Request, seed: int, bounds: tuple[float, float] | None) -> float:
    """Return the rate to begin at: from the sharpness at the start, within the bounds."""
    if bounds is not None:
        rate = float(np.sqrt(bounds[0] * bounds[1]))
    else:
        system = made(asked, 1.0, seed)
        found = limit(system.describe())
        rate = 0.1
        if found.value is not None and isinstance(system, WithLoss) and not system.no_tangents:
            sharpness = system.curvature(system.initial(seed), 0).get(found.variable, np.nan)
            if np.isfinite(sharpness) and sharpness > 0.0:
                rate = 2.0 * found.value / sharpness
    return float(f"{rate:.2g}")
