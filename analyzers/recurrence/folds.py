"""Intervals of what a recurrence plot of sketches tells: from plots of their folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from analyzers.common.progress import part
from analyzers.common.sketches import FOLDS, OVER, half_width
from analyzers.recurrence.trajectories import Trajectory
from nndyn.errors import UsageError
from nndyn.results import Quantity

#: Level of the intervals.
CONFIDENCE = 0.95

#: Returns numbers of a plot, by name.
Plot = Callable[[list[Trajectory]], dict[str, Any]]


def check_norm(which: list[Trajectory], norm: str) -> None:
    """Check that the distances are those that sketches keep.

    Raises
    ------
    UsageError
        If they are not.
    """
    if norm != "l2" and any(t.sketched for t in which):
        raise UsageError(
            f"norm is {norm!r}, and sketches keep l2 distances alone; use 'l2', or record with "
            "`store='full'`"
        )


def with_intervals(
    quantities: dict[str, Quantity], which: list[Trajectory], plot: Plot
) -> dict[str, Quantity]:
    """Return numbers of a plot with their intervals, where it is one of sketches.

    Parameters
    ----------
    quantities : dict of str to Quantity
        Numbers of the plot of the whole sketches.
    which : list of Trajectory
    plot : callable
        Makes the plot of trajectories.

    Returns
    -------
    dict of str to Quantity
        A radius that was given has none.
    """
    if not any(t.sketched for t in which):
        return quantities
    found: list[dict[str, Any]] = []
    for fold in range(FOLDS):
        with part(fold, FOLDS, "folds"):
            found.append(plot([replace(t, fold=fold) for t in which]))
    out = dict(quantities)
    for name, quantity in quantities.items():
        values = np.array([numbers.get(name) for numbers in found], np.float64)  # NaN for None
        if quantity.value is None:
            continue
        value = float(quantity.value)
        half = float(half_width(value, values, CONFIDENCE))
        if not np.isfinite(half):
            continue
        out[name] = replace(quantity, ci=(value - half, value + half), interval_over=OVER)
    return out
