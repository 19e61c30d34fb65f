"""Critical sharpness along the reference: the curvature of the loss along the next update."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nndyn.checks import every
from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.recording import CRITICAL, VARIABLES, Variable
from nndyn.store import Writer
from nndyn.systems.protocol import System, WithUpdate
from recorders.followers.follower import Follower, Notes
from recorders.plan import Followed, Plan

#: Passes forward that a look takes at most; a step is about three.
_PASSES = 10


@dataclass(frozen=True)
class CriticalSharpness(Followed):
    """The critical sharpness at every so many steps.

    Attributes
    ----------
    every : int
    """

    every: int

    takes = ("critical_sharpness",)

    @classmethod
    def asked(
        cls, system: System, replicas: int, options: Mapping[str, Any]
    ) -> CriticalSharpness | None:
        """Check ``every:K``, and that the system has a loss and says what its next update is."""
        if options["critical_sharpness"] is None:
            return None
        found = cls(every("critical_sharpness", options["critical_sharpness"]))
        if not isinstance(system, WithUpdate):
            raise UsageError(
                f"critical_sharpness is of trainings that nndyn steps, not of {system.name}"
            )
        if system.no_critical:
            raise UsageError(f"critical_sharpness: {system.no_critical}")
        return found

    def options(self) -> dict[str, Any]:
        """Return ``every:K``."""
        return {"critical_sharpness": f"every:{self.every}"}

    def variables(self, system: System) -> list[Variable]:
        """Return times, values, reasons and passes."""
        return [VARIABLES[name] for name in ("critical_time", *CRITICAL)]

    def work(self, system: System, plan: Plan) -> float:
        """Return the operations of the passes forward, over the steps between looks."""
        return system.work(1) * _PASSES / 3 / self.every

    def bytes(self, system: System, plan: Plan) -> int:
        """Return the bytes of times, values, reasons and passes."""
        return 26 * (plan.steps // self.every + 1)

    def seconds(self, system: System, plan: Plan, start: Array) -> float:
        """Estimate what all looks take from one at the start."""
        assert isinstance(system, WithUpdate)
        began = time.perf_counter()
        system.critical(start[0], 0)
        return (plan.steps // self.every + 1) * (time.perf_counter() - began)

    def begin(self, system: System, plan: Plan, writer: Writer, start: Array) -> Follower:
        """Return the follower of a run."""
        assert isinstance(system, WithUpdate)
        return _Critical(system, self)


class _Critical:
    """The critical sharpness along the reference, under way.

    Parameters
    ----------
    system : WithUpdate
    asked : CriticalSharpness
    """

    def __init__(self, system: WithUpdate, asked: CriticalSharpness) -> None:
        self._system, self._every = system, asked.every
        self._notes = Notes()
        self._notes.add(np.zeros(0), np.zeros((0, len(CRITICAL))))

    @property
    def checkpoint(self) -> dict[str, Array]:
        """Nothing: a time needs no other."""
        return {}

    def wants(self, start: int, stop: int) -> list[int]:
        """Return the times of its looks."""
        return list(range(-(-start // self._every) * self._every, stop, self._every))

    def follow(self, phases: Mapping[int, Array], start: int, stop: int) -> None:
        """Look along the updates."""
        for t in self.wants(start, stop):
            self.close(phases[t], t)

    def close(self, phase: Array, t: int) -> None:
        """Look along the update from one time, if that is one of its own."""
        if t % self._every == 0:
            found = self._system.critical(phase, t)
            self._notes.add(np.array([t]), np.array([[found[name] for name in CRITICAL]]))

    def take(self, first: int, last: int, interval: float) -> dict[str, Array]:
        """Hand over the values, the reasons and the passes."""
        steps, rows = self._notes.take(first, last)
        found = dict(zip(CRITICAL, rows.T, strict=True))
        small = {name: found[name].astype(np.int8) for name in CRITICAL[2:]}
        return {"critical_time": steps * interval, **found, **small}
