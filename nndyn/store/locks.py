"""Who may write: one lock file beside each recording, and the names of the files around it."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from nndyn.errors import RecordingError, StoreError, UsageError
from nndyn.interrupts import shielded
from nndyn.store.apart import check_apart
from nndyn.store.files import names, remove
from nndyn.store.regular import kind, open_regular


class MissingRecordingError(UsageError, FileNotFoundError):
    """There is no file of that name."""


class BusyError(StoreError):
    """Another process, or another Writer of this one, writes it."""


def existing(path: str | Path) -> Path:
    """Return `path` if it is a file, or a link to one.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Path

    Raises
    ------
    MissingRecordingError
        If there is nothing of that name.
    UsageError
        If it is a folder.
    RecordingError
        If it is a pipe or a device, which may never end.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder, expected a recording; name a file in it")
    if not path.exists():
        raise MissingRecordingError(f"{path} does not exist; check the name, or record it first")
    if found := kind(path):
        raise RecordingError(f"{path} is {found}, expected a recording; name a file")
    return path


def check_own(path: Path) -> None:
    """Refuse a symbolic link: what is written into is what was named.

    Raises
    ------
    UsageError
        If `path` is one.
    """
    if path.is_symlink():
        raise UsageError(
            f"{path} is a link, through which nothing is written; name the file it leads to, "
            f"{os.path.realpath(path)}"
        )


def writable(path: str | Path) -> Path:
    """Return `path` if it is a file that may be written into.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Path

    Raises
    ------
    MissingRecordingError
        If there is nothing of that name.
    UsageError
        If it is a folder, or a link.
    RecordingError
        If it is a pipe or a device.
    """
    path = existing(path)
    check_own(path)
    return path


def vacant(path: Path, *, overwrite: bool, cure: str, inputs: Iterable[str | Path] = ()) -> None:
    """Check that a file may be made at `path`, before any work is done for it.

    Parameters
    ----------
    path : Path
    overwrite : bool
        Whether an existing file may be replaced.
    cure : str
        What to do about one, said after "choose another name, or".
    inputs : iterable of path-like
        Files and folders that the work reads.

    Raises
    ------
    UsageError
        If the folder is missing, the name is taken, or it is that of something read.
    """
    if not path.parent.is_dir():
        raise UsageError(f"folder {path.parent} does not exist; create it first")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is a device or a pipe, which a recording cannot replace")
    check_apart(path, inputs)
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists; choose another name, or {cure}")


def lock_path(path: Path) -> Path:
    """Name of the lock file of the recording `path`: beside the file, not beside a link to it."""
    return _beside(path, "lock")


def journal_path(path: Path) -> Path:
    """Name of the rollback journal of the recording `path`: beside the file, as its lock."""
    return _beside(path, "journal")


def _beside(path: Path, what: str) -> Path:
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    return path.with_name(f".{path.name}.{what}")


def stale_parts(path: Path) -> list[Path]:
    """Parts of `path` left behind; the caller holds the lock, so nobody is building one."""
    pattern = re.compile(re.escape(f".{path.name}.") + r"\d+\.part")
    return [p for p in path.parent.iterdir() if pattern.fullmatch(p.name)]


class WriterLock:
    """The right to write one recording: an exclusive ``flock`` on ``.NAME.lock``.

    The kernel drops the lock with the process, so a killed writer never blocks the next one.

    Parameters
    ----------
    path : Path
        The recording, not the lock file.

    Raises
    ------
    BusyError
        If another process (or another Writer of this one) holds it.
    StoreError
        If the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._fd = -1
        self._path = lock_path(path)
        for attempt in range(10):
            if self._try():
                return
            if attempt < 9:  # a reader that looks whether a writer is alive holds it briefly
                time.sleep(0.02)
        raise BusyError(
            f"{path} is being written by another process; wait for it, or choose another name"
        )

    @shielded()
    def _try(self) -> bool:
        try:
            fd = open_regular(self._path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            cure = "check the permissions of its folder, or choose another one"
            cure = "move it away" if kind(self._path, follow=False) else cure
            raise StoreError(f"cannot lock {self._path}: {error.strerror}; {cure}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one before may have removed the name between our open and our lock: then this
            # lock is on a file nobody else will find.
            same = os.path.samestat(os.fstat(fd), os.stat(self._path))
        except (BlockingIOError, FileNotFoundError):
            same = False
        except OSError as error:
            os.close(fd)
            raise StoreError(
                f"cannot lock {self._path}: {error.strerror}; "
                "write to a file system that supports flock"
            ) from error
        if not same:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def keep(self) -> bool:
        """Take the lock anew where somebody removed its file; false where another has it now."""
        if names(self._path, self._fd):
            return True
        old = self._fd
        if not self._try():
            return False
        os.close(old)
        return True

    def covers(self, path: Path) -> bool:
        """Whether it is the lock of `path` too, whose folder was renamed."""
        return names(lock_path(path), self._fd)

    @shielded()
    def release(self) -> None:
        """Give the lock back and remove its file; does nothing the second time."""
        if self._fd >= 0:
            remove(self._fd, self._path)
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        """Give back a lock that an interrupt left without an owner."""
        self.release()


def has_writer(path: Path) -> bool:
    """Whether some Writer holds the lock of `path` now."""
    try:
        fd = open_regular(lock_path(path), os.O_RDONLY)
    except OSError:  # of what is no regular file, no Writer holds a lock
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(fd)
