"""Figure of a learning result: accuracies, and the time at which they count as learned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np

from nndyn.figures.sheet import judged
from nndyn.figures.style import Look, colours, require, thinned, unit

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def learning(
    result: xr.Dataset, ax: Axes | Sequence[Axes] | None = None, **look: Unpack[Look]
) -> Figure:
    """Draw the accuracies, the threshold, and training times with their interval.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.learning`` returned.
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
        If `result` is not that of ``learning``.
    """
    require(result, "learning")
    return judged(result, [partial(_accuracies, result)], ax, look)


def _accuracies(result: xr.Dataset, ax: Axes) -> None:
    """Draw accuracies, threshold and times."""
    c = colours()
    keep = thinned(result.sizes["time"])
    time = result["time"].values[keep]
    values = result["accuracy"].values[keep]
    marker = "." if len(time) == 1 else ""
    if values.shape[1] > 1:
        ax.plot(time, values[:, 1:], color=c.sky, lw=0.6, alpha=0.8, marker=marker)
        ax.plot([], [], color=c.sky, lw=0.6, label="replicas")
    ax.plot(time, values[:, 0], color=c.blue, lw=1.6, marker=marker, label="reference")
    threshold = json.loads(result.attrs["parameters"])["threshold"]
    ax.axhline(threshold, color=c.grey, lw=1.0, ls=":", label=f"threshold {threshold:g}")
    held = float(result["training_time_held"])
    for name, color, style, label in (
        ("training_time", c.orange, "-", "reached"),
        ("training_time_held", c.green, "--", "reached and held"),
    ):
        at = float(result[name])
        if not np.isfinite(at) or (name, at) == ("training_time", held):
            continue
        if f"{name}_ci" in result:
            low, high = result[f"{name}_ci"].values
            ax.axvspan(low, min(high, time[-1]), color=color, alpha=0.12, lw=0)
        # between two evaluations it is not known when
        when = "at" if float(result[f"{name}_earliest"]) == at else "by"
        ax.axvline(at, color=color, lw=1.0, ls=style, label=f"{label} {when} {at:g}")
    ax.set_xlabel(f"time ({unit(result)})")
    ax.set_ylabel(str(result["accuracy"].attrs["long_name"]))
