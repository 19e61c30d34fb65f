"""Barriers between the ends of a run: what the network does between the weights of two replicas."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from nndyn.checks import whole
from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.separation import moved
from nndyn.recording import VARIABLES, Variable
from nndyn.store import Writer
from nndyn.systems.protocol import System
from recorders.followers.follower import Follower, Notes
from recorders.plan import Followed, Plan
from recorders.segments.curves import check, curves, named, positions

_NORM = "barrier_norm"
_PLACES = ("barrier_position", "barrier_from", "barrier_to")


@dataclass(frozen=True)
class Barrier(Followed):
    """Points of the segments between the weights of any two replicas, the reference one of them.

    Attributes
    ----------
    points : int
        N; as many less one lie halfway between them.
    replicas : int
        Perturbed ones.
    """

    points: int
    replicas: int

    takes = ("barrier",)

    @classmethod
    def asked(cls, system: System, replicas: int, options: Mapping[str, Any]) -> Barrier | None:
        """Check N, and that the network can be evaluated at any weights."""
        if options["barrier"] is None:
            return None
        points = whole("barrier", options["barrier"], 3)
        check(system)
        if replicas == 0:
            raise UsageError("barrier is between the ends of replicas, and there are none")
        return cls(points, replicas)

    @property
    def segments(self) -> list[tuple[int, int]]:
        """Rows at both ends of every segment, those of the reference first."""
        return list(combinations(range(1 + self.replicas), 2))

    def options(self) -> dict[str, Any]:
        """Return N."""
        return {"barrier": self.points}

    def sizes(self, system: System) -> dict[str, int]:
        """Return the numbers of segments and of points."""
        return {
            "barrier_segment": len(self.segments),
            "barrier_position": len(positions(self.points)),
        }

    def fixed(self) -> dict[str, Array]:
        """Return the positions, and which rows the segments are between."""
        ends = np.array(self.segments, dtype=np.int32).T
        return dict(zip(_PLACES, (positions(self.points), *ends), strict=True))

    def variables(self, system: System) -> list[Variable]:
        """Return places, curves and lengths."""
        names = ("barrier_time", *_PLACES, *named(system.evaluations), _NORM)
        return [VARIABLES[name] for name in names]

    def _evaluations(self) -> int:
        """Return how many rows are evaluated."""
        return len(self.segments) * len(positions(self.points))

    def work(self, system: System, plan: Plan) -> float:
        """Return the operations of all passes forward, a third of a step's, over all steps."""
        epoch = (system.steps_per_epoch or 1) * system.work(1)
        return self._evaluations() * epoch / 3 / plan.steps

    def bytes(self, system: System, plan: Plan) -> int:
        """Return the bytes of the curves and lengths, and of the places."""
        several = len(named(system.evaluations))
        return 8 * (self._evaluations() * several + plan.rows)

    def seconds(self, system: System, plan: Plan, start: Array) -> float:
        """Estimate what all segments take from a few rows."""
        weights = np.ascontiguousarray(start[:, system.components])
        known = check(system)
        known.evaluated(weights)  # compilation and first touches are not the rate
        began = time.perf_counter()
        known.evaluated(weights)
        calls = len(self.segments) * -(-len(positions(self.points)) // plan.rows)
        return calls * (time.perf_counter() - began)

    def begin(self, system: System, plan: Plan, writer: Writer, start: Array) -> Follower:
        """Return what looks at the end of a run."""
        return _Barrier(system, self, plan, writer)


class _Barrier:
    """The segments at the end of a run, once it is there.

    Parameters
    ----------
    system : System
    asked : Barrier
    plan : Plan
    writer : Writer
        Told that this process is at work.
    """

    def __init__(self, system: System, asked: Barrier, plan: Plan, writer: Writer) -> None:
        self._system, self._asked, self._writer = system, asked, writer
        self._notes = {name: Notes() for name in (*named(system.evaluations), _NORM)}
        sizes = {**asked.sizes(system), "replica": plan.rows}
        self._shapes = {
            name: tuple(sizes[dim] for dim in VARIABLES[name].dims[1:]) for name in self._notes
        }
        for name, notes in self._notes.items():
            notes.add(np.zeros(0), np.zeros((0, *self._shapes[name])))

    @property
    def checkpoint(self) -> dict[str, Array]:
        """Nothing: the end needs no other time."""
        return {}

    def wants(self, start: int, stop: int) -> list[int]:
        """Return no time: it looks at the end alone."""
        return []

    def follow(self, phases: Mapping[int, Array], start: int, stop: int) -> None:
        """Do nothing on the way."""

    def close(self, phase: Array, t: int) -> None:
        """Do nothing: of the reference alone there is no segment."""

    def conclude(self, phases: Array, t: int) -> None:
        """Look at all segments between rows that are finite; those of others are NaN."""
        system, weights = check(self._system), phases[:, self._system.components]
        at = positions(self._asked.points)
        found = {name: np.full(shape, np.nan) for name, shape in self._shapes.items()}
        zero, copy = np.zeros((2, weights.shape[1]), weights.dtype)
        found[_NORM][:] = [np.sqrt(moved(row, zero, copy)) for row in weights]
        del zero, copy  # memory
        for s, (i, j) in enumerate(self._asked.segments):
            for name, values in curves(system, weights[i], weights[j], at, len(weights)).items():
                found[name][s] = values
            self._writer.keep_alive()
        for name, notes in self._notes.items():
            notes.add(np.array([t]), found[name][None])

    def take(self, first: int, last: int, interval: float) -> dict[str, Array]:
        """Hand over the curves, at most at one time."""
        found = {name: notes.take(first, last) for name, notes in self._notes.items()}
        steps, _ = found[_NORM]
        return {"barrier_time": steps * interval, **{k: rows for k, (_, rows) in found.items()}}
