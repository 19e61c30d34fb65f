"""What follows the reference of a run besides its replicas: tangents, curvature, its expansion.

A follower is told of every leg of the reference once it is known to be finite, and hands over what
is to be written when a block is committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from nndyn.recording import PERTURBED
from nndyn.store import Writer
from nndyn.systems.protocol import Array, System, WithCompanion, WithLoss
from recorders import perturbations
from recorders.plan import Plan


class Follower(Protocol):
    """Follows the reference."""

    @property
    def checkpoint(self) -> dict[str, Array]:
        """By variable, what it needs to go on from the time it stands at; not changed in place."""

    def wants(self, start: int, stop: int) -> list[int]:
        """Return the times in [start, stop) whose whole phase it needs."""

    def follow(self, phases: Mapping[int, Array], start: int, stop: int) -> None:
        """Go from `start` to `stop`; `phases` (P,) are those it wants, and that of `start`."""

    def close(self, phase: Array, t: int) -> None:
        """Look at the last time `t`, from which no step is taken."""

    def take(self, first: int, last: int, interval: float) -> dict[str, Array]:
        """Hand over the variables of the times `first` to `last`, and forget them."""


class _Notes:
    """Rows at some times, until they are written."""

    def __init__(self) -> None:
        self._steps: list[Array] = []
        self._rows: list[Array] = []

    def add(self, steps: Array, rows: Array) -> None:
        """Note rows ``(n, …)`` at `steps` (n,)."""
        self._steps.append(np.asarray(steps, np.int64))
        self._rows.append(np.asarray(rows, np.float64))

    def take(self, first: int, last: int) -> tuple[Array, Array]:
        """Return steps and rows from `first` to `last`; those after stay, those before go."""
        steps, rows = np.concatenate(self._steps), np.concatenate(self._rows)
        later, now = steps > last, (steps >= first) & (steps <= last)
        self._steps, self._rows = [steps[later]], [rows[later]]
        return steps[now], rows[now]


class Tangents:
    """Tangent vectors along the reference, of a transient with a companion.

    The companion starts elsewhere and goes its own way: where the first vector agrees with it,
    both have forgotten their start.

    Parameters
    ----------
    system : System
    plan : Plan
    writer : Writer
        Of the file; a run that goes on takes its vectors from there. Older files have no companion.
    start : (R, P)
        The ensemble at time 0.
    """

    def __init__(self, system: System, plan: Plan, writer: Writer, start: Array) -> None:
        self._system, self._plan = system, plan
        self._notes, self._alignment = _Notes(), _Notes()
        there = "checkpoint_companion" in writer.names
        self._accompanied = system if there and isinstance(system, WithCompanion) else None
        k = plan.tangents
        if writer.n_committed:
            self._vectors = writer.checkpoint_of("checkpoint_tangents")
            self._total = writer.read("tangent_log_stretch", last=1)[0]
            if self._accompanied is not None:
                last = writer.checkpoint_of("checkpoint_companion")
                self._vectors = np.column_stack([self._vectors, last])
            self._notes.add(np.zeros(0), np.zeros((0, k)))
            self._alignment.add(np.zeros(0), np.zeros(0))
        else:
            self._vectors = perturbations.tangents(system, plan, start)
            self._total = np.zeros(k)
            self._notes.add(np.zeros(1), self._total[None])
            if self._accompanied is not None:
                last = perturbations.companion(system, plan)
                self._alignment.add(np.zeros(1), np.abs(last @ self._vectors[:, :1]))
                self._vectors = np.column_stack([self._vectors, last])

    @property
    def checkpoint(self) -> dict[str, Array]:
        """The vectors (P, k), and the companion (P,)."""
        k = self._plan.tangents
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
        at = self._plan.orthonormalized(start, stop)
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
            total = np.add.accumulate(np.vstack([self._total, stretch]), axis=0)[1:]
            self._notes.add(at, total)
            self._total = total[-1]

    def close(self, phase: Array, t: int) -> None:
        """Do nothing: the vectors are there already."""

    def take(self, first: int, last: int, interval: float) -> dict[str, Array]:
        """Hand over the cumulative stretching (n, k), and the alignment (n,)."""
        steps, total = self._notes.take(first, last)
        found = {"tangent_time": steps * interval, "tangent_log_stretch": total}
        if self._accompanied is not None:
            found["tangent_alignment"] = self._alignment.take(first, last)[1]
        return found


class Curvature:
    """Extreme eigenvalues of the Hessian along the reference.

    Parameters
    ----------
    system : WithLoss
    plan : Plan
    """

    def __init__(self, system: WithLoss, plan: Plan) -> None:
        self._system, self._plan = system, plan
        self._notes = _Notes()
        self._notes.add(np.zeros(0), np.zeros((0, len(system.curvatures))))

    @property
    def checkpoint(self) -> dict[str, Array]:
        """Nothing: a time needs no other."""
        return {}

    def wants(self, start: int, stop: int) -> list[int]:
        """Return the times at which the Hessian is looked at."""
        return self._plan.sharpened(start, stop)

    def follow(self, phases: Mapping[int, Array], start: int, stop: int) -> None:
        """Look at the Hessian."""
        for t in self.wants(start, stop):
            self.close(phases[t], t)

    def close(self, phase: Array, t: int) -> None:
        """Look at the Hessian at one time, if that is one of its own."""
        if self.wants(t, t + 1):
            found = self._system.curvature(phase, t)
            row = [found[name] for name in self._system.curvatures]
            self._notes.add(np.array([t]), np.array([row]))

    def take(self, first: int, last: int, interval: float) -> dict[str, Array]:
        """Hand over the eigenvalues and their residuals."""
        steps, rows = self._notes.take(first, last)
        names = self._system.curvatures
        return {"sharpness_time": steps * interval, **dict(zip(names, rows.T, strict=True))}


class Expanded:
    """The deviations of the replicas on the quadratic expansion of the loss at the start.

    Parameters
    ----------
    system : WithLoss
    plan : Plan
    writer : Writer
    start : (R, P)
        The ensemble at time 0.
    """

    def __init__(self, system: WithLoss, plan: Plan, writer: Writer, start: Array) -> None:
        self._expansion = system.expansion(start[0])
        self._notes = _Notes()
        self._perturbed = perturbations.roles(plan) == PERTURBED
        if writer.n_committed:
            self._rows = writer.checkpoint_of("checkpoint_quadratic")
            self._total = writer.read("quadratic_log_growth", last=1)[0]
            self._notes.add(np.zeros(0), self._total[None, :][:0])
        else:
            self._rows = start - start[0]
            lengths = np.linalg.norm(self._rows[self._perturbed], axis=1)
            self._rows[self._perturbed] /= lengths[:, None]
            self._rows[0] = start[0]
            self._total = np.zeros(len(start))
            self._notes.add(np.zeros(1), self._total[None])

    @property
    def checkpoint(self) -> dict[str, Array]:
        """The reference there, and the deviations (R, P)."""
        return {"checkpoint_quadratic": self._rows}

    def wants(self, start: int, stop: int) -> list[int]:
        """Return no time: the expansion has a reference of its own."""
        return []

    def follow(self, phases: Mapping[int, Array], start: int, stop: int) -> None:
        """Push the deviations."""
        taken = self._perturbed.copy()
        taken[0] = True
        pushed, growth = self._expansion.push(self._rows[taken], start, stop - start)
        rows = self._rows.copy()
        rows[taken] = pushed
        every = np.zeros((len(growth), len(rows)))
        every[:, self._perturbed] = growth
        total = np.add.accumulate(np.vstack([self._total, every]), axis=0)[1:]
        self._notes.add(np.arange(start + 1, stop + 1), total)
        self._rows, self._total = rows, total[-1]

    def close(self, phase: Array, t: int) -> None:
        """Do nothing: the deviations are there already."""

    def take(self, first: int, last: int, interval: float) -> dict[str, Array]:
        """Hand over the cumulative growth (n, R)."""
        return {"quadratic_log_growth": self._notes.take(first, last)[1]}


def followers(system: System, plan: Plan, writer: Writer, start: Array) -> list[Follower]:
    """Return what follows the reference of a run that begins with the ensemble `start` (R, P)."""
    found: list[Follower] = []
    if plan.tangents:
        found.append(Tangents(system, plan, writer, start))
    if plan.sharpness and isinstance(system, WithLoss):
        found.append(Curvature(system, plan))
    if plan.quadratic_model and isinstance(system, WithLoss):
        found.append(Expanded(system, plan, writer, start))
    return found
