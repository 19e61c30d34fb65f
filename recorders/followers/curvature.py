"""Curvature of the loss along the reference: extreme eigenvalues of the Hessian."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nndyn.checks import every
from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.recording import VARIABLES, Variable
from nndyn.store import Writer
from nndyn.systems.protocol import System, WithLoss
from recorders.followers.follower import Follower, Notes, check_loss
from recorders.plan import Followed, Plan, count, multiples

#: Products with a Hessian that its extreme eigenvalues take, roughly.
_PRODUCTS = 200
#: What a look at the Hessian takes, in those of the start: its lower end gets ever closer to 0.
_LATER = 3


@dataclass(frozen=True)
class Curvature(Followed):
    """Extreme eigenvalues of the Hessian, with one look more at the last step.

    Attributes
    ----------
    every : int
        Steps between looks.
    """

    every: int

    takes = ("sharpness",)

    @classmethod
    def asked(cls, system: System, replicas: int, options: Mapping[str, Any]) -> Curvature | None:
        """Check ``every:K`` of `sharpness`, and that the system has a loss."""
        if options["sharpness"] is None:
            return None
        found = cls(every("sharpness", options["sharpness"]))
        check_loss(system, "sharpness")
        if isinstance(system, WithLoss) and not system.curvatures:
            raise UsageError(
                "sharpness is of the loss over a training set, and here batches are drawn anew"
            )
        return found

    def options(self) -> dict[str, Any]:
        """Return ``every:K``."""
        return {"sharpness": f"every:{self.every}"}

    def variables(self, system: System) -> list[Variable]:
        """Return times, eigenvalues and residuals."""
        assert isinstance(system, WithLoss)
        return [VARIABLES[name] for name in ("sharpness_time", *system.curvatures)]

    def work(self, system: System, plan: Plan) -> float:
        """Return the operations of products with the Hessian, over the steps between looks."""
        return 2 * system.work(1) * _PRODUCTS / self.every

    def bytes(self, system: System, plan: Plan) -> int:
        """Return the bytes of times, eigenvalues and residuals."""
        assert isinstance(system, WithLoss)
        return 8 * count(self.every, plan.steps) * (1 + len(system.curvatures))

    def seconds(self, system: System, plan: Plan, start: Array) -> float:
        """Estimate what all looks take from one at the start."""
        assert isinstance(system, WithLoss)
        began = time.perf_counter()
        system.curvature(start[0], 0)
        return _LATER * count(self.every, plan.steps) * (time.perf_counter() - began)

    def begin(self, system: System, plan: Plan, writer: Writer, start: Array) -> Follower:
        """Return the follower of a run."""
        assert isinstance(system, WithLoss)
        return _Curvature(system, self, plan)


class _Curvature:
    """Extreme eigenvalues of the Hessian along the reference, under way.

    Parameters
    ----------
    system : WithLoss
    asked : Curvature
    plan : Plan
    """

    def __init__(self, system: WithLoss, asked: Curvature, plan: Plan) -> None:
        self._system, self._every, self._steps = system, asked.every, plan.steps
        self._notes = Notes()
        self._notes.add(np.zeros(0), np.zeros((0, len(system.curvatures))))

    @property
    def checkpoint(self) -> dict[str, Array]:
        """Nothing: a time needs no other."""
        return {}

    def wants(self, start: int, stop: int) -> list[int]:
        """Return the times at which the Hessian is looked at."""
        return multiples(self._every, start, stop, self._steps)

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
