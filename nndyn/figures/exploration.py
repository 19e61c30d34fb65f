"""Figure of an exploration result: displacement by lag, steps, and directions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from nndyn.errors import DataError
from nndyn.figures.sheet import judged
from nndyn.figures.source import is_stationary
from nndyn.figures.style import PARTS, Look, colours, plain_log, require, unit
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: More steps than this are drawn as the medians of parts, with deciles.
MANY = 1200


def exploration(
    result: xr.Dataset, ax: Axes | Sequence[Axes] | None = None, **look: Unpack[Look]
) -> Figure:
    """Draw mean-squared displacement by lag, and length and direction of the steps.

    Steps are drawn over time along a transient, and as a distribution of a stationary recording.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.exploration`` returned.
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
        If `result` is not that of ``exploration``.
    DataError
        If the recording ended before there was anything to draw.
    """
    require(result, "exploration")
    if "step_length" not in result:
        raise DataError(f"there is no curve to draw: {result.attrs['reason']}")
    steps = (_length_shares, _angle_shares) if is_stationary(result) else (_lengths, _directions)
    panels = [partial(draw, result) for draw in (_displacements, *steps)]
    return judged(result, panels, ax, look)


def _displacements(result: xr.Dataset, ax: Axes) -> None:
    """Draw the mean-squared displacement beside straight motion and a random walk, and the fit."""
    c = colours()
    lag = result["lag"].values[1:]
    values = result["mean_squared_displacement"].values[1:]
    shown = np.where(values > 0.0, values, np.nan)
    ax.set_xscale("log")
    ax.set_yscale("log")
    marker = "." if len(lag) == 1 else ""
    ax.plot(lag, shown[:, 1:], color=c.sky, lw=0.6, alpha=0.8, marker=marker)
    ax.plot(lag, shown[:, 0], color=c.blue, lw=1.6, marker=marker, label="reference")
    if np.isfinite(shown[0, 0]) and len(lag) > 1:
        low, high = ax.get_ylim()
        for power, style, what in ((2, ":", "straight"), (1, "--", "random walk")):
            guide = shown[0, 0] * (lag / lag[0]) ** power
            ax.plot(lag, guide, color=c.grey, lw=0.9, ls=style, label=what)
        ax.set_ylim(low, min(3.0 * high, ax.get_ylim()[1]))
    exponent = result["msd_exponent"]
    if np.isfinite(exponent):
        first, last = exponent.attrs["lags"]
        fit = np.array([first, last])
        level = np.exp(np.nanmean(np.log(shown[first - 1 : last, 0])))
        middle = np.exp(np.mean(np.log(np.arange(first, last + 1))))
        ax.plot(
            lag[fit - 1],
            level * (fit / middle) ** float(exponent),
            color=c.orange,
            lw=1.4,
            label=f"lag^{float(exponent):.2g}",
        )
    _wide_enough(ax.yaxis)
    plain_log(ax.xaxis)
    plain_log(ax.yaxis)
    ax.set_xlabel(f"lag ({unit(result)})")
    ax.set_ylabel("mean-squared\ndisplacement")


def _lengths(result: xr.Dataset, ax: Axes) -> None:
    """Draw the length of every step."""
    c = colours()
    time, lengths = result["time"].values, result["step_length"].values
    if np.nanmax(lengths, initial=0.0) > 0.0:
        ax.set_yscale("log")
        lengths = np.where(lengths > 0.0, lengths, np.nan)
    for values in lengths.T[1:]:
        _curve(ax, time, values, c.sky, 0.6, "")
    _curve(ax, time, lengths[:, 0], c.blue, 1.2, "reference")
    if ax.get_yscale() == "log":
        _wide_enough(ax.yaxis)
        plain_log(ax.yaxis)
    ax.set_xlabel(f"time ({unit(result)})")
    ax.set_ylabel("step length")


def _directions(result: xr.Dataset, ax: Axes) -> None:
    """Draw the angles of the reference's steps with the next step and with the way to the end."""
    c = colours()
    time = result["time"].values
    turns, progress = result["turning_angle"].values[:, 0], result["progress"].values[:, 0]
    for angles, color, label in (
        (turns, c.blue, "to the next step"),
        (np.arccos(progress), c.orange, "to the end point"),
    ):
        _curve(ax, time, np.degrees(angles), color, 1.0, label, band=False)
    ax.axhline(90.0, color=c.grey, lw=0.8, ls=":")
    ax.set_ylim(0.0, 180.0)
    ax.set_yticks([0, 45, 90, 135, 180])
    ax.set_xlabel(f"time ({unit(result)})")
    ax.set_ylabel("angle of a step (degrees)")


def _length_shares(result: xr.Dataset, ax: Axes) -> None:
    """Draw how the lengths of the reference's steps are distributed."""
    lengths = result["step_length"].values[1:, 0]
    lengths = lengths[np.isfinite(lengths)]
    if not lengths.size:
        return
    top = float(lengths.max()) or 1.0
    _shares(ax, lengths, np.linspace(0.0, top, 41))
    ax.set_xlim(0.0, top)
    ax.set_xlabel("step length")


def _angle_shares(result: xr.Dataset, ax: Axes) -> None:
    """Draw how the angles between steps of the reference are distributed."""
    turns = np.degrees(result["turning_angle"].values[:, 0])
    _shares(ax, turns[np.isfinite(turns)], np.linspace(0.0, 180.0, 37))
    ax.set_xlim(0.0, 180.0)
    ax.set_xticks([0, 45, 90, 135, 180])
    ax.set_xlabel("angle to the next step (degrees)")


def _shares(ax: Axes, values: Array, edges: Array) -> None:
    """Draw the share of values between edges."""
    counts, _ = np.histogram(values, edges)
    ax.stairs(
        100.0 * counts / max(1, values.size), edges, color=colours().blue, fill=True, alpha=0.7
    )
    ax.set_ylim(bottom=0.0)
    ax.set_ylabel("share of the steps (%)")


def _wide_enough(axis: Any) -> None:
    """Let a log axis reach over a factor of five at least: below that it has no ticks."""
    low, high = axis.get_view_interval()
    if 0.0 < low < high < 5.0 * low:
        middle = np.sqrt(low * high)
        axis.axes.set_ylim(middle / np.sqrt(5.0), middle * np.sqrt(5.0))


def _curve(
    ax: Axes,
    time: Array,
    values: Array,
    color: str,
    width: float,
    label: str,
    *,
    band: bool = True,
) -> None:
    """Draw a series; of a long one the medians of its parts, with a band between deciles."""
    if len(time) <= MANY:
        marker = "." if len(time) <= 3 else ""
        ax.plot(time, values, color=color, lw=width, marker=marker, label=label or None)
        return
    parts = [part[np.isfinite(part)] for part in np.array_split(values, PARTS)]
    low, middle, high = np.array(
        [np.quantile(part, [0.1, 0.5, 0.9]) if part.size else [np.nan] * 3 for part in parts]
    ).T
    at = [part.mean() for part in np.array_split(time, PARTS)]
    if label and band:
        ax.fill_between(at, low, high, color=color, alpha=0.2, lw=0)
    ax.plot(at, middle, color=color, lw=width, label=label or None)
