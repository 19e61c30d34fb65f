"""Lazy variables for xarray: values are read, and checked, when they are used."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import netCDF4
import xarray as xr
from xarray.backends import CachingFileManager, NetCDF4DataStore
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK, NetCDF4ArrayWrapper
from xarray.core import indexing

from nndyn.header import COMMENT, is_comment
from nndyn.store import digests
from nndyn.store.checks import Checks
from nndyn.store.library import close_unused, exclusive, reading


class _Checked(NetCDF4ArrayWrapper):
    """One variable of a `_Store`, of the shape and type that xarray found."""

    __slots__ = ()

    def __init__(self, name: str, store: _Store, found: xr.Variable) -> None:
        self.variable_name, self.datastore = name, store
        self.shape, self.dtype = found.shape, found.dtype

    def _getitem(self, key: Any) -> Any:
        checks = self.datastore.checks
        with reading(self.datastore.path):
            if checks is None or self.variable_name not in checks.grids:
                return self._get(key)
            self._begin(checks)
            return checks.read(self.variable_name, key, self._get, self.shape[0])

    @exclusive
    def _get(self, key: Any) -> Any:
        return super()._getitem(key)  # type: ignore[no-untyped-call]

    @exclusive
    def _begin(self, checks: Checks) -> None:
        checks.begin(self.datastore.ds)


class _Manager(CachingFileManager):  # type: ignore[type-arg]
    """Keeper of an open file, which it closes once nobody refers to it.

    xarray's would close it at once, with a lock that does not know of the library's own.
    """

    def __del__(self) -> None:
        """Let go of the file."""
        left = self._ref_counter.decrement(self._key)  # type: ignore[no-untyped-call]
        if not left:
            file = self._cache.pop(self._key, None)
            if file is not None:
                close_unused(file)


class _Store(NetCDF4DataStore):
    """An open recording; without `checks` it is of an earlier version, or a copy.

    While it is being opened `file` is the open file, which xarray else looks up for every attribute
    and every variable.
    """

    path: Path
    checks: Checks | None
    file: netCDF4.Dataset | None = None

    def _acquire(self, needs_lock: bool = True) -> netCDF4.Dataset:
        if self.file is None:
            return super()._acquire(needs_lock)  # type: ignore[no-any-return, no-untyped-call]
        return self.file

    def open_store_variable(self, name: str, var: netCDF4.Variable[Any]) -> xr.Variable:
        """Return a variable that is checked when it is read."""
        plain = super().open_store_variable(name, var)
        data = indexing.LazilyIndexedArray(_Checked(name, self, plain))
        return xr.Variable(plain.dims, data, plain.attrs, plain.encoding)

    @exclusive
    def close(self, **kwargs: Any) -> None:
        """Close the file, while no other thread is in the library."""
        super().close(**kwargs)  # type: ignore[no-untyped-call]

    def __dask_tokenize__(self) -> Any:
        """Return what tells the values from those of another file, or of other times."""
        file = os.stat(self._filename)
        return type(self).__name__, self._filename, file.st_mtime_ns, file.st_size


def opened(
    path: Path,
    checked: Callable[[netCDF4.Dataset], Checks | None],
    chunks: Mapping[str, int] | None,
) -> xr.Dataset:
    """Open a file without conversion of its values.

    Parameters
    ----------
    path : Path
    checked : callable
        Is given the file as the library has it, before anything else is done with it; returns its
        digests, if it has some.
    chunks : mapping of str to int or None
        As in `xarray.open_dataset`.

    Returns
    -------
    xarray.Dataset
        Without the digests.
    """
    options: dict[str, Any] = {
        "chunks": chunks,
        "mask_and_scale": False,
        "decode_times": False,
        "decode_timedelta": False,
        "drop_variables": [digests.NAME],
    }
    name, lock = os.fspath(path), NETCDF4_PYTHON_LOCK
    manager = _Manager(netCDF4.Dataset, name, mode="r", kwargs={"format": "NETCDF4"}, lock=lock)
    store = _Store(manager)  # type: ignore[no-untyped-call]
    store.path = path
    try:
        with manager.acquire_context() as file:
            store.file = file
            file.set_auto_maskandscale(False)
            store.checks = checks = checked(file)
            if checks is not None:
                checks.others_write = True
            recording = xr.open_dataset(store, **options)
    except BaseException:
        store.close()  # else whoever opens the file next is given what the library remembers of it
        raise
    finally:
        store.file = None
    for name in digests.OF_THE_FILE:
        recording.attrs.pop(name, None)
    if is_comment(recording.attrs.get(COMMENT)):  # of the file too
        del recording.attrs[COMMENT]
    recording.encoding["unlimited_dims"] = set(recording.encoding["unlimited_dims"]) - {digests.DIM}
    return recording
