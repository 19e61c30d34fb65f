"""Tangent vectors of a run under way, and the stretching that waits to be written."""

from __future__ import annotations

import numpy as np

from nndyn.store import Writer
from nndyn.systems.protocol import Array, System
from recorders.perturbations import tangents
from recorders.plan import Plan


class Tangents:
    """Vectors that follow the reference.

    Parameters
    ----------
    system : System
    plan : Plan
    writer : Writer
        Of the file; a run that goes on takes its vectors from there.

    Attributes
    ----------
    vectors : (P, k) float64
        At the time up to which they were pushed.
    """

    def __init__(self, system: System, plan: Plan, writer: Writer) -> None:
        self._system, self._plan = system, plan
        self._steps = [np.zeros(0, np.int64)]
        self._stretch = [np.zeros((0, plan.tangents))]
        if writer.n_committed:
            self.vectors = writer.checkpoint_tangents()
            self._total = writer.read("tangent_log_stretch", last=1)[0]
        else:
            self.vectors = tangents(system, plan)
            self._total = np.zeros(plan.tangents)
            self._note(np.zeros(1, np.int64), self._total[None])

    def push(self, phase: Array, start: int, stop: int) -> None:
        """Push the vectors from `start`, where the reference is `phase` (P,), to `stop`."""
        at = self._plan.orthonormalized(start, stop)
        self.vectors, stretch = self._system.push(phase, self.vectors, start, stop - start, at)
        if at.size:
            # one after the other, whatever the number: a resumed run has the same bits
            total = np.add.accumulate(np.vstack([self._total, stretch]), axis=0)[1:]
            self._note(at, total)
            self._total = total[-1]

    def take(self, t: int) -> tuple[Array, Array]:
        """Hand over the cumulative stretching up to time `t`, and forget it.

        Returns
        -------
        steps : (n,) int64
        stretch : (n, k) float64
        """
        steps, stretch = np.concatenate(self._steps), np.concatenate(self._stretch)
        now = steps <= t
        self._steps, self._stretch = [steps[~now]], [stretch[~now]]
        return steps[now], stretch[now]

    def _note(self, steps: Array, stretch: Array) -> None:
        self._steps.append(steps)
        self._stretch.append(stretch)
