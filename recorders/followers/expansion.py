"""Quadratic expansion of the loss at the start, and the deviations of the replicas on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.recording import PERTURBED, VARIABLES, Variable
from nndyn.store import Writer
from nndyn.systems.protocol import System, WithLoss
from recorders.followers.follower import Follower, Notes, check_loss
from recorders.perturbations import roles
from recorders.plan import Followed, Plan
from recorders.trials.timing import seconds


@dataclass(frozen=True)
class Expansion(Followed):
    """The perturbations of the replicas, followed on the quadratic expansion as well."""

    takes = ("quadratic_model",)

    @classmethod
    def asked(cls, system: System, replicas: int, options: Mapping[str, Any]) -> Expansion | None:
        """Check that the system has a loss, and that there are replicas."""
        if not options["quadratic_model"]:
            return None
        check_loss(system, "quadratic_model")
        if replicas == 0:
            raise UsageError(
                "quadratic_model follows the deviations of replicas, and there are none"
            )
        return cls()

    def options(self) -> dict[str, Any]:
        """Return that it is there."""
        return {"quadratic_model": True}

    def needs_perturbations(self) -> str:
        """Return its option."""
        return "quadratic_model"

    def variables(self, system: System) -> list[Variable]:
        """Return the growth, and what a run needs to go on."""
        return [VARIABLES["quadratic_log_growth"], VARIABLES["checkpoint_quadratic"]]

    def work(self, system: System, plan: Plan) -> float:
        """Return the operations of a push of the reference there and of every deviation."""
        return 2 * system.work(1) * (1 + plan.replicas)

    def bytes(self, system: System, plan: Plan) -> int:
        """Return the bytes of the growth, and of what a run needs to go on."""
        return plan.checkpoints(system) + 8 * plan.whole_blocks() * plan.rows

    def seconds(self, system: System, plan: Plan, start: Array) -> float:
        """Estimate what all steps take from a few."""
        assert isinstance(system, WithLoss)
        expansion = system.expansion(start[0])
        deviations = start[: 1 + plan.replicas] - start[0]
        return seconds(lambda n: expansion.push(deviations, 0, n), plan.steps)

    def begin(self, system: System, plan: Plan, writer: Writer, start: Array) -> Follower:
        """Return the follower of a run."""
        assert isinstance(system, WithLoss)
        return _Expansion(system, plan, writer, start)


class _Expansion:
    """The deviations of the replicas on the expansion, under way.

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
        self._notes = Notes()
        self._perturbed = roles(plan) == PERTURBED
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
