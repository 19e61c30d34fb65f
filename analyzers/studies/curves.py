"""Curves of a study: its seeds at every value of the swept parameter."""

from __future__ import annotations

from typing import Any

import numpy as np

from analyzers.growth.sign_flips import LEVEL
from analyzers.studies.bootstrap import drawn, median_interval, middle, percentiles
from analyzers.studies.cells import Cells
from analyzers.studies.growth import Growth
from nndyn.numerics.arrays import Array
from nndyn.results import Quantity

#: Verdicts of `lyapunov`, and of cells without a result.
KINDS = ("chaotic", "transient", "saturated", "regular", "unresolved", "diverged", "none")


def series(
    cells: Cells,
    growth: Growth,
    diverged: Array,
    threshold: float,
    horizon: float,
    *,
    confidence: float,
    resamples: int,
) -> dict[str, Quantity]:
    """Return exponents, growth and verdicts along the swept parameter.

    Parameters
    ----------
    cells : Cells
    growth : Growth
    diverged : (n, S) bool
    threshold : float
    horizon : float
        Of the finite-time exponent.
    confidence : float
    resamples : int

    Returns
    -------
    dict of str to Quantity
    """
    options: dict[str, Any] = {"confidence": confidence, "resamples": resamples}
    dims = (cells.name,)
    unit = cells.unit("lyapunov_max", "per step")
    exponent, exponent_ci = exponents(cells, **options)
    infinite, counted = (np.where(diverged, np.inf, g) for g in (growth.measured, growth.counted))
    total = cells.done.sum(axis=1)
    growing, growing_ci = share(counted >= threshold, ~np.isnan(counted), confidence)
    out, out_ci = share(diverged, cells.done, confidence)
    verdicts = np.where(cells.done, cells.verdict, "none")
    counts = np.stack([(verdicts == kind).sum(axis=1) for kind in KINDS], axis=1)
    over = "NaN where no seed has one, or half or more diverged; intervals of two seeds or more"
    quantities = {
        "exponent": Quantity(
            exponent,
            unit,
            "maximum Lyapunov exponent, median over seeds",
            dims,
            ci=exponent_ci,
            interval_over="seeds and replicas",
            note="NaN where no seed has one; intervals of two seeds or more; diverged runs up to "
            "where they diverge; that an interval lies above zero is no evidence for growth, see "
            "growing_share",
        ),
        "growing_share": Quantity(
            growing,
            "1",
            f"share of seeds that grow by {threshold:g} e-foldings, diverged ones among them",
            dims,
            ci=growing_ci,
            interval_over="seeds",
            note="NaN where no seed has a growth",
        ),
        "diverged_share": Quantity(
            out,
            "1",
            "share of seeds that diverge",
            dims,
            ci=out_ci,
            interval_over="seeds",
            note="NaN where no seed has a result",
        ),
        "results": Quantity(total, "1", "seeds with a result", dims),
        "verdicts": Quantity(counts, "1", "seeds of each verdict", (*dims, "kind")),
    }
    if growth.tested:
        quantities["unconfirmed"] = Quantity(
            growth.unconfirmed.sum(axis=1),
            "1",
            f"seeds with growth that is not told from a neutral path (growth_p > {LEVEL:g}) "
            "and counts as none",
            dims,
        )
    for name, values, of_unit, what in (
        ("median_growth", infinite, "1", "e-foldings of the deviations"),
        (
            "finite_time_exponent",
            finite_time(cells, horizon, diverged),
            unit,
            f"growth over a time of {horizon:g}, or what is valid of it",
        ),
    ):
        median, ci = medians(values, **options)
        quantities[name] = Quantity(
            np.where(np.isfinite(median), median, np.nan),
            of_unit,
            f"{what}, median over seeds",
            dims,
            ci=ci,
            interval_over="seeds",
            note=over,
        )
    return quantities


def finite_time(cells: Cells, horizon: float, diverged: Array) -> Array:
    """Return the growth per time of every cell over the longest horizon up to one given.

    Parameters
    ----------
    cells : Cells
        With ``finite_time_exponent`` (n, S, horizon), NaN at horizons a cell does not have.
    horizon : float
    diverged : (n, S) bool

    Returns
    -------
    (n, S) float64
        NaN where there is none, inf where diverged.
    """
    found = np.full(diverged.shape, np.nan)
    exponents = cells.values("finite_time_exponent", "horizon")
    if exponents is not None:
        horizons = np.asarray(cells.data["horizon"].values, np.float64)
        for column in np.argsort(horizons):  # a longer one takes the place of a shorter
            if horizons[column] <= horizon * (1.0 + 1e-9):
                values = exponents[:, :, column]
                found = np.where(np.isnan(values), found, values)
    return np.where(diverged, np.inf, found)


def medians(values: Array, *, confidence: float, resamples: int) -> tuple[Array, Array]:
    """Return medians over seeds (n,) of values (n, S), and their intervals (n, 2)."""
    found = [median_interval(row, confidence, resamples) for row in values]
    return np.array([m for m, _ in found]), np.array([ci for _, ci in found]).reshape(-1, 2)


def exponents(cells: Cells, *, confidence: float, resamples: int) -> tuple[Array, Array]:
    """Return the median exponent over seeds, and an interval over seeds and their replicas.

    Parameters
    ----------
    cells : Cells
        With ``lyapunov_max`` (n, S), and ``replica_exponent`` (n, S, replica) where it is known.
    confidence : float
    resamples : int

    Returns
    -------
    median : (n,) float64
    interval : (n, 2) float64
        Every draw is of seeds, each with the mean of replicas drawn among its own, relative to the
        mean of them all, added to its exponent.

    References
    ----------
    Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8,
    doi:10.1017/CBO9780511802843.
    """
    values = cells.number("lyapunov_max")
    replicas = cells.values("replica_exponent", "replica")
    if replicas is None:
        replicas = values[:, :, None]
    median, ci = np.full(len(values), np.nan), np.full((len(values), 2), np.nan)
    for i, (row, own) in enumerate(zip(values, replicas, strict=True)):
        known = np.isfinite(row)
        if not known.any():
            continue
        order = np.argsort(row[known])
        row, own = row[known][order], own[known][order]
        median[i] = middle(row)
        if row.size < 2:
            continue
        chosen = drawn(row.size, resamples)
        draws = row[chosen] + _shifts(own, chosen)
        ci[i] = percentiles(middle(draws), confidence)
    return median, ci


def _shifts(own: Array, chosen: Array) -> Array:
    """Return what drawing replicas adds to each seed drawn: as `chosen`, (B, s)."""
    count = np.isfinite(own).sum(axis=1)
    ordered = np.sort(own, axis=1)  # NaN last
    spread = np.zeros(own.shape)
    known = np.isfinite(ordered)
    mean = np.where(known, ordered, 0.0).sum(axis=1) / np.maximum(count, 1)
    spread[known] = (ordered - mean[:, None])[known]
    rng = np.random.default_rng(1)
    shift = np.zeros(chosen.shape)
    counts = count[chosen]
    for k in range(int(count.max(initial=0))):
        pick = (rng.random(chosen.shape) * counts).astype(np.int64)
        shift += np.where(k < counts, spread[chosen, pick], 0.0)
    shift /= np.maximum(counts, 1)
    return shift


def share(what: Array, among: Array, confidence: float) -> tuple[Array, Array]:
    """Return a share of seeds, and its interval.

    Parameters
    ----------
    what : (n, S) bool
    among : (n, S) bool
        Of which seeds it is known.
    confidence : float

    Returns
    -------
    share : (n,) float64
        NaN where it is known of none.
    interval : (n, 2) float64
        See `clopper_pearson`.
    """
    count, total = (what & among).sum(axis=1), among.sum(axis=1)
    out: Array = np.divide(count, total, out=np.full(len(total), np.nan), where=total > 0)
    return out, clopper_pearson(count, total, confidence)


def clopper_pearson(count: Array, total: Array, confidence: float) -> Array:
    """Return exact intervals of proportions.

    Parameters
    ----------
    count : (n,) int
        How many have what is counted.
    total : (n,) int
        Of how many.
    confidence : float

    Returns
    -------
    (n, 2) float64
        Ends within 0 and 1; NaN of none.

    Notes
    -----
    Each tail of the binomial distribution holds at most half of the rest, so that the interval
    covers the proportion in at least the share of cases asked for, whatever it is.

    References
    ----------
    Clopper and Pearson, Biometrika 26 (1934) 404, doi:10.1093/biomet/26.4.404.
    """
    from scipy.special import betaincinv

    tail = 0.5 * (1.0 - confidence)
    with_it, without = np.asarray(count, np.float64), np.asarray(total - count, np.float64)
    # where none has it or all do, the beta distribution degenerates and the end is exact
    low = np.where(with_it > 0, betaincinv(np.maximum(with_it, 1.0), without + 1.0, tail), 0.0)
    high = np.where(
        without > 0, betaincinv(with_it + 1.0, np.maximum(without, 1.0), 1.0 - tail), 1.0
    )
    found = np.stack([low, high], axis=-1)
    found[np.asarray(total) == 0] = np.nan
    return found
