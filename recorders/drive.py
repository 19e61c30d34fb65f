"""Runs under way, advanced together: those that stand at the same time take one step as a batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nndyn.systems.numeric.one_by_one import OneByOne
from nndyn.systems.protocol import Block, Team
from recorders.run import Leg, Run

_SEGMENT_SECONDS = 0.2
#: Of systems with a state beside the phase, whose every segment begins and ends with a copy of all.
_LONGER_SECONDS = 1.0
_SEGMENT_WORK = 1e3  # floating-point operations of the first segment, before speed is known
_GRAM_BYTES = 32 * 2**20
#: Bytes of phases from which on a segment is one step: of several there is one phase more.
_LARGE = 32 * 2**20


class Drive:
    """Runs on their way to their ends.

    Parameters
    ----------
    runs : sequence of Run
        Of plans that differ in the seed alone, and of systems that advance together.
    interrupted : callable
        Tells whether the runs are to commit what there is and leave.
    late : callable
        Tells whether they are to leave at once.

    Attributes
    ----------
    cut_short : bool
        Whether an interrupt kept a run from its end.
    failures : list of (Run, Exception)
        Runs that failed, in the order in which they did.
    """

    def __init__(
        self, runs: Sequence[Run], interrupted: Callable[[], bool], late: Callable[[], bool]
    ) -> None:
        self.cut_short = False
        self.failures: list[tuple[Run, Exception]] = []
        self._interrupted, self._late = interrupted, late
        self._runs = runs
        self._limits: dict[Run, int] = {}
        self._active: list[Run] = []
        self._speed, self._taken = 0.0, 0

    def finish(self) -> None:
        """Record every run to its end; the failure of one does not end the others."""
        for run in self._runs:
            self._go_on(run)
        while self._limits:
            t = min(run.t for run in self._limits)
            active = [run for run in self._limits if run.t == t]
            if active != self._active:
                self._active, self._team = active, team(active)
            reach = self._reach()
            stop = min(
                t + reach,
                *(self._limits[run] for run in active),
                *(run.t for run in self._limits if run.t > t),
            )
            began = time.perf_counter()
            for run, leg in zip(active, self._advance(t, stop), strict=True):
                self._go_on(run, leg)
            # the one step in which a block is committed says little of those that follow
            if 4 * (stop - t) >= reach:
                self._taken = stop - t
                self._speed = self._taken / max(time.perf_counter() - began, 1e-9)

    def _advance(self, t: int, stop: int) -> list[Leg]:
        first, *_ = runs = self._active
        kept = sorted({at for run in runs for at in run.kept(stop)})
        evaluated = first.plan.evaluated(t, stop)
        # of one run, which may be large, no copy is made
        phases = np.stack([run.phase for run in runs]) if len(runs) > 1 else first.phase[None]
        asked: dict[str, Any] = {"evaluate": evaluated, "part": first.part}
        asked |= first.sketched(stop)
        if first.rest is not None:
            asked["rests"] = [run.rest for run in runs]
        blocks = self._team.advance(phases, t, stop - t, kept, **asked)
        return [_leg(t, kept, evaluated, block) for block in blocks]

    def _go_on(self, run: Run, leg: Leg | None = None) -> None:
        """Let `run` begin, or take the Leg it waits for, and note how far it may go then."""
        if self._late():
            self._limits.clear()
            self.cut_short = True
            return
        limit = None
        try:
            if leg is not None:
                run.take(leg)
            limit = run.next_stop(interrupted=self._interrupted())
        except Exception as error:
            self.failures.append((run, error))
        self.cut_short |= run.cut_short
        if limit is None:
            self._limits.pop(run, None)
        else:
            self._limits[run] = limit

    def _reach(self) -> int:
        """Return steps that take a fraction of a second; one where Ctrl-C waits."""
        if self._interrupted():
            return 1
        first, runs = self._active[0], len(self._active)
        if first.rest is None and runs * first.phase.nbytes >= _LARGE:
            return 1
        rows = first.plan.rows
        steps = self._speed * (_SEGMENT_SECONDS if first.rest is None else _LONGER_SECONDS)
        if self._taken:  # at most twice as many as before: some steps take far longer than others
            steps = min(steps, 2 * self._taken)
        else:
            steps = _SEGMENT_WORK / (first.plan.work(first.system) * runs)
        width = rows + first.plan.by_parameter(first.system)
        return max(1, min(int(steps), _GRAM_BYTES // (8 * rows * width * runs)))


def _leg(t: int, kept: list[int], evaluated: list[int], block: Block) -> Leg:
    """Return what a block says of the times asked for, of which it may have fewer."""
    stop = t + len(block.gram)
    return Leg(stop, [k for k in kept if k < stop], [k for k in evaluated if k < stop], block)


def team(runs: Sequence[Run]) -> Team:
    """Return what advances the systems of `runs` together."""
    first, *others = (run.system for run in runs)
    return first.together(others) if others else OneByOne([first])
