"""Map of a study's verdicts over one or two swept options, its seeds side by side."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from nndyn.errors import UsageError
from nndyn.figures.curves import counts
from nndyn.figures.sheet import drawn
from nndyn.figures.study import option
from nndyn.figures.style import BLUE, ORANGE, SKY, Look, require

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours of verdicts: warm where deviations grow, cold where they do not, grey where unknown.
COLOURS = {
    "chaotic": ORANGE,
    "transient": "#E69F00",
    "saturated": "#F0E442",
    "regular": BLUE,
    "unresolved": "#BBBBBB",
    "diverged": "#000000",
    "": "#FFFFFF",
}
#: Numbers along an axis.
TICKS = 10


def verdicts(
    result: xr.Dataset, ax: Axes | Sequence[Axes] | None = None, **look: Unpack[Look]
) -> Figure:
    """Draw the verdict of every run of a study, over one or two swept options.

    Parameters
    ----------
    result : xarray.Dataset
        What ``lyapunov`` gave of the study, with one or two swept options beside the seeds: over
        one the seeds lie above each other, over two beside each other in each field.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    **look
        ``title``, ``size`` in inches, ``dpi``, ``style``: see `nndyn.figures.style.Look`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UsageError
        If `result` is not that of a study, or of more options.
    """
    require(result, "lyapunov")
    if "cell_verdict" not in result:
        raise UsageError("the map needs the study of lyapunov, got the result of one run")
    along = str(result.attrs["along"])
    cells = result["cell_verdict"]
    if along not in cells.dims:
        cells = cells.expand_dims({along: result[along].values})
    others = [str(d) for d in cells.dims if d not in (along, "seed")]
    if len(others) > 1:
        raise UsageError(f"there are {1 + len(others)} swept options, expected one or two; choose")
    cells = cells.transpose(*others, "seed", along)
    seeds = cells.sizes["seed"]
    caption = f"{cells.size} runs: {counts(cells.values.ravel())}"
    if others and seeds > 1:
        caption += f"; in each field the {seeds} seeds from left to right"
    panel = partial(_draw, cells, along, others[0] if others else "seed")
    return drawn([panel], ax, caption, **look)


def maps(result: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """Give the parts of a study's result that a map shows: of more than two swept options many.

    Yields
    ------
    str, xarray.Dataset
        Values of the options beyond two, such as ``momentum=0.9``; empty where there are none.
    """
    along = str(result.attrs["along"])
    others = [str(d) for d in result["cell_verdict"].dims if d not in (along, "seed")]
    longest = max(others, key=lambda d: result.sizes[d], default="")
    fixed = [d for d in others if d != longest]
    for place in product(*(range(result.sizes[d]) for d in fixed)):
        part = result.isel(dict(zip(fixed, place, strict=True)))
        yield ", ".join(f"{d}={part[d].item()}" for d in fixed), part


def _draw(cells: xr.DataArray, along: str, up: str, ax: Axes) -> None:
    """Draw fields of one colour a verdict, and name the colours."""
    from matplotlib.colors import to_rgb

    seeds, columns = cells.sizes["seed"], cells.sizes[along]
    names = cells.values.astype(str)
    if up != "seed":  # (other, seed, along): seeds beside each other
        names = names.transpose(0, 2, 1).reshape(len(names), columns * seeds)
    image = np.array([[to_rgb(COLOURS.get(one, SKY)) for one in row] for row in names])
    extent = (-0.5, columns - 0.5, -0.5, len(names) - 0.5)
    ax.imshow(image, origin="lower", extent=extent, aspect="auto", interpolation="nearest")
    for edge in np.arange(columns + 1) - 0.5:
        ax.axvline(edge, color="white", lw=1.0)
    for edge in np.arange(len(names) + 1) - 0.5:
        ax.axhline(edge, color="white", lw=1.0)
    _named(ax.xaxis, cells[along].values)
    _named(ax.yaxis, cells[up].values)
    ax.set_xlabel(option(along))
    ax.set_ylabel(option(up))
    found = Counter(names.ravel().tolist())
    for one in [*COLOURS, *(found.keys() - COLOURS.keys())]:
        if one in found:
            edge = "#777777" if one == "" else "none"
            color = COLOURS.get(one, SKY)
            ax.bar([0], [0], width=0.0, color=color, ec=edge, label=one or "no result")
    ax.set_xlim(*extent[:2])
    ax.set_ylim(*extent[2:])


def _named(axis: Any, values: NDArray[Any]) -> None:
    """Write the values of an option at the middles of fields, of many at equal distances."""
    from nndyn.words.text import escaped

    at = range(0, len(values), math.ceil(len(values) / TICKS))
    numbers = values.dtype.kind in "fiu"
    names = [f"{values[i]:.3g}" if numbers else escaped(values[i]) for i in at]
    axis.set_ticks(at, labels=[name.replace("$", r"\$") for name in names])
