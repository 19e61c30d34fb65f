"""Record a reference, its perturbed replicas and its control as one batch."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nndyn.errors import UsageError
from nndyn.store import Writer, open_recording
from nndyn.systems.protocol import Array, System
from recorders import perturbations as ensembles
from recorders.header import continues, header, variables
from recorders.plan import Plan, make
from recorders.rows import Piece, first_not_finite, gather, independent, is_finite

if TYPE_CHECKING:
    import xarray as xr

#: Called with the steps done and the steps asked for.
Progress = Callable[[int, int], None]

_SEGMENT_SECONDS = 0.2
_SEGMENT_WORK = 1e8  # floating-point operations of the first segment, before speed is known
_GRAM_BYTES = 32 * 2**20


def record(
    system: System,
    path: str | Path,
    *,
    steps: int,
    replicas: int = 5,
    epsilon: float = 1e-8,
    perturb: Literal["weights", "all"] = "weights",
    perturbations: Any = None,
    pairs: bool = False,
    control: bool = True,
    rescale: int | None = None,
    store: str = "full",
    state: Literal["weights", "phase"] = "weights",
    evaluate: int | None = None,
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Run a reference and perturbed replicas together and store what happens.

    Parameters
    ----------
    system : System
        ``nndyn.Training(…)``, ``nndyn.systems.henon()``, …
    path : path-like
        The netCDF file to write; its folder must exist.
    steps : int
        Steps of the system: T steps give T + 1 times.
    replicas : int, default 5
        Perturbed replicas.
    epsilon : float, default 1e-8
        Perturbations are uniform in (-epsilon, epsilon).
    perturb : {"weights", "all"}, default "weights"
        Whether biases are perturbed too.
    perturbations : array_like, (replicas, D), optional
        Deviations added to the initial state as given, instead of drawn ones. Rows that are each
        other's negative are recognized as pairs.
    pairs : bool, default False
        Perturb in both directions: every second replica mirrors the one before it.
    control : bool, default True
        Add a replica without perturbation, whose distance has to stay zero.
    rescale : int, optional
        Every so many steps, divide the whole deviation of each replica back to its initial length.
    store : str, default "full"
        ``full`` keeps every state, ``every:K`` each K-th and the last, ``distances`` none;
        distances and diagnostics are always kept.
    state : {"weights", "phase"}, default "weights"
        Whether ``state`` holds optimizer buffers too.
    evaluate : int, optional
        Steps between evaluations of loss and accuracy, 0 for none; by default each step in full
        batch, each epoch in minibatches.
    seed : int, default 0
        Draws perturbations and, for maps and flows, the initial state.
    resume : bool, default False
        Go on with an unfinished file, or a finished one with more steps; a missing file is started.
    overwrite : bool, default False
        Replace an existing file.
    progress : callable, optional
        Called with (steps done, steps asked for), a few times a second.

    Returns
    -------
    xarray.Dataset
        The recording, opened lazily. Where the reference diverged it ends there, with status
        ``stopped`` and a reason.

    Raises
    ------
    UsageError
        If an option is wrong, `path` exists and neither `resume` nor `overwrite` is given, or a
        file to resume was made with other options.
    DataError
        If the initial state is not finite.
    StoreError
        If the file cannot be written, or another process writes it.
    RecordingError
        If a file to resume is damaged.
    KeyboardInterrupt
        On Ctrl-C, after what is done was committed: the file resumes.

    Notes
    -----
    One pass; memory beside what the system needs is twice a block of states, 128 MiB at most (or
    two states, where one is larger). A kill loses at most the last block: some seconds.
    """
    plan = make(
        system,
        steps=steps,
        replicas=replicas,
        epsilon=epsilon,
        perturb=perturb,
        perturbations=perturbations,
        pairs=pairs,
        control=control,
        rescale=rescale,
        store=store,
        state=state,
        evaluate=evaluate,
        seed=seed,
    )
    if resume and overwrite:
        raise UsageError("resume and overwrite exclude each other")
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"path is {path!r}, expected the name of a file")
    path = Path(path)
    if resume and path.exists():
        with Writer.resume(path) as writer:
            if continues(system, plan, writer):
                start = ensembles.ensemble(system, plan)
                _Run(system, plan, writer, progress, start).finish()
    else:
        start = ensembles.ensemble(system, plan)
        with Writer.create(path, header(system, plan, start), overwrite=overwrite) as writer:
            _Run(system, plan, writer, progress, start).finish()
    return open_recording(path)


class _Run:
    """A run under way.

    `phase` is what step `t` starts from, any rescaling at `t` done. Times below `recorded` are
    committed; those from there to `t` - 1 wait in `pending`. A resumed run steps again from the
    last time committed; its row, there already, is cut.
    """

    def __init__(
        self,
        system: System,
        plan: Plan,
        writer: Writer,
        progress: Progress | None,
        start: Array,
    ) -> None:
        self.system, self.plan, self.writer = system, plan, writer
        self.progress = progress or (lambda done, total: None)
        self.pairs = independent(ensembles.roles(plan), ensembles.pairs(plan))
        self.part = slice(None) if plan.whole_phase else system.components
        self.targets = ensembles.lengths(start)
        self.block = int(writer.attrs["block"])
        self.floor_steps = int(writer.attrs["floor_steps"])
        self.redrawn: list[list[int]] = json.loads(str(writer.attrs["redrawn"]))
        self.pending: list[Piece] = []
        self.names = {v.name for v in variables(system, plan)}
        self.arrived = {name: np.zeros(plan.rows) for name in system.arrival}
        self.speed = 0.0
        self.recorded = writer.n_committed
        if self.recorded:
            self.phase, self.t = writer.checkpoint()
            self.log_rescale = writer.read("log_rescale", last=1)[0]
            self.diverged_at = writer.read("diverged_at")
        else:
            self.phase, self.t = start, 0
            self.log_rescale = np.zeros(plan.rows)
            self.diverged_at = np.full(plan.rows, -1, dtype=np.int64)
        self.twin = system.reordered() if self.t < self.floor_steps else None
        self.twin_phase = start[:1]
        if self.twin is not None and self.t:
            self.twin_phase = self.twin.advance(self.twin_phase, 0, self.t, ()).phase

    def finish(self) -> None:
        """Record to the last step, to the divergence of the reference, or to Ctrl-C.

        Raises
        ------
        KeyboardInterrupt
            After the rows so far were committed.
        """
        last = self.plan.steps
        with _deferred_interrupt() as interrupted:
            while self.recorded <= last:
                end = min((self.recorded // self.block + 1) * self.block - 1, last)
                while self.t < end and not interrupted():
                    if self._segment(self._reach(end)):
                        return
                if interrupted() and self.t < self.recorded:  # nothing new since a resume
                    raise KeyboardInterrupt
                checkpoint, t = self.phase, self.t
                if t == last:
                    self._close()
                elif self._segment(t + 1):
                    return
                self._commit(checkpoint, t)
                if interrupted() and self.recorded <= last:
                    raise KeyboardInterrupt
        self.writer.finish("complete")

    def _reach(self, end: int) -> int:
        """Where the next segment ends: at the next rescaling, or a fraction of a second away."""
        rows = self.plan.rows
        if self.plan.rescale:
            end = min(end, (self.t // self.plan.rescale + 1) * self.plan.rescale)
        seconds = self.speed * _SEGMENT_SECONDS or _SEGMENT_WORK / self.system.work(rows)
        return min(end, self.t + max(1, min(int(seconds), _GRAM_BYTES // (8 * rows * rows))))

    def _segment(self, stop: int) -> bool:
        """Record the times from `t` up to `stop` and move there; true if that ended the run."""
        start, first = self.t, self.phase
        kept, evaluated = self.plan.kept(start, stop), self.plan.evaluated(start, stop)
        floor = list(range(start, min(stop, self.floor_steps + 1))) if self.twin else []
        wanted = sorted({*kept, *floor}) if floor else kept
        began = time.perf_counter()
        block = self.system.advance(
            first,
            start,
            stop - start,
            wanted,
            evaluate=evaluated,
            part=self.part,
        )
        self.speed = (stop - start) / max(time.perf_counter() - began, 1e-9)
        piece = Piece(start, stop, kept, evaluated, floor, self.log_rescale, block)
        if self.twin:
            piece.rounding = self._twin_distance(piece, block.states[np.isin(wanted, floor), 0])
            block.states = block.states[np.isin(wanted, kept)]
        self.pending.append(piece)
        self.phase, self.t = block.phase, stop
        if not is_finite(block):
            self._note_divergence(first_not_finite(block), start)
            if self.diverged_at[0] >= 0:
                self._stop(first, start)
                return True
        if self.plan.rescale and stop % self.plan.rescale == 0:
            self.phase, factor, redrawn = ensembles.rescale(
                self.system, self.plan, self.phase, self.targets, stop
            )
            self.log_rescale = self.log_rescale + factor
            self.redrawn += [[r, stop] for r in redrawn]
        return False

    def _close(self) -> None:
        """Record the last time, from which no step is taken."""
        t = self.t
        kept, evaluated = self.plan.kept(t, t + 1), self.plan.evaluated(t, t + 1)
        block = self.system.observe(self.phase, t, evaluate=bool(evaluated), part=self.part)
        block.states = block.states[: len(kept)]
        self.pending.append(Piece(t, t + 1, kept, evaluated, [], self.log_rescale, block))

    def _twin_distance(self, piece: Piece, reference: Array) -> Array:
        """Distance ``(n,)`` of the reference to its twin in another summation order."""
        assert self.twin is not None  # the caller has looked
        block = self.twin.advance(self.twin_phase, piece.start, len(piece.floor), piece.floor)
        self.twin_phase = block.phase
        if piece.stop > self.floor_steps:
            self.twin = None
        if self.plan.whole_phase:
            reference = reference[:, self.system.components]
        with np.errstate(invalid="ignore", over="ignore"):  # rows past a divergence: cut below
            difference = (reference - block.states[:, 0]).astype(np.float64)
        distance: Array = np.sqrt(np.einsum("td,td->t", difference, difference))
        return distance

    def _note_divergence(self, first: Array, start: int) -> None:
        """Note where replicas stop being finite, and let them be NaN from there on."""
        new = (self.diverged_at < 0) & (first >= 0)
        self.diverged_at = np.where(new, start + first, self.diverged_at)
        self.phase[self.diverged_at >= 0] = np.nan

    def _stop(self, phase: Array, start: int) -> None:
        """End a run whose reference diverged: commit the times before, and say why."""
        at = int(self.diverged_at[0])
        if at > self.recorded:
            if at - 1 > start:
                phase = self.system.advance(phase, start, at - 1 - start, ()).phase
            self._commit(phase, at - 1)
        else:  # a resumed run that had one finite state left, committed before
            self.writer.set("diverged_at", self.diverged_at)
        self.writer.finish(
            "stopped",
            f"the reference is not finite from step {at} on; the recording ends at step {at - 1}",
        )

    def _commit(self, checkpoint: Array, t: int) -> None:
        """Write what is pending up to time `t`, whose phase is `checkpoint`."""
        arrays: dict[str, Array] = {}
        for dim, rows in gather(self.pending, self.system, self.pairs, self.arrived).items():
            rows.cut(self.recorded, t)
            for r in np.flatnonzero(self.diverged_at >= 0):
                rows.blank(int(r), int(self.diverged_at[r]))
            arrays |= {dim: rows.steps * self.system.interval, **rows.values}
        for name in self.system.arrival:
            last = self.pending[-1].block.arrival
            self.arrived[name] = last[name][-1] if last else self.arrived[name]
        self.writer.set("diverged_at", self.diverged_at)
        redrawn = [[r, step] for r, step in self.redrawn if step <= t]  # a resumed run draws again
        self.writer.set_attrs(redrawn=json.dumps(redrawn))
        self.writer.append({name: arrays[name] for name in arrays.keys() & self.names})
        self.writer.commit(checkpoint, t)
        self.pending.clear()
        self.recorded = t + 1
        self.progress(t, self.plan.steps)


@contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C set a flag; a second one interrupts at once."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set  # signals reach the main thread alone
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
