"""Bounds on a time that is observed only at separate evaluations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nndyn.numerics.arrays import Array


@dataclass(frozen=True)
class Evaluations:
    """When a recording was evaluated.

    Attributes
    ----------
    times : (n,) float64
        Ascending.
    start : float
        First time of the recording.
    unit : str
    """

    times: Array
    start: float
    unit: str

    def before(self, at: float) -> float | None:
        """Return the last evaluation before a time, None where there is none."""
        index = int(np.searchsorted(self.times, at))
        return float(self.times[index - 1]) if index else None

    def earliest(self, at: float) -> float:
        """Return the earliest time at which what was first seen at an evaluation may have been so.

        Parameters
        ----------
        at : float
            Time of the evaluation; NaN and infinite ones stay.

        Returns
        -------
        float
            Just after the evaluation before, that is the next step where time is in steps; the
            start of the recording where there is none before.
        """
        if not np.isfinite(at):
            return at
        before = self.before(at)
        if before is None:
            return min(self.start, at)
        return min(before + (1.0 if self.unit == "step" else 0.0), at)

    def gap(self, at: float) -> str:
        """Return between which times there was no evaluation; empty where all that matter were."""
        if self.earliest(at) == at:
            return ""
        before = self.before(at)
        if before is None:
            return f"not evaluated before {self.unit} {at:g}"
        return f"not evaluated between {self.unit} {before:g} and {at:g}"
