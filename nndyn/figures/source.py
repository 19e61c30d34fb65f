"""Source of a result: the recording it is of, and what is known of its system."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.systems.known import known_exponents

if TYPE_CHECKING:
    import xarray as xr


def _made(result: xr.Dataset) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(result.attrs.get("source_made") or "{}"))
    return found


def rescaled_every(result: xr.Dataset) -> int:
    """Return after how many steps deviations were rescaled, 0 where they were not."""
    return int(_made(result).get("rescale") or 0)


def known_of(result: xr.Dataset) -> tuple[float, ...]:
    """Return the exponents that the catalogue knows of the system, the largest first.

    Returns
    -------
    tuple of float
        Empty where one is infinite.
    """
    made = _made(result)
    known = known_exponents(str(made.get("system", "")), made.get("parameters") or {})
    return known if np.isfinite(known).all() else ()


def is_stationary(result: xr.Dataset) -> bool:
    """Whether the recording is of an attractor, and not of a transient."""
    return bool(_made(result).get("stationary"))
