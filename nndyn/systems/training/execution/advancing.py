"""Advancing: the rows of one training, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.sketch import Sketches
from nndyn.systems.protocol import Block
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.execution.statistics import recomputed
from nndyn.systems.training.execution.team import Together
from nndyn.systems.training.execution.trajectories import DISAGREEMENT, check_times
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.protocol import Engine
from nndyn.systems.training.task import Task
from nndyn.systems.training.torch_state import device as devices
from nndyn.systems.training.torch_state.threads import one_each, threads_for

#: Samples of the minibatch whose gradient is a direction, where steps are of a full batch.
FEW = 32


class Advancing:
    """What of a training moves its rows; see `nndyn.systems.protocol.System`.

    Attributes
    ----------
    task : Task
    order : Order
    rule : Optimizer
    dtype : numpy.dtype
    device : torch.device
    dimension : int
        Components of a phase.
    components : slice
        The weights in it.
    first_step : int
        Step at which it begins; times below are counted from there.
    """

    task: Task
    order: Order
    rule: Optimizer
    dtype: np.dtype[Any]
    device: torch.device
    dimension: int
    components: slice
    first_step: int
    sketched = True
    _alone: Together

    def one_by_one(self, replicas: int) -> str | None:
        """Return why `replicas` rows are computed one after the other; see `protocol.InTurn`."""
        return self.task.one_by_one(self.order, replicas)

    @property
    def concurrent(self) -> bool:
        """Whether trainings like this may advance at once, each in a thread of its own.

        Not on a GPU, where one batch of all is the faster, and not modules, for which torch's
        random state and some of its switches, which belong to the whole process, are set.
        """
        return self.task.concurrent

    def check_steps(self, steps: int) -> None:
        """Check that the schedule has so many steps; see `nndyn.systems.protocol.Begun`."""
        self.rule.schedule.check(self.rule.updates(self.first_step + steps))

    def work(self, replicas: int) -> float:
        """Rough floating-point operations of one step of `replicas` rows."""
        return replicas * self.task.work(self.order)

    def advance(
        self,
        phase: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        *,
        evaluate: Sequence[int] = (),
        part: slice | None = None,
        sketch: Sketches | None = None,
    ) -> Block:
        """Advance the rows ``(R, P)`` by `steps` >= 1; see `nndyn.systems.protocol.System`."""
        if steps < 1:
            raise UsageError(f"steps is {steps}, expected 1 or more")
        self.check_steps(start + steps)
        return self._run(phase, start, steps, keep, evaluate, part, sketch)

    def observe(
        self,
        phase: Array,
        t: int,
        *,
        evaluate: bool = True,
        part: slice | None = None,
        sketch: Sketches | None = None,
    ) -> Block:
        """Return the Block of the time `t` alone, equal to what `advance` stores there."""
        return self._run(phase, t, 0, (t,), (t,) if evaluate else (), part, sketch)

    @staticmethod
    def one_thread() -> AbstractContextManager[None]:
        """Let torch use one thread, for where several runs have one each."""
        return one_each()

    def bare(self, phase: Array, start: int, steps: int) -> Array:
        """Return the phase ``(R, P)`` after `steps` steps that record nothing, for timing."""
        rows = self._rows(phase)
        with self.computing(len(rows), self.task.threaded_work):
            return np.asarray(self._alone.bare(rows[None], start, steps)[0])

    def _run(
        self,
        phase: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        evaluate: Sequence[int],
        part: slice | None,
        sketch: Sketches | None,
    ) -> Block:
        phase = self._rows(phase)
        check_times(start, steps, keep=keep, evaluate=evaluate)
        with self.computing(len(phase), self.task.threaded_work):
            return self._alone.run(phase[None], start, steps, keep, evaluate, part, sketch)[0]

    @property
    def no_gradient(self) -> str:
        """See `nndyn.systems.protocol.WithGradient`: there is one wherever a rule takes it."""
        return ""

    def batch_gradient(self, phase: Array, t: int, key: Sequence[int]) -> Array:
        """Return the gradient ``(D,)`` at a `phase` ``(P,)`` of a minibatch that `key` draws.

        Returns
        -------
        (D,)

        Notes
        -----
        As many samples as a step has, at most `FEW` of a full batch. Of batches that are drawn as
        the run goes on it is that of the step from `t`, or as many later as the last of `key` is
        above 1.
        """
        row = self._rows(phase[None])
        size = len(range(*self.components.indices(self.dimension)))
        statistics = row[:, size * (1 + self.rule.buffers) :]
        t += self.first_step
        if self.task.kept:
            few = min(self.order.batch_size or FEW, self.order.count)
            seed = int(np.random.SeedSequence(list(key)).generate_state(1)[0])
            order = Order(self.order.count, batch_size=few, seed=seed)
        else:
            order, t = self.order, t + key[-1] - 1
        with self.computing(1), torch.no_grad():
            engine = self.task.engine([order], 1)
            here = [torch.from_numpy(part).to(self.device) for part in (row[:, :size], statistics)]
            engine.load(*here)
            gradient, _, _ = engine.gradient(0 if self.task.kept else t)
            return np.asarray(gradient[0].cpu().numpy().copy())

    @property
    def no_barrier(self) -> str:
        """See `recorders.segments.curves.WithSegments`."""
        return (
            "" if self.task.kept else "batches are drawn anew, and there is no whole training set"
        )

    def evaluated(self, weights: Array) -> dict[str, Array]:
        """Return what is evaluated ``(R,)`` of rows of weights ``(R, D)`` alone.

        Returns
        -------
        dict of str to (R,) float64
            By the names of `evaluations`.

        Notes
        -----
        Running statistics are computed anew for every row, by one pass over the training set.
        """
        task, counts = self.task, self.task.counts
        with self.computing(len(weights)), torch.no_grad():
            rows = torch.from_numpy(weights).to(task.device, task.dtype)
            engine = self._engine(len(rows))
            engine.load(rows, recomputed(task, self.order, rows))
            loss, right = engine.evaluate(correct=task.labelled)
            found = {"loss": loss} | ({} if right is None else {"accuracy": right / counts[""]})
            if "test_" in counts:
                loss, right, apart, other = engine.test(len(rows), correct=task.labelled)
                found |= {"test_loss": loss[0], "distance_output": apart[0]}
                if right is not None and other is not None:
                    found["test_accuracy"] = right[0] / counts["test_"]
                    found[DISAGREEMENT] = other[0] / counts["test_"]
            return {name: torch.as_tensor(v).double().cpu().numpy() for name, v in found.items()}

    def _engine(self, rows: int) -> Engine:
        """Return what computes so many rows: that of the run, which has its buffers."""
        return self._alone.engine(rows)

    @contextmanager
    def computing(self, replicas: int, least: float | None = None) -> Iterator[None]:
        """Have torch compute steps of `replicas` rows fast and repeatably.

        On one thread, unless their work is `least`; see `threads_for`.
        """
        with threads_for(self.work(replicas), least), devices.repeatable(self.device):
            yield

    def _rows(self, phase: Array) -> Array:
        rows = np.ascontiguousarray(phase, dtype=self.dtype)
        if rows.ndim != 2 or rows.shape[1] != self.dimension or len(rows) == 0:
            raise UsageError(f"phase has shape {np.shape(phase)}, not (rows, {self.dimension})")
        return rows
