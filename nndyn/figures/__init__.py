"""Figures: one function each, from a result to a matplotlib figure."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
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
