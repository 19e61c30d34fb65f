"""Failed writes explained: the system's reason, what is safe, what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

from nndyn.errors import NndynError, StoreError
from nndyn.store.space import give_back, reserve
from nndyn.words.text import size

_SMALL = 8 * 1024 * 1024  # free bytes under which a failed write is called a full disk
_PROBE = 1024 * 1024  # bytes that a system which refused a write is asked for again

_CURES = {
    errno.EDQUOT: "free space within the quota, or choose another folder",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or store less",
    errno.EIO: "check the disk, or choose another folder",
}
_CURE = "free space, check quota and permissions, or choose another folder"


def is_of_write(error: Exception) -> bool:
    """Whether an error is the system's or the library's, which raises it in several kinds."""
    if isinstance(error, NndynError):
        return False
    return isinstance(error, OSError | RuntimeError) or "NetCDF:" in str(error)


def reason(fd: int, error: Exception) -> Exception:
    """Return the system's reason for an error of the library, which says only that there is one.

    Parameters
    ----------
    fd : int
        Of the file, whose length is as it should be.
    error : Exception

    Returns
    -------
    Exception
        `error` itself where it is the system's, or the system has no reason now.
    """
    if isinstance(error, OSError) and error.strerror and "NetCDF:" not in error.strerror:
        return error
    try:
        os.fsync(fd)
        reserve(fd, _PROBE)
    except OSError as found:
        return found
    with contextlib.suppress(OSError):
        give_back(fd)
    return error


def write_failure(path: Path, error: Exception, *, safe: str = "") -> StoreError:
    """Return the error to raise where writing `path` failed.

    Parameters
    ----------
    path : Path
    error : Exception
        The reason.
    safe : str, optional
        What is safe, and what could not be done about the rest.

    Returns
    -------
    StoreError
    """
    number = error.errno if isinstance(error, OSError) else None
    text = " ".join(str((isinstance(error, OSError) and error.strerror) or error).split())
    what = f": {room}" if (room := _room(path.parent, number)) else ""
    cure = _CURES.get(number or 0, _CURE)
    return StoreError(f"writing {path} failed ({text}){what}{safe}; {cure}")


def _room(folder: Path, number: int | None) -> str:
    """Say how much room there is, where that may be the reason."""
    if number in _CURES:
        return ""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"{folder} cannot be reached ({error.strerror})"
    full = number == errno.ENOSPC or free < _SMALL
    return f"{folder} is full" if full else f"{folder} has {size(free)} free"
