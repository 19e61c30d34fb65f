"""Advice on what to record in another run, unless it was recorded already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analyzers.common.manifest import manifest, system_in

if TYPE_CHECKING:
    import xarray as xr


#: What to do about weights in float32.
FINER = "record in float64 (`dtype='float64'`; a loop of your own: `model.double()`)"


def in_force(recording: xr.Dataset) -> dict[str, Any]:
    """Return the options that a recording was made with: ``rescale``, ``tangents``, ``discard``."""
    made = manifest(recording)
    asked = made.get("recording", {})
    found = {key: asked.get(key) for key in ("rescale", "tangents")}
    return {**found, "discard": system_in(made).get("discard")}


def longer_use(
    ended_by: str,
    rescaled: bool,
    coarse: bool = False,
    recorded: Mapping[str, Any] | None = None,
) -> str:
    """Return what makes the part of a recording that can be used longer, and is not done already.

    Parameters
    ----------
    ended_by : str
        What ended it, see `analyzers.growth.valid_region.Region`.
    rescaled : bool
        Whether deviations were rescaled on the way.
    coarse : bool
        Whether states are in float32: there is little room between rounding and what is no longer
        infinitesimal.
    recorded : mapping, optional
        What it was recorded with, see `in_force`.

    Returns
    -------
    str
    """
    recorded = recorded or {}
    if coarse and ended_by in ("saturation", "floor", "collapse"):
        return FINER
    if ended_by == "saturation":
        if rescaled:
            every_step = recorded.get("rescale") == 1
            return "perturb less (`epsilon`)" if every_step else "rescale more often (`rescale`)"
        return "record with `rescale=10`" + (
            "" if recorded.get("tangents") else ", or `tangents=1`"
        )
    if ended_by == "floor":
        return "perturb more (`epsilon`)" if rescaled else "record with `rescale=10`"
    if ended_by == "end":
        return "record longer"
    if ended_by == "divergence":
        return "lower the learning rate, or start elsewhere"
    return "perturb more (`epsilon`)"


def start_elsewhere(recorded: Mapping[str, Any]) -> str:
    """Return how to come to an attractor, by what a recording was made with."""
    how = "more steps than were" if recorded.get("discard") else "steps first"
    return f"start elsewhere, or `discard` {how}"


def earlier(window: object) -> str:
    """Return how to leave out the end of a recording, where a window may be given already."""
    if window is None:
        return "`window=(A, B)` takes an earlier time"
    return "end the window earlier"
