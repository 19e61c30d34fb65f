"""Locks of writers: one lock file beside each recording, and the names of the files around it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from nndyn.errors import RecordingError, StoreError, UsageError
from nndyn.runtime.interrupts import shielded
from nndyn.runtime.paths import located
from nndyn.store.apart import check_apart
from nndyn.store.files import names, part_path, remove, write_at
from nndyn.store.forks import not_in_children
from nndyn.store.holder import BLOCKS, MOST, PATIENCE, Holder, Standing, clock, here, is_lock
from nndyn.store.regular import kind, make_new, open_regular

#: Seconds in which a writer whose lock was taken over ends what it was just writing.
_ENDING = 0.3


class MissingRecordingError(UsageError, FileNotFoundError):
    """There is no file of that name."""


class BusyError(StoreError):
    """Another process, or another Writer of this one, writes it."""


class TakenOverError(BusyError):
    """A process of another host took over what this one was writing."""


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
    path = located(path)
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


def vacant(
    path: Path, *, overwrite: bool, resumable: bool = False, inputs: Iterable[str | Path] = ()
) -> None:
    """Check that a file may be made at `path`, before any work is done for it.

    Parameters
    ----------
    path : Path
    overwrite : bool
        Whether an existing file may be replaced.
    resumable : bool, default False
        Whether it could be gone on with instead.
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
        cure = "overwrite it (`overwrite=True`)"
        if resumable:
            cure = "overwrite or resume it (`overwrite=True`, `resume=True`)"
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
    before = f".{path.name}."
    there = [n[len(before) :] for n in os.listdir(path.parent) if n.startswith(before)]
    return [path.with_name(before + end) for end in there if re.fullmatch(r"\d+\.part", end)]


class WriterLock:
    """The right to write one recording: an exclusive ``flock`` on ``.NAME.lock``.

    The kernel drops the lock with the process, so a killed writer never blocks the next one of its
    host. One of another host, of which ``flock`` may tell nothing, is taken over where it was not
    renewed for ten minutes, or for as long as three blocks took: by a new file of the same name,
    from which the process that had it learns of it. See `nndyn.store.holder`.

    Parameters
    ----------
    path : Path
        The recording, not the lock file.
    take_over : bool, default False
        Take over a free lock of another host at once.
    local : bool, default False
        Leave one of another host alone however old it is: for who only reads.

    Attributes
    ----------
    taker : Holder or None
        Who took it over, once `keep` noticed.

    Raises
    ------
    BusyError
        If another process (or another Writer of this one) holds it, or one of another host may.
    StoreError
        If the folder cannot be written.
    """

    def __init__(self, path: Path, *, take_over: bool = False, local: bool = False) -> None:
        self._fd = -1
        self._of, self._path = path, lock_path(path)
        self._recording, self._content = "", b""
        self._block, self._renewed = 0.0, time.monotonic()
        self.taker: Holder | None = None
        not_in_children(self)
        for attempt in range(10):
            if self._try(take_over=take_over, local=local):
                return
            if attempt < 9:  # a reader that looks whether a writer is alive holds it briefly
                time.sleep(0.02)
        raise BusyError(_refusal(path))

    @shielded()
    def _try(self, *, take_over: bool = False, local: bool = False) -> bool:
        with contextlib.ExitStack() as undo:
            try:
                fd = open_regular(self._path, os.O_RDWR | os.O_CREAT)
                undo.callback(os.close, fd)
                # The one before may have removed the name between our open and our lock: then this
                # lock is on a file nobody else will find.
                if not (_locked(fd, fcntl.LOCK_EX) and names(self._path, fd)):
                    return False
                if not is_lock(fd):
                    raise StoreError(
                        f"{self._path} is no lock of nndyn's, or has other names; move it away"
                    )
                found = Standing.of(fd, held=False)
                if found.holder is not None:  # blocks are as long as they were before
                    self._block = max(self._block, found.holder.block)
                if not found.elsewhere:
                    self._write(fd)
                    undo.pop_all()
                elif take_over or not (local or found.writes(clock(self._path.parent))):
                    fd = self._replaced()
                else:
                    return False
            except OSError as error:
                if isinstance(error, StoreError):
                    raise
                cure = "check its folder, and that the file system supports flock"
                cure = "move it away" if kind(self._path, follow=False) else cure
                raise StoreError(f"cannot lock {self._path}: {error.strerror}; {cure}") from error
        self._fd = fd
        return True

    def _replaced(self) -> int:
        """Put a file of our own in the place of another host's; return its descriptor."""
        part = part_path(self._path)
        with contextlib.ExitStack() as undo:
            fd = make_new(part)
            undo.callback(os.close, fd)
            _locked(fd, fcntl.LOCK_EX)
            self._write(fd)
            os.replace(part, self._path)
            time.sleep(_ENDING)
            if not self._is_own(self._path, fd):  # of two hosts at once, the second has the name
                raise BusyError(_refusal(self._of))
            undo.pop_all()
        return fd

    def _write(self, fd: int) -> None:
        """Say whose the lock is."""
        content = Holder(*here(), os.getpid(), self._recording, self._block).packed()
        try:
            write_at(fd, content, 0)
            os.ftruncate(fd, len(content))
            os.utime(fd)  # on NFS this sends the content too
        except OSError:  # on a full disk a lock is one by flock alone
            content = b""
            os.ftruncate(fd, 0)
        self._content = content

    def sign(self, recording: str) -> None:
        """Say in the file what is written, by its identity."""
        self._recording = recording
        self._write(self._fd)

    def renew(self, *, after: float = 0.0) -> None:
        """Say that its process is alive, unless it was said less than `after` seconds ago."""
        now = time.monotonic()
        if now - self._renewed < after:
            return
        took, self._renewed = now - self._renewed, now
        with contextlib.suppress(OSError):  # what was committed is
            if took > self._block and BLOCKS * took > PATIENCE:
                self._block = took
                self._write(self._fd)
            else:
                os.utime(self._fd)

    def keep(self) -> bool:
        """Take the lock anew where somebody removed its file; false where another has it now."""
        if self._is_own(self._path, self._fd):
            return True
        found = standing(self._path)
        if found is not None and found.elsewhere:
            self.taker = found.holder
            return False
        if names(self._path, self._fd):  # what it said was lost
            self._write(self._fd)
            return True
        if time.monotonic() - self._renewed > max(PATIENCE, BLOCKS * self._block):
            return False  # who took it over in the meantime may have ended, and removed it
        old = self._fd
        if not self._try():
            return False
        os.close(old)
        return True

    def covers(self, path: Path) -> bool:
        """Whether it is the lock of `path` too, whose folder was renamed."""
        return self._is_own(lock_path(path), self._fd)

    def _is_own(self, path: Path, fd: int) -> bool:
        """Whether `path` names the lock file `fd`, and that says it is ours."""
        try:  # a shared folder looks anew for a name that is opened, and may not for its stat
            there = open_regular(path, os.O_RDONLY)
        except OSError:
            return names(path, fd)
        try:
            same = os.path.samestat(os.fstat(there), os.fstat(fd))
            return same and os.pread(there, MOST, 0) == self._content
        finally:
            os.close(there)

    @shielded()
    def release(self) -> None:
        """Give the lock back and remove its file; does nothing the second time."""
        if self._fd >= 0:
            if os.pread(self._fd, MOST, 0) == self._content:
                remove(self._fd, self._path)
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        """Give back a lock that an interrupt left without an owner."""
        if self._fd >= 0:
            self.release()


def standing(lock: Path) -> Standing | None:
    """Return how a lock file stands; None where there is none, or no regular file."""
    try:
        fd = open_regular(lock, os.O_RDONLY)
    except OSError:  # of what is no regular file, no Writer holds a lock
        return None
    try:
        return Standing.of(fd, held=_is_locked(fd))
    finally:
        os.close(fd)


def writer_of(path: Path) -> Standing | None:
    """Return how the lock of `path` stands if some Writer has it, or one of another host may."""
    found = standing(lock_path(path))
    return found if found is not None and (found.held or found.elsewhere) else None


def has_writer(path: Path, now: float | None = None) -> bool:
    """Whether some Writer has the lock of `path`, or one of another host may.

    Parameters
    ----------
    path : Path
    now : float, optional
        As of `nndyn.store.holder.clock`; by the clock of this host unless given.

    Returns
    -------
    bool
    """
    found = standing(lock_path(path))
    return found is not None and found.writes(time.time() if now is None else now)


def _locked(fd: int, kind: int) -> bool:
    """Lock a file, unless another has a lock on it."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_locked(fd: int) -> bool:
    try:
        return not _locked(fd, fcntl.LOCK_SH)
    except OSError:  # a file system without locks: nothing says that it is free
        return True


def _refusal(path: Path) -> str:
    """Say who writes a recording, and what to do."""
    found = standing(lock_path(path))
    if found is None or found.holder is None:
        who, cure = "", "wait for it, or choose another name"
    elif found.held or not found.elsewhere:
        who, cure = f" ({found})", "wait for it, or choose another name"
    else:
        who = f" ({found})"
        cure = (
            f"if it is gone, wait for {found.holder.patience / 60:.0f} minutes from then on, or "
            "take over with `take_over=True`"
        )
    return f"{path} is being written by another process{who}; {cure}"
