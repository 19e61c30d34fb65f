"""Comparison of runs that ought to be equal, or to have made the same steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nndyn.errors import UsageError
from nndyn.store import open_recording
from recorders.twins.parts import Made

#: Bytes of states that are compared at once.
_PIECE = 16 * 2**20


@dataclass(frozen=True)
class Difference:
    """The first difference of two runs.

    Attributes
    ----------
    step : int
        The time at which it is seen.
    parameter : str
        The first that differs then.
    size : float
        The largest difference of a number then.
    """

    step: int
    parameter: str
    size: float

    def __str__(self) -> str:
        """Return it as messages have it."""
        return f"at step {self.step}, first in {self.parameter} (by up to {self.size:.2g})"


def difference(one: Path, other: Path) -> Difference | None:
    """Return the first difference of two recordings of one trajectory, over the times of both.

    Parameters
    ----------
    one, other : Path

    Returns
    -------
    Difference or None
    """
    with open_recording(one) as first, open_recording(other) as second:
        count = min(first.sizes["time"], second.sizes["time"])
        row = first["state"].dtype.itemsize * first.sizes["component"]
        rows = max(1, _PIECE // row)
        if first.sizes["component"] != second.sizes["component"]:
            return Difference(0, "the number of weights", np.inf)
        for start in range(0, count, rows):
            part = slice(start, min(start + rows, count))
            a, b = (run["state"][part, 0].values for run in (first, second))
            differ = np.flatnonzero((a != b).any(axis=1))
            if differ.size:
                i = int(differ[0])
                apart = np.abs(a[i].astype(np.float64) - b[i])
                at = int(np.flatnonzero(apart)[0])
                starts = first["parameter_start"].values
                name = first["parameter_name"].values[np.searchsorted(starts, at, "right") - 1]
                step = int(first["time"].values[part][i])
                return Difference(step, str(name), float(apart.max()))
    return None


def check_steps(name: str, made: Made, reference: Made) -> None:
    """Check that a run made each step after the same work as the reference.

    Parameters
    ----------
    name : str
        Of the run.
    made, reference : Made

    Raises
    ------
    UsageError
        If not, with the first such step.
    """
    for t, (one, other) in enumerate(zip(made.work, reference.work, strict=False), start=1):
        if one == other:
            continue
        what, i = ("backward passes", 0) if one[0] != other[0] else ("steps of other optimizers", 1)
        raise UsageError(
            f"step {t} of the {name} came after {one[i]} {what}, that of the reference after "
            f"{other[i]}: a step was left out in one of them, as by a gradient scaler where "
            "gradients are not finite, and later ones are no longer of the same batches; give the "
            "scaler a smaller scale to begin with, or train without it"
        )
