"""The folder of a study: its plan, its recordings, and what is known of them.

``study.json`` is the plan, ``cells/`` holds the recordings. Of every batch that was gone through
``batches/NAME.json`` says what became of its runs; results of analyzers are kept in ``results/``.
All but the recordings appear whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nndyn.errors import RecordingError, StoreError, UsageError
from nndyn.store.locks import WriterLock, has_writer, sync_folder
from nndyn.studies.design import Batch, Cell, Design, parse

PLAN = "study.json"
_PARTS = ("cells", "batches", "results")


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
        self.path = Path(path)

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
            ``id``, ``status``, ``reason``, ``committed``, ``bytes``; the latest word on each.
        """
        found: dict[str, dict[str, Any]] = {}
        batches = self.path / "batches"
        files = list(batches.glob("*.json")) if batches.is_dir() else []
        for file in sorted(files, key=lambda f: (f.stat().st_mtime_ns, f.name)):
            found |= self._read(file)
        return found

    def of(self, batch: Batch) -> dict[str, dict[str, Any]]:
        """Return what is known of the runs of a batch; nothing where it was not gone through."""
        return self._read(self._note(batch))

    def missing(self, batch: Batch) -> list[Cell]:
        """Return the runs of a batch that are not recorded over its steps."""
        known, left = self.of(batch), list(batch.cells)
        for _ in range(2):  # if not by its own note, by one on more steps, or another share
            left = [c for c in left if not self.sound(c, known.get(c.file, {}), batch.steps)]
            if not left:
                return []
            known = self.known()
        return left

    def sound(self, cell: Cell, known: dict[str, Any], steps: int = 0) -> bool:
        """Whether a run is recorded, over so many steps, and its file as long as it was then."""
        short = known.get("status") == "complete" and known["committed"] <= steps
        if known.get("status") not in ("complete", "stopped") or short:
            return False
        try:
            return bool(self.recording(cell).stat().st_size == known["bytes"])
        except OSError:
            return False

    def note(self, batch: Batch, known: dict[str, dict[str, Any]]) -> None:
        """Write what became of the runs of a batch."""
        self._write(self._note(batch), json.dumps(known, indent=1))

    def create(self, design: Design) -> None:
        """Make the folder, or put another plan into it.

        Raises
        ------
        UsageError
            If the folder it is to be in does not exist, or a file has its name.
        StoreError
            If it cannot be written.
        """
        self._ready()
        self._write(self.path / PLAN, design.to_json())

    def clear(self) -> None:
        """Remove what a study put into the folder.

        Raises
        ------
        StoreError
            If another process records a run of it, or it cannot be removed.
        """
        for cell in self.design().cells:
            if has_writer(self.recording(cell)):
                raise StoreError(
                    f"{self.recording(cell)} is being written by another process; wait for it, or "
                    "sweep into another folder"
                )
        try:
            (self.path / PLAN).unlink()
            for part in _PARTS:
                shutil.rmtree(self.path / part, ignore_errors=False)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreError(f"cannot remove {error.filename}: {error.strerror}") from error

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
        self._ready()
        try:
            return WriterLock(self.path / "batches" / batch.name)
        except StoreError as error:
            if error.__cause__ is None:
                return None
            raise

    def _patient(self, path: Path, attempts: int = 50) -> WriterLock:
        for _ in range(attempts):
            try:
                return WriterLock(path)
            except StoreError as error:
                if error.__cause__ is not None:
                    raise
        raise StoreError(f"{path} is being written by another process; try again")

    def _ready(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is a file; name a folder for the study")
        if not self.path.parent.is_dir():
            raise UsageError(f"folder {self.path.parent} does not exist; create it first")
        try:
            for part in _PARTS:
                (self.path / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write in {self.path}: {error.strerror}") from error

    def _note(self, batch: Batch) -> Path:
        return self.path / "batches" / f"{batch.name}.json"

    @staticmethod
    def _read(file: Path) -> dict[str, dict[str, Any]]:
        try:
            return dict(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise RecordingError(
                f"{file} cannot be read ({error}); remove it and sweep again: recordings stay"
            ) from error

    @staticmethod
    def _write(path: Path, text: str) -> None:
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with part.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
            sync_folder(path.parent)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StoreError(f"cannot write {path}: {error.strerror or error}") from error
