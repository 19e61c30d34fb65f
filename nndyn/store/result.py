"""Results of analyzers as netCDF files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nndyn.errors import RecordingError
from nndyn.interrupts import shielded
from nndyn.store.failures import write_failure
from nndyn.store.files import whole
from nndyn.store.handles import written
from nndyn.store.library import check_signature, exclusive
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
        If the folder does not exist, `path` does and `overwrite` is false, or it is the recording
        that the result is of.
    StoreError
        If the file cannot be written.
    """
    from xarray.backends import NetCDF4DataStore

    path = Path(path)
    source = str(result.attrs.get("source_path", ""))
    inputs = [source] if os.path.isfile(source) else []  # a folder is of a study
    vacant(path, overwrite=overwrite, cure="overwrite it", inputs=inputs)
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
        If it cannot be read, or its variables are larger than the file.
    """
    import xarray as xr

    path = Path(path)
    check_signature(path)
    try:
        with xr.open_dataset(
            path, engine="netcdf4", decode_times=False, decode_timedelta=False
        ) as result:
            size = path.stat().st_size
            if result.nbytes > 8 * size:  # small integers may be read as float64
                raise RecordingError(
                    f"{path} is no result of nndyn's: its values take {result.nbytes} bytes, it "
                    f"has {size}"
                )
            return result.load()
    except RecordingError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise RecordingError(f"{path} cannot be read: {error}") from error
