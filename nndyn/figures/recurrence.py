"""The figure of a recurrence result: the plot itself, its diagonal lines, and their measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nndyn.figures.style import BLUE, GREY, ORANGE, finish, require, wrapped

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]


def recurrence(result: xr.Dataset) -> Figure:
    """Draw the recurrence plot, and its lines by length; or the measures of sliding windows.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.recurrence`` returned.

    Returns
    -------
    matplotlib.figure.Figure
        Of two journal columns, with two panels. Cells of the plot are the darker the more of their
        pairs recur.

    Raises
    ------
    UsageError
        If `result` is not that of ``recurrence``.
    """
    from matplotlib.figure import Figure as NewFigure

    require(result, "recurrence")
    figure = NewFigure(figsize=(7.2, 3.9), layout="constrained")
    plot, lines = figure.subplots(1, 2, width_ratios=(1.0, 1.0))
    _picture(result, plot)
    if "sliding_time" in result.dims:
        _sliding(result, lines)
    else:
        _lengths(result, lines)
    figure.suptitle(wrapped(result, 118), fontsize=8, x=0.01, ha="left")
    return figure


def _picture(result: xr.Dataset, ax: Axes) -> None:
    """Draw the share of recurrences in every cell."""
    shares = result["picture"].values
    extent = [edge for name in ("column_time", "row_time") for edge in _edges(result[name].values)]
    ax.imshow(
        shares,
        origin="lower",
        extent=(extent[0], extent[1], extent[2], extent[3]),
        cmap="Greys",
        vmin=0.0,
        vmax=_darkest(shares),
        interpolation="nearest" if shares.shape[0] < 256 else "auto",
    )
    across, up = (f"time ({result[t].attrs['units']})" for t in ("column_time", "row_time"))
    finish(ax, across, up)
    ax.spines[["top", "right"]].set_visible(True)


def _darkest(shares: Array) -> float:
    """Return the share that is drawn black: of cells of many pairs few have all of them recur."""
    some = shares[shares > 0.0]
    return float(np.quantile(some, 0.95)) if some.size else 1.0


def _edges(times: Array) -> tuple[float, float]:
    """Return where the first cell starts and the last one ends."""
    width = (times[-1] - times[0]) / max(1, len(times) - 1) if len(times) > 1 else 1.0
    return float(times[0]), float(times[-1] + width)


def _lengths(result: xr.Dataset, ax: Axes) -> None:
    """Draw the numbers of lines of every length."""
    length = result["length"].values
    most = 0
    ax.set_xscale("log")
    ax.set_yscale("log")
    for name, color, label in (
        ("white_vertical_lines", GREY, "recurrence times"),
        ("vertical_lines", ORANGE, "vertical lines"),
        ("diagonal_lines", BLUE, "diagonal lines"),
    ):
        numbers = result[name].values
        some = numbers > 0
        ax.plot(length[some], numbers[some], ".", ms=3, color=color, label=label)
        most = max(most, int(numbers.max()))
    # a decade or more of each, or matplotlib would write 2, 3, 4 … times 10^0
    ax.set_xlim(0.8, max(12.0, 1.25 * length[-1]))
    ax.set_ylim(0.7, max(12.0, 1.5 * most))
    finish(ax, "length (points)", "number of lines")


def _sliding(result: xr.Dataset, ax: Axes) -> None:
    """Draw the shares of every window against the middle of it."""
    time = result["sliding_time"]
    for name, color in (("recurrence_rate", GREY), ("determinism", BLUE), ("laminarity", ORANGE)):
        label = name.replace("_", " ")
        ax.plot(time, result[f"sliding_{name}"], ".-", ms=4, lw=1.2, color=color, label=label)
    ax.set_ylim(-0.03, 1.03)
    finish(ax, f"middle of the window ({time.attrs['units']})", "share")
