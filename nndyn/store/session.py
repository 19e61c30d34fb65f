"""A writer's hold on one recording: lock, journal, the open file, and letting go of each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nndyn.errors import NndynError, RecordingError, StoreError
from nndyn.recording import GROWING
from nndyn.store import journal as journals
from nndyn.store.index import faults
from nndyn.store.layout import EXTENTS, Array, extents_of, extents_value, rows_of, slot_of
from nndyn.store.library import detach, forget_readers, open_netcdf, reading, write_failure
from nndyn.store.locks import WriterLock


class Session:
    """An open recording in which every change is whole or undone.

    Changes are made to `nc` inside `change`, and stand from `settle` on. Whatever fails in
    between, in this process or with it, ends in the state of the last `settle`.

    Parameters
    ----------
    path : Path
    lock : WriterLock
        Of `path`; the session releases it.

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

    Raises
    ------
    StoreError
        If the recording cannot be written.
    RecordingError
        If it is not a recording, or damaged.
    """

    def __init__(self, path: Path, lock: WriterLock) -> None:
        self.path = path
        self.changed = False
        self.is_open = False
        self._lock = lock
        with contextlib.ExitStack() as undo:
            undo.callback(lock.release)
            try:
                journals.roll_back(path)
                forget_readers(path)
                self._inspect()
                self._fd = os.open(path, os.O_RDWR)
                undo.callback(os.close, self._fd)
                self._journal = journals.Journal(path)
                undo.callback(self._journal.close)
                self._guard()
                self.nc = open_netcdf(path, "r+")
            except OSError as error:
                if isinstance(error, NndynError):
                    raise
                reason = error.strerror or error
                raise StoreError(
                    f"cannot write {path}: {reason}; check the permissions and the free space"
                ) from error
            undo.pop_all()
        self.is_open = True
        with self.change():
            self.nc.sync()
            self.settle()

    def _inspect(self) -> None:
        """Learn from the file what a writer needs, before anything can change."""
        with (
            reading(self.path),
            contextlib.closing(open_netcdf(self.path, "r")) as nc,
        ):
            self.attrs: dict[str, Any] = {a: _plain(nc.getncattr(a)) for a in nc.ncattrs()}
            missing = {EXTENTS, "n_committed", "recording_id", "block"} - set(self.attrs)
            if missing:
                raise RecordingError(
                    f"{self.path} is not a recording this version can go on writing: attribute "
                    f"{min(missing)!r} is missing; record to another name"
                )
            self._extents = extents_of(self.attrs.pop(EXTENTS))
            self.dims = {n: v.dimensions for n, v in nc.variables.items()}
            self._shapes = [(*v.chunking(), v.dtype.itemsize) for v in nc.variables.values()]
            self._chunk_rows = {
                dim: {int(v.chunking()[0]) for v in nc.variables.values() if v.dimensions[0] == dim}
                for dim in nc.dimensions
                if dim in GROWING
            }
            self.n_committed = int(self.attrs["n_committed"])
            found = nc.dimensions["time"].size
            if found < self.n_committed:
                raise RecordingError(
                    f"{self.path} is damaged: {self.n_committed} times committed, {found} found; "
                    "restore it from a copy"
                )
            self.committed = rows_of(nc, self.n_committed)
            self.ends = dict(self.committed)
            slot = slot_of(nc, self.n_committed)
            for fault in faults(self.path, nc, self.committed, slot):
                raise RecordingError(f"{self.path} is damaged: {fault}; restore it from a copy")

    @contextlib.contextmanager
    def change(self, *, of_rows: bool = True) -> Iterator[None]:
        """Make changes inside; a failed write undoes all that does not stand, and closes.

        Parameters
        ----------
        of_rows : bool, default True
            Whether rows may be written: chunks that have room for some are large.

        Yields
        ------
        None

        Raises
        ------
        StoreError
            If writing fails.
        RecordingError
            If reading what a change depends on does.
        """
        try:
            self._guard(of_rows=of_rows)
            yield
        except (StoreError, RecordingError):
            self.abandon()
            raise
        except (RuntimeError, OSError) as error:
            failure = write_failure(self.path, error, self.n_committed)
            self.abandon()
            raise failure from error

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
        ranges = journals.endangered(self._fd, self._extents, self._shapes, tails)
        self._journal.save(self._fd, ranges, str(self.attrs["recording_id"]))
        self.changed = True

    def settle(self) -> None:
        """Let stand what has been flushed; durable when this returns."""
        os.fsync(self._fd)
        self._journal.clear()
        self.changed = False

    def write_attrs(self, attrs: Mapping[str, Any]) -> None:
        """Write global attributes, in a change of their own.

        Raises
        ------
        StoreError
            If writing fails, or they have been moved about too often.
        """
        with self.change():
            before = os.fstat(self._fd).st_size
            self.nc.setncatts(dict(attrs))
            self.nc.sync()
            after = os.fstat(self._fd).st_size
            if after > before:  # attributes went beyond the header: later changes may touch them
                extents = journals.merged([*self._extents, (before, after)], after)
                value = extents_value(extents)
                if value is None:
                    raise StoreError(
                        f"{self.path} has been extended too often to take more attributes; "
                        "record to another name"
                    )
                self.nc.setncattr(EXTENTS, value)
                self.nc.sync()
                self._extents = extents
            self.settle()
        self.attrs.update({name: _plain(value) for name, value in attrs.items()})

    def values(self, name: str, where: Any = np.s_[...]) -> Array:
        """Read values of a variable.

        Parameters
        ----------
        name : str
        where : index

        Returns
        -------
        array

        """
        with reading(self.path):
            values = np.asarray(self.nc[name][where])
        return values

    def close(self) -> None:
        """Close the file; what does not stand is undone.

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
        with self.change(of_rows=False):  # closing rewrites the superblock
            self.nc.close()
            self.settle()
        os.close(self._fd)
        self._leave()

    def abandon(self) -> None:
        """Leave without a further write by the library, and undo what does not stand."""
        if not self.is_open:
            return
        here = os.fstat(self._fd)
        os.close(self._fd)
        forget_readers(self.path)
        detach(self.nc, here)
        try:
            journals.roll_back(self.path)
        finally:
            self._leave()

    def _leave(self) -> None:
        self.is_open = False
        if not journals.busy(self.path):
            self._journal.remove()
        self._journal.close()
        self._lock.release()


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
