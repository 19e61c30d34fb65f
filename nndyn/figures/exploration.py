"""The figure of an exploration result: displacement by lag, steps, and directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nndyn.errors import DataError
from nndyn.figures.style import BLUE, GREY, ORANGE, SKY, finish, require, unit, wrapped

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]

#: More steps than this are drawn as the medians of so many parts, with deciles.
MANY, PARTS = 1200, 150


def exploration(result: xr.Dataset) -> Figure:
    """Draw mean-squared displacement by lag, and length and direction of the steps over time.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.exploration`` returned.

    Returns
    -------
    matplotlib.figure.Figure
        Of two journal columns, with three panels.

    Raises
    ------
    UsageError
        If `result` is not that of ``exploration``.
    DataError
        If the recording ended before there was anything to draw.
    """
    from matplotlib.figure import Figure as NewFigure

    require(result, "exploration")
    if "step_length" not in result:
        raise DataError(f"there is no curve to draw: {result.attrs['reason']}")
    figure = NewFigure(figsize=(7.2, 3.1), layout="constrained")
    by_lag, lengths, directions = figure.subplots(1, 3)
    _displacements(result, by_lag)
    _lengths(result, lengths)
    _directions(result, directions)
    figure.suptitle(wrapped(result, 118), fontsize=8, x=0.01, ha="left")
    return figure


def _displacements(result: xr.Dataset, ax: Axes) -> None:
    """Draw the mean-squared displacement beside straight motion and a random walk, and the fit."""
    lag = result["lag"].values[1:]
    values = result["mean_squared_displacement"].values[1:]
    shown = np.where(values > 0.0, values, np.nan)
    ax.set_xscale("log")
    ax.set_yscale("log")
    marker = "." if len(lag) == 1 else ""
    ax.plot(lag, shown[:, 1:], color=SKY, lw=0.6, alpha=0.8, marker=marker)
    ax.plot(lag, shown[:, 0], color=BLUE, lw=1.6, marker=marker, label="reference")
    if np.isfinite(shown[0, 0]) and len(lag) > 1:
        limits = ax.get_ylim()
        for power, style, what in ((2, ":", "straight"), (1, "--", "random walk")):
            guide = shown[0, 0] * (lag / lag[0]) ** power
            ax.plot(lag, guide, color=GREY, lw=0.9, ls=style, label=what)
        ax.set_ylim(limits[0], min(limits[1] * 10.0, ax.get_ylim()[1]))
    exponent = result["msd_exponent"]
    if np.isfinite(exponent):
        first, last = exponent.attrs["lags"]
        fit = np.array([first, last])
        level = np.exp(np.nanmean(np.log(shown[first - 1 : last, 0])))
        middle = np.exp(np.mean(np.log(np.arange(first, last + 1))))
        ax.plot(
            lag[fit - 1],
            level * (fit / middle) ** float(exponent),
            color=ORANGE,
            lw=1.4,
            label=f"lag^{float(exponent):.2g}",
        )
    finish(ax, f"lag ({unit(result)})", "mean-squared displacement", columns=2)


def _lengths(result: xr.Dataset, ax: Axes) -> None:
    """Draw the length of every step."""
    time, lengths = result["time"].values, result["step_length"].values
    if np.nanmax(lengths, initial=0.0) > 0.0:
        ax.set_yscale("log")
        lengths = np.where(lengths > 0.0, lengths, np.nan)
    for values in lengths.T[1:]:
        _curve(ax, time, values, SKY, 0.6, "")
    _curve(ax, time, lengths[:, 0], BLUE, 1.2, "reference")
    finish(ax, f"time ({unit(result)})", "step length", columns=2)


def _directions(result: xr.Dataset, ax: Axes) -> None:
    """Draw the angles of the reference's steps with the next step and with the way to the end."""
    time = result["time"].values
    turns, progress = result["turning_angle"].values[:, 0], result["progress"].values[:, 0]
    _curve(ax, time, np.degrees(turns), BLUE, 1.0, "to the next step")
    _curve(ax, time, np.degrees(np.arccos(progress)), ORANGE, 1.0, "to the end point")
    ax.axhline(90.0, color=GREY, lw=0.8, ls=":")
    ax.set_ylim(0.0, 180.0)
    ax.set_yticks([0, 45, 90, 135, 180])
    finish(ax, f"time ({unit(result)})", "angle of a step (degrees)", columns=2)


def _curve(ax: Axes, time: Array, values: Array, color: str, width: float, label: str) -> None:
    """Draw a series; of a long one the medians of its parts, for the reference with deciles."""
    if len(time) <= MANY:
        marker = "." if len(time) <= 3 else ""
        ax.plot(time, values, color=color, lw=width, marker=marker, label=label or None)
        return
    parts = [part[np.isfinite(part)] for part in np.array_split(values, PARTS)]
    low, middle, high = np.array(
        [np.quantile(part, [0.1, 0.5, 0.9]) if part.size else [np.nan] * 3 for part in parts]
    ).T
    at = [part.mean() for part in np.array_split(time, PARTS)]
    if label:
        ax.fill_between(at, low, high, color=color, alpha=0.2, lw=0)
    ax.plot(at, middle, color=color, lw=width, label=label or None)
