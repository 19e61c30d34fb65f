"""Rows of a loop on their way from one time to another, with all that is recorded of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from nndyn.errors import NndynError
from nndyn.numerics.arrays import Array
from nndyn.numerics.separation import separate_by_parameter
from nndyn.numerics.sketch import Sketches
from nndyn.systems.protocol import Block
from nndyn.systems.training.loop import blame
from nndyn.systems.training.loop.evaluation import Evaluation
from nndyn.systems.training.loop.holders import UnfitError
from nndyn.systems.training.loop.memory import Memory
from nndyn.systems.training.loop.seat import Seat, State
from nndyn.systems.training.loop.steps import Steps


class Rows:
    """Rows that take turns.

    Parameters
    ----------
    seat : Seat
    steps : Steps
    evaluation : Evaluation
    states : list of State
        As many as rows, whose memory is used.
    weights : (2, R, D) array
        Of which the memory is used.
    memory : Memory
        Of phases.
    phase : (R, P) array
    rest : list
        Of every row.
    """

    def __init__(
        self,
        seat: Seat,
        steps: Steps,
        evaluation: Evaluation,
        states: list[State],
        weights: Array,
        memory: Memory,
        phase: Array,
        rest: list[Any],
    ) -> None:
        self._seat, self._steps, self._evaluation = seat, steps, evaluation
        self._states, self._memory = states, memory
        phase = np.ascontiguousarray(phase, weights.dtype)
        self._first = phase, rest
        self._ends = np.cumsum([parameter.size for parameter in seat.parameters])
        self._size = int(self._ends[-1])
        #: Weights before a step, at first with what follows them, and memory for those after it.
        self._here, (self._there, self._next) = phase, weights
        self._alive = self._finite()
        self._alike: list[int] = []

    def run(
        self,
        start: int,
        steps: int,
        keep: Sequence[int],
        evaluate: Sequence[int],
        part: slice,
        sketch: Sketches | None = None,
        *,
        nudged: bool,
    ) -> Block:
        """Return what happened; it ends before `steps` where no further step can be taken."""
        if steps or evaluate:
            self._load()
            self._alike = self._equal()
        R, n = len(self._states), max(steps, 1)
        l1, linf, lengths = (np.zeros((n, R)) for _ in range(3))
        gram, squares = np.zeros((n, R, R)), np.zeros((n, R, len(self._ends)))
        values = {name: np.full((n, R), np.nan) for name in self._steps.names}
        width = len(range(*part.indices(self._seat.size)))
        states, seen = np.empty((len(set(keep)), R, width), self._here.dtype), 0
        sketches: list[Array] = []
        sketched = set() if sketch is None else set(sketch.times)
        found: list[list[dict[str, Any] | None]] = []
        kept, evaluated, ended, done = set(keep), set(evaluate), "", 0
        for i in range(n):
            t = start + i
            separate_by_parameter(self._here, self._ends, i, l1, linf, gram, squares)
            if t in kept:
                states[seen] = self._part(part)
                seen += 1
            if sketch is not None and t in sketched:
                sketches.append(sketch.map.of(self._here))
            if t in evaluated:
                found.append(self._evaluate())
            if steps:
                said = {name: rows[i] for name, rows in values.items()}
                ended = self._step(t, said, lengths[i], nudged)
                if ended:
                    break
                self._here, self._there, self._next = self._there, self._next, self._there
                self._alive = [r for r in self._alive if np.isfinite(lengths[i, r])]
                done += 1
        # what was seen of a time that no step leads from is for who observes it
        count = done if steps else 1
        states = states[: sum(t < start + count for t in keep)]
        found = found[: sum(t < start + count for t in evaluate)]
        if sketch is not None:
            sketches = sketches[: sum(t < start + count for t in sketch.times)]
        if ended:
            self._again(start, done, nudged=nudged)
        return Block(
            self._phases() if steps else self._first[0],
            states,
            l1[:count],
            linf[:count],
            np.where(np.isfinite(gram), gram, np.nan)[:count],
            np.where(np.isfinite(squares), squares, np.nan)[:count],
            arrival={"step_length": lengths[:done]} if steps else {},
            evaluations=self._evaluation.rows(found, R),
            batch={name: rows[:done] for name, rows in values.items()} if steps else {},
            sketches=None if sketch is None else np.array(sketches).reshape(-1, R, sketch.map.size),
            rest=[state.rest for state in self._states] if steps else self._first[1],
            ended=ended,
        )

    @property
    def _weights(self) -> Array:
        """The weights ``(R, D)`` as they are."""
        return self._here[:, : self._size]

    def _load(self) -> None:
        phase, rest = self._first
        for state, row, tree in zip(self._states, torch.from_numpy(phase), rest, strict=True):
            self._seat.load(state, row, tree)

    def _equal(self) -> list[int]:
        """Return the rows that are equal to the reference."""
        phase, reference = self._here, self._states[0]
        return [
            r
            for r in range(1, len(phase))
            if np.array_equal(phase[0, :64], phase[r, :64]) and self._states[r].equals(reference)
        ]

    def _finite(self) -> list[int]:
        """Return the rows whose weights are finite: no other takes a step."""
        found: list[int] = np.flatnonzero(np.isfinite(self._weights).all(axis=1)).tolist()
        return found

    def _step(self, t: int, values: dict[str, Array], lengths: Array, nudged: bool) -> str:
        """Let every row take the step from `t`; return why there is none, empty where there is."""
        for r, state in enumerate(self._states):
            if r not in self._alive:
                self._there[r] = lengths[r] = np.nan
                continue
            try:
                said = self._turn(state, t, nudged=nudged)
            except UnfitError as error:
                return f"the step from time {t} cannot be recorded: {error}"
            except NndynError:
                raise
            except Exception as error:
                return f"the step from time {t} failed: {type(error).__name__}: {error}"
            lengths[r] = self._seat.store_weights(state, self._here[r], self._there[r])
            if said.keys() != values.keys():
                odd = min(said.keys() ^ values.keys()).removeprefix("batch_")
                return f"the step from time {t} is another one: it does not always return {odd!r}"
            for name, value in said.items():
                values[name][r] = value
        for r in self._alike:
            if not self._states[r].equals(self._states[0]):
                return blame.reason(self._seat, self._steps, t, self._states[0], self._states[r], r)
        return ""

    def _turn(self, state: State, t: int, *, nudged: bool) -> dict[str, float]:
        """Let one row take a step, and return what the step says."""
        self._seat.take(state)
        if nudged:
            self._steps.nudge(self._seat.weights.values(), t)
        said = self._steps.take(t)
        self._seat.leave(state)
        return said

    def _again(self, start: int, steps: int, *, nudged: bool) -> None:
        """Bring the rows back to the time after so many steps, where a further one was begun.

        Their weights are known; what goes with them is as good as the steps can be taken again.
        """
        self._load()
        with suppress(Exception):
            for t in range(start, start + steps):
                for r in self._alive:
                    self._turn(self._states[r], t, nudged=nudged)

    def _evaluate(self) -> list[dict[str, Any] | None]:
        """Return what evaluation finds on every row; None of rows that are not finite."""
        found: list[dict[str, Any] | None] = [None] * len(self._states)
        for r in self._alive:
            self._seat.take(self._states[r])
            found[r] = self._evaluation()
        return found

    def _part(self, part: slice) -> Array:
        """Return a part of all phases, good until the next step."""
        start, stop, _ = part.indices(self._seat.size)
        whole = self._here if stop <= self._here.shape[1] else self._phases()
        return whole[:, start:stop]

    def _phases(self) -> Array:
        """Return the phases ``(R, P)``, NaN where weights are not finite."""
        phases = self._memory.array((len(self._states), self._seat.size), self._here.dtype)
        given = torch.from_numpy(phases)
        for r, state in enumerate(self._states):
            if r in self._alive:
                self._seat.store(state, given[r], len(self._seat.weights))
            else:
                phases[r] = np.nan
        phases[:, : self._size] = self._weights
        return phases
