"""A new recording: it takes its name once its header is on disk, or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nndyn.errors import NndynError, StoreError, UsageError
from nndyn.store import layout
from nndyn.store.layout import Header
from nndyn.store.library import detach, open_netcdf, write_failure
from nndyn.store.locks import WriterLock, journal_path, part_path, stale_parts, sync_folder, vacant


def make(path: Path, header: Header, *, overwrite: bool) -> WriterLock:
    """Put a recording without rows at `path`.

    Parameters
    ----------
    path : Path
    header : Header
    overwrite : bool
        Replace a file of that name, at the last moment.

    Returns
    -------
    WriterLock
        Of `path`, held.

    Raises
    ------
    UsageError
        If `header` is inconsistent, the folder is missing, or the name is taken.
    StoreError
        If another process writes the recording, the space will not do, or writing fails.
    """
    header.check()
    folder = path.parent
    vacant(path, overwrite=overwrite, cure="overwrite or resume it")
    lock, part = WriterLock(path), part_path(path)
    try:
        for stale in stale_parts(path):
            stale.unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free
        if header.expected_bytes > free:
            raise StoreError(
                f"{path} will take {header.expected_bytes / 1e6:,.1f} MB, {folder} has "
                f"{free / 1e6:,.1f} MB free; store less, or choose another folder"
            )
        _write_header(part, header)
        if path.exists() and not overwrite:
            raise UsageError(f"{path} has appeared meanwhile; choose another name")
        part.replace(path)
        journal_path(path).unlink(missing_ok=True)
        sync_folder(folder)
    except BaseException as error:
        part.unlink(missing_ok=True)
        lock.release()
        if isinstance(error, OSError | RuntimeError) and not isinstance(error, NndynError):
            failure = write_failure(path, error)
            raise failure from error
        raise
    return lock


def _write_header(part: Path, header: Header) -> None:
    nc = open_netcdf(part, "w")
    try:
        layout.define(nc, header)
        nc.sync()
        # Closing only ever shortens the file: what it grows to from here on is chunks.
        nc.setncattr(layout.EXTENTS, layout.extents_value([(0, part.stat().st_size)]))
        nc.sync()
        nc.close()
    except BaseException:
        detach(nc, part.stat())
        raise
    fd = os.open(part, os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
