"""The folder of a study: its plan, its recordings, and what is known of them.

``study.json`` is the plan, ``cells/`` holds the recordings. Of every batch that was gone through
``batches/NAME.json`` says what became of its runs; results of analyzers are kept in ``results/``.
All but the recordings appear whole or not at all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nndyn.errors import RecordingError, StoreError, UsageError
from nndyn.paths import located
from nndyn.store.files import write_whole
from nndyn.store.locks import BusyError, WriterLock, has_writer
from nndyn.studies.design import Batch, Cell, Design, parse

PLAN = "study.json"
_PARTS = ("cells", "batches", "results")
#: What a note says of a run, and of which kind it is.
_NOTED = (("id", str), ("status", str), ("reason", str), ("committed", int), ("bytes", int))


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

    def is_study(self) -> bool:
        """Whether there is a plan."""
        return (self.path / PLAN).is_file()

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
            raise MissingStudyError(
                f"{what}; expected the folder of a study, as `nndyn sweep` makes it"
            )
        plan = self.path / PLAN
        try:
            text = plan.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecordingError(f"{plan} cannot be read: {error}") from error
        return parse(text, str(plan))

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
            ``id``, ``status``, ``reason``, ``committed``, ``bytes``; the latest word on each, and
            ``noted``, when that was, in ns.
        """
        times: list[tuple[int, Path]] = []
        for file in (self.path / "batches").glob("*.json"):
            with suppress(FileNotFoundError):  # another process may remove it
                times.append((file.stat().st_mtime_ns, file))
        found: dict[str, dict[str, Any]] = {}
        for _, file in sorted(times):
            found |= self._read(file)
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
        if known.get("status") not in ("complete", "stopped") or short:
            return False
        try:
            now = self.recording(cell).stat()
            return bool(now.st_size == known["bytes"] and now.st_mtime_ns <= known["noted"])
        except OSError:
            return False

    def note(self, batch: Batch, known: dict[str, dict[str, Any]]) -> None:
        """Write what became of the runs of a batch."""
        tree = {name: {key: one[key] for key, _ in _NOTED} for name, one in known.items()}
        write_whole(self._note(batch), json.dumps(tree, indent=1).encode())

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
        write_whole(self.path / PLAN, design.to_json().encode())

    def replace(self, design: Design) -> None:
        """Put another study into the folder, and remove what there is of the one before.

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
        self._check_idle()
        before = (self.path / PLAN).read_bytes()
        self._remove(*(self.path / "batches").glob("*.json"))
        write_whole(self.path / PLAN, design.to_json().encode())
        try:
            self._check_idle()
        except BusyError:
            write_whole(self.path / PLAN, before)
            raise
        self._remove(self.path / "cells", self.path / "results")
        self._ready(*_PARTS)

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

    def _check_idle(self) -> None:
        """Check that nobody records here: claims no batch, writes no recording."""
        for part in ("cells", "batches"):
            for lock in (self.path / part).glob(".*.lock"):
                if has_writer(lock.with_name(lock.name[1:].removesuffix(".lock"))):
                    raise BusyError(
                        f"another process records in {self.path}; wait for it, or sweep into "
                        "another folder"
                    )

    @contextmanager
    def planning(self) -> Iterator[None]:
        """Be alone in looking at the plan and changing it; others wait for a moment.

        Yields
        ------
        None

        Raises
        ------
        StoreError
            If another process takes longer than that.
        """
        self._ready()
        lock = self._patient(self.path / PLAN)
        try:
            yield
        finally:
            lock.release()

    def claim(self, batch: Batch) -> WriterLock | None:
        """Claim a batch for this process; None where another one has it."""
        self._ready(*_PARTS)
        try:
            return WriterLock(self.path / "batches" / batch.name)
        except BusyError:
            return None

    @staticmethod
    def _patient(path: Path, attempts: int = 50) -> WriterLock:
        for _ in range(attempts):
            with suppress(BusyError):
                return WriterLock(path)
        raise BusyError(f"{path} is being written by another process; try again")

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
        try:
            noted = file.stat().st_mtime_ns
            tree = json.loads(file.read_text(encoding="utf-8"))
            return {
                str(name): {**{key: of(one[key]) for key, of in _NOTED}, "noted": noted}
                for name, one in tree.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise RecordingError(
                f"{file} cannot be read ({type(error).__name__}: {error}); remove it and sweep "
                "again: recordings stay"
            ) from error
