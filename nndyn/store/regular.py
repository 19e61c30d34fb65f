"""Regular files only: whatever else stands under a name is refused.

Opening a pipe waits for somebody to write into it, reading a device may never end, and writing
through a symbolic link changes a file that nobody named.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, NoReturn

#: Most bytes of a plan, a note, or a file of options.
MOST_TEXT = 64 * 1024 * 1024

_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def kind(path: str | Path, *, follow: bool = True) -> str:
    """Say what `path` is where it is no regular file.

    Parameters
    ----------
    path : path-like
    follow : bool, default True
        Whether a link stands for what it leads to.

    Returns
    -------
    str
        Such as ``a pipe``; empty for a regular file, and where there is nothing.
    """
    try:
        mode = os.stat(path, follow_symlinks=follow).st_mode
    except OSError:
        return ""
    return next((name for is_it, name in _KINDS if is_it(mode)), "")


def open_regular(path: str | Path, flags: int, *, follow: bool = False, mode: int = 0o666) -> int:
    """Open a regular file, without waiting.

    Parameters
    ----------
    path : path-like
    flags : int
        As of `os.open`.
    follow : bool, default False
        Whether a link is followed: for reading what a user named.
    mode : int
        Of a file made.

    Returns
    -------
    int
        Descriptor.

    Raises
    ------
    OSError
        If it cannot be opened, or is no regular file; ``strerror`` says what it is.
    """
    flags |= os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        fd = os.open(path, flags, mode)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            _refuse(path, kind(path, follow=follow), error)
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        found = next((name for is_it, name in _KINDS if is_it(os.fstat(fd).st_mode)), "")
        os.close(fd)
        _refuse(path, found)
    return fd


def make_new(path: Path) -> int:
    """Make an empty file in place of whatever has the name, which is not followed.

    Returns
    -------
    int
        Descriptor, for reading and writing.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    path.unlink(missing_ok=True)
    return open_regular(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)


def read_regular(path: str | Path, most: int = MOST_TEXT, *, follow: bool = True) -> bytes:
    """Return what is in a regular file.

    Parameters
    ----------
    path : path-like
    most : int
        Bytes it may have.
    follow : bool, default True
        Whether a link is followed.

    Returns
    -------
    bytes

    Raises
    ------
    OSError
        If it cannot be read, is no regular file, or is longer.
    """
    with open_limited(path, most, follow=follow) as file:
        content = file.read(most + 1)
    if len(content) > most:
        _too_long(path, most)
    return content


def open_limited(path: str | Path, most: int, *, follow: bool = True) -> BinaryIO:
    """Open a regular file of at most so many bytes for reading; errors as of `read_regular`."""
    file = open(open_regular(path, os.O_RDONLY, follow=follow), "rb")  # noqa: SIM115
    if os.fstat(file.fileno()).st_size > most:
        file.close()
        _too_long(path, most)
    return file


def _too_long(path: str | Path, most: int) -> NoReturn:
    raise OSError(errno.EFBIG, f"it is longer than {most} bytes", str(path))


def _refuse(path: str | Path, found: str, cause: OSError | None = None) -> NoReturn:
    number = errno.EINVAL if cause is None else cause.errno
    what = f"it is {found}, expected a regular file" if found else "expected a regular file"
    raise OSError(number, what, str(path)) from cause
