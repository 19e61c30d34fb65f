"""What a recording says of the length of its perturbations, where a trial chose it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def calibration(manifest: Mapping[str, Any]) -> str:
    """Return in words what epsilon is and rests on, empty where nobody but the user chose it.

    Parameters
    ----------
    manifest : mapping
        Of a recording; what stands under its keys may be anything.

    Returns
    -------
    str
    """
    found, options = manifest.get("calibration"), manifest.get("recording")
    if not isinstance(found, dict) or not isinstance(options, dict):
        return ""
    numbers = [options.get("epsilon"), found.get("length"), found.get("rounding")]
    if not all(isinstance(number, float) for number in numbers):
        return ""
    epsilon, length, rounding = numbers
    text = (
        f"{epsilon:.2g} (auto): deviations begin at {length:.2g}, a step rounds by {rounding:.2g}"
    )
    limit = found.get("limit")
    return text + (f", and they are small below {limit:.2g}" if isinstance(limit, float) else "")
