"""Result files: results of analyzers as netCDF, each with a checksum of its content."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import RecordingError
from nndyn.runtime.interrupts import shielded
from nndyn.runtime.paths import located
from nndyn.store.failures import write_failure
from nndyn.store.files import whole
from nndyn.store.handles import written
from nndyn.store.library import check_signature, exclusive
from nndyn.store.locks import vacant

if TYPE_CHECKING:
    import xarray as xr

#: Attribute with the checksum.
CHECKSUM = "sha256"
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
        If the folder does not exist, `path` does and `overwrite` is false, or it is a recording
        that the result is of.
    StoreError
        If the file cannot be written.
    """
    from xarray.backends import NetCDF4DataStore

    path = located(path)
    read = [str(v) for k, v in result.attrs.items() if k.endswith("_path")]
    inputs = [source for source in read if os.path.isfile(source)]  # a folder is of a study
    vacant(path, overwrite=overwrite, inputs=inputs)
    result = result.assign_attrs({CHECKSUM: checksum(result)})
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
        In memory. What an earlier version wrote has no attribute ``sha256`` and is not checked.

    Raises
    ------
    RecordingError
        If it cannot be read, is not what was written, or its variables are larger than the file.
    """
    import xarray as xr

    path = located(path)
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
            result.load()
        if CHECKSUM in result.attrs and str(result.attrs[CHECKSUM]) != checksum(result):
            raise RecordingError(f"{path} is damaged: it is not what was written; analyze again")
    except RecordingError:
        raise
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise RecordingError(f"{path} cannot be read: {error}") from error
    return result


def checksum(result: xr.Dataset) -> str:
    """Return the checksum of a result, the same when it was saved and read.

    Parameters
    ----------
    result : xarray.Dataset
        Of numbers and texts.

    Returns
    -------
    str
        SHA-256 of its attributes, and of the names, dimensions, attributes and values of its
        variables; 64 hexadecimal digits.
    """
    known = hashlib.sha256(_packed(_told(result.attrs)))
    for name in sorted(map(str, result.variables)):
        variable = result.variables[name]
        text = variable.dtype.kind in "OSU"
        told = [name, variable.dims, variable.shape, text, _told(variable.attrs)]
        known.update(_packed(told))
        if text:
            known.update(_packed([str(value) for value in variable.values.ravel()]))
        else:
            known.update(np.ascontiguousarray(variable.values, "<f8").tobytes())
    return known.hexdigest()


def _told(attrs: dict[Any, Any]) -> dict[str, list[Any]]:
    """Return attributes as they are after they were saved: a list of one is the one, say."""
    return {str(k): np.ravel(v).tolist() for k, v in attrs.items() if k != CHECKSUM}


def _packed(tree: Any) -> bytes:
    return json.dumps(tree, sort_keys=True).encode()
