"""What sketches of a trajectory tell of it, and to what error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from analyzers.common.sketches import half_width
from analyzers.exploration.diffusion import Exponent
from analyzers.exploration.path import Explored
from nndyn.numerics.arrays import Array

#: Half-widths of intervals, by name.
Errors = dict[str, Array]


def corrected(found: Explored, size: int) -> Explored:
    """Return what sketches of `size` numbers show, with the participation ratio of the states.

    A sketch mixes directions: on average ``1 / P_S = (1 + 1 / K) / P + 1 / K``.

    Returns
    -------
    Explored
    """
    inverse = (1.0 / found.participation_ratio - 1.0 / size) / (1.0 + 1.0 / size)
    return replace(found, participation_ratio=1.0 / inverse if inverse != 0.0 else np.inf)


def of_sketch(
    found: Explored, folds: list[Explored], size: int, confidence: float
) -> tuple[Explored, Errors]:
    """Return what sketches show of the states, and how far it may be from what those show.

    Parameters
    ----------
    found : Explored
        From the whole sketch.
    folds : list of Explored
        From the eighths of it.
    size : int
        Numbers of a sketch.
    confidence : float

    Returns
    -------
    Explored
        The participation ratio is NaN where it is above a quarter of `size`; intervals of exponents
        hold the errors of the sketch too.
    dict of str to float or (L + 1,) float64
    """
    ratio = found.participation_ratio
    whole, parts = corrected(found, size), [corrected(f, size // len(folds)) for f in folds]
    inverse = half_width(
        1.0 / whole.participation_ratio, [1.0 / f.participation_ratio for f in parts], confidence
    )
    # numbers of one row never meet: where x is large in few rows a sketch adds less than is taken
    added = whole.participation_ratio - ratio
    errors = {
        "participation_ratio": np.hypot(inverse * whole.participation_ratio**2, added),
    }
    for name, of in _TOLD.items():
        errors[name] = half_width(of(whole), [of(f) for f in parts], confidence)
    if ratio > size / 4:
        whole = replace(whole, participation_ratio=np.nan)
    first = _widened(whole.first, [f.first for f in parts], confidence)
    last = _widened(whole.last, [f.last for f in parts], confidence)
    return replace(whole, first=first, last=last), errors


def _widened(found: Exponent, folds: list[Exponent], confidence: float) -> Exponent:
    """Return an exponent whose interval holds the errors of the sketch."""
    values = [fold.value for fold in folds]
    if found.value is None or found.half_width is None or None in values:
        return found
    error = half_width(found.value, values, confidence)
    return replace(found, half_width=float(np.hypot(found.half_width, error)))


def _mean_turn(found: Explored) -> float:
    known = found.turns[np.isfinite(found.turns)]
    return float(known.mean()) if known.size else np.nan


#: What is told from sketches, beside the participation ratio.
_TOLD: dict[str, Callable[[Explored], Any]] = {
    "displacement": lambda found: found.displacement,
    "radius_of_gyration": lambda found: found.gyration,
    "mean_turning_angle": _mean_turn,
    "mean_squared_displacement": lambda found: found.msd,
}
