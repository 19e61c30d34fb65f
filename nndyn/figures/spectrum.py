"""Figure of a spectrum: exponents, their convergence, and their finite-time distributions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np

from nndyn.errors import DataError
from nndyn.figures.sheet import judged
from nndyn.figures.source import known_of
from nndyn.figures.style import (
    Look,
    colours,
    lasting,
    require,
    signed_scale,
    smoothed,
    thinned,
    unit,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Most exponents whose convergence and distributions are drawn.
MOST = 8


def spectrum(
    result: xr.Dataset, ax: Axes | Sequence[Axes] | None = None, **look: Unpack[Look]
) -> Figure:
    """Draw the exponents with intervals, the estimates over time, and finite-time distributions.

    Each exponent has one colour in all panels; those known of the system stand beside them.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.spectrum`` returned.
    ax : matplotlib.axes.Axes or sequence of them, optional
        Where to draw the first panel alone, or several; a new figure by default.
    **look
        ``title``, ``size`` in inches, ``dpi``, ``style``: see `nndyn.figures.style.Look`.

    Returns
    -------
    matplotlib.figure.Figure
        With three panels.

    Raises
    ------
    UsageError
        If `result` is not that of ``spectrum``.
    DataError
        If it is of a recording without tangents, or of a reference that diverged.
    """
    require(result, "spectrum")
    if "exponents_ci" not in result and result.attrs["verdict"] == "diverged":
        raise DataError(f"there is nothing to draw: {result.attrs['reason']}")
    if "exponents_ci" not in result:
        raise DataError(
            "there are no intervals and distributions to draw: the exponents are those of replicas "
            "over a finite time; record with tangents"
        )
    panels = [partial(draw, result) for draw in (_exponents, _history, _spread)]
    return judged(result, panels, ax, look)


def _exponents(result: xr.Dataset, ax: Axes) -> None:
    """Draw the exponents by index, those that cannot be told apart joined, and those known."""
    c = colours()
    index = result["exponent"].values
    values = result["exponents"].values
    shown = np.isfinite(values)
    low, high = np.where(shown, result["exponents_ci"].values.T, 0.0)
    groups = result["group"].values
    label = "not told apart"
    for group in np.unique(groups):
        of = (groups == group) & shown
        if of.sum() > 1:
            ax.plot(index[of], values[of], color=c.grey, lw=5.0, alpha=0.4, label=label)
            label = ""
    for i in map(int, np.flatnonzero(shown)):
        ax.errorbar(
            index[i],
            values[i],
            yerr=0.5 * (high - low)[i],
            fmt=".",
            ms=5.0,
            color=_colour(i),
            elinewidth=0.8,
            label="exponents" if i == np.flatnonzero(shown)[0] else "",
        )
    known = known_of(result)[: len(index)]
    if known:
        ax.plot(
            index[: len(known)], known, "_", color=c.grey, ms=11.0, mew=1.0, zorder=1, label="known"
        )
    lost = np.isnan(values)
    if lost.any():  # at the lower edge: where they lie is not known
        edge = ax.get_xaxis_transform()
        ax.plot(index[lost], np.full(lost.sum(), 0.03), "x", color=c.grey, ms=4.0, transform=edge)
        ax.plot([], [], "x", color=c.grey, ms=4.0, label="lost in rounding")
    ax.axhline(0.0, color=c.grey, lw=0.8, ls=":")
    if len(index) <= MOST:
        ax.set_xticks(index)
        ax.set_xlim(index[0] - 0.5, index[-1] + 0.5)
    _scale(result, ax)
    ax.set_xlabel("index of the exponent")
    ax.set_ylabel(f"exponent ({result['exponents'].attrs['units']})")


def _history(result: xr.Dataset, ax: Axes) -> None:
    """Draw the estimates up to every time, and what is known."""
    keep = thinned(result.sizes["time"])
    time = result["time"].values[keep]
    running = result["running_exponents"].values[keep]
    known = known_of(result)[: running.shape[1]]
    for i in _few(result):
        if np.isnan(running[:, i]).all():
            continue
        valid = np.isfinite(running[:, i])
        at, values = smoothed(time[valid], running[valid, i])
        ax.plot(at, values, color=_colour(i), lw=1.0, label=f"exponent {i + 1}")
        if i < len(known):
            ax.axhline(known[i], color=_colour(i), lw=0.9, ls=":")
    curves = [np.asarray(line.get_ydata(), np.float64) for line in ax.lines]
    drawn_to = [curve[len(curve) // 20 :] for curve in curves]
    settled = np.concatenate([*drawn_to, known[:MOST]])
    settled = settled[np.isfinite(settled)]
    if settled.size:
        margin = 0.06 * float(np.ptp(settled)) + 1e-3
        ax.set_ylim(settled.min() - margin, settled.max() + margin)
    if known:
        ax.plot([], [], color=colours().grey, lw=0.9, ls=":", label="known")
    _scale(result, ax)
    ax.set_xlabel(f"time ({unit(result)})")
    ax.set_ylabel(f"estimate so far ({result['exponents'].attrs['units']})")


def _spread(result: xr.Dataset, ax: Axes) -> None:
    """Draw how exponents over one horizon are distributed: median, quartiles, extremes."""
    c = colours()
    rows = result["finite_time_exponents"].values
    few = [i for i in _few(result) if np.isfinite(rows[:, i]).all()]
    for i in few:
        at = float(result["exponent"][i])
        low, first, middle, third, high = np.quantile(rows[:, i], [0.0, 0.25, 0.5, 0.75, 1.0])
        ax.plot([at, at], [low, high], color=_colour(i), lw=1.0)
        ax.plot([at, at], [first, third], color=_colour(i), lw=5.0, solid_capstyle="butt")
        ax.plot(at, middle, "o", color=_colour(i), mfc="white", ms=3.0)
    ax.plot([], [], color=c.grey, lw=1.0, label="extremes")
    ax.plot([], [], color=c.grey, lw=5.0, label="quartiles")
    ax.axhline(0.0, color=c.grey, lw=0.8, ls=":")
    ax.set_xticks([float(result["exponent"][i]) for i in few])
    ax.margins(x=0.2)
    _scale(result, ax)
    starts = result["window_start"].values
    over = f" over {lasting(starts[1] - starts[0], unit(result))}" if len(starts) > 1 else ""
    ax.set_xlabel("index of the exponent")
    ax.set_ylabel(f"exponent{over}\n({result['exponents'].attrs['units']})")


def _scale(result: xr.Dataset, ax: Axes) -> None:
    """Let the positive exponents be seen beside one that is far below zero."""
    values = result["exponents"].values
    values = values[np.isfinite(values)]
    if values.size:
        signed_scale(ax.yaxis, float(values.max()), float(np.abs(values).max()))


def _colour(i: int) -> str:
    """Return the colour of an exponent, the same in all panels."""
    c = colours()
    return c.cycle[i] if i < len(c.cycle) else c.grey


def _few(result: xr.Dataset) -> list[int]:
    """Return the exponents that are drawn one by one: all of few, the first of many."""
    return list(range(min(result.sizes["exponent"], MOST)))
