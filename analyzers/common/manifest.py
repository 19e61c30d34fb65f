"""The manifest: what a recording says of how it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nndyn import header

if TYPE_CHECKING:
    import xarray as xr


def manifest(recording: xr.Dataset) -> dict[str, Any]:
    """Return what a recording says of itself; empty where it has no manifest."""
    return header.manifest(recording.attrs)


def system_of(recording: xr.Dataset) -> dict[str, Any]:
    """Return what a recording's manifest says of its system; of a training's, arguments too."""
    found: dict[str, Any] = manifest(recording).get("system", {})
    if found.get("kind", "training") == "training":
        return found
    return {key: value for key, value in found.items() if key not in header.TRAINED}
