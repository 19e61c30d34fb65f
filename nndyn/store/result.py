"""Results of analyzers as netCDF files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nndyn.errors import RecordingError, StoreError
from nndyn.interrupts import shielded
from nndyn.store.library import exclusive
from nndyn.store.locks import part_path, vacant

if TYPE_CHECKING:
    import xarray as xr


@shielded()
@exclusive
def save_result(result: xr.Dataset, path: str | Path, *, overwrite: bool = False) -> None:
    """Write the whole result of an analyzer to a netCDF file, at once or not at all.

    Parameters
    ----------
    result : xarray.Dataset
        What an analyzer returned.
    path : path-like
        Its folder must exist.
    overwrite : bool, default False
        Replace an existing file.

    Raises
    ------
    UsageError
        If the folder does not exist, or `path` does and `overwrite` is false.
    StoreError
        If the file cannot be written.
    """
    path = Path(path)
    vacant(path, overwrite=overwrite, cure="overwrite it")
    part = part_path(path)
    try:
        result.to_netcdf(part, engine="netcdf4")
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # of a full disk the library raises RuntimeError
        why = getattr(error, "strerror", None) or error
        raise StoreError(f"cannot write {path}: {why}") from error
    finally:
        part.unlink(missing_ok=True)


@exclusive
def load_result(path: str | Path) -> xr.Dataset:
    """Read a file that `save_result` wrote, whole.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    xarray.Dataset
        In memory.

    Raises
    ------
    RecordingError
        If it cannot be read.
    """
    import xarray as xr

    try:
        return xr.load_dataset(path, engine="netcdf4", decode_times=False, decode_timedelta=False)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise RecordingError(f"{path} cannot be read: {error}") from error
