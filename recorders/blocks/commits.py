"""Commits of a run: rows made of a whole block, compared with what is there, and written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.recording import GROWING
from nndyn.store import Writer
from nndyn.systems.protocol import System, first_step
from nndyn.systems.series.ensembles import Pairs
from recorders.blocks import checkpoint
from recorders.blocks.checkpoint import Checkpoint
from recorders.blocks.rows import Piece, gather
from recorders.plan import Plan

#: Bytes of a block up to which the next one is computed while it is written.
_SMALL = 64 * 2**20


@dataclass(frozen=True)
class Unwritten:
    """What a run hands over when a block is whole, and changes no more.

    Attributes
    ----------
    pieces : list of Piece
        One after the other in time, at least one.
    followed : dict of str to array
        Rows of the followers, by variable.
    arrived : dict of str to (R,) array
        Quantities of the step that led to the first time.
    diverged_at : (R,) int64
    redrawn : list of [int, int]
        Replicas that were drawn anew, and when.
    done, recorded : int
        Times below `done` were handed over before, those below `recorded` were committed.
    at : Checkpoint
        The last time.
    """

    pieces: list[Piece]
    followed: dict[str, Array]
    arrived: dict[str, Array]
    diverged_at: Array
    redrawn: list[list[int]]
    done: int
    recorded: int
    at: Checkpoint

    @property
    def nbytes(self) -> int:
        """Bytes of what is large."""
        phase = 0 if self.at.phase is None else self.at.phase.nbytes
        followed = sum(values.nbytes for values in self.followed.values())
        return phase + followed + sum(piece.block.states.nbytes for piece in self.pieces)


class Commits:
    """The commits of a run, in their order.

    Parameters
    ----------
    system : System
    plan : Plan
    writer : Writer
    pairs : Pairs
    names : set of str
        Variables of the file that are written.
    mix : bool
        Whether what is there already may come out otherwise.

    Attributes
    ----------
    pool : Executor or None
        Whose thread writes while the run goes on: one block at a time, small ones alone, since
        there are two in memory then. Without it, `begin` returns when all is written. As long as
        a commit is `under_way`, nobody else may touch the file: the library is not for two threads.
    """

    def __init__(
        self,
        system: System,
        plan: Plan,
        writer: Writer,
        pairs: Pairs,
        names: set[str],
        *,
        mix: bool,
    ) -> None:
        self._system, self._plan, self._writer = system, plan, writer
        self._pairs, self._names, self._mix = pairs, names, mix
        self._first = first_step(system)
        #: Times from which a step is committed; none is from the last time of a finished run.
        self._stepped = writer.committed.get("batch_time", 0)
        self._begun: Future[None] | None = None
        self.pool: Executor | None = None

    def begin(self, block: Unwritten) -> None:
        """Commit a block, of which the one before has ended."""
        if self.pool is not None and block.nbytes <= _SMALL:
            at, phase = block.at, block.at.phase
            at = replace(at, phase=None if phase is None else phase.copy())
            with suppress(RuntimeError):  # the program is ending
                self._begun = self.pool.submit(self._commit, replace(block, at=at))
                return
        self._commit(block)
        self._begun = Future()
        self._begun.set_result(None)

    @property
    def under_way(self) -> bool:
        """Whether one is being written."""
        return self._begun is not None and not self._begun.done()

    def settle(self) -> bool:
        """Wait until all is written; whether there was something since this was called last.

        Returns
        -------
        bool

        Raises
        ------
        Exception
            What hindered it.
        """
        begun, self._begun = self._begun, None
        if begun is None:
            return False
        begun.result()
        return True

    def note(self, error: BaseException) -> None:
        """Note on an error that ends the run what hindered a commit meanwhile, if anything did."""
        try:
            self.settle()
        except Exception as hindered:
            if hindered is not error:
                error.add_note(f"and what had been computed could not be written: {hindered}")

    def _commit(self, block: Unwritten) -> None:
        """Write what is not there yet of a block; what is must have come out again, or be mixed."""
        system, writer, t = self._system, self._writer, block.at.t
        arrays: dict[str, Array] = {}
        found = gather(block.pieces, system, self._pairs, block.arrived, self._names)
        for dim, rows in found.items():
            stepped = dim == "batch_time"  # none is from the last time of what was finished
            rows.cut(block.done - (stepped and block.done > 0), t)
            for r in np.flatnonzero(block.diverged_at >= 0):
                rows.blank(int(r), int(block.diverged_at[r]))
            if not (stepped or self._mix):
                checkpoint.compare(writer, dim, rows, block.recorded, self._first, system.interval)
            rows.cut(self._stepped if stepped else block.recorded, t)
            if stepped:
                self._stepped += rows.steps.size
            arrays |= {dim: rows.steps * system.interval, **rows.values}
        block.pieces.clear()  # where there are several, rows are copies of them
        arrays |= block.followed
        if t < block.recorded:
            return
        for name in arrays.keys() & set(GROWING) if self._first else ():
            arrays[name] = arrays[name] + self._first * system.interval
        writer.set("diverged_at", moved(block.diverged_at, self._first))
        # a resumed run draws again
        redrawn = [[r, self._first + step] for r, step in block.redrawn if step <= t]
        writer.set_attrs(redrawn=json.dumps(redrawn))
        writer.append({name: v for name, v in arrays.items() if name in self._names})
        writer.commit(*block.at.of(self._plan.rows))


def moved(steps: Array, by: int) -> Array:
    """Return steps counted from another one, where they are not -1."""
    return np.asarray(np.where(steps >= 0, steps + by, steps))


@contextmanager
def thread() -> Iterator[Executor | None]:
    """Give a thread to write in, which ends what it has begun; None where there cannot be one."""
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(int).result()
        except RuntimeError:  # no more threads, or the program is ending
            yield None
            return
        yield pool
