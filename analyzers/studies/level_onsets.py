"""Onsets of levels, where half of the seeds pass one: finite-time exponents, lasting chaos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analyzers.studies.bootstrap import drawn, middle, percentiles
from analyzers.studies.cells import Cells
from analyzers.studies.crossings import Passage, first_passage
from analyzers.studies.curves import finite_time
from nndyn.numerics.arrays import Array
from nndyn.results import Quantity

#: Verdicts that do not say whether growth lasts.
UNKNOWN = ("saturated", "unresolved")


def exponent_onsets(
    cells: Cells,
    levels: Sequence[float],
    horizon: float,
    why_not: str | None,
    unit: str,
    *,
    confidence: float,
    resamples: int,
) -> Quantity:
    """Return where the median finite-time exponent over seeds passes each level.

    Parameters
    ----------
    cells : Cells
    levels : sequence of float
    horizon : float
    why_not : str or None
        Why nothing can be said.
    unit : str
        Of the swept parameter.
    confidence : float
    resamples : int

    Returns
    -------
    Quantity
        Over (level,); the interval is the bootstrap's over seeds, widened to the grid step.
    """
    long_name = f"{cells.name} at which the median finite-time exponent passes the level"
    dims = ("level",)
    if why_not:
        return Quantity(np.full(len(levels), np.nan), unit, long_name, dims, note=why_not)
    if apart := _apart(cells):
        return Quantity(np.full(len(levels), np.nan), unit, long_name, dims, note=apart)
    values = finite_time(cells, horizon, cells.verdict == "diverged")
    values = np.where(cells.shared[:, None], values, np.nan)
    values = values[:, np.lexsort(values)]
    median = middle(values)
    chosen = drawn(values.shape[1], resamples)
    draws = np.stack([middle(row[chosen]) for row in values])  # (n, B)
    at, ci, notes = [], [], []
    for level in levels:
        passed = first_passage(cells.rates, median[:, None], level)
        at.append(_inside(passed))
        ci.append(_interval(passed, first_passage(cells.rates, draws, level).rate, confidence))
        if np.isnan(at[-1]):
            notes.append(f"{level:g}: {_outside(passed)}")
    return Quantity(
        np.array(at),
        unit,
        long_name,
        dims,
        ci=np.array(ci).reshape(-1, 2),
        interval_over="seeds",
        note="; ".join(notes) or None,
    )


def sustained_onset(
    cells: Cells,
    unconfirmed: Array,
    why_not: str | None,
    unit: str,
    *,
    confidence: float,
    resamples: int,
) -> Quantity:
    """Return from where on half of the seeds are chaotic.

    Parameters
    ----------
    cells : Cells
    unconfirmed : (n, S) bool
        Cells whose growth counts as none: they are not chaotic, whatever else is unknown.
    why_not : str or None
        Why nothing can be said.
    unit : str
        Of the swept parameter.
    confidence : float
    resamples : int

    Returns
    -------
    Quantity
        Interpolated in the share of chaotic seeds. Null where it is another if saturated and
        unresolved runs are taken as chaotic: their growth was not followed to its end.
    """
    long_name = f"{cells.name} at which half of the seeds are chaotic to the end of the recording"
    if why_not:
        return Quantity(None, unit, long_name, note=why_not)
    if apart := _apart(cells):
        return Quantity(None, unit, long_name, note=apart)
    verdict, has = cells.verdict, cells.done & cells.shared[:, None]
    unknown = np.isin(verdict, UNKNOWN) & ~unconfirmed
    chaotic = verdict == "chaotic"
    code = has + 2.0 * chaotic + 4.0 * unknown
    order = np.lexsort(code)  # so that the order of seeds does not matter
    weights = np.ones((1, verdict.shape[1]))
    passed, most = (
        first_passage(cells.rates, _shares(what[:, order], has[:, order], weights), 0.5)
        for what in (chaotic, chaotic | unknown)
    )
    if most.upper[0] != passed.upper[0]:
        return Quantity(
            None,
            unit,
            long_name,
            note=f"{int(unknown.sum())} runs are saturated or unresolved, and whether their growth "
            f"lasts decides: {_cure(cells, bool((verdict == 'saturated').any()))}",
        )
    if not np.isfinite(passed.rate[0]):
        return Quantity(None, unit, long_name, note=_outside(passed, "share of chaotic seeds"))
    chosen = drawn(verdict.shape[1], resamples)
    weights = np.stack([np.bincount(row, minlength=verdict.shape[1]) for row in chosen])
    draws = first_passage(cells.rates, _shares(chaotic[:, order], has[:, order], weights), 0.5)
    ci = _interval(passed, draws.rate, confidence)
    return Quantity(
        float(passed.rate[0]),
        unit,
        long_name,
        ci=ci,
        interval_over="seeds",
        note=None
        if np.isfinite(ci).all()
        else f"its interval [{ci[0]:.4g}, {ci[1]:.4g}] is open: sweep further",
    )


def _cure(cells: Cells, saturated: bool) -> str:
    """Return how to follow growth to its end, by what these runs were not recorded with."""
    if not saturated:
        return "see cell_reason for what each lacks"
    every = float(cells.options.get("rescale") or 0)
    cures = ["`rescale`"] if not every else []
    if not cells.options.get("tangents"):
        cures.append("`tangents=1`")
    if every > 1:
        cures.append(f"`rescale` below {every:g}")
    return f"record with {', or '.join(cures)}" if cures else "see cell_reason for what each lacks"


def _apart(cells: Cells) -> str:
    """Return why no curve over the sweep is one of all seeds; empty where one is."""
    if int(cells.shared.sum()) > 1:
        return ""
    return f"too few values of {cells.name} were run with half of the seeds: no curve over them"


def _shares(what: Array, among: Array, weights: Array) -> Array:
    """Return shares of seeds (n, B), each seed counted as often as weights (B, S) say."""
    total = among.astype(np.float64) @ weights.T
    part = (what & among).astype(np.float64) @ weights.T
    out: Array = np.divide(part, total, out=np.full(total.shape, np.nan), where=total > 0.0)
    return out


def _inside(passed: Passage) -> float:
    rate = float(passed.rate[0])
    return rate if np.isfinite(rate) else np.nan


def _interval(passed: Passage, draws: Array, confidence: float) -> tuple[float, float]:
    """Return the percentile interval, widened to the step of the grid it was found in."""
    if np.isnan(passed.rate[0]):
        return np.nan, np.nan
    low, high = percentiles(draws, confidence)
    return float(np.fmin(low, passed.lower[0])), float(np.fmax(high, passed.upper[0]))


def _outside(passed: Passage, what: str = "median") -> str:
    if np.isnan(passed.rate[0]):
        return "no seed has one"
    return f"the {what} is {'above' if passed.rate[0] < 0.0 else 'below'} it at every rate sampled"
