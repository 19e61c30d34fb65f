"""Cells of studies with a known answer: trainings whose growth sets in at a rate drawn by hand."""

from __future__ import annotations

import numpy as np
import xarray as xr

HORIZONS = np.array([1.0, 2, 5, 10, 20, 50, 100, 200])


def turning(rng, seeds, spread, at=2.0):
    """Draw the rates at which seeds turn over, lognormal around `at`."""
    return at * np.exp(spread * rng.normal(size=seeds))


def grown(rng, rates, turns, noise=0.2, limit=15.0):
    """Growth (n, S) that passes three e-foldings at each seed's turning rate, and saturates."""
    growth = np.minimum(3.0 * (np.asarray(rates)[:, None] / turns) ** 3, limit)
    return growth + noise * rng.normal(size=growth.shape)


def cells(variables, rates, name="lr", seeds=None, **further):
    """Label variables (n, S, …) over the grid; `further` are dimensions of some by variable."""
    rates = np.asarray(rates, float)
    shape = next(iter(variables.values())).shape[:2]
    filled = {
        "status": np.full(shape, "complete", object),
        "verdict": np.full(shape, "regular", object),
        "steps": np.full(shape, 400.0),
        "stationary": np.zeros(shape),
    } | variables
    data = {key: ((name, "seed", *further.get(key, ())), values) for key, values in filled.items()}
    return xr.Dataset(data, {name: rates, "seed": np.arange(shape[1]) if seeds is None else seeds})


def evaluated(times, gap):
    """Times seen by evaluations `gap` steps apart, and the earliest at which each may have been."""
    seen = np.ceil(times / gap) * gap
    return seen, np.where(seen > 0.0, seen - gap + 1.0, seen)


def grew(growth, rates, *, name="lr", verdict=None, **variables):
    """Cells of lyapunov with growth (n, S), and all that goes with it."""
    growth = np.asarray(growth, float)
    if verdict is None:
        verdict = np.where(growth > 3.0, "transient", "regular").astype(object)
        verdict[np.isnan(growth)] = ""
    exponent = growth / 50.0
    variables = {
        "growth": growth,
        "verdict": verdict,
        "growth_lower_bound": np.zeros(growth.shape),
        "lyapunov_max": exponent,
        "replica_exponent": exponent[:, :, None] * np.array([0.9, 0.95, 1.0, 1.05, 1.1]),
        "finite_time_exponent": growth[:, :, None] / np.maximum(HORIZONS, 20.0),
    } | variables
    found = cells(
        variables,
        rates,
        name,
        replica_exponent=["replica"],
        finite_time_exponent=["horizon"],
    )
    return found.assign_coords(horizon=HORIZONS)


def learned(times, rates, *, name="lr", **variables):
    """Cells of learning with training times (n, S), NaN where not reached."""
    times = np.asarray(times, float)
    verdict = np.where(np.isfinite(times), "learned", "not learned").astype(object)
    variables = {
        "training_time": times,
        "verdict": verdict,
        "best_accuracy": np.full(times.shape, 0.97),
        "final_accuracy": np.full(times.shape, 0.96),
    } | variables
    return cells(variables, rates, name)
