"""Figures: one function per analyzer, from a result to a matplotlib figure."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nndyn.figures.style import Look


@dataclass(frozen=True)
class Entry:
    """One figure.

    Attributes
    ----------
    target : str
        ``module:function`` that takes a result.
    summary : str
        A line of help.
    of : str
        ``module:function`` from a recording to that result; empty where it is the analyzer that has
        the figure's name.
    """

    target: str
    summary: str
    of: str = ""


#: Every figure of a recording, by the name of the analyzer whose result it draws, if it is of one.
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
    "path": Entry(
        "nndyn.figures.path:path",
        "Principal components of a trajectory, beside those of a random walk.",
        of="analyzers.exploration.components:components",
    ),
    "endings": Entry(
        "nndyn.figures.endings:endings",
        "Loss along the segments between the ends of the replicas, with verdict.",
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


def result_maker(name: str) -> Callable[..., xr.Dataset]:
    """Return the function from a recording to the result that the figure `name` draws.

    Parameters
    ----------
    name : str
        One of `FIGURES`.

    Returns
    -------
    callable
        Its options are those of the figure.
    """
    from analyzers import load, resolve
    from nndyn.analysis import opening

    return opening(resolve(FIGURES[name].of) if FIGURES[name].of else load(name))


def draw(
    name: str,
    result: xr.Dataset,
    ax: Axes | Sequence[Axes] | None = None,
    **look: Unpack[Look],
) -> Figure:
    """Return the figure `name` of a result.

    Parameters
    ----------
    name : str
        One of `FIGURES`.
    result : xarray.Dataset
        What `result_maker` of that name makes.
    ax : Axes or sequence of Axes, optional
        Where to draw; a new figure by default. One gets the first panel alone.
    **look
        ``title``, ``size`` in inches (a width, or width and height), ``dpi``, ``style``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    module, _, function = FIGURES[name].target.partition(":")
    figure: Figure = getattr(import_module(module), function)(result, ax, **look)
    return figure


def save(figure: Figure, path: str | Path, form: str | None = None) -> None:
    """Write a figure to a file, at once or not at all; with its own size and resolution.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like
        Replaced where it exists.
    form : str, optional
        Such as ``png``; by default what the suffix says.

    Raises
    ------
    UsageError
        If the folder does not exist, or `path` is no name for a file.
    StoreError
        If it cannot be written.
    """
    from nndyn.figures.sheet import embedded
    from nndyn.runtime.paths import located
    from nndyn.store.files import write_whole
    from nndyn.store.locks import vacant

    path = located(path)
    vacant(path, overwrite=True)
    # in memory first: matplotlib leaves half a file, and complains again when it is collected
    drawn = io.BytesIO()
    with embedded(figure):
        figure.savefig(drawn, format=form or path.suffix[1:].lower() or None)
    write_whole(path, drawn.getvalue())
