"""Session of a writer on one recording: lock, journal and open file, and their release."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nndyn.errors import RecordingError, StoreError
from nndyn.numerics.arrays import Array
from nndyn.store import journal as journals
from nndyn.store.failures import is_of_write, reason, write_failure
from nndyn.store.files import loss, name_of
from nndyn.store.inspection import plain
from nndyn.store.layout import EXTENTS, extents_value
from nndyn.store.locks import BusyError, TakenOverError, WriterLock
from nndyn.store.opening import Opened, Opening
from nndyn.store.saving import Range
from nndyn.store.space import give_back, reserve, space

#: Bytes from which on chunks do not wait in memory: each would be copied once more to be written.
_LARGE = 2**20
#: Bytes that any change may take beside what it says it does.
_SLACK = 64 * 1024
_PULSE = 60.0  # s


class Session:
    """An open recording in which every change is whole or undone.

    Changes are made to `nc` inside `change`, and stand from `settle` on. Whatever fails in
    between, in this process or with it, ends in the state of the last `settle`. All is done through
    descriptors of the file that was opened: whatever has its name by then is left alone.

    Parameters
    ----------
    path : Path
    lock : WriterLock
        Of `path`; the session releases it.
    opened : Opened
        The recording; the session closes it.

    Attributes
    ----------
    nc : netCDF4.Dataset
    attrs : dict
        Global attributes as stored.
    dims : dict of str to tuple of str
        Dimensions of each variable.
    n_committed : int
    committed : dict of str to int
        Committed rows of each growing dimension.
    ends : dict of str to int
        The same with the rows that wait for a commit.
    changed : bool
        Whether there are changes that do not stand yet.
    book : Book
    left : os.stat_result or None
        Of the file as `close` left it.

    Raises
    ------
    StoreError
        If the recording cannot be written.
    """

    def __init__(self, path: Path, lock: WriterLock, opened: Opened) -> None:
        self.path = path
        self.changed = False
        self.is_open = False
        self.left: os.stat_result | None = None
        self._lock = lock
        self._saved: list[Range] = []
        self._stood: tuple[int, bytes] | None = None
        self._fd, self._handle, self._journal = opened.fd, opened.handle, opened.journal
        self.nc = self._handle.nc
        with contextlib.ExitStack() as undo:
            undo.callback(self._leave)
            undo.callback(self._handle.close)
            self._learn(opened.found)
            self._length = os.fstat(self._fd).st_size
            for name, (rows, *rest) in self._shapes.items():
                if rows == 1 or math.prod((rows, *rest)) >= _LARGE:
                    self._handle.pass_through(name)
            if opened.new:  # on disk as it is
                self._stands()
            undo.pop_all()
        self.is_open = True
        if not opened.new:
            with self.change():
                self.nc.sync()
                self.settle()

    def _learn(self, found: Opening) -> None:
        """Take over what there is in the file, and say in the lock what is written."""
        self.attrs, self.dims, self.book = found.attrs, found.dims, found.book
        self._extents, self._place = found.extents, found.place
        self._shapes, self._chunk_rows = found.shapes, found.chunk_rows
        self.committed, self.ends = found.committed, dict(found.committed)
        self.n_committed = self.committed["time"]
        self._lock.sign(self._identity)

    @contextlib.contextmanager
    def change(self, size: int = 0, *, of_rows: bool = True) -> Iterator[None]:
        """Make changes inside; a failed write undoes all that does not stand, and closes.

        Parameters
        ----------
        size : int
            Bytes by which the file may grow, beside small ones.
        of_rows : bool, default True
            Whether rows may be written: their chunks and the indices of these change.

        Yields
        ------
        None

        Raises
        ------
        StoreError
            If writing fails, or the file lost its name to somebody.
        RecordingError
            If reading what a change depends on does.

        Notes
        -----
        Any other exception ends the session too: what it was in the middle of is undone.
        """
        try:
            self._check()
            self._guard(of_rows=of_rows)
            reserve(self._fd, size + _SLACK)
            yield
        except (StoreError, RecordingError):
            self.abandon()
            raise
        except Exception as error:
            if not is_of_write(error):
                self.abandon()  # what was put by then must not be put again
                raise
            failure = self._failure(error)
            raise failure from error

    def _failure(self, error: Exception) -> StoreError:
        """Leave after a failed write; return the error to raise."""
        safe = f"; {self.n_committed} times are safe and can be resumed" if self.n_committed else ""
        try:
            safe += self._let_go()
            return write_failure(self.path, reason(self._fd, error), safe=safe)
        finally:
            self._leave()

    def _check(self) -> None:
        """Check that the file and the right to write it are still ours.

        Raises
        ------
        StoreError
            If not: it says what happened, what is safe and what to do.
        TakenOverError
            If a process of another host writes it now.
        """
        lost = loss(self._fd, self.path, self.n_committed)
        if lost:
            raise StoreError(lost)
        alike = not self.changed and self._stood == self._standing
        if not (alike or self._holds_recording()):
            raise StoreError(
                f"{self.path} was written over by something else while it was being recorded; "
                "record it again, under another name"
            )
        held = self._lock.keep()
        if self._lock.taker is not None:
            raise TakenOverError(
                f"{self.path} was taken over by {self._lock.taker} while it was being recorded; "
                "this process writes no more into it"
            )
        if not (alike or self.changed or self._stood is None):
            raise TakenOverError(
                f"{self.path} was gone on with by another process, which has ended, while it was "
                "being recorded; this process writes no more into it"
            )
        # who found no lock may have undone the block under way: its journal is gone then
        if not held or (self.changed and not self._journal.in_place):
            raise StoreError(
                f"{self.path} was opened by another process while it was being recorded, since "
                "somebody removed its lock or its journal; leave files named .*.lock and "
                f".*.journal alone; {self.n_committed} times are safe, resume it"
            )

    def _holds_recording(self) -> bool:
        whole = self.changed or os.fstat(self._fd).st_size >= self._length
        return whole and journals.holds(self._fd, self._extents, self._identity)

    @property
    def _standing(self) -> tuple[int, bytes]:
        return journals.standing(self._fd, self._extents)

    @property
    def _identity(self) -> str:
        return str(self.attrs["recording_id"])

    def _guard(self, *, of_rows: bool = True) -> None:
        """Before the first change: save what may be overwritten."""
        if self.changed:
            return
        tails = {
            (rows, count // rows * rows)
            for dim, count in self.ends.items()
            for rows in self._chunk_rows[dim]
            if of_rows and count % rows
        }
        shapes = self._shapes.values() if of_rows else ()
        self._saved = journals.endangered(self._fd, self._extents, shapes, tails)
        self.changed = True
        self._journal.save(self._fd, self._saved, self._identity)

    def settle(self) -> None:
        """Let stand what has been flushed; durable when this returns.

        Raises
        ------
        OSError
            If it cannot be made durable.
        StoreError
            If the file lost its name to somebody.
        """
        os.fsync(self._fd)
        self._check()
        self._journal.clear()
        self._lock.renew()
        self._stands()

    def _stands(self) -> None:
        """Take the file as it is for what a failure goes back to."""
        self._length = os.fstat(self._fd).st_size
        self._stood = self._standing
        self.changed = False

    def keep_alive(self) -> None:
        """Say, at most once a minute, that this process is at work on it."""
        self._lock.renew(after=_PULSE)

    def write_attrs(self, attrs: Mapping[str, Any]) -> None:
        """Write global attributes, in a change of their own.

        Raises
        ------
        StoreError
            If writing fails, or they have been moved about too often.
        """
        with self.change(_room(attrs), of_rows=False):
            self._put_attrs(attrs)
            self.settle()
        self.attrs.update({name: plain(value) for name, value in attrs.items()})

    def _put_attrs(self, attrs: Mapping[str, Any]) -> None:
        """Write global attributes, within a change."""
        before = os.fstat(self._fd).st_size
        self.nc.setncatts(dict(attrs))
        self.book.seal(self.nc, attrs)
        self.nc.sync()
        after = os.fstat(self._fd).st_size
        if after > before:  # attributes went beyond the header: later changes may touch them
            extents = journals.merged([*self._extents, (before, after)], after)
            value = extents_value(extents, self._place)
            if value is None:
                raise StoreError(
                    f"{self.path} has been extended too often to take more attributes; "
                    "record to another name"
                )
            self.nc.setncattr(EXTENTS, value)
            self._extents = extents
            self.book.seal(self.nc)
            self.nc.sync()

    def values(self, name: str, where: slice = slice(None)) -> Array:
        """Return rows of a variable, checked unless this session wrote some."""
        return self.book.read(self.nc, name, where)

    def put(self, name: str, values: Any, start: int = 0) -> None:
        """Write rows of a variable from `start` on, within a change."""
        self.book.write(self.nc, name, values, start)

    @property
    def entries(self) -> int:
        """Digests that `count` will write."""
        return self.book.new

    def count(self) -> None:
        """Let what was written count, within a change."""
        self.book.count(self.nc, self.ends)

    def room(self, name: str, rows: int) -> int:
        """Return the bytes that `rows` new rows of a variable take."""
        shape, start = self.nc.variables[name].shape, self.ends.get(self.dims[name][0], 0)
        *chunk, item = self._shapes[name]
        return space(start, rows, shape, chunk, item)

    def close(self, attrs: Mapping[str, Any] | None = None) -> None:
        """Close the file; what does not stand is undone.

        Parameters
        ----------
        attrs : mapping of str to value, optional
            Global attributes to write in the same change.

        Raises
        ------
        StoreError
            If writing fails.
        """
        if not self.is_open:
            return
        if self.changed:
            self.abandon()
            return
        attrs = attrs or {}
        with self.change(_room(attrs), of_rows=False):  # closing rewrites the superblock
            if attrs:
                self._put_attrs(attrs)
            self._handle.close()
            give_back(self._fd)
            self.settle()
        self.attrs.update({name: plain(value) for name, value in attrs.items()})
        self.left = os.fstat(self._fd)
        self._leave()

    def abandon(self) -> None:
        """Leave without a further write by the library, and undo what does not stand."""
        if not self.is_open:
            return
        try:
            self._let_go()
        finally:
            self._leave()

    def _let_go(self) -> str:
        """Make the library let go of the file, and undo what does not stand; say what could not."""
        end = os.fstat(self._fd).st_size
        try:
            self._handle.let_go(self._fd, [*self._saved, (min(self._length, end), end)])
        finally:
            left = self._undo()
        return left

    def _undo(self) -> str:
        """Put the file back, under whatever name, unless it is another's to write now."""
        if not self.changed:
            return ""
        now = name_of(self._fd, self.path)
        with contextlib.ExitStack() as stack:
            try:
                if now is not None and not self._lock.covers(now):
                    stack.callback(WriterLock(now).release)
                self._journal.undo(self._fd)
            except BusyError:
                if now != self.path:  # else who has the lock finds the journal
                    self._journal.clear()
            except RecordingError:
                self._journal.clear()
            except OSError as error:
                why = error.strerror or error
                return f"; the block under way is undone when it is opened next ({why})"
        return ""

    def _leave(self) -> None:
        self.is_open = False
        self._journal.close()
        self._lock.release()
        os.close(self._fd)


def _room(attrs: Mapping[str, Any]) -> int:
    """Return the bytes that attributes may take, copies that the library moves about included."""
    return 4 * sum(len(str(value)) for value in attrs.values())
