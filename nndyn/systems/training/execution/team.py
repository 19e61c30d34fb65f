"""Teams: trainings of equal shape that advance together, such as the runs of a study."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.sketch import Sketches
from nndyn.options import TOGETHER
from nndyn.systems.protocol import Block
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.execution.trajectories import Trajectories
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.optimizers.stacked import stack
from nndyn.systems.training.protocol import Engine
from nndyn.systems.training.task import Task

#: What runs of one batch may differ in.
_FREE = {"seed", "initial_sha256", "schedule_sha256", "batches_sha256", *TOGETHER}


class Member(Protocol):
    """What a training brings: its network and samples, its rule, its order, and where it runs."""

    task: Task
    rule: Optimizer
    order: Order
    torch_dtype: torch.dtype
    device: torch.device
    labelled: bool
    first_step: int

    @property
    def components(self) -> slice:
        """Where the weights lie in a phase."""

    @property
    def counts(self) -> dict[str, int]:
        """Labels that count, of the training and of the test set."""

    def computing(self, replicas: int, least: float | None = None) -> AbstractContextManager[None]:
        """Return a context in which torch is set as the run needs it."""

    def describe(self) -> dict[str, Any]:
        """Return what defines the run."""


class Together:
    """M trainings that differ in seeds, initial weights and numbers of the optimizer.

    Parameters
    ----------
    systems : sequence of Member

    Raises
    ------
    UsageError
        If they differ in anything else.

    Notes
    -----
    On the CPU every run gives, bit for bit, what it gives alone. Not for two threads at once.
    """

    def __init__(self, systems: Sequence[Member]) -> None:
        first, *others = systems
        for other in others:
            _compare(first, other)
            other.task.share(first.task)
        self.systems = systems
        self._cached: dict[tuple[int, int, int], Trajectories] = {}

    def advance(
        self,
        phases: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        *,
        evaluate: Sequence[int] = (),
        part: slice | None = None,
        sketch: Sketches | None = None,
    ) -> list[Block]:
        """Advance the rows ``(M, R, P)`` of all runs; as `Training.advance`, a Block a run."""
        first = self.systems[0]
        with first.computing(phases.shape[1], first.task.threaded_work):
            return self.run(phases, start, steps, keep, evaluate, part, sketch)

    def run(
        self,
        phases: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        evaluate: Sequence[int],
        part: slice | None,
        sketch: Sketches | None = None,
    ) -> list[Block]:
        """Advance by `steps` steps; with 0 steps look at `start` only."""
        first, R = self.systems[0], phases.shape[1]
        start += first.first_step
        keep, evaluate = ([first.first_step + t for t in times] for times in (keep, evaluate))
        if sketch is not None:
            sketch = sketch.later(first.first_step)
        where = first.components if part is None else part
        blocks: list[Block] = []
        for low, high in self._shares(R):
            trajectories = self._trajectories(low, high, R)
            blocks += trajectories.run(
                phases[low:high], start, steps, keep, evaluate, where, sketch
            )
        return blocks

    def bare(self, phases: Array, start: int, steps: int) -> Array:
        """Return the phases ``(M, R, P)`` after `steps` steps that record nothing."""
        end, start = phases.copy(), start + self.systems[0].first_step
        R = phases.shape[1]
        for low, high in self._shares(R):
            end[low:high] = self._trajectories(low, high, R).bare(phases[low:high], start, steps)
        return end

    def engine(self, replicas: int) -> Engine:
        """Return what computes so many rows of the first run."""
        return self._trajectories(0, 1, replicas).engine

    def _shares(self, replicas: int) -> list[tuple[int, int]]:
        """Return the runs that share their calls, as (first, end)."""
        first, count = self.systems[0], len(self.systems)
        size = first.task.shares(first.order, replicas)
        return [(low, min(low + size, count)) for low in range(0, count, size)]

    def _trajectories(self, low: int, high: int, replicas: int) -> Trajectories:
        key = low, high, replicas
        found = self._cached.get(key)
        if found is None:
            if len({r for _, _, r in self._cached} | {replicas}) > 2:
                self._cached.clear()  # a run needs R rows, its rounding twin one
            systems = self.systems[low:high]
            first, rules = systems[0], [system.rule for system in systems]
            found = self._cached[key] = Trajectories(
                first.task.engine([system.order for system in systems], replicas),
                stack(rules, replicas, first.torch_dtype, first.device),
                ends=[p.start + p.size for p in first.task.network.parameters],
                counts=first.counts,
                labelled=first.labelled,
                dtype=first.torch_dtype,
                device=first.device,
            )
        return found


def _compare(first: Member, other: Member) -> None:
    """Refuse a training that is not of the first one's shape."""
    one, two = _shape(first), _shape(other)
    for key in {**one, **two}:
        if one.get(key) != two.get(key):
            raise UsageError(
                f"runs of one batch must agree in {key}: it is {one.get(key)} in one and "
                f"{two.get(key)} in another"
            )


def _shape(system: Member) -> dict[str, Any]:
    return {k: v for k, v in system.describe().items() if k not in _FREE}
