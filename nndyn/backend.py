"""Backend of xarray: ``xarray.open_dataset(path, engine="nndyn")`` opens validated recordings."""

from __future__ import annotations

from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

import nndyn.accessor  # noqa: F401  (any look for an engine registers the accessor)
from nndyn.store import open_recording


class NndynBackend(BackendEntrypoint):
    """Opens a recording as ``nndyn.open`` does."""

    description = "Recordings of nndyn, validated and without what was not committed"

    def open_dataset(self, filename_or_obj: Any, *, drop_variables: Any = None) -> xr.Dataset:
        """Return the recording, without `drop_variables`."""
        return open_recording(filename_or_obj).drop_vars(drop_variables or ())

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Leave plain netCDF files to xarray's own engines."""
        return False
