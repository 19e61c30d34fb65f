"""Folder of a study: its plan, its recordings, and the notes on them.

``study.json`` is the plan, ``cells/`` holds the recordings. Of every batch that was gone through
``batches/NAME.json`` says what became of its runs; results of analyzers are kept in ``results/``.
All but the recordings appear whole or not at all, and have a checksum.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nndyn.errors import RecordingError, StoreError, UsageError
from nndyn.header import FINISHED, STATUSES
from nndyn.kinds import LINE, by_name, check, one_of, table, whole
from nndyn.runtime.paths import located
from nndyn.store import sealed
from nndyn.store.apart import check_apart
from nndyn.store.files import write_whole
from nndyn.store.holder import clock
from nndyn.store.locks import BusyError, WriterLock, has_writer, lock_path, standing
from nndyn.store.regular import read_regular
from nndyn.studies.design import Batch, Cell, Design
from nndyn.studies.plan import parse, text

PLAN = "study.json"
_PARTS = ("cells", "batches", "results")
#: Status of a run that is recorded anew, and of one that failed.
BEGUN, FAILED = "begun", "failed"
#: What a note says of a run; earlier versions did not say when its file was written last.
_NOTED = {
    "id": LINE,
    "status": one_of(*STATUSES, BEGUN, FAILED),
    "reason": LINE,
    "committed": whole(),
    "bytes": whole(),
}
_MORE = {"mtime": whole()}


class MissingStudyError(UsageError, FileNotFoundError):
    """There is no study of that name."""


class Folder:
    """The folder of a study.

    Parameters
    ----------
    path : path-like
        It need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = located(path)
        self._notes: dict[Path, tuple[tuple[int, ...], dict[str, dict[str, Any]]]] = {}

    def is_study(self) -> bool:
        """Whether there is a plan."""
        return (self.path / PLAN).is_file()

    @property
    def parts(self) -> list[Path]:
        """The plan and the folders of the study."""
        return [self.path / name for name in (PLAN, *_PARTS)]

    def check_apart(self, inputs: Iterable[str | Path]) -> None:
        """Refuse to replace the study where a part of it is read: see `nndyn.store.apart`."""
        for part in self.parts:
            check_apart(part, inputs)

    def design(self) -> Design:
        """Read the plan.

        Returns
        -------
        Design

        Raises
        ------
        MissingStudyError
            If there is no such folder, or no plan in it.
        RecordingError
            If the plan cannot be read.
        """
        if not self.is_study():
            what = (
                f"{self.path} does not exist"
                if not self.path.exists()
                else f"{self.path} is no folder"
                if not self.path.is_dir()
                else f"{self.path} has no {PLAN}"
            )
            raise MissingStudyError(f"{what}; expected the folder of a study, as a sweep makes it")
        plan = self.path / PLAN
        try:
            content = read_regular(plan).decode("utf-8")
        except OSError as error:
            raise RecordingError(f"{plan} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise RecordingError(f"{plan} cannot be read: {error}") from error
        return parse(content, str(plan))

    def recording(self, cell: Cell) -> Path:
        """Return the file of a run."""
        return self.path / "cells" / cell.file

    def results(self, name: str) -> Path:
        """Return the file of results called `name`."""
        return self.path / "results" / f"{name}.nc"

    def known(self) -> dict[str, dict[str, Any]]:
        """Return what is known of the runs gone through, by the names of their files.

        Returns
        -------
        dict of str to dict
            ``id``, ``status``, ``reason``, ``committed``, ``bytes``, and ``mtime`` of the file, in
            ns; the latest word on each.
        """
        notes: list[tuple[tuple[int, ...], Path]] = []
        for file in (self.path / "batches").glob("*.json"):
            with suppress(FileNotFoundError):  # another process may remove it
                now = file.lstat()
                notes.append(((now.st_mtime_ns, now.st_ino, now.st_size), file))
        found: dict[str, dict[str, Any]] = {}
        for of_file, file in sorted(notes, key=lambda note: (note[0][0], note[1])):
            if self._notes.get(file, ((), {}))[0] != of_file:
                self._notes[file] = of_file, self._read(file)
            found |= self._notes[file][1]
        return found

    def of(self, batch: Batch) -> dict[str, dict[str, Any]]:
        """Return what is known of the runs of a batch; nothing where it was not gone through."""
        return self._read(self._note(batch))

    def missing(self, batch: Batch, known: dict[str, dict[str, Any]] | None = None) -> list[Cell]:
        """Return the runs of a batch that are not recorded over its steps.

        Parameters
        ----------
        batch : Batch
        known : dict, optional
            What `known` gives, where many batches are looked at; else notes are read anew.

        Returns
        -------
        list of Cell
        """
        if known is not None:
            return self._lacking(batch.cells, known, batch.steps)
        left = self._lacking(batch.cells, self.of(batch), batch.steps)
        # a study that grew has other batches: runs may be noted by one of before
        return self._lacking(left, self.known(), batch.steps) if left else []

    def _lacking(
        self, cells: Sequence[Cell], known: dict[str, dict[str, Any]], steps: int
    ) -> list[Cell]:
        return [c for c in cells if not self.sound(c, known.get(c.file, {}), steps)]

    def sound(self, cell: Cell, known: dict[str, Any], steps: int = 0) -> bool:
        """Whether a run is recorded, over so many steps, and its file as it was then."""
        short = known.get("status") == "complete" and known["committed"] <= steps
        if known.get("status") not in FINISHED or short:
            return False
        try:
            now = self.recording(cell).stat()
        except OSError:
            return False
        return (now.st_size, now.st_mtime_ns) == (known["bytes"], known.get("mtime"))

    def note(self, batch: Batch, known: dict[str, dict[str, Any]]) -> None:
        """Write what became of the runs of a batch."""
        tree = {
            name: {key: one[key] for key in (*_NOTED, *_MORE) if key in one}
            for name, one in known.items()
        }
        write_whole(self._note(batch), sealed.written(tree).encode())

    def create(self, design: Design) -> None:
        """Make the folder, or put another plan into it.

        Raises
        ------
        UsageError
            If the folder it is to be in does not exist, or a file has its name.
        StoreError
            If it cannot be written.
        """
        self._ready(*_PARTS)
        write_whole(self.path / PLAN, text(design).encode())

    def replace(self, design: Design, *, take_over: bool = False) -> None:
        """Put another study into the folder, and remove what there is of the one before.

        Parameters
        ----------
        design : Design
        take_over : bool, default False
            Whether processes of other hosts are known to have ended.

        Raises
        ------
        BusyError
            If another process records in the folder.
        StoreError
            If something cannot be removed or written.

        Notes
        -----
        Wherever this is cut short the plan believes no recording of the study before: notes go
        first. Who claims a batch looks at the plan next; here the plan is written first and claims
        are looked for next: one of the two sees the other.
        """
        self._ready(*_PARTS)
        self._check_idle(take_over=take_over)
        before = (self.path / PLAN).read_bytes()
        self._remove(*(self.path / "batches").glob("*.json"))
        write_whole(self.path / PLAN, text(design).encode())
        try:
            self._check_idle(take_over=take_over)
        except BusyError:
            write_whole(self.path / PLAN, before)
            raise
        self._remove(self.path / "cells", self.path / "results")
        self._ready(*_PARTS)

    def ready_for_results(self) -> None:
        """Make the folder of results.

        Raises
        ------
        StoreError
            If it cannot be made, or is a link.
        """
        self._ready("results")

    def check_vacant(self) -> None:
        """Check that a study can be made here.

        Raises
        ------
        UsageError
            If there is something in the folder. What a study leaves that was killed before it had
            a plan does not count.
        """
        if not self.path.is_dir():
            return
        for found in self.path.iterdir():
            left = found.name in _PARTS and found.is_dir() and not any(found.iterdir())
            if not left and not found.name.startswith("."):
                raise UsageError(
                    f"{self.path} is not empty and no study: there is {found.name} in it; choose "
                    "another folder"
                )

    def _check_idle(self, *, take_over: bool) -> None:
        """Check that nobody records here: claims no batch, writes no recording."""
        # at the end of all times no process of another host is waited for any more
        now = math.inf if take_over else clock(self.path)
        for part in ("cells", "batches"):
            for lock in (self.path / part).glob(".*.lock"):
                found = standing(lock)
                if found is not None and found.writes(now):
                    raise BusyError(
                        f"another process records in {self.path}; wait for it ({found}), or "
                        "sweep into another folder"
                    )

    @contextmanager
    def planning(self, *, take_over: bool = False) -> Iterator[None]:
        """Be alone in looking at the plan and changing it; others wait for a moment.

        Parameters
        ----------
        take_over : bool, default False
            After that moment, take over from a process of another host.

        Yields
        ------
        None

        Raises
        ------
        StoreError
            If another process takes longer than that.
        """
        self._ready()
        lock = self._patient(self.path / PLAN, take_over=take_over)
        try:
            yield
        finally:
            lock.release()

    def claim(self, batch: Batch, *, take_over: bool = False) -> WriterLock | None:
        """Claim a batch for this process; None where another one has it."""
        self._ready(*_PARTS)
        try:
            return WriterLock(self._claimed(batch), take_over=take_over)
        except BusyError:
            return None

    def is_claimed(self, batch: Batch) -> bool:
        """Whether a process has a batch, or one of another host may."""
        return has_writer(self._claimed(batch))

    def claimant(self, batch: Batch) -> str:
        """Return which process of another host has a batch, and since when; empty if none has."""
        found = standing(lock_path(self._claimed(batch)))
        return str(found) if found is not None and found.elsewhere else ""

    def _claimed(self, batch: Batch) -> Path:
        return self.path / "batches" / batch.name

    @staticmethod
    def _patient(path: Path, *, take_over: bool) -> WriterLock:
        for _ in range(50):
            with suppress(BusyError):
                return WriterLock(path)
        return WriterLock(path, take_over=take_over)

    def _ready(self, *parts: str) -> None:
        """Make the folder, and folders in it."""
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is a file; name a folder for the study")
        if not self.path.parent.is_dir():
            raise UsageError(f"folder {self.path.parent} does not exist; create it first")
        try:
            for folder in (self.path, *(self.path / part for part in parts)):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write in {self.path}: {error.strerror}") from error
        for part in parts:
            if (self.path / part).is_symlink():
                raise StoreError(
                    f"{self.path / part} is a link, through which nothing is written; put what "
                    f"it leads to in its place, or link the whole study"
                )

    def _note(self, batch: Batch) -> Path:
        return self.path / "batches" / f"{batch.name}.json"

    @staticmethod
    def _remove(*paths: Path) -> None:
        try:
            for path in paths:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot remove {error.filename}: {error.strerror}") from error

    @staticmethod
    def _read(file: Path) -> dict[str, dict[str, Any]]:
        cure = "remove it and sweep again: recordings stay"
        try:
            content = read_regular(file).decode("utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise RecordingError(f"{file} cannot be read ({why}); {cure}") from error
        known: dict[str, dict[str, Any]] = sealed.read(content, says=str(file), cure=cure)
        says = f"{file} is no note on a batch"
        check(known, by_name(table(_NOTED, _MORE)), place="note", says=says, cure=cure)
        return known
