"""Figure of a path: its leading principal components, and those of a random walk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from nndyn.figures.sheet import judged
from nndyn.figures.style import Look, colours, plain_log, require, thinned, unit
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: States up to which there is a line whatever its steps are.
FEW = 30


def path(
    result: xr.Dataset, ax: Axes | Sequence[Axes] | None = None, **look: Unpack[Look]
) -> Figure:
    """Draw a trajectory along its first two principal components, and a random walk along its own.

    Parameters
    ----------
    result : xarray.Dataset
        What `analyzers.exploration.components.components` returned. The other replicas are drawn in
        the same plane; colour is the loss along the path, or time where there is none.
    ax : matplotlib.axes.Axes or sequence of them, optional
        Where to draw the path alone, or several panels; a new figure by default.
    **look
        ``title``, ``size`` in inches, ``dpi``, ``style``: see `nndyn.figures.style.Look`.

    Returns
    -------
    matplotlib.figure.Figure
        With three panels; the third is the share of the variance along each component.

    Raises
    ------
    UsageError
        If `result` is no such one.
    """
    require(result, "path", "components")
    panels = [partial(draw, result) for draw in (_path, _walk, _shares)]
    return judged(result, panels, ax, look)


def label_components(ax: Axes, shares: Array) -> None:
    """Label the axes of a plane of components with their shares of the variance."""
    names = [
        f"PC{k + 1} ({round(100 * share, 2):.2g} % of the variance)"
        for k, share in enumerate(shares)
    ]
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %" if share > 0.095 else f"{round(100.0 * share, 2):.2g} %"


def ends(ax: Axes, x: Array, y: Array) -> None:
    """Mark where a path starts and ends."""
    c = colours()
    paper = ax.get_facecolor()
    ax.plot(x[:1], y[:1], "o", ms=5, mfc=paper, mec=c.green, mew=1.4, ls="", label="start")
    ax.plot(x[-1:], y[-1:], "s", ms=5, mfc=c.orange, mec=paper, mew=0.6, ls="", label="end")


def _path(result: xr.Dataset, ax: Axes) -> None:
    """Draw the path, coloured along it, and the other replicas behind it."""
    c = colours()
    own = int(_parameter(result, "replica"))
    scores = result["score"].values[..., :2]
    jumps = _jumps(scores[:, own])
    keep = thinned(len(scores))
    others = [r for r in range(scores.shape[1]) if r != own]
    style: dict[str, Any] = {"ls": "", "marker": ".", "ms": 1.0} if jumps else {"lw": 0.7}
    for i, r in enumerate(others):
        there = keep[np.isfinite(scores[keep, r, 0])]
        label = f"{len(others)} other replica{'s' * (len(others) > 1)}" if i == 0 else None
        ax.plot(*scores[there, r].T, color=c.grey, alpha=0.7, label=label, **style)
    x, y = scores[keep, own].T
    if "path_loss" in result:
        values, what = result["path_loss"].values[keep], str(result["path_loss"].attrs["long_name"])
        if (units := result["path_loss"].attrs["units"]) != "1":
            what += f" ({units})"
    else:
        values, what = result["time"].values[keep], f"time ({unit(result)})"
    _coloured(ax, x, y, values, what, jumps)
    ends(ax, x, y)
    label_components(ax, result["explained_share"].values[:2])


def _jumps(scores: Array) -> bool:
    """Return whether steps are as long as the path is wide, so that lines would hide it."""
    # of independent states the mean squared step is twice the variance
    steps = float((np.diff(scores, axis=0) ** 2).sum(axis=1).mean())
    return len(scores) > FEW and steps > float(scores.var(axis=0).sum())


def _coloured(ax: Axes, x: Array, y: Array, values: Array, what: str, jumps: bool) -> None:
    """Draw a line, or points, in the colours of values, with a bar that tells them."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LogNorm, Normalize

    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    logs = low > 0.0 and high > 10.0 * low and not what.startswith("time")
    norm = LogNorm(low, high) if logs else Normalize(low, high if high > low else low + 1.0)
    shown: Any
    if jumps:
        shown = ax.scatter(x, y, s=1.5, c=values, cmap="viridis", norm=norm, lw=0, rasterized=True)
    else:
        points = np.column_stack([x, y])
        segments: Any = np.stack([points[:-1], points[1:]], axis=1)
        shown = LineCollection(segments, cmap="viridis", norm=norm, lw=1.6, capstyle="round")
        shown.set_array(values[1:])
        ax.add_collection(shown)
        ax.autoscale_view()
    bar = ax.figure.colorbar(shown, ax=ax, label=what, location="top", pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    if logs:
        plain_log(bar.ax.xaxis)


def _walk(result: xr.Dataset, ax: Axes) -> None:
    """Draw a random walk of as many states along its own first two components."""
    c = colours()
    x, y = result["random_walk_score"].values[thinned(result.sizes["time"]), :2].T
    ax.plot(x, y, color=c.sky, lw=1.4, label="a random walk")
    ends(ax, x, y)
    label_components(ax, result["random_walk_share"].values[:2])


def _shares(result: xr.Dataset, ax: Axes) -> None:
    """Draw the share of the variance along each component, beside those of random walks."""
    from matplotlib.ticker import MaxNLocator

    c = colours()
    number = result["principal_component"].values
    low, high = 100.0 * result["random_walk_share_ci"].values.T
    ax.set_yscale("log")
    ax.fill_between(number, low, high, color=c.sky, alpha=0.4, lw=0)
    walk = 100.0 * result["random_walk_share"].values
    ax.plot(number, walk, color=c.sky, lw=1.2, marker=".", label="random walks")
    shares = 100.0 * result["explained_share"].values
    shown = np.where(shares > 1e-12 * shares[0], shares, np.nan)
    ax.plot(number, shown, color=c.blue, lw=1.2, marker="o", ms=3.5, label="the path")
    ax.set_ylim(top=150.0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain_log(ax.yaxis)
    ax.set_xlabel("principal component")
    ax.set_ylabel("share of the variance (%)")


def _parameter(result: xr.Dataset, name: str) -> Any:
    return json.loads(result.attrs["parameters"])[name]
