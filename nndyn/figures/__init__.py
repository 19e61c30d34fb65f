"""Figures: one function each, from a result to a matplotlib figure."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Entry:
    """One figure: ``module:function`` that takes a result, and a line of help."""

    target: str
    summary: str


#: Every figure, by the name of the analyzer whose result it draws.
FIGURES = {
    "lyapunov": Entry(
        "nndyn.figures.lyapunov:lyapunov",
        "Separation of the replicas, with fit, window and verdict.",
    ),
    "exploration": Entry(
        "nndyn.figures.exploration:exploration",
        "Mean-squared displacement, steps and directions of a trajectory.",
    ),
    "learning": Entry(
        "nndyn.figures.learning:learning",
        "Accuracy of the replicas, with threshold, training time and verdict.",
    ),
    "recurrence": Entry(
        "nndyn.figures.recurrence:recurrence",
        "Recurrence plot of a trajectory, with its lines or its measures along time.",
    ),
    "spectrum": Entry(
        "nndyn.figures.spectrum:spectrum",
        "Lyapunov exponents, their convergence and finite-time distributions.",
    ),
}


def draw(name: str, result: xr.Dataset) -> Figure:
    """Return the figure `name` of a result."""
    module, _, function = FIGURES[name].target.partition(":")
    figure: Figure = getattr(import_module(module), function)(result)
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file, at once or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like
        Its suffix says the format; replaced where it exists.

    Raises
    ------
    UsageError
        If the folder does not exist, or `path` is no name for a file.
    StoreError
        If it cannot be written.
    """
    from nndyn.paths import located
    from nndyn.store.files import write_whole
    from nndyn.store.locks import vacant

    path = located(path)
    vacant(path, overwrite=True)
    _take_as_text(figure)
    # in memory first: matplotlib leaves half a file, and complains again when it is collected
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:].lower() or None, dpi=200)
    write_whole(path, drawn.getvalue())


def _take_as_text(figure: Figure) -> None:
    """Let what files say in a figure be neither a formula nor a character without a glyph."""
    from matplotlib.text import Text

    from nndyn.text import escaped

    for found in figure.findobj(Text):
        text = str(getattr(found, "get_text", str)())
        found.set_text(escaped(text, keep="\n"))
        if "$" in text:  # no label of ours has one
            found.set_parse_math(False)
