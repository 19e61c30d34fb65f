"""The writer: rows come in, commits go out, and a kill at any moment loses one block at most."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from nndyn.errors import NndynError, RecordingError, StoreError, UsageError
from nndyn.recording import GROWING, STATUSES
from nndyn.store import journal as journals
from nndyn.store import layout
from nndyn.store.index import faults
from nndyn.store.layout import Array, Header
from nndyn.store.library import detach, forget_readers, open_netcdf
from nndyn.store.locks import (
    WriterLock,
    existing,
    journal_path,
    part_path,
    stale_parts,
    sync_folder,
)

_SMALL = 8 * 1024 * 1024  # free bytes under which a failed write is called a full disk


class Writer:
    """The one process that may change a recording; a context manager.

    Leaving by an exception undoes what was not committed and leaves ``status="recording"`` and a
    file that resumes. A failed write does the same, then raises StoreError; after that, or after
    `close`, the Writer is of no further use.

    Attributes
    ----------
    path : Path
    attrs : dict
        Global attributes as stored.
    n_committed : int
        Number of committed times.
    committed : dict of str to int
        Committed rows of each growing dimension.

    Notes
    -----
    How a kill is survived: see `nndyn.store.journal`. Use `create` or `resume`.
    """

    def __init__(self, path: Path, lock: WriterLock) -> None:
        self.path = path
        self._lock = lock
        self._open = False
        self._dirty = False  # the journal guards changes that are not committed
        self._rows = False  # rows or values among them
        self._later: dict[str, Any] = {}
        self._fd = -1
        try:
            journals.roll_back(path)
            forget_readers(path)
            self._inspect()
            self._fd = os.open(path, os.O_RDWR)
            self._journal = journals.Journal(path)
            self._guard()
            self._nc = open_netcdf(path, "r+")
        except BaseException as error:
            if self._fd >= 0:
                os.close(self._fd)
            lock.release()
            if isinstance(error, OSError) and not isinstance(error, NndynError):
                raise StoreError(
                    f"cannot write {path}: {error.strerror or error}; check the permissions"
                ) from error
            raise
        self._open = True
        with self._writing():
            self._nc.sync()
            self._settle()

    @classmethod
    def create(cls, path: str | Path, header: Header, *, overwrite: bool = False) -> Writer:
        """Make a new recording without rows; it takes its name once its header is on disk.

        Parameters
        ----------
        path : str or Path
        header : Header
        overwrite : bool
            Replace a file of that name, at that moment.

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
        path = Path(path)
        header.check()
        folder = path.parent
        if not folder.is_dir():
            raise UsageError(f"folder {folder} does not exist; create it first")
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name a file in it")
        if path.exists() and not overwrite:
            raise UsageError(f"{path} exists; choose another name, or overwrite or resume it")
        lock = WriterLock(path)
        try:
            for stale in stale_parts(path):
                stale.unlink(missing_ok=True)
            free = shutil.disk_usage(folder).free
            if header.expected_bytes > free:
                raise StoreError(
                    f"{path} will take {header.expected_bytes / 1e9:.3g} GB, {folder} has "
                    f"{free / 1e9:.3g} GB free; store less, or choose another folder"
                )
            _build(part_path(path), header)
            part_path(path).replace(path)
            journal_path(path).unlink(missing_ok=True)
            sync_folder(folder)
        except BaseException as error:
            part_path(path).unlink(missing_ok=True)
            lock.release()
            if isinstance(error, OSError | RuntimeError) and not isinstance(error, NndynError):
                raise StoreError(_reason(path, error)) from error
            raise
        return cls(path, lock)

    @classmethod
    def resume(cls, path: str | Path) -> Writer:
        """Open a recording at its committed end, undoing what a dead writer left behind.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Writer

        Raises
        ------
        MissingRecordingError
            If there is no such file.
        StoreError
            If another process writes it, or it cannot be written.
        RecordingError
            If it is not a recording, or damaged.
        """
        path = existing(path)
        return cls(path, WriterLock(path))

    def __enter__(self) -> Self:
        """Return the Writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, or after an exception undo what was not committed."""
        if kind is not None and self._rows:
            self._abandon()
        else:
            self.close()

    def checkpoint(self) -> tuple[Array, int]:
        """Phase ``(R, P)`` and step of the last commit.

        Returns
        -------
        tuple of array and int

        Raises
        ------
        RecordingError
            If nothing was committed, or no slot belongs to the last commit.
        """
        self._usable()
        slot = self._slot()
        if slot is None:
            raise RecordingError(
                f"{self.path} has no checkpoint of its last commit ({self.n_committed} times); "
                "record it again"
            )
        return self._values("checkpoint", np.s_[slot]), int(self._values("checkpoint_step")[slot])

    def read(self, name: str, *, last: int | None = None) -> Array:
        """Return the committed values of a variable.

        Parameters
        ----------
        name : str
        last : int, optional
            Only that many rows at the end of a growing variable.

        Returns
        -------
        array

        Raises
        ------
        UsageError
            If there is no such variable.
        RecordingError
            If its values are damaged.
        """
        self._usable()
        if name not in self._nc.variables:
            raise UsageError(f"{self.path} has no variable {name!r}; it has {sorted(self._names)}")
        dim = layout.growing(self._nc[name].dimensions)
        if dim is None:
            return self._values(name)
        stop = self.committed[dim]
        return self._values(name, np.s_[0 if last is None else max(0, stop - last) : stop])

    def append(self, rows: Mapping[str, Array]) -> None:
        """Append rows along the growing dimensions; `commit` makes them count.

        Parameters
        ----------
        rows : mapping of str to array
            Of every growing dimension it touches all variables, the coordinate among them, with
            equally many rows.

        Raises
        ------
        UsageError
            If a variable is missing, unknown or has the wrong shape; nothing is written then.
        StoreError
            If writing fails; the recording stays as it was committed.
        """
        self._usable()
        counts = self._counts(rows)
        if not any(counts.values()):
            return
        with self._writing():
            self._guard()
            self._rows = True
            for name, values in rows.items():
                dim = self._nc[name].dimensions[0]
                start = self._ends[dim]
                if counts[dim]:
                    self._nc[name][start : start + counts[dim]] = values
            for dim, count in counts.items():
                self._ends[dim] += count

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
        self._usable()
        fixed = [n for n, dims in self._names.items() if layout.growing(dims) is None]
        fixed = [n for n in fixed if not n.startswith("checkpoint")]
        if name not in fixed:
            raise UsageError(f"{name!r} cannot be set; expected one of {sorted(fixed)}")
        with self._writing():
            self._guard()
            self._rows = True
            self._nc[name][...] = values

    def set_attrs(self, **attrs: str | int | float) -> None:
        """Set global attributes: at once, or with the next `commit` if rows wait for it.

        Raises
        ------
        StoreError
            If writing fails.
        """
        self._usable()
        self._later.update({name: layout.attribute(value) for name, value in attrs.items()})
        if not self._rows:
            self._write_attrs()

    def commit(self, checkpoint: Array | None = None, step: int | None = None) -> None:
        """Make everything appended so far count; the file is durable when this returns.

        Parameters
        ----------
        checkpoint : (R, P) array, optional
            The phase at `step`; not needed where the recording has no checkpoint.
        step : int, optional
            The step of the last appended time.

        Raises
        ------
        UsageError
            If `step` is not that of the last time, or a checkpoint is missing.
        StoreError
            If writing fails; the recording stays as it was committed before.
        """
        self._usable()
        total = self._ends["time"]
        if "checkpoint" in self._names:
            if checkpoint is None or step is None:
                raise UsageError(f"{self.path} has checkpoints: commit needs one and its step")
            if step != total - 1:
                raise UsageError(f"checkpoint is of step {step}, the last time is {total - 1}")
        with self._writing():
            self._guard()
            if checkpoint is not None and "checkpoint" in self._names:
                slot = self._slot()
                slot = 0 if slot is None else 1 - slot
                self._nc["checkpoint"][slot] = checkpoint
                self._nc["checkpoint_step"][slot] = step
            self._nc.sync()  # data first, then the counter: a reader may be looking
            self._nc.setncattr("n_committed", np.int64(total))
            self._nc.sync()
            self._settle()
        self.n_committed = total
        self.committed = dict(self._ends)
        self.attrs["n_committed"] = total
        if self._later:
            self._write_attrs()

    def finish(self, status: str, reason: str = "") -> None:
        """Set ``status`` and ``stop_reason``, durably.

        Parameters
        ----------
        status : str
            ``complete``, ``stopped``, or ``recording`` when a finished run goes on.
        reason : str

        Raises
        ------
        UsageError
            If `status` is none of these, or rows wait for a commit.
        StoreError
            If writing fails.
        """
        if status not in STATUSES:
            raise UsageError(f"status {status!r} is unknown; expected one of {STATUSES}")
        if self._rows:
            raise UsageError(f"{self.path} has rows that are not committed; commit them first")
        self.set_attrs(status=status, stop_reason=reason)

    def close(self) -> None:
        """Close the file; rows that were not committed are undone.

        Raises
        ------
        StoreError
            If writing fails.
        """
        if not self._open:
            return
        if self._rows:
            self._abandon()
            return
        with self._writing():
            self._guard()  # closing rewrites the superblock
            self._nc.close()
            os.fsync(self._fd)
            self._journal.clear()
        self._leave()

    def _inspect(self) -> None:
        """Learn from the file what a writer needs, before anything can change."""
        nc = open_netcdf(self.path, "r")
        try:
            self.attrs: dict[str, Any] = {a: _plain(nc.getncattr(a)) for a in nc.ncattrs()}
            missing = {layout.EXTENTS, "n_committed", "recording_id", "block"} - set(self.attrs)
            if missing:
                raise RecordingError(
                    f"{self.path} is not a recording this version can go on writing: attribute "
                    f"{min(missing)!r} is missing; record to another name"
                )
            self._extents = layout.extents_of(self.attrs.pop(layout.EXTENTS))
            self._names = {n: v.dimensions for n, v in nc.variables.items()}
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
            self.committed = layout.rows_of(nc, self.n_committed)
            self._ends: dict[str, int] = dict(self.committed)
            slot = layout.slot_of(nc, self.n_committed)
            for fault in faults(self.path, nc, self.committed, slot):
                raise RecordingError(f"{self.path} is damaged: {fault}; restore it from a copy")
        except RuntimeError as error:
            raise RecordingError(f"{self.path} is damaged ({error}); see nndyn verify") from error
        finally:
            nc.close()

    def _guard(self) -> None:
        """Before a change: save what it may overwrite."""
        if self._dirty:
            return
        tails = {
            (rows, count // rows * rows)
            for dim, count in self._ends.items()
            for rows in self._chunk_rows[dim]
            if count % rows
        }
        ranges = journals.endangered(self._fd, self._extents, self._shapes, tails)
        self._journal.save(self._fd, ranges, str(self.attrs["recording_id"]))
        self._dirty = True

    def _settle(self) -> None:
        """After a change has been flushed: it stands."""
        os.fsync(self._fd)
        self._journal.clear()
        self._dirty = self._rows = False

    def _write_attrs(self) -> None:
        attrs, self._later = self._later, {}
        with self._writing():
            self._guard()
            before = os.fstat(self._fd).st_size
            self._nc.setncatts(attrs)
            self._nc.sync()
            after = os.fstat(self._fd).st_size
            if after > before:  # attributes went beyond the header: later blocks may change them
                self._extents = journals.merged([*self._extents, (before, after)], after)
                value = layout.extents_value(self._extents)
                if value is None:
                    raise StoreError(
                        f"{self.path} has been extended too often to take more attributes; "
                        "record to another name"
                    )
                self._nc.setncattr(layout.EXTENTS, value)
                self._nc.sync()
            self._settle()
        self.attrs.update({name: _plain(value) for name, value in attrs.items()})

    def _slot(self) -> int | None:
        steps = self._values("checkpoint_step")
        found = np.flatnonzero(steps == self.n_committed - 1)
        return int(found[0]) if found.size and self.n_committed else None

    def _values(self, name: str, where: Any = np.s_[...]) -> Array:
        try:
            return np.asarray(self._nc[name][where])
        except RuntimeError as error:
            raise RecordingError(
                f"{self.path} is damaged: {name} cannot be read ({error}); see nndyn verify"
            ) from error

    def _counts(self, rows: Mapping[str, Array]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for name, values in rows.items():
            dims = self._names.get(name)
            dim = None if dims is None else layout.growing(dims)
            if dims is None or dim is None:
                raise UsageError(f"{name!r} is not a variable of {self.path} that grows")
            shape = np.shape(values)
            expected = tuple(len(self._nc.dimensions[d]) for d in dims[1:])
            if shape[1:] != expected or len(shape) != len(dims):
                raise UsageError(
                    f"{name} has shape {shape}, expected (rows, *{expected}) over {dims}"
                )
            if counts.setdefault(dim, shape[0]) != shape[0]:
                raise UsageError(
                    f"{name} has {shape[0]} rows, others along {dim} have {counts[dim]}"
                )
        for name, dims in self._names.items():
            if layout.growing(dims) in counts and name not in rows:
                raise UsageError(f"rows along {dims[0]} lack {name}")
        return counts

    def _usable(self) -> None:
        if not self._open:
            raise StoreError(f"{self.path} is closed; resume it to write more")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn a failed write into StoreError, leaving the recording as it was committed."""
        try:
            yield
        except (RuntimeError, OSError) as error:
            reason = _reason(self.path, error, self.n_committed)
            self._abandon()
            if isinstance(error, StoreError):
                raise
            raise StoreError(reason) from error

    def _abandon(self) -> None:
        """Leave without a further write by the library; undo what is not committed."""
        if not self._open:
            return
        fd, self._fd = self._fd, -1
        here = os.fstat(fd)
        os.close(fd)
        forget_readers(self.path)
        detach(self._nc, here)
        self._open = False
        try:
            journals.roll_back(self.path)
        finally:
            self._leave()

    def _leave(self) -> None:
        self._open = False
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if not journals.busy(self.path):
            self._journal.remove()
        self._lock.release()


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _reason(path: Path, error: BaseException, committed: int = 0) -> str:
    folder = path.parent
    free = shutil.disk_usage(folder).free
    what = "is full" if free < _SMALL else f"has {free / 1e9:.3g} GB free"
    kept = f"; {committed} times are safe and can be resumed" if committed else ""
    text = " ".join(str(error).split())
    return (
        f"writing {path} failed ({text}): {folder} {what}{kept}; "
        "free space, check quota and permissions, or choose another folder"
    )


def _build(part: Path, header: Header) -> None:
    """Write the header of a new recording into `part` and make it durable."""
    nc = open_netcdf(part, "w")
    try:
        layout.define(nc, header)
        nc.sync()
        # Closing only ever shortens the file: what it grows to from here on is chunks.
        nc.setncattr(layout.EXTENTS, layout.extents_value([(0, part.stat().st_size)]))
        nc.sync()
        nc.close()
    except BaseException:
        detach(nc, part.stat())
        raise
    fd = os.open(part, os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
