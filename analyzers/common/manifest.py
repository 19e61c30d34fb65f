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
    return system_in(manifest(recording))


def system_in(made: dict[str, Any]) -> dict[str, Any]:
    """Return the same of a manifest that was read already."""
    found: dict[str, Any] = made.get("system", {})
    if found.get("kind", "training") == "training":
        return found
    return {key: value for key, value in found.items() if key not in header.TRAINED}
