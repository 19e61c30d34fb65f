"""Results of analyzers as netCDF files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nndyn.errors import RecordingError
from nndyn.interrupts import shielded
from nndyn.paths import located
from nndyn.store.failures import write_failure
from nndyn.store.files import whole
from nndyn.store.handles import written
from nndyn.store.library import exclusive
from nndyn.store.locks import vacant

if TYPE_CHECKING:
    import xarray as xr

#: Bytes of a file beside its values, about.
_HEADER_BYTES = 64 * 1024


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
    from xarray.backends import NetCDF4DataStore

    path = located(path)
    vacant(path, overwrite=overwrite, cure="overwrite it")
    try:
        with whole(path) as part, written(part, result.nbytes + _HEADER_BYTES) as nc:
            result.dump_to_store(NetCDF4DataStore(nc))  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        failure = write_failure(path, error)
        raise failure from error


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
        return xr.load_dataset(
            located(path), engine="netcdf4", decode_times=False, decode_timedelta=False
        )
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise RecordingError(f"{path} cannot be read: {error}") from error
