"""Creation of a recording: it takes its name once its header is on disk, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import numpy as np

from nndyn.errors import StoreError, UsageError
from nndyn.store import digests, layout
from nndyn.store.failures import is_of_write, write_failure
from nndyn.store.files import part_path, sync_folder
from nndyn.store.handles import written
from nndyn.store.layout import Header
from nndyn.store.locks import BusyError, WriterLock, check_own, journal_path, stale_parts, vacant
from nndyn.words.text import size


def make(
    path: Path, header: Header, *, overwrite: bool, take_over: bool = False
) -> tuple[WriterLock, os.stat_result]:
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
    os.stat_result
        Of the file made.

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
        file = _write_header(part, header)
        if path.exists() and not overwrite:
            raise UsageError(f"{path} has appeared meanwhile; choose another name")
        if not lock.keep():
            raise BusyError(f"{path} was begun by another process meanwhile; choose another name")
        part.replace(path)
        journal_path(path).unlink(missing_ok=True)
        sync_folder(folder)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        lock.release()
        if isinstance(error, Exception) and is_of_write(error):
            failure = write_failure(path, error)
            raise failure from error
        raise
    return lock, file


def _write_header(part: Path, header: Header) -> os.stat_result:
    with written(part, header.fixed_bytes) as nc:
        layout.define(nc, header)
        nc.sync()
        # Closing only ever shortens the file: what it grows to from here on is chunks.
        ranges = [(0, part.stat().st_size)]
        mark = layout.extents_value(ranges, place=-1)
        nc.setncattr(layout.EXTENTS, mark)
        nc.sync()
        content, looked_for = part.read_bytes(), np.asarray(mark).tobytes()
        place = content.find(looked_for) if content.count(looked_for) == 1 else 0
        nc.setncattr(layout.EXTENTS, layout.extents_value(ranges, place))
        digests.seal(nc)
        nc.sync()
    return part.stat()
