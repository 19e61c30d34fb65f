"""Tangent vectors along the reference, of a transient with a companion.

The companion starts elsewhere and goes its own way: where the first vector agrees with it, both
have forgotten their start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from nndyn.checks import choice, whole
from nndyn.errors import UsageError, is_one_of
from nndyn.header import own_tangent_start, tangent_start
from nndyn.numerics.arrays import Array
from nndyn.recording import VARIABLES, Variable
from nndyn.store import Writer
from nndyn.systems.protocol import System
from recorders.followers.follower import Follower, Notes
from recorders.followers.needs import Forgetting, Integrated, WithCompanion
from recorders.perturbations import pairs
from recorders.plan import Followed, Plan
from recorders.trials.timing import seconds

#: Where tangent vectors begin.
TangentStart: TypeAlias = Literal["weights", "random", "replicas"]

#: Keys of their random streams, drawn from a recording's seed; perturbations own 2 and 3.
_TANGENTS, _COMPANION = 4, 5


@dataclass(frozen=True)
class Tangents(Followed):
    """Tangent vectors.

    Attributes
    ----------
    vectors : int
    every : int
        Steps between their orthonormalizations; there is one at the last step.
    start : str
        ``weights``, ``random`` or ``replicas``.
    start_told : bool
        Whether that was asked for, and is not the system's own.
    companion : bool
        Whether one more vector tells when the first one has forgotten its start.
    """

    vectors: int
    every: int
    start: str
    start_told: bool
    companion: bool

    takes = ("tangents", "tangent_every", "tangent_start")
    alone = True

    @classmethod
    def asked(cls, system: System, replicas: int, options: Mapping[str, Any]) -> Tangents | None:
        """Check their number, the steps between orthonormalizations and the start."""
        vectors, told = _number(system, options["tangents"]), options["tangent_start"]
        start = _start(system, told, vectors)
        every = whole("tangent_every", options["tangent_every"], 1)
        companion = isinstance(system, WithCompanion)
        return cls(vectors, every, start, told is not None, companion) if vectors else None

    def orthonormalized(self, start: int, stop: int, last: int) -> Array:
        """Return the times in (start, stop] at which they are orthonormalized, `last` included."""
        times = np.arange((start // self.every + 1) * self.every, stop + 1, self.every)
        return np.append(times, last) if stop == last and stop % self.every else times

    def options(self) -> dict[str, Any]:
        """Return number, interval, and a start other than at random, which older files had."""
        found = {"tangents": self.vectors, "tangent_every": self.every}
        return found if self.start == "random" else {**found, "tangent_start": self.start}

    def as_begun(self, options: Mapping[str, Any]) -> Tangents:
        """Return those that begin as the file does, unless a start was asked for."""
        if self.start_told or "tangent_start" in options:
            return self
        return replace(self, start=tangent_start(options))

    def needs_perturbations(self) -> str:
        """Return where vectors begin if that is with the replicas."""
        return "tangent_start 'replicas'" if self.start == "replicas" else ""

    def check_start(self, system: System, plan: Plan, start: Array) -> None:
        """Check that they can begin with the deviations of the replicas, where they are to."""
        if self.start == "replicas":
            first_vectors(self, system, plan, start)

    def sizes(self, system: System) -> dict[str, int]:
        """Return their number."""
        return {"vector": self.vectors}

    def variables(self, system: System) -> list[Variable]:
        """Return the stretching, the alignment, and what a run needs to go on."""
        checkpoints = [VARIABLES["checkpoint_tangents"]]
        found = [VARIABLES["tangent_log_stretch"]]
        if self.companion:
            found.append(VARIABLES["tangent_alignment"])
            checkpoints.append(VARIABLES["checkpoint_companion"])
        if self.every == 1:
            return checkpoints + found
        return [*checkpoints, VARIABLES["tangent_time"], *(v.on("tangent_time") for v in found)]

    def noted(self, system: System, plan: Plan, start: Array) -> dict[str, Any]:
        """Return what integration adds to the sum of exponents, where all are followed."""
        if self.vectors < system.dimension or not isinstance(system, Integrated):
            return {}
        error = system.volume_error(start[0], plan.steps)
        return {} if error is None else {"exponent_sum_error": error}

    def work(self, system: System, plan: Plan) -> float:
        """Return the operations of a push of every vector."""
        return 2 * system.work(1) * (self.vectors + self.companion)

    def bytes(self, system: System, plan: Plan) -> int:
        """Return the bytes of the stretching, and of what a run needs to go on."""
        rows = plan.whole_blocks() // self.every + 2 * system.dimension
        return 8 * (self.vectors + self.companion) * rows

    def seconds(self, system: System, plan: Plan, start: Array) -> float:
        """Estimate what all pushes take from a few."""
        vectors = first_vectors(self, system, plan, start)
        if self.companion:
            vectors = np.column_stack([vectors, first_companion(self, system, plan)])

        def push(n: int) -> None:
            at = self.orthonormalized(0, n, plan.steps)
            if self.companion and isinstance(system, WithCompanion):
                orbit = system.advance(start[:1], 0, n, range(n), part=slice(None)).states[:, 0]
                system.push_with_companion(orbit, vectors, 0, at)
            else:
                system.push(start[0], vectors, 0, n, at)

        return seconds(push, plan.steps)

    def begin(self, system: System, plan: Plan, writer: Writer, start: Array) -> Follower:
        """Return the follower of a run."""
        return _Tangents(self, system, plan, writer, start)


def _number(system: System, asked: Any) -> int:
    """Return how many vectors there are."""
    whole_phase = system.tangent_size
    most = system.tangent_rank if isinstance(system, Forgetting) else whole_phase
    k = most if is_one_of(asked, ("all",)) else whole("tangents", asked, 0)
    if k and system.no_tangents:
        raise UsageError(f"tangents is {asked}: {system.no_tangents}")
    if k > most:
        why = "the dimension of the phase" if most == whole_phase else "as many as a step keeps"
        raise UsageError(f"tangents is {k}, expected at most {most}, {why}")
    return k


def _start(system: System, asked: str | None, vectors: int) -> str:
    """Return where the vectors begin."""
    if asked is None:
        return own_tangent_start(system.kind)
    choice("tangent_start", asked, get_args(TangentStart))
    if asked == "weights" and system.kind != "training":
        raise UsageError(
            f"tangent_start is 'weights', which {system.name} does not have apart; use 'random'"
        )
    if asked == "replicas" and not vectors:
        raise UsageError("tangent_start is 'replicas', and there are no tangents; ask for some")
    return asked


def first_vectors(asked: Tangents, system: System, plan: Plan, start: Array) -> Array:
    """Make the orthonormal tangent vectors of time 0.

    Parameters
    ----------
    asked : Tangents
    system : System
    plan : Plan
    start : (R, P)
        The ensemble at time 0.

    Returns
    -------
    (P, k) float64
        ``random``: uniform in direction. ``weights``: uniform among the directions of weights and
        biases, the buffers of the optimizer being 0, as many as there are, and behind them
        directions of the buffers alone. ``replicas``: those that the deviations of the first k
        replicas span, one after the other; of mirrored pairs the first counts.

    Raises
    ------
    UsageError
        If there are fewer such deviations, or they are not independent.
    """
    k, size = asked.vectors, system.tangent_size
    vectors: Array = np.zeros((system.dimension, k))
    rng = np.random.default_rng([plan.seed, _TANGENTS])
    if asked.start == "random":
        vectors[:size] = np.linalg.qr(rng.standard_normal((size, k)))[0]
        return vectors
    if asked.start == "weights":
        D = len(range(*system.components.indices(system.dimension)))
        m = min(k, D)
        # a row a vector, so that the first ones are the same however many there are
        vectors[:D, :m] = np.linalg.qr(rng.standard_normal((m, D)).T)[0]
        vectors[D:size, m:] = np.linalg.qr(rng.standard_normal((k - m, size - D)).T)[0]
        return vectors
    partner = pairs(plan)
    rows = [r for r in range(1, plan.replicas + 1) if not 0 <= partner[r] < r]
    if len(rows) < k:
        raise UsageError(
            f"tangents is {k}, expected at most {len(rows)} with tangent_start 'replicas': one for "
            "each of the perturbations, mirrored ones left out"
        )
    deviations = (start[rows[:k], :size] - start[0, :size]).astype(np.float64)
    vectors[:size], upper = np.linalg.qr(deviations.T)
    scale = np.abs(np.diagonal(upper))
    if (scale < 1e-6 * np.linalg.norm(deviations, axis=1)).any():
        raise UsageError(
            "tangent_start is 'replicas', and their perturbations are not linearly independent"
        )
    return vectors


def first_companion(asked: Tangents, system: System, plan: Plan) -> Array:
    """Make the vector that tells when the first tangent has forgotten its start.

    Returns
    -------
    (P,) float64
        Of length 1, drawn by itself: in the whole phase if tangent vectors are random there, among
        weights and biases otherwise.
    """
    part = system.components if asked.start != "random" else slice(system.tangent_size)
    vector: Array = np.zeros(system.dimension)
    rng = np.random.default_rng([plan.seed, _COMPANION])
    vector[part] = rng.standard_normal(vector[part].size)
    vector /= np.linalg.norm(vector)
    return vector


class _Tangents:
    """Tangent vectors under way.

    The companion starts elsewhere and goes its own way: where the first vector agrees with it,
    both have forgotten their start.

    Parameters
    ----------
    asked : Tangents
    system : System
    plan : Plan
    writer : Writer
        Of the file; a run that goes on takes its vectors from there. Older files have no companion.
    start : (R, P)
        The ensemble at time 0.
    """

    def __init__(
        self, asked: Tangents, system: System, plan: Plan, writer: Writer, start: Array
    ) -> None:
        self._asked, self._system, self._steps = asked, system, plan.steps
        self._notes, self._alignment = Notes(), Notes()
        there = "checkpoint_companion" in writer.names
        self._accompanied = system if there and isinstance(system, WithCompanion) else None
        k = asked.vectors
        if writer.n_committed:
            self._vectors = writer.checkpoint_of("checkpoint_tangents")
            self._total = writer.read("tangent_log_stretch", last=1)[0]
            if self._accompanied is not None:
                last = writer.checkpoint_of("checkpoint_companion")
                self._vectors = np.column_stack([self._vectors, last])
            self._notes.add(np.zeros(0), np.zeros((0, k)))
            self._alignment.add(np.zeros(0), np.zeros(0))
        else:
            self._vectors = first_vectors(asked, system, plan, start)
            self._total = np.zeros(k)
            self._notes.add(np.zeros(1), self._total[None])
            if self._accompanied is not None:
                last = first_companion(asked, system, plan)
                self._alignment.add(np.zeros(1), np.abs(last @ self._vectors[:, :1]))
                self._vectors = np.column_stack([self._vectors, last])

    @property
    def checkpoint(self) -> dict[str, Array]:
        """The vectors (P, k), and the companion (P,)."""
        k = self._asked.vectors
        found = {"checkpoint_tangents": self._vectors[:, :k]}
        if self._accompanied is not None:
            found["checkpoint_companion"] = self._vectors[:, k]
        return found

    def wants(self, start: int, stop: int) -> list[int]:
        """Return all times, where the system cannot tell them by itself."""
        needed = self._system.needs_orbit or self._accompanied is not None
        return list(range(start, stop)) if needed else []

    def follow(self, phases: Mapping[int, Array], start: int, stop: int) -> None:
        """Push the vectors."""
        at = self._asked.orthonormalized(start, stop, self._steps)
        times = self.wants(start, stop)
        orbit = np.stack([phases[t] for t in times]) if times else None
        if orbit is not None and self._accompanied is not None:
            self._vectors, stretch, cosines = self._accompanied.push_with_companion(
                orbit, self._vectors, start, at
            )
            self._alignment.add(at, cosines)
        else:
            self._vectors, stretch = self._system.push(
                phases[start], self._vectors, start, stop - start, at, orbit
            )
        if at.size:
            # one after the other, whatever the number: a resumed run has the same bits
            total = np.array(stretch, np.float64)
            total[0] += self._total
            np.add.accumulate(total, axis=0, out=total)
            self._notes.add(at, total)
            self._total = total[-1].copy()

    def close(self, phase: Array, t: int) -> None:
        """Do nothing: the vectors are there already."""

    def take(self, first: int, last: int, interval: float) -> dict[str, Array]:
        """Hand over the cumulative stretching (n, k), and the alignment (n,)."""
        steps, total = self._notes.take(first, last)
        found = {"tangent_time": steps * interval, "tangent_log_stretch": total}
        if self._accompanied is not None:
            found["tangent_alignment"] = self._alignment.take(first, last)[1]
        return found
