"""netCDF library: opened by one thread at a time, its errors explained."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

import netCDF4

from nndyn.errors import NndynError, RecordingError, StoreError
from nndyn.store.chunks import SIGNATURE, end_of_file, endless_heap
from nndyn.store.regular import open_regular

# Bytes of chunks that the library keeps of each variable of a file that is read, 64 MiB unless
# told. Blocks are read in order, once each: only a chunk that two of them share is read again.
_CACHE = 4 * 1024 * 1024

# A file may have so many values of a variable whatever its size; and so many a byte, compressed.
_LONG, _DENSEST = 1 << 22, 128

# Bytes in which the header of a recording ends.
_HEAD = 1024 * 1024

# Files (device, inode) that the library still has open after it was to let go of them, and the
# descriptors it has then: its state is global, so this has to be.
HELD: dict[tuple[int, int], list[tuple[int, os.stat_result]]] = {}

# The library is not for two threads at once, whatever the files: its state is global. What xarray
# opens has a lock of xarray's, which does not know of this one: recordings take this one first.
_LIBRARY = threading.RLock()

# Files that nobody refers to any more, to be closed when no other thread is in the library.
_UNUSED: list[netCDF4.Dataset] = []

P = ParamSpec("P")
T = TypeVar("T")


def exclusive(call: Callable[P, T]) -> Callable[P, T]:
    """Let one thread at a time be in any of the functions so marked; those call the library."""

    @functools.wraps(call)
    def alone(*args: P.args, **kwargs: P.kwargs) -> T:
        with _LIBRARY:
            _close_unused()
            return call(*args, **kwargs)

    return alone


def close_unused(nc: netCDF4.Dataset) -> None:
    """Close a file that nobody refers to any more: now, or before the library is used next.

    The collector of garbage calls this in any thread, maybe while another is in the library, for
    which it cannot wait: it may hold what that one waits for.
    """
    _UNUSED.append(nc)
    if _LIBRARY.acquire(blocking=False):
        try:
            _close_unused()
        finally:
            _LIBRARY.release()


def _close_unused() -> None:
    while _UNUSED:
        with contextlib.suppress(Exception):  # which the collector would pass over too
            close(_UNUSED.pop())


def open_netcdf(path: Path, mode: Literal["r", "r+", "w"]) -> netCDF4.Dataset:
    """Open `path` without any conversion of values.

    Parameters
    ----------
    path : Path
    mode : str
        ``r``, ``r+`` or ``w``.

    Returns
    -------
    netCDF4.Dataset

    Raises
    ------
    RecordingError
        If it is not a netCDF-4 file, or damaged.
    StoreError
        If it cannot be opened for writing, or not again in this process.
    """
    if mode != "w":
        check_signature(path)
        check_held(path)
    try:
        nc = netCDF4.Dataset(path, mode, format="NETCDF4")
    except (OSError, RuntimeError, UnicodeEncodeError, AttributeError, LookupError) as error:
        # names are UTF-8 to it, and it trips over variables whose dimensions are not there
        failure = explain(path, error, writing=mode != "r")
        raise failure from error
    nc.set_auto_maskandscale(False)
    try:
        if mode != "w":
            check_lengths(path, nc)
    except BaseException:
        close(nc)
        raise
    return nc


def check_lengths(path: Path, nc: netCDF4.Dataset) -> None:
    """Refuse what would take for ever to read: a variable of one dimension, far beyond the file.

    Parameters
    ----------
    path : Path
    nc : netCDF4.Dataset
        The same file, open.

    Raises
    ------
    RecordingError
        If there is one. Those are read whole on opening; chunks that were never written may give
        them any length.
    """
    most = max(_LONG, _DENSEST * path.stat().st_size)
    for name, variable in nc.variables.items():
        text = variable.dtype == "S1" and variable.ndim == 2
        if (variable.ndim == 1 or text) and variable.size > most:
            raise RecordingError(
                f"{path} is damaged: {name} has {variable.size} values, a file of "
                f"{path.stat().st_size} bytes cannot hold so many; restore it from a copy"
            )


@contextlib.contextmanager
def small_cache() -> Iterator[None]:
    """Let the library keep little of what is read of the files opened meanwhile."""
    before = netCDF4.get_chunk_cache()
    netCDF4.set_chunk_cache(_CACHE)
    try:
        yield
    finally:
        netCDF4.set_chunk_cache(*before)


def check_signature(path: Path) -> None:
    """Check the beginning of `path` and its length.

    Parameters
    ----------
    path : Path

    Raises
    ------
    RecordingError
        If it is not an HDF5 file, is shorter than it says, or would hold the library forever.
    """
    try:
        fd = open_regular(path, os.O_RDONLY, follow=True)
        head, size = os.pread(fd, _HEAD, 0), os.fstat(fd).st_size
        os.close(fd)
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be read: {error.strerror}; check the permissions"
        ) from error
    end = end_of_file(head)
    if head[:8] != SIGNATURE:
        raise RecordingError(
            f"{path} is not an nndyn recording: expected a netCDF-4 file, it begins with "
            f"{head[:8]!r}; check the name"
        )
    if end is not None and size < end:
        raise RecordingError(
            f"{path} is cut off: expected {end} bytes, found {size}; restore it from a copy"
        )
    if endless_heap(head):
        raise RecordingError(
            f"{path} is damaged: a part of its header has no length; restore it from a copy"
        )


def check_held(path: Path) -> None:
    """Refuse a file that the library could not let go of in this process.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StoreError
        If so: opening it again would give what the library remembers, not what is on disk.
    """
    here = path.stat()
    held = HELD.get((here.st_dev, here.st_ino), ())
    if any(is_file(own, sink) for own, sink in held):
        raise StoreError(
            f"{path} cannot be opened again in this process after the failed write, since the "
            "library holds on to it; start a new one, the committed part is safe"
        )
    HELD.pop((here.st_dev, here.st_ino), None)


def is_file(fd: int, file: os.stat_result) -> bool:
    """Whether a descriptor is open on `file`."""
    try:
        return os.path.samestat(os.fstat(fd), file)
    except OSError:
        return False


def explain(path: Path, error: BaseException, *, writing: bool = False) -> NndynError:
    """Return the error to raise where the library could not open `path`."""
    text = " ".join(str(error).split())
    if _locked(path):
        return (StoreError if writing else RecordingError)(
            f"{path} is locked by HDF5 in another program; set HDF5_USE_FILE_LOCKING=FALSE before "
            "Python starts, or import nndyn before netCDF4 and xarray"
        )
    if writing:
        return StoreError(
            f"{path} cannot be opened for writing ({text}); close datasets that show it, "
            "check the permissions"
        )
    return RecordingError(
        f"{path} is damaged or foreign: the netCDF library cannot read it ({text}); "
        "restore it from a copy"
    )


def _locked(path: Path) -> bool:
    """Whether somebody holds HDF5's own lock on the file."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def close(nc: netCDF4.Dataset) -> None:
    """Close a dataset once and for all, even if that fails."""
    try:
        nc.close()
    finally:
        give_up(nc)


def give_up(nc: netCDF4.Dataset) -> None:
    """Let a dataset count as closed: the collector would close it once more, which crashes."""
    # assigning to the attribute would write one into the file
    netCDF4.Dataset._isopen.__set__(nc, 0)  # type: ignore[attr-defined]


def forget_readers(fd: int, leave: Callable[[netCDF4.Dataset], None] = close) -> None:
    """Close the handles on a file that xarray keeps in this process; it reopens them on demand.

    HDF5 refuses to open for writing what the same process has open for reading.
    """
    manager = sys.modules.get("xarray.backends.file_manager")
    if manager is None:
        return
    cache = manager.FILE_CACHE
    for key in list(cache):
        file = cache.get(key)
        with contextlib.suppress(RuntimeError, OSError, AttributeError):
            if file is not None and os.path.samestat(os.stat(file.filepath()), os.fstat(fd)):
                cache.pop(key, None)
                leave(file)
        del file


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn the library's errors while values of `path` are read into RecordingError.

    Parameters
    ----------
    path : str or Path
        What the message calls the file.

    Yields
    ------
    None

    Raises
    ------
    RecordingError
        If the library could not read: a checksum does not match, or bytes are missing.
    """
    try:
        yield
    except (RuntimeError, OSError, AttributeError, IndexError) as error:
        failure = _translated(path, error)
        raise failure from failure.__cause__


def _translated(path: str | Path, error: BaseException) -> BaseException:
    """Return the error to raise for `error`: itself where it is not the library's."""
    if isinstance(error, NndynError) or "NetCDF:" not in str(error):
        return error
    failure = RecordingError(
        f"{path} is damaged: a checksum does not match or bytes are missing "
        f"({' '.join(str(error).split())}); nndyn verify says where, restore it from a copy"
    )
    failure.__cause__ = error
    return failure
