"""The figure of a spectrum: exponents, their convergence, and their finite-time distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nndyn.errors import DataError
from nndyn.figures.style import BLUE, GREY, ORANGE, SKY, finish, require, thinned, unit, wrapped

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Most exponents whose convergence and distributions are drawn.
MOST = 8


def spectrum(result: xr.Dataset) -> Figure:
    """Draw the exponents with intervals, the estimates over time, and finite-time distributions.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.spectrum`` returned.

    Returns
    -------
    matplotlib.figure.Figure
        Of two journal columns, with three panels.

    Raises
    ------
    UsageError
        If `result` is not that of ``spectrum``.
    DataError
        If it is of a recording without tangents, or of a reference that diverged.
    """
    from matplotlib.figure import Figure as NewFigure

    require(result, "spectrum")
    if "exponents_ci" not in result and result.attrs["verdict"] == "diverged":
        raise DataError(f"there is nothing to draw: {result.attrs['reason']}")
    if "exponents_ci" not in result:
        raise DataError(
            "there are no intervals and distributions to draw: the exponents are those of replicas "
            "over a finite time; record with tangents"
        )
    figure = NewFigure(figsize=(7.2, 3.1), layout="constrained")
    exponents, history, spread = figure.subplots(1, 3)
    _exponents(result, exponents)
    _history(result, history)
    _spread(result, spread)
    figure.suptitle(wrapped(result, 118), fontsize=8, x=0.01, ha="left")
    return figure


def _exponents(result: xr.Dataset, ax: Axes) -> None:
    """Draw the exponents by index, those that cannot be told apart joined, and their sum."""
    index = result["exponent"].values
    values = result["exponents"].values
    shown = np.isfinite(values)
    low, high = np.where(shown, result["exponents_ci"].values.T, 0.0)
    groups = result["group"].values
    label = "not told apart"
    for group in np.unique(groups):
        of = (groups == group) & shown
        if of.sum() > 1:
            ax.plot(index[of], values[of], color=SKY, lw=5.0, alpha=0.6, label=label)
            label = ""
    ax.errorbar(
        index[shown],
        values[shown],
        yerr=0.5 * (high - low)[shown],
        fmt=".",
        ms=4.0,
        color=BLUE,
        elinewidth=0.8,
        label="exponents",
    )
    lost = np.isnan(values)
    if lost.any():  # at the lower edge: where they lie is not known
        edge = ax.get_xaxis_transform()
        ax.plot(index[lost], np.full(lost.sum(), 0.03), "x", color=GREY, ms=4.0, transform=edge)
        ax.plot([], [], "x", color=GREY, ms=4.0, label="lost in rounding")
    ax.axhline(0.0, color=GREY, lw=0.8, ls=":")
    if len(index) <= MOST:
        ax.set_xticks(index)
    finish(ax, "index", f"exponent ({result['exponents'].attrs['units']})", columns=2)


def _history(result: xr.Dataset, ax: Axes) -> None:
    """Draw the estimates up to every time, and where they ended."""
    keep = thinned(result.sizes["time"])
    time = result["time"].values[keep]
    running = result["running_exponents"].values[keep]
    for i in _few(result):
        if np.isnan(running[:, i]).all():
            continue
        ax.plot(time, running[:, i], color=BLUE, lw=0.9, label="estimate so far" if i == 0 else "")
        ax.axhline(float(result["exponents"][i]), color=ORANGE, lw=0.7, ls="--")
    settled = running[len(running) // 20 :, _few(result)]
    settled = settled[np.isfinite(settled)]
    if settled.size:
        margin = 0.06 * float(np.ptp(settled)) + 1e-3
        ax.set_ylim(settled.min() - margin, settled.max() + margin)
    ax.plot([], [], color=ORANGE, lw=0.7, ls="--", label="estimate")
    finish(ax, f"time ({unit(result)})", "running exponent", columns=2)


def _spread(result: xr.Dataset, ax: Axes) -> None:
    """Draw how exponents over one horizon are distributed: median, quartiles, extremes."""
    rows = result["finite_time_exponents"].values
    few = [i for i in _few(result) if np.isfinite(rows[:, i]).all()]
    for i in few:
        at = float(result["exponent"][i])
        low, first, middle, third, high = np.quantile(rows[:, i], [0.0, 0.25, 0.5, 0.75, 1.0])
        ax.plot([at, at], [low, high], color=SKY, lw=1.2, label="extremes" if i == 0 else "")
        ax.plot([at, at], [first, third], color=BLUE, lw=5.0, label="quartiles" if i == 0 else "")
        ax.plot(at, middle, "o", color=BLUE, mfc="white", ms=3.0)
    ax.axhline(0.0, color=GREY, lw=0.8, ls=":")
    ax.set_xticks([float(result["exponent"][i]) for i in few])
    ax.margins(x=0.2)
    starts = result["horizon"].values
    span = f" over {starts[1] - starts[0]:.3g} {unit(result)}" if len(starts) > 1 else ""
    finish(ax, "index", f"exponent{span}", columns=2)


def _few(result: xr.Dataset) -> list[int]:
    """Return the exponents that are drawn one by one: all of few, the first of many."""
    return list(range(min(result.sizes["exponent"], MOST)))
