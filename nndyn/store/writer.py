"""Writer of a recording: appends rows and commits blocks; a kill loses one block at most."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from nndyn.errors import UsageError
from nndyn.header import STATUSES, of_status
from nndyn.numerics.arrays import Array
from nndyn.recording import CHECKPOINTS
from nndyn.runtime.interrupts import shielded
from nndyn.runtime.paths import located
from nndyn.store import creation, cutting, layout, opening
from nndyn.store.digests import NAME
from nndyn.store.layout import Header
from nndyn.store.library import exclusive
from nndyn.store.locks import WriterLock, writable
from nndyn.store.opening import Opened
from nndyn.store.rows import InParts, counted
from nndyn.store.session import Session
from nndyn.store.written import Written


class Writer(Written):
    """The one process that may change a recording; a context manager.

    Leaving by an exception undoes what was not committed and leaves ``status="recording"`` and a
    file that resumes. A failed write does the same, then raises StoreError; after that, or after
    `close`, the Writer is of no further use. Threads may have Writers of their own, or take turns
    with one.

    Notes
    -----
    How a kill is survived: see `nndyn.store.journal`. Use `create` or `resume`.
    """

    def __init__(self, path: Path, lock: WriterLock, opened: Opened) -> None:
        super().__init__(Session(path, lock, opened))
        self._later: dict[str, Any] = {}

    @classmethod
    @shielded()
    @exclusive
    def create(
        cls, path: str | Path, header: Header, *, overwrite: bool = False, take_over: bool = False
    ) -> Self:
        """Make a new recording without rows; it takes its name once its header is on disk.

        Parameters
        ----------
        path : str or Path
        header : Header
        overwrite : bool
            Replace a file of that name, at that moment.
        take_over : bool, default False
            As of `nndyn.store.locks.WriterLock`.

        Returns
        -------
        Writer

        Raises
        ------
        UsageError
            If `header` is inconsistent, the folder is missing, or the name is taken and
            `overwrite` is not set.
        StoreError
            If another process writes the recording, the space will not do, or writing fails.
        """
        path = located(path)
        return cls(path, *creation.make(path, header, overwrite=overwrite, take_over=take_over))

    @classmethod
    @shielded()
    @exclusive
    def resume(cls, path: str | Path, *, take_over: bool = False) -> Self:
        """Open a recording at its committed end, undoing what a dead writer left behind.

        Parameters
        ----------
        path : str or Path
        take_over : bool, default False
            As of `nndyn.store.locks.WriterLock`.

        Returns
        -------
        Writer

        Raises
        ------
        MissingRecordingError
            If there is no such file.
        StoreError
            If another process writes it, or it cannot be written.
        UsageError
            If it is a folder, or a link.
        RecordingError
            If it is not a recording, or damaged.
        """
        path = writable(path)
        lock = WriterLock(path, take_over=take_over)
        try:
            return cls(path, lock, opening.opened(path))
        except BaseException:
            lock.release()
            raise

    def __enter__(self) -> Self:
        """Return the Writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, undoing what was not committed."""
        self.close()

    @shielded()
    @exclusive
    def append(self, rows: Mapping[str, Array | InParts]) -> None:
        """Append rows along the growing dimensions; `commit` makes them count.

        Parameters
        ----------
        rows : mapping of str to array or InParts
            Of every growing dimension it touches all variables, the coordinate among them, with
            equally many rows. A dimension on which nothing happened may be there without rows, or
            not at all.

        Raises
        ------
        UsageError
            If a variable is missing, unknown or has the wrong shape; nothing is written then.
        StoreError
            If writing fails; the recording stays as it was committed.
        """
        session = self._usable()
        counts = counted(self.path, rows, session.dims, session.nc)
        if not any(counts.values()):
            return
        size = sum(session.room(name, counts[session.dims[name][0]]) for name in rows)
        with session.change(size):
            for name, values in rows.items():
                dim = session.dims[name][0]
                start = session.ends[dim]
                if counts[dim]:
                    session.put(name, values, start)
            for dim, count in counts.items():
                session.ends[dim] += count

    @shielded()
    @exclusive
    def set(self, name: str, values: Array) -> None:
        """Overwrite a variable that does not grow; it counts from the next `commit`.

        Parameters
        ----------
        name : str
        values : array

        Raises
        ------
        UsageError
            If it grows, is a checkpoint, or does not exist.
        StoreError
            If writing fails.
        """
        session = self._usable()
        fixed = [n for n in self.names if layout.growing(session.dims[n]) is None]
        fixed = [n for n in fixed if not n.startswith("checkpoint")]
        if name not in fixed:
            raise UsageError(f"{name!r} cannot be set; expected one of {sorted(fixed)}")
        with session.change():
            session.put(name, values)

    @shielded()
    @exclusive
    def set_attrs(self, **attrs: str | int | float) -> None:
        """Set global attributes: at once, or with the next `commit` if rows wait for it.

        What is so already is not written again, which would take as long as a commit.

        Raises
        ------
        StoreError
            If writing fails.
        """
        session = self._usable()
        self._later.update({name: layout.attribute(value) for name, value in attrs.items()})
        if not session.changed:
            self._flush_attrs()

    @shielded()
    @exclusive
    def commit(
        self,
        checkpoint: Array | None = None,
        step: int | None = None,
        beside: Mapping[str, Array] | None = None,
    ) -> None:
        """Make everything appended so far count; the file is durable when this returns.

        Parameters
        ----------
        checkpoint : (R, P) array, optional
            The phase at `step`; not needed where the recording has no checkpoint, or does not have
            one of every block: then the last one stays.
        step : int, optional
            The step of the last appended time.
        beside : mapping of str to array, optional
            At `step`, the other checkpoint variables that the recording has.

        Raises
        ------
        UsageError
            If `step` is not that of the last time, or a checkpoint is missing.
        StoreError
            If writing fails; the recording stays as it was committed before.
        """
        session = self._usable()
        total = session.ends["time"]
        kept: dict[str, Any] = {}
        slot = size = 0
        if "checkpoint" in session.dims and not (checkpoint is None and self._behind):
            if checkpoint is None or step is None:
                raise UsageError(f"{self.path} has checkpoints: commit needs one and its step")
            others = {n for n in CHECKPOINTS if n in session.dims and n != "checkpoint"}
            if others != set(beside or {}):
                raise UsageError(f"{self.path} has {sorted(others)} beside: commit needs them")
            if step != total - 1:
                raise UsageError(f"checkpoint is of step {step}, the last time is {total - 1}")
            before = self._slot()
            slot = 0 if before is None else 1 - before
            kept = {"checkpoint": checkpoint, **(beside or {})}
            steps = session.values("checkpoint_step").copy()
            if steps[slot] < 0:
                size = sum(session.room(name, 1) for name in kept)
            steps[slot] = step
        with session.change(size):
            for name, values in kept.items():
                session.put(name, np.asarray(values)[None], slot)
            if kept:
                session.put("checkpoint_step", steps)
        with session.change(session.room(NAME, session.entries) if session.entries else 0):
            session.count()
            session.settle()
        session.n_committed = session.attrs["n_committed"] = total
        session.committed = dict(session.ends)
        self._flush_attrs()

    @shielded()
    @exclusive
    def cut(self, times: int, rows: Mapping[str, int] | None = None) -> None:
        """Go back: only the first `times` count from here on, durably, and the rows up to them.

        The others stay in the file, where nobody reads them, until what is appended next is
        written over them. A kill leaves the recording as it was, or cut. Who has it open must open
        it anew: rows written over are refused as damaged.

        Parameters
        ----------
        times : int
            From 1 to `n_committed`.
        rows : mapping of str to int, optional
            How many rows of other growing dimensions stay, where they are not all those that the
            last time is not before.

        Raises
        ------
        UsageError
            If there are not as many, rows wait for a commit, or the recording has checkpoints:
            of an earlier step there is none.
        RecordingError
            If what stays in a chunk that is cut through is damaged.
        StoreError
            If writing fails; the recording stays as it was.

        Notes
        -----
        Reads the coordinates, and of every variable the chunk that is cut through.
        """
        session = self._usable()
        if "checkpoint" in session.dims:
            raise UsageError(
                f"{self.path} has checkpoints, none of an earlier step: it stays whole"
            )
        if session.changed:
            raise UsageError(f"{self.path} has rows that are not committed; commit them first")
        kept = cutting.kept(self, times, rows or {})
        if kept == self.committed:
            return
        cutting.cut(session, kept)
        self._flush_attrs()

    @shielded()
    @exclusive
    def finish(self, status: str, reason: str = "", *, close: bool = False) -> None:
        """Set ``status`` and ``stop_reason``, durably.

        Parameters
        ----------
        status : str
            ``complete``, ``stopped``, or ``recording`` when a finished run goes on.
        reason : str
        close : bool, default False
            Close the file too, which costs no more than either alone.

        Raises
        ------
        UsageError
            If `status` is none of these, or rows wait for a commit.
        StoreError
            If writing fails.
        """
        if status not in STATUSES:
            raise UsageError(f"status {status!r} is unknown; expected one of {STATUSES}")
        if self._usable().changed:
            raise UsageError(f"{self.path} has rows that are not committed; commit them first")
        longer = any(len(self._session.nc.dimensions[d]) > n for d, n in self.committed.items())
        attrs = {**of_status(status, longer=longer), "stop_reason": reason}
        if close:
            self._later.update({name: layout.attribute(value) for name, value in attrs.items()})
            self._session.close(self._news())
        else:
            self.set_attrs(**attrs)

    @shielded()
    @exclusive
    def close(self) -> None:
        """Close the file; rows that were not committed are undone.

        Raises
        ------
        StoreError
            If writing fails.
        """
        self._session.close()

    def keep_alive(self) -> None:
        """Say, at most once a minute, that this process is at work on it: between two commits."""
        self._session.keep_alive()

    def _news(self) -> dict[str, Any]:
        """Return the attributes that wait and are not so already; they wait no more."""
        there, waiting = self._session.attrs, self._later
        self._later = {}
        return {name: value for name, value in waiting.items() if there.get(name) != value}

    def _flush_attrs(self) -> None:
        if attrs := self._news():
            self._session.write_attrs(attrs)
