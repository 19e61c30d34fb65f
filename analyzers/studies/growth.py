"""Growth in the cells of a study: past a threshold, and told from a neutral path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analyzers.growth.sign_flips import LEVEL
from analyzers.studies.cells import Cells
from analyzers.studies.onset import THRESHOLD
from nndyn.numerics.arrays import Array


@dataclass(frozen=True)
class Growth:
    """The growth of the cells of a study, e-foldings.

    Attributes
    ----------
    measured : (n, S) float64
        NaN where it was cut short below the threshold, and is not known.
    counted : (n, S) float64
        The same, 0 where growth past the threshold is not told from a neutral path.
    unconfirmed : (n, S) bool
        Where that is so.
    tested : bool
        Whether a cell has a p value at all; without, growth counts by its size alone.
    """

    measured: Array
    counted: Array
    unconfirmed: Array
    tested: bool

    @property
    def seeds(self) -> int:
        """How many seeds have growth, at a rate or more, that counts as none."""
        return int(self.unconfirmed.any(axis=0).sum())

    @property
    def said(self) -> list[str]:
        """What counts as none, as a part of a sentence; empty where nothing does."""
        if not self.seeds:
            return []
        return [
            f"growth of {self.seeds} of {self.unconfirmed.shape[1]} seeds, at a rate or more, is "
            f"not told from a neutral path (growth_p > {LEVEL:g}) and counts as none"
        ]


def told(p: Any) -> Any:
    """Return whether growth of p values is told from a neutral path; NaN, not tested, passes."""
    return ~(np.asarray(p) > LEVEL)


def growth_of(cells: Cells, threshold: float = THRESHOLD) -> Growth:
    """Return the growth of every cell, and what of it counts.

    Parameters
    ----------
    cells : Cells
        With ``growth``, and where they are known ``growth_lower_bound`` and ``growth_p``.
    threshold : float, default 3
        e-foldings that count as growth.

    Returns
    -------
    Growth
    """
    growth, p = cells.number("growth"), cells.number("growth_p")
    cut = cells.number("growth_lower_bound") > 0.0
    measured = np.where(cut & (growth < threshold), np.nan, growth)
    unconfirmed = (measured >= threshold) & ~told(p) & (cells.verdict != "diverged")
    return Growth(
        measured,
        np.where(unconfirmed, 0.0, measured),
        unconfirmed,
        tested=not bool(np.isnan(p).all()),
    )
