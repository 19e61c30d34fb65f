"""Figure of a recurrence result: the plot itself, its diagonal lines, and their measures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np

from nndyn.figures.sheet import judged
from nndyn.figures.style import Look, colours, plain_log, require
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def recurrence(
    result: xr.Dataset, ax: Axes | Sequence[Axes] | None = None, **look: Unpack[Look]
) -> Figure:
    """Draw the recurrence plot, and its lines by length; or the measures of sliding windows.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.recurrence`` returned.
    ax : matplotlib.axes.Axes or sequence of them, optional
        Where to draw the first panel alone, or several; a new figure by default.
    **look
        ``title``, ``size`` in inches, ``dpi``, ``style``: see `nndyn.figures.style.Look`.

    Returns
    -------
    matplotlib.figure.Figure
        With two panels. Cells of the plot are the darker the more of their
        pairs recur.

    Raises
    ------
    UsageError
        If `result` is not that of ``recurrence``.
    """
    require(result, "recurrence")
    right = _sliding if "sliding_time" in result.dims else _lengths
    panels = [partial(_picture, result), partial(right, result)]
    return judged(result, panels, ax, look)


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
    ax.set_xlabel(across)
    ax.set_ylabel(up)
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
    c = colours()
    length = result["length"].values
    most = 0
    ax.set_xscale("log")
    ax.set_yscale("log")
    for name, color, label in (
        ("white_vertical_lines", c.grey, "recurrence times"),
        ("vertical_lines", c.orange, "vertical lines"),
        ("diagonal_lines", c.blue, "diagonal lines"),
    ):
        numbers = result[name].values
        some = numbers > 0
        ax.plot(length[some], numbers[some], ".", ms=3, color=color, label=label)
        most = max(most, int(numbers.max()))
    # a decade or more of each, or matplotlib would write 2, 3, 4 … times 10^0
    ax.set_xlim(0.8, max(12.0, 1.25 * length[-1]))
    ax.set_ylim(0.7, max(12.0, 1.5 * most))
    plain_log(ax.xaxis)
    plain_log(ax.yaxis)
    ax.set_xlabel("length (points)")
    ax.set_ylabel("number of lines")


def _sliding(result: xr.Dataset, ax: Axes) -> None:
    """Draw the shares of every window against the middle of it."""
    c = colours()
    time = result["sliding_time"]
    for name, color in (
        ("recurrence_rate", c.grey),
        ("determinism", c.blue),
        ("laminarity", c.orange),
    ):
        label = name.replace("_", " ")
        ax.plot(time, result[f"sliding_{name}"], ".-", ms=4, lw=1.2, color=color, label=label)
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel(f"middle of the window ({time.attrs['units']})")
    ax.set_ylabel("share")
