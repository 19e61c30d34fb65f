"""Creation of a recording: it takes its name once its header is on disk, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import netCDF4
import numpy as np

from nndyn.errors import StoreError, UsageError
from nndyn.store import handles, layout, opening
from nndyn.store.failures import is_of_write, write_failure
from nndyn.store.files import part_path
from nndyn.store.journal import Journal
from nndyn.store.layout import Header
from nndyn.store.locks import BusyError, WriterLock, check_own, journal_path, stale_parts, vacant
from nndyn.store.opening import Opened, Opening
from nndyn.words.text import size


def make(
    path: Path, header: Header, *, overwrite: bool, take_over: bool = False
) -> tuple[WriterLock, Opened]:
    """Put a recording without rows at `path`.

    Parameters
    ----------
    path : Path
    header : Header
    overwrite : bool
        Replace a file of that name, at the last moment.
    take_over : bool, default False
        As of `WriterLock`.

    Returns
    -------
    WriterLock
        Of `path`, held.
    Opened

    Raises
    ------
    UsageError
        If `header` is inconsistent, the folder is missing, the name is taken, or that of a link.
    StoreError
        If the space will not do, or writing fails.
    BusyError
        If another process writes the recording.
    """
    header.check()
    folder = path.parent
    vacant(path, overwrite=overwrite, resumable=True)
    check_own(path)
    lock, part = WriterLock(path, take_over=take_over), part_path(path)
    try:
        if journal_path(path).is_dir():
            raise StoreError(f"{journal_path(path)} is a folder; move it away")
        for stale in stale_parts(path):
            stale.unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free
        if header.expected_bytes > free:
            raise StoreError(
                f"{path} will take {size(header.expected_bytes)}, {folder} has "
                f"{size(free)} free; store less, or choose another folder"
            )
        with handles.made(part, header.fixed_bytes) as (fd, handle):
            found = _written(path, fd, handle.nc, header)
            if path.exists() and not overwrite:
                raise UsageError(f"{path} has appeared meanwhile; choose another name")
            if not lock.keep():
                raise BusyError(
                    f"{path} was begun by another process meanwhile; choose another name"
                )
            part.replace(path)
            # takes the place of that of the file before, and puts both names on disk
            journal = Journal(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        lock.release()
        if isinstance(error, Exception) and is_of_write(error):
            failure = write_failure(path, error)
            raise failure from error
        raise
    return lock, Opened(fd, handle, journal, found, new=True)


def _written(path: Path, fd: int, nc: netCDF4.Dataset, header: Header) -> Opening:
    """Write all that is known before the first row into what is to be `path`, durably."""
    attrs = header.globals()
    ledger = layout.define(nc, header, attrs)
    nc.sync()
    # The library only ever shortens the file from here on; what it grows by is chunks.
    extents = [(0, os.fstat(fd).st_size)]
    mark = np.asarray(layout.extents_value(extents, place=-1))
    nc.setncattr(layout.EXTENTS, mark)
    nc.sync()
    content, looked_for = os.pread(fd, os.fstat(fd).st_size, 0), mark.tobytes()
    place = content.find(looked_for) if content.count(looked_for) == 1 else 0
    nc.setncattr(layout.EXTENTS, layout.extents_value(extents, place))
    found = opening.of_new(path, nc, attrs, ledger, extents, place)
    found.book.seal(nc)
    nc.sync()
    os.fsync(fd)
    return found
