"""What every figure shares: colours, axes, and how many points are drawn."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's palette, told apart by colour-blind readers.
BLUE, SKY, ORANGE, GREEN, GREY = "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#777777"
#: Most points drawn per curve.
POINTS = 4000


def require(result: xr.Dataset, analyzer: str) -> None:
    """Check that a result is that of the analyzer whose figure is asked for.

    Raises
    ------
    UsageError
        If it is not.
    """
    got = getattr(result, "attrs", {}).get("analyzer")
    if got != analyzer:
        raise UsageError(
            f"the figure needs the result of {analyzer}, got {got!r}; "
            f"pass what nndyn.{analyzer} returned"
        )


def column(ax: Axes | None) -> tuple[Figure, Axes]:
    """Return the axes given with their figure, or new ones of one journal column."""
    from matplotlib.figure import Figure as NewFigure

    if ax is None:
        figure = NewFigure(figsize=(4.2, 3.2), layout="constrained")
        return figure, figure.add_subplot()
    return ax.get_figure(root=True), ax  # type: ignore[return-value]


def stacked() -> tuple[Figure, tuple[Axes, Axes]]:
    """Return a new figure of one journal column with two panels, the upper one the larger."""
    from matplotlib.figure import Figure as NewFigure

    figure = NewFigure(figsize=(4.2, 4.8), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(2.0, 1.0))
    return figure, (upper, lower)


def finish(ax: Axes, xlabel: str, ylabel: str, columns: int = 3) -> None:
    """Label axes, with a legend of so many columns, and take away what no reader needs."""
    from matplotlib.transforms import offset_copy

    ax.set_xlabel(xlabel, fontsize=8)
    ax.set_ylabel(ylabel, fontsize=8)
    ax.tick_params(labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)
    if ax.get_legend_handles_labels()[0]:  # below the axes, where it hides no curve
        ax.legend(
            fontsize=6.5,
            frameon=False,
            ncols=columns,
            columnspacing=1.2,
            handlelength=1.6,
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            bbox_transform=offset_copy(
                ax.transAxes, ax.get_figure(root=True), y=-27, units="points"
            ),
        )


def unit(result: xr.Dataset) -> str:
    """Return the unit of time."""
    return str(result["time"].attrs.get("units", "step"))


def thinned(n: int) -> Any:
    """Return indices of at most `POINTS` of n samples, the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, POINTS)).astype(np.int64))


def wrapped(result: xr.Dataset, width: int) -> str:
    """Return the verdict, and below it the reason in two lines at most."""
    lines = textwrap.wrap(str(result.attrs["reason"]), width, max_lines=2, placeholder=" …")
    return "\n".join([str(result.attrs["verdict"]), *lines])
