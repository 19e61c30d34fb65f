"""Orbit diagram of a study: the last values of a quantity against the swept option."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np

from nndyn.errors import DataError
from nndyn.figures.curves import Run, named_unit, wide_scale
from nndyn.figures.sheet import drawn
from nndyn.figures.study import scale
from nndyn.figures.style import Look, colours, span, unit

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Points up to which they are drawn large.
FEW = 300
#: Points from which on they are drawn small; from ten times as many on, as pixels.
MANY = 2000
#: Runs up to which there is room between them.
APART = 60


def orbit(
    runs: Sequence[Run],
    along: str,
    ax: Axes | Sequence[Axes] | None = None,
    **look: Unpack[Look],
) -> Figure:
    """Draw the last values of every run of a study against the swept option.

    Of a map that is its bifurcation diagram: one point is a fixed point, two are a cycle of two, a
    band is chaos, or what has not settled yet.

    Parameters
    ----------
    runs : sequence of (dict, xarray.Dataset)
        Values of the swept options, and what `analyzers.exploration.values.values` gave, None where
        there is no recording.
    along : str
        The option along which they are drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    **look
        ``title``, ``size`` in inches, ``dpi``, ``style``: see `nndyn.figures.style.Look`.

    Returns
    -------
    matplotlib.figure.Figure
        Values of a run that diverged are not drawn; a cross above marks where one did.

    Raises
    ------
    DataError
        If no run has values, or no option with numbers is swept.
    """
    if not all(along in at for at, _ in runs):
        raise DataError(
            "no option with numbers is swept, and there is nothing to draw the values against; "
            "sweep one, such as lr"
        )
    found = [(float(at[along]), result) for at, result in runs if result is not None]
    if not found:
        raise DataError("there is nothing to draw: no run of the study has a value")
    finite = [(x, r) for x, r in found if not bool(r["diverged"])]
    lost = [x for x, r in found if bool(r["diverged"])]
    some = [r for _, r in finite] or [r for _, r in found]
    caption = f"{len(found)} runs: the last {_counted(some)} of each, {_when(some)}"
    if lost:
        caption += f"; {len(lost)} diverged"
    without = len(runs) - len(found)
    if without:
        caption += f"; {without} more {'has' if without == 1 else 'have'} no recording"
    return drawn([partial(_draw, finite, lost, some[0], along)], ax, caption, **look)


def _draw(
    finite: Sequence[tuple[float, xr.Dataset]],
    lost: Sequence[float],
    first: xr.Dataset,
    along: str,
    ax: Axes,
) -> None:
    """Draw values as points, and crosses where runs diverged."""
    c = colours()
    values = [result["value"] for _, result in finite]
    if values:
        places = np.repeat([x for x, _ in finite], [len(one) for one in values])
        many = len(places) > MANY
        ax.plot(
            places,
            np.concatenate(values),
            ls="",
            marker="," if len(places) > 10 * MANY else ".",
            ms=_size(len(places), len(finite)),
            mew=0.0,
            color=c.blue,
            alpha=0.6,
            rasterized=many,
        )
        wide_scale(ax, values)
    if lost:
        ax.plot(
            lost,
            np.ones(len(lost)),
            ls="",
            marker="x",
            ms=4,
            color=c.orange,
            transform=ax.get_xaxis_transform(),
            clip_on=False,
            label=f"diverged ({len(lost)} run{'s' * (len(lost) != 1)})",
        )
    rates = np.array(sorted({x for x, _ in finite} | set(lost)))
    scale(ax, rates, along)
    ax.set_ylabel(named_unit(first["value"]))


def _size(points: int, runs: int) -> float:
    """Return the size of points: where runs stand apart those of many values need not be small."""
    if points > MANY:
        return 2.0 if runs <= APART else 1.0
    return 3.0 if points > FEW else 5.0


def _counted(results: Sequence[xr.Dataset]) -> str:
    """Return how many values there are of each run."""
    counts = sorted({result.sizes["time"] for result in results})
    if len(counts) == 1:
        return "value" if counts[0] == 1 else f"{counts[0]} values"
    return f"{counts[0]} to {counts[-1]} values"


def _when(results: Sequence[xr.Dataset]) -> str:
    times = [result["time"].values for result in results]
    return span(min(t[0] for t in times), max(t[-1] for t in times), unit(results[0]))
