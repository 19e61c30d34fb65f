"""Disk space for the next write, reserved before the library writes."""

from __future__ import annotations

import ctypes
import errno
import functools
import math
import os
import resource
from collections.abc import Callable, Sequence

#: Of fallocate: the length of the file stays as it is.
_KEEP_SIZE = 1
#: How a file system says that it does not know the call.
_UNKNOWN = (errno.EOPNOTSUPP, errno.ENOSYS)
#: Bytes before the end of a file that may lie in a page nobody wrote so far.
_LAST = 8192
#: Bytes of an index for each new chunk, a checksum among them, and of nodes that split.
_PER_CHUNK, _PER_TREE = 104, 8192


def space(start: int, rows: int, shape: Sequence[int], chunk: Sequence[int], item: int) -> int:
    """Return the bytes that new rows of a variable take, at most.

    Parameters
    ----------
    start, rows : int
        The first of them, and how many.
    shape, chunk : sequence of int
        Of the variable.
    item : int
        Bytes of a value.

    Returns
    -------
    int
    """
    new = -(-(start + rows) // chunk[0]) + -start // chunk[0]
    new *= math.prod(-(-n // c) for n, c in zip(shape[1:], chunk[1:], strict=True))
    return new * (math.prod(chunk) * item + _PER_CHUNK) + _PER_TREE * (new > 0)


def reserve(fd: int, size: int) -> None:
    """Make sure that a file can grow.

    Parameters
    ----------
    fd : int
    size : int
        By so many bytes.

    Raises
    ------
    OSError
        With the reason why it cannot: no space, a quota, a limit of the process.

    Notes
    -----
    The library says of a write that fails only that it did, keeps what it could not write, and may
    crash in letting go of it. Where the system has no such call (it is Linux's), or the file system
    does not know it, the limit of the process alone is checked.
    """
    end = os.fstat(fd).st_size
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY and end + size > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    call, start = _fallocate(), max(0, end - _LAST)
    while call is not None and call(fd, _KEEP_SIZE, start, end + size - start):
        number = ctypes.get_errno()
        if number in _UNKNOWN:
            return
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


def give_back(fd: int) -> None:
    """Give back what was reserved and not used."""
    os.ftruncate(fd, os.fstat(fd).st_size)


@functools.cache
def _fallocate() -> Callable[..., int] | None:
    call = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return call
