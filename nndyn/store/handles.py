"""Handles of files that the library has open for writing, and how they are released.

The library flushes when a dataset is closed, collected, or the process ends. After a failed write,
or once the file has been taken away, that flush must not reach the file. A Handle knows the
descriptors through which the library writes, and can turn them to a copy in memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import netCDF4

from nndyn.store.failures import is_of_write, reason
from nndyn.store.library import HELD, close, forget_readers, give_up, is_file, open_netcdf
from nndyn.store.regular import make_new
from nndyn.store.space import give_back, reserve

_PIECE = 1 << 20
_SLOTS, _PREEMPTION = 521, 0.75  # of the library, unless told


class Handle:
    """A file the library has open for writing; to be made and used while alone in the library.

    Parameters
    ----------
    path : Path
    mode : {"r+", "w"}

    Attributes
    ----------
    nc : netCDF4.Dataset

    Raises
    ------
    RecordingError
        If it is not a netCDF-4 file, or damaged.
    StoreError
        If it cannot be opened for writing, or not again in this process.
    """

    def __init__(self, path: Path, mode: Literal["r+", "w"]) -> None:
        before = _descriptors(path)
        self.nc: netCDF4.Dataset = open_netcdf(path, mode)
        self._fds = sorted(_descriptors(path) - before)
        self._closed = False

    def pass_through(self, name: str) -> None:
        """Let chunks of a variable, which are written whole, not wait in the library's memory."""
        self.nc.variables[name].set_var_chunk_cache(0, _SLOTS, _PREEMPTION)

    def holds(self, fd: int) -> bool:
        """Whether this is the file open as `fd`: its name may have gone over to another one."""
        return any(is_file(own, os.fstat(fd)) for own in self._fds)

    def close(self) -> None:
        """Close the file as the library does: what it keeps is written."""
        self._closed = True
        close(self.nc)

    def let_go(self, fd: int, ranges: Iterable[tuple[int, int]]) -> None:
        """Close without a further write to the file.

        Parameters
        ----------
        fd : int
            The file, open for reading at least.
        ranges : iterable of (start, stop)
            What the library may read in closing: its metadata, and what it has written since they
            were looked up.
        """
        here, memory = os.fstat(fd), _memory()
        try:
            _copy(fd, memory, ranges)
            for own in self._fds:
                if is_file(own, here):
                    os.dup2(memory, own, inheritable=False)
            try:
                if not self._closed:
                    self.close()
                forget_readers(fd)  # they share what the library holds
            except Exception:  # of a file that cannot be closed the library prints what is open
                forget_readers(fd, give_up)
            self._still_held(here, memory)
        finally:
            os.close(memory)

    def _still_held(self, here: os.stat_result, memory: int) -> None:
        """Let nobody read the copy: a dataset of the caller's may share what the library holds."""
        copy = os.fstat(memory)
        left = [own for own in self._fds if is_file(own, copy)]
        if not left:
            return
        os.ftruncate(memory, 0)
        sink = _sink(memory)
        try:
            for own in left:
                os.dup2(sink, own, inheritable=False)
            HELD[here.st_dev, here.st_ino] = [(own, os.fstat(sink)) for own in left]
        finally:
            os.close(sink)


@contextlib.contextmanager
def made(path: Path, size: int) -> Iterator[tuple[int, Handle]]:
    """Give a new file of the library to write into, which stays open unless something fails.

    Parameters
    ----------
    path : Path
    size : int
        Bytes it will take, about.

    Yields
    ------
    int
        Its descriptor, to be closed by who takes the file over.
    Handle

    Raises
    ------
    OSError
        If it cannot be written, for the reason the system has.
    RuntimeError
        If it cannot be written and the system has no reason.
    """
    fd = make_new(path)
    handle = None
    try:
        reserve(fd, size)  # for what the library writes in making the file, which gives it back
        handle = Handle(path, "w")
        reserve(fd, size)
        yield fd, handle
    except BaseException as error:
        try:
            if handle is not None:
                handle.let_go(fd, [(0, os.fstat(fd).st_size)])
            if isinstance(error, Exception) and is_of_write(error):
                found = reason(fd, error)
                raise found from error
            raise
        finally:
            os.close(fd)


@contextlib.contextmanager
def written(path: Path, size: int) -> Iterator[netCDF4.Dataset]:
    """Give a new file of the library to write into; at the end it is closed and on disk.

    Parameters and errors are those of `made`.

    Yields
    ------
    netCDF4.Dataset
    """
    with made(path, size) as (fd, handle):
        yield handle.nc
        handle.close()
        give_back(fd)
        os.fsync(fd)
    os.close(fd)


def _descriptors(path: Path) -> set[int]:
    """Return the descriptors of this process through which `path` can be written."""
    try:
        file = path.stat()
    except OSError:
        return set()
    found = set()
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):
            flags = fcntl.fcntl(int(name), fcntl.F_GETFL)
            if flags & os.O_ACCMODE == os.O_RDWR and is_file(int(name), file):
                found.add(int(name))
    return found


def _memory() -> int:
    """Open a file in memory, or a temporary one."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):
            return os.memfd_create("nndyn")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _sink(memory: int) -> int:
    """Open what takes writes and refuses reads."""
    with contextlib.suppress(OSError):
        return os.open(f"/proc/self/fd/{memory}", os.O_WRONLY)
    return os.open(os.devnull, os.O_WRONLY)


def _copy(fd: int, to: int, ranges: Iterable[tuple[int, int]]) -> None:
    """Copy `ranges` of a file as far as they can be read, to the same places of another."""
    with contextlib.suppress(OSError):
        os.ftruncate(to, os.fstat(fd).st_size)
        for start, stop in ranges:
            for at in range(start, stop, _PIECE):
                os.pwrite(to, os.pread(fd, min(_PIECE, stop - at), at), at)
