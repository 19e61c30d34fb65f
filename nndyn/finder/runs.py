"""Adaptive study: any run over any number of steps, recorded as the search asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from nndyn.errors import RecordingError, StoreError, UsageError
from nndyn.header import FINISHED
from nndyn.runtime.tasks import Stop
from nndyn.studies.batch_run import Known, work
from nndyn.studies.design import Batch, Cell, Design, design, differences, with_cells
from nndyn.studies.folder import FAILED, Folder
from nndyn.studies.index import look
from nndyn.studies.request import Point, Request
from nndyn.studies.sweep import recorded_once


class Adaptive:
    """A study over learning rates and seeds, any of which may be run, over any number of steps.

    Parameters
    ----------
    folder : Folder
        It may hold the same study: its runs are gone on with.
    asked : Request
        With no axis but seeds.
    workers : int, default 1
        Parts that the runs of a round are dealt out in.
    scheduler : str, optional
        Address of the processes that record them; this one does unless given.

    Raises
    ------
    UsageError
        If the folder holds another study.
    """

    def __init__(
        self, folder: Folder, asked: Request, *, workers: int = 1, scheduler: str | None = None
    ) -> None:
        self.folder = folder
        self._workers, self._scheduler = workers, scheduler
        self._alone = Lock()
        self._looked: dict[str, dict[str, Any]] = {}
        self.design: Design | None = None
        if folder.is_study():
            self.design = folder.design()
        asked = asked.settled(None if self.design is None else self.design.options)
        self._asked = asked
        if self.design is not None:
            described = asked.describe() | {"axes": self.design.axes}
            found = differences(self.design, described, grow=True)
            if found or list(self.design.axes) != ["lr", "seed"]:
                raise UsageError(
                    f"{folder.path} holds another study: {'; '.join(found) or 'of other axes'}. "
                    "Choose another folder"
                )
            self._look(self.design, self.design.cells, folder.known())

    @property
    def makes(self) -> bool:
        """Whether a function of the user's makes the systems."""
        return callable(self._asked.recipe.system)

    @property
    def spent(self) -> int:
        """Training steps of all runs."""
        return sum(max(0, seen.get("committed", 0) - 1) for _, _, seen in self._seen())

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return 0 if self.design is None else len(self.design.cells)

    def files(self, points: Sequence[Point]) -> list[Path]:
        """Return the files of those of the runs that there are."""
        return [self.folder.recording(cell) for _, cell, _ in self._seen() if cell.at in points]

    def short(self, points: Sequence[Point], steps: int) -> list[Point]:
        """Return the runs that do not have so many steps."""
        return [at for at, has in zip(points, self._have(points), strict=True) if has < steps]

    def lacking(self, points: Sequence[Point], steps: int) -> int:
        """Return the training steps that are missing for runs to have so many."""
        return sum(max(0, steps - has) for has in self._have(points))

    def record(
        self,
        points: list[Point],
        steps: int,
        progress: Callable[[int], None] = lambda spent: None,
        *,
        stop: Stop | None = None,
        pool: Executor | None = None,
    ) -> None:
        """Record runs, or let them go on, up to so many steps; those that have them are left.

        Parameters
        ----------
        points : list of Point
        steps : int
        progress : callable
            Called with the training steps spent.
        stop : callable, optional
        pool : Executor, optional
            As of `recorders.batch.record_batch`; several threads may record then, each other runs.

        Raises
        ------
        StoreError
            If another process is at it.
        RecordingError
            If a run could not be recorded.
        """
        axes = {key: {at[key]: at[key] for at in points} for key in ("lr", "seed")}
        asked = replace(
            self._asked,
            fixed={**self._asked.fixed, "steps": steps},
            axes={key: dict(sorted(values.items())) for key, values in axes.items()},
        )
        todo = self.short(points, steps)
        if not todo:
            return
        had = sum(self._have(todo))
        with self._alone:
            new = dealt(design(asked, points=todo, before=self.design), self._workers)
            whole = new if self.design is None else _joined(self.design, new)
            fresh = [cell for cell in new.cells if cell.file not in self._looked]
            self._look(whole, fresh, self.folder.known())
            self.design = whole
            with self.folder.planning(take_over=asked.take_over):
                self.folder.create(whole)
        before, study = self.spent - had, whole.id

        def told(steps: int, total: int = 0) -> None:
            progress(before + steps)

        if pool is None:
            scheduler = self._scheduler
            taken = recorded_once(self.folder, asked, study, new.batches, None, scheduler, told)
        else:
            how: dict[str, Any] = {"study": study, "progress": told, "stop": stop, "pool": pool}
            taken = [b for b in new.batches if not work(self.folder, asked, b, **how)]
        known = self.folder.known()
        self._look(whole, new.cells, known)
        if taken:
            raise StoreError(f"another process records in {self.folder.path}; wait for it")
        for cell in new.cells:
            if known[cell.file]["status"] == FAILED:
                raise RecordingError(f"{self.folder.recording(cell)}: {known[cell.file]['reason']}")

    def _have(self, points: Sequence[Point]) -> list[int]:
        """Return up to which step runs were recorded, also where one was cut.

        Returns
        -------
        list of int
            Of one that stopped early, since it diverged, all steps that it was asked for.
        """
        found: dict[tuple[object, object], int] = {}
        for batch, cell, seen in self._seen():
            stopped = seen["status"] in FINISHED and seen["status"] != "complete"
            steps = batch.steps if stopped else max(0, seen.get("committed", 0) - 1)
            found[cell.at["lr"], cell.at["seed"]] = steps
        return [found.get((at["lr"], at["seed"]), 0) for at in points]

    def _seen(self) -> Iterator[tuple[Batch, Cell, dict[str, Any]]]:
        """Yield every run with its batch and what there is of it, also where it was not noted."""
        for batch in () if self.design is None else self.design.batches:
            for cell in batch.cells:
                yield batch, cell, self._looked[cell.file]

    def _look(self, design: Design, cells: Sequence[Cell], known: Known) -> None:
        """Note what there is of runs: of all at first, then of those that were recorded."""
        for cell in cells:
            self._looked[cell.file] = look(self.folder, design, cell, known.get(cell.file, {}))


def dealt(planned: Design, parts: int) -> Design:
    """Return a design whose batches are cut until there are so many parts, if it has the runs."""
    share = -(-len(planned.cells) // parts)
    cut = [
        Batch(batch.cells[first : first + share], batch.steps)
        for batch in planned.batches
        for first in range(0, len(batch.cells), share)
    ]
    return replace(planned, batches=tuple(cut))


def _joined(old: Design, new: Design) -> Design:
    """Return a design with further batches; their runs are no longer in older ones."""
    again = {cell.file for cell in new.cells}
    kept = with_cells(old.batches, lambda cell: cell.file not in again)
    axes = {key: sorted({*old.axes[key], *new.axes[key]}) for key in old.axes}
    most = max(int(old.options["steps"]), int(new.options["steps"]))
    return replace(
        old,
        options={**old.options, "steps": most},
        axes=axes,
        batches=(*kept, *new.batches),
    )
