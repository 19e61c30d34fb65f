"""One run under way: what is stored of every step, and when it is committed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nndyn import header
from nndyn.numerics.arrays import Array
from nndyn.numerics.sketch import Sketch, Sketches
from nndyn.recording import DISTANCES, SKETCH_SEED
from nndyn.store import Writer
from nndyn.systems.protocol import Block, System, beside, first_step
from nndyn.systems.series.ensembles import independent
from recorders import perturbations as ensembles
from recorders.blocks import checkpoint
from recorders.blocks.checkpoint import Checkpoint
from recorders.blocks.commits import Commits, Unwritten, moved
from recorders.blocks.rows import Piece, first_not_finite, is_finite, widen
from recorders.followers.follower import Concluding
from recorders.followers.summation import Twin
from recorders.header import lengths_of, perturbed, variables
from recorders.origin import Origin
from recorders.plan import Plan, rest_at_start
from recorders.trials.calibration import settled


@dataclass
class Leg:
    """What a system gave from where a run stands up to the time `stop`.

    Attributes
    ----------
    stop : int
    kept : list of int
        Times of the states of `block`: those the run wants, or more.
    evaluated : list of int
        Times of its evaluations.
    block : Block
    """

    stop: int
    kept: list[int]
    evaluated: list[int]
    block: Block


class Run:
    """A run under way: `next_stop` says how far its system may go, `take` takes what that gave.

    `phase` is what step `t` starts from, any rescaling at `t` done. Times below `recorded` are
    committed; those from `done` to `t` - 1 wait in `pending`. A resumed run steps again from its
    last checkpoint: the row of that, there already, is cut, and those after it that are committed
    are compared with what comes out again, unless bits may be mixed.

    Attributes
    ----------
    cut_short : bool
        Whether an interrupt kept it from its end.
    """

    def __init__(
        self,
        system: System,
        plan: Plan,
        writer: Writer,
        start: Array,
        progress: Callable[..., None],
        *,
        mix: bool = False,
    ) -> None:
        self.system, self.plan, self.writer, self.progress = system, plan, writer, progress
        self.pairs = independent(ensembles.roles(plan), ensembles.pairs(plan))
        self._at = plan.perturb_at
        self.targets = self._targets(start)
        size = len(range(*system.components.indices(system.dimension)))
        self._width = system.dimension if plan.whole_phase else size
        self._sketch = Sketch(size, plan.sketch, SKETCH_SEED) if plan.sketch else None
        if self._sketch:  # of the first state, which sketches of the reference are counted from
            self._origin = self._sketch.of(start[:1, system.components])
        self.block = writer.attrs["block"]
        self.floor_steps = writer.attrs.get("floor_steps", 0)
        self._first = first = first_step(system)
        redrawn = header.redrawn(writer.attrs, str(writer.path))
        self.redrawn = [[r, step - first] for r, step in redrawn]
        self.pending: list[Piece] = []
        self.cut_short = False
        self._ended = False
        self._held: Checkpoint | None = None
        # a file that is continued may have fewer: it was begun shorter, or by an older version,
        # which stored distances of the reference alone too
        names = {*DISTANCES, *(v.name for v in variables(system, plan))} & set(writer.names)
        self.commits = Commits(system, plan, writer, self.pairs, names, mix=mix)
        self.arrived = {name: np.zeros(plan.rows) for name in system.arrival}
        self.recorded = self.done = writer.n_committed
        self._news = not self.recorded  # whether there is anything that is not committed
        self._every = writer.attrs.get("checkpoint_every", 1) * self.block
        if not writer.unstarted:
            phase, self.t = writer.checkpoint()
            self.done = self.t + 1
            self.redrawn = [[r, step] for r, step in self.redrawn if step <= self.t]
            parted = self.t >= self._at
            self.phase = phase if parted else phase[:1]
            self.rest = checkpoint.rest(system, writer, self.t, len(self.phase))
            if self._at and parted:
                self.targets = lengths_of(plan, writer)
            self.log_rescale = writer.read("log_rescale", slice(self.t, self.t + 1))[0]
            diverged = moved(writer.read("diverged_at"), -first)
            self.diverged_at = np.where(diverged > self.t, -1, diverged)  # found again
        else:
            self.phase, self.t = (start[:1].copy() if self._at else start), 0
            self.done, self.redrawn = 0, []
            self.rest = rest_at_start(system, len(self.phase))
            self.log_rescale = np.zeros(plan.rows)
            self.diverged_at = np.full(plan.rows, -1, dtype=np.int64)
        self.followers = [f.begin(system, plan, writer, start) for f in plan.followed]
        reordered = system.reordered() if self.t < self._at + self.floor_steps else None
        self.twin: Twin | None = None
        if reordered is not None:
            last, first_row = self._at + self.floor_steps, start[:1].copy()
            self.twin = Twin(system, reordered, plan, last, first_row, rest_at_start(system, 1))
            if self.done and self.t >= self._at:
                self.twin.again(self.phase[:1], self.t, writer)

    @property
    def part(self) -> slice:
        """The part of the phase whose states it wants."""
        whole = self.plan.whole_phase or any(f.wants(0, self.plan.steps) for f in self.followers)
        return slice(None) if whole else self.system.components

    def kept(self, stop: int) -> list[int]:
        """Return the times from `t` up to `stop`, without it, whose states it wants."""
        wanted = {*self._floor(self.t, stop)[1:]}  # the first is there
        if not self.plan.sketch:
            wanted.update(self.plan.kept(self.t, stop))
        return sorted(wanted.union(*(f.wants(self.t, stop) for f in self.followers)))

    def sketched(self, stop: int) -> dict[str, Sketches]:
        """Return what a system is asked for, beside states, from `t` up to `stop`."""
        if not self._sketch:
            return {}
        return {"sketch": Sketches(self._sketch, self.plan.kept(self.t, stop))}

    def next_stop(self, *, interrupted: bool = False) -> int | None:
        """Return the last time up to which `phase` may be advanced from `t` in one go.

        Parameters
        ----------
        interrupted : bool
            Whether to commit what there is and leave.

        Returns
        -------
        int or None
            A Leg up to there, or to a time before, is to be given to `take`. None where the run
            has ended: at the last step, where the reference diverged, or because of Ctrl-C.
        """
        if self._ended:
            return None
        if interrupted and not self._news:
            self._settle()
            self.cut_short = self._ended = True
            return None
        steps = self.plan.steps
        end = min((self.done // self.block + 1) * self.block - 1, steps)
        if self.t < end and not interrupted:
            return self._limit(end)
        if self.done <= steps:
            due = interrupted or self.t == steps or (self.t + 1) % self._every == 0
            beside_it = self._beside if due else {}
            self._held = Checkpoint(self.phase if due else None, beside_it, self.t)
            if self.t < steps:
                return self.t + 1
            self._settle()
            self._close()
            self._commit(self._held)
        self._finish("complete")
        self._ended = True
        return None

    def take(self, leg: Leg) -> None:
        """Note the times of `leg`, move to its end, and commit a block that is whole by that."""
        self._news = leg.stop >= self.recorded
        self._ended = self._move(leg)
        if leg.block.ended and not self._ended:
            self._end(leg.block.ended)
        elif self._held is not None and not self._ended:
            self._commit(self._held)

    @property
    def _beside(self) -> dict[str, Array]:
        found = {name: v for f in self.followers for name, v in f.checkpoint.items()}
        return found | checkpoint.encoded(self.system, self.rest, self.t)

    def _limit(self, end: int) -> int:
        """`end`, or the perturbation or the next rescaling before it."""
        every, since = self.plan.rescale, self.t - self._at
        if since < 0:
            return min(end, self._at)
        return min(end, self._at + (since // every + 1) * every) if every else end

    def _floor(self, start: int, stop: int) -> list[int]:
        last = self._at + self.floor_steps
        return list(range(max(start, self._at), min(stop, last + 1))) if self.twin else []

    def _move(self, leg: Leg) -> bool:
        """Note the times of `leg` and move to its end; true if that ended the run."""
        start, stop, block = self.t, leg.stop, leg.block
        if stop == start:
            return False
        finite = is_finite(block)
        first = None if finite else (self.phase, self.rest)  # phases may be large
        gone = np.full(1, -1) if finite else first_not_finite(block)
        at = int(gone[0])
        if at < 0:
            self._follow(leg, stop)
        else:
            self._follow(leg, start + max(at - 1, 0), ends=True)
        kept, floor = self.plan.kept(start, stop), self._floor(start, stop)
        piece = Piece(start, stop, kept, leg.evaluated, floor, self.log_rescale, block)
        self._note(piece)
        if floor:
            assert self.twin is not None  # else there were no such times
            piece.rounding = self.twin.distance(piece, leg.kept, self.phase[0])
            self.twin = None if self.twin.ended else self.twin
        self._leave(block, leg.kept, kept)
        self.phase, self.rest, self.t = block.phase, block.rest, stop
        block.phase, block.rest = block.phase[:0].copy(), None  # pieces wait, and phases are large
        if first is not None:
            self._note_divergence(gone, start)
            if self.diverged_at[0] >= 0:
                self._stop(*first, start)
                return True
        if stop == self._at:
            self._perturb()
        elif stop > self._at and self.plan.rescale and (stop - self._at) % self.plan.rescale == 0:
            self.phase, factor, redrawn = ensembles.rescale(
                self.system, self.plan, self.phase, self.targets, stop
            )
            self.log_rescale = self.log_rescale + factor
            self.redrawn += [[r, stop] for r in redrawn]
        if not self.commits.under_way:  # else who is told might look at what is being written
            self._settle()
            self.progress(stop)
            self.writer.keep_alive()
        return False

    def _targets(self, phase: Array) -> Array:
        """Return the lengths (R,) that deviations are rescaled to."""
        return ensembles.lengths(phase) if self.plan.rescale else np.zeros(self.plan.rows)

    def _perturb(self) -> None:
        """Let the replicas, which have been the reference so far, part from it."""
        self._settle()
        origin = Origin(self.phase[0], self.t, self.rest)
        self.plan, found = settled(self.system, self.plan, origin)
        self.phase = ensembles.ensemble(self.system, self.plan, origin)
        self.rest = origin.rests(self.system, self.plan.rows)
        if self.twin is not None:
            self.twin.begin(self.phase[:1], origin.rests(self.system, 1))
        self.targets = self._targets(self.phase)
        state = self.phase[:, self.system.components]
        self.writer.set("perturbation", ensembles.sizes(state))
        self.writer.set("perturbed_share", ensembles.changed(self.system, self.plan, self.phase))
        perturbed(self.plan, self.writer, self.targets, found)
        if said := ensembles.swallowed(self.system, self.plan, self.phase):
            warnings.warn(said, stacklevel=2)

    def _note(self, piece: Piece) -> None:
        """Keep of a piece what is stored: no whole phases of followers, and all rows."""
        block = piece.block
        if block.states.shape[2] > self._width:
            block.states = np.ascontiguousarray(block.states[..., self.system.components])
        if piece.start < self._at:
            widen(block, self.plan.rows)
        self.pending.append(piece)

    def _leave(self, block: Block, found: list[int], kept: list[int]) -> None:
        """Leave of the states of a block, those of the times `found`, what is stored."""
        if block.sketches is not None:
            block.sketches[:, :1] -= self._origin
            kept = []
        if kept != found:
            block.states = block.states[np.isin(found, kept)]

    def _follow(self, leg: Leg, stop: int, *, ends: bool = False) -> None:
        """Let the followers go on to `stop`, which may be the last time with a finite reference."""
        if not self.followers:
            return
        phases = {t: leg.block.states[i, 0] for i, t in enumerate(leg.kept)}
        phases[self.t] = self.phase[0]
        for follower in self.followers:
            if stop > self.t:
                follower.follow(phases, self.t, stop)
            if ends and stop in phases:
                follower.close(phases[stop], stop)

    def _close(self) -> None:
        """Record the last time, from which no step is taken."""
        t = self.t
        for follower in self.followers:
            follower.close(self.phase[0], t)
            if isinstance(follower, Concluding):
                follower.conclude(self.phase, t)
        kept, evaluated = self.plan.kept(t, t + 1), self.plan.evaluated(t, t + 1)
        part = self.part if kept and not self._sketch else slice(0, 0)  # states may be large
        asked: dict[str, Any] = {"evaluate": bool(evaluated), "part": part}
        asked |= self.sketched(t + 1)
        block = self.system.observe(self.phase, t, **asked, **beside(self.rest))
        self._leave(block, [t], kept)
        if not kept:  # a run that ends early has no state there, of no width so far
            block.states = np.empty((0, len(self.phase), self._width), block.states.dtype)
        block.phase = block.phase[:0].copy()
        self._note(Piece(t, t + 1, kept, evaluated, [], self.log_rescale, block))

    def _note_divergence(self, first: Array, start: int) -> None:
        """Note where replicas stop being finite, and let them be NaN from there on."""
        new = (self.diverged_at < 0) & (first >= 0)
        self.diverged_at = np.where(new, start + first, self.diverged_at)
        self.phase[self.diverged_at[: len(self.phase)] >= 0] = np.nan

    def _end(self, reason: str) -> None:
        """End a run from which no further step can be taken: commit what there is, and say why."""
        self._settle()
        if self.t >= self.done:
            self._close()
            self._commit(Checkpoint(self.phase, self._beside, self.t))
        self._finish("stopped", f"{reason}; the recording ends at step {self._first + self.t}")
        self._ended = True

    def _stop(self, phase: Array, rest: Any, start: int) -> None:
        """End a run whose reference diverged: commit the times before, and say why."""
        self._settle()
        at = int(self.diverged_at[0])
        if at - 1 > start:
            block = self.system.advance(phase, start, at - 1 - start, (), **beside(rest))
            phase, rest = block.phase, block.rest
        followed = self._beside | checkpoint.encoded(self.system, rest, at - 1)
        last = Checkpoint(phase, followed, at - 1)
        if at > self.done:
            self._commit(last)
        else:  # a resumed run that had one finite state left, committed before
            self.writer.set("diverged_at", moved(self.diverged_at, self._first))
            self.writer.commit(*last.of(self.plan.rows))
        step = self._first + at
        self._finish(
            "stopped",
            f"the reference is not finite from step {step} on; the recording ends at step "
            f"{step - 1}",
        )

    def _commit(self, at: Checkpoint) -> None:
        """Hand over what is pending up to the time `at.t`, from which a run can go on."""
        self._settle()
        t = at.t
        followed: dict[str, Array] = {}
        for follower in self.followers:
            followed |= follower.take(self.recorded, t, self.system.interval)
        block = Unwritten(
            self.pending,
            followed,
            dict(self.arrived),
            self.diverged_at,
            list(self.redrawn),
            self.done,
            self.recorded,
            at,
        )
        for name in self.system.arrival:
            last = self.pending[-1].block.arrival
            self.arrived[name] = last[name][-1] if last else self.arrived[name]
        self.pending, self._held, self.done = [], None, t + 1
        if t >= self.recorded:
            self.recorded, self._news = t + 1, False
        self.commits.begin(block)
        if not self.commits.under_way:
            self._settle()

    def _settle(self) -> None:
        """Wait until all that was handed over is committed."""
        if self.commits.settle():
            self.progress(self.t, committed=True)

    def _finish(self, status: str, reason: str = "") -> None:
        self._settle()
        self.writer.finish(status, reason, close=True)
