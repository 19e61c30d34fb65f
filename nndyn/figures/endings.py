"""Figure of an endings result: the loss along the segments between the ends."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np

from nndyn.errors import DataError
from nndyn.figures.sheet import judged
from nndyn.figures.style import Look, colours, require

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def endings(
    result: xr.Dataset, ax: Axes | Sequence[Axes] | None = None, **look: Unpack[Look]
) -> Figure:
    """Draw the loss over the straight line between the ends of every segment.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.endings`` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of one journal column by default.
    **look
        ``title``, ``size`` in inches, ``dpi``, ``style``: see `nndyn.figures.style.Look`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UsageError
        If `result` is not that of ``endings``.
    DataError
        If nothing is known of what lies between the ends.
    """
    require(result, "endings")
    if "pair_excess" not in result:
        raise DataError(str(result.attrs["reason"]))
    return judged(result, [partial(_segments, result)], ax, look)


def _segments(result: xr.Dataset, ax: Axes) -> None:
    """Draw the curves: of the reference and a copy, and of two copies."""
    c, at = colours(), result["position"].values
    excess, first = result["pair_excess"].values, result["pair_from"].values
    for chosen, colour, width, label in (
        (first > 0, c.sky, 0.6, "of two replicas"),
        (first == 0, c.blue, 1.4, "of the reference and a replica"),
    ):
        for curve in excess[chosen & np.isfinite(excess).all(axis=1)]:
            ax.plot(at, curve, color=colour, lw=width)
        if chosen.any():
            ax.plot([], [], color=colour, lw=width, label=label)
    ax.axhline(0.0, color=c.grey, lw=1.0, ls=":", label="straight line between its ends")
    ax.set_xlabel("position on a segment")
    ax.set_ylabel(str(result["pair_excess"].attrs["long_name"]).partition(" over the straight")[0])
