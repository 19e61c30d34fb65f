"""Panels of a lyapunov result by parameter: how far each has come apart, and its share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nndyn.figures.style import colours, thinned, unit

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

#: Parameters that have a colour, those with the largest shares; of others there is one.
NAMED = 7


def separations(result: xr.Dataset, ax: Axes) -> None:
    """Draw the log distance of every parameter, rescaling put back."""
    keep = thinned(result.sizes["time"])
    time = result["time"].values[keep]
    logs = result["parameter_log_separation"].values[keep]
    largest, others = _ranked(result)
    if others:
        ax.plot(time, logs[:, others], color=colours().grey, lw=0.6, alpha=0.7)
    for p, colour in largest.items():
        ax.plot(time, logs[:, p], color=colour, lw=1.2)
    ax.set_xlabel(f"time ({unit(result)})")
    ax.set_ylabel("ln separation of each")


def shares(result: xr.Dataset, ax: Axes) -> None:
    """Draw the shares of the squared distance on top of one another."""
    keep = thinned(result.sizes["time"])
    values = result["parameter_share"].values[keep]
    names = result["parameter"].values.tolist()
    largest, others = _ranked(result)
    parts = [values[:, p] for p in largest]
    labels, shades = [names[p] for p in largest], list(largest.values())
    if others:
        parts.append(values[:, others].sum(axis=1))
        labels.append(f"{len(others)} other{'s' * (len(others) > 1)}")
        shades.append(colours().grey)
    ax.stackplot(result["time"].values[keep], *parts, labels=labels, colors=shades, lw=0, alpha=0.9)
    ax.set_ylim(0.0, 1.0)
    ax.set_xlabel(f"time ({unit(result)})")
    ax.set_ylabel("share of squared distance")


def _ranked(result: xr.Dataset) -> tuple[dict[int, str], list[int]]:
    """Return the parameters with the largest mean shares, with their colours, and the others."""
    mean = np.nan_to_num(result["parameter_share"].values).mean(axis=0)
    cycle = colours().cycle
    several = len(mean) > NAMED + 1
    chosen = sorted(np.argsort(-mean)[: NAMED if several else NAMED + 1].tolist())
    largest = {p: cycle[i % len(cycle)] for i, p in enumerate(chosen)}
    return largest, [p for p in range(len(mean)) if p not in largest]
