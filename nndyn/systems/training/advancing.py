"""Advance of a training whose optimizer has a rule here: its rows together, or several runs."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Self

import numpy as np
import torch

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.protocol import Block, Team
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.execution.team import Together
from nndyn.systems.training.execution.trajectories import check_times
from nndyn.systems.training.second_order.differentiable import Differentiable
from nndyn.systems.training.second_order.measures import SecondOrder
from nndyn.systems.training.torch_state import device as devices
from nndyn.systems.training.torch_state.threads import threads_for


class Advancing(Differentiable):
    """What takes the steps of a training.

    Attributes
    ----------
    order : Order
        Of the samples.
    dimension : int
        P, the length of a phase.
    dtype : numpy.dtype
    torch_dtype : torch.dtype
    device : torch.device
    labelled : bool
        Whether there are class labels, hence accuracies.
    components : slice
        Where the weights lie in a phase.
    counts : dict of str to int
        Labels that count, of the training and of the test set.
    """

    order: Order
    dimension: int
    dtype: np.dtype[Any]
    torch_dtype: torch.dtype
    device: torch.device
    labelled: bool
    components: slice
    counts: dict[str, int]
    _alone: Together

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what defines the run."""

    @abstractmethod
    def work(self, replicas: int) -> float:
        """Rough floating-point operations of one step of `replicas` rows."""

    @abstractmethod
    def check_steps(self, steps: int) -> None:
        """Check that so many steps from the first time on can be taken."""

    def advance(
        self,
        phase: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        *,
        evaluate: Sequence[int] = (),
        part: slice | None = None,
    ) -> Block:
        """Advance the rows ``(R, P)`` by `steps` >= 1; see `nndyn.systems.protocol.System`."""
        if steps < 1:
            raise UsageError(f"steps is {steps}, expected 1 or more")
        self.check_steps(start + steps)
        return self._run(phase, start, steps, keep, evaluate, part)

    def observe(
        self, phase: Array, t: int, *, evaluate: bool = True, part: slice | None = None
    ) -> Block:
        """Return the Block of the time `t` alone, equal to what `advance` stores there."""
        return self._run(phase, t, 0, (t,), (t,) if evaluate else (), part)

    def reordered(self) -> Self | None:
        """Return the same training with the samples of every step summed in reversed order.

        Returns
        -------
        Self or None
            None where a step is random: its numbers belong to places in the batch.
        """
        if self.task.random:
            return None
        twin = copy.copy(self)
        twin.order = self.order.turned()
        twin._alone = Together([twin])
        twin._second = SecondOrder(twin.task, twin.rule, twin.order)
        return twin

    def together(self, others: Sequence[Any]) -> Team:
        """Return this training and `others`, which have its shape, as one batch.

        Returns
        -------
        Team

        Raises
        ------
        UsageError
            If they differ in more than seeds and the numbers of the optimizer.
        """
        return Together([self, *others])

    @staticmethod
    def one_thread() -> AbstractContextManager[None]:
        """Let torch use one thread, for where several runs have one each."""
        return threads_for(0.0)

    def bare(self, phase: Array, start: int, steps: int) -> Array:
        """Return the phase ``(R, P)`` after `steps` steps that record nothing, for timing."""
        rows = self._rows(phase)
        with self.computing(len(rows)):
            return np.asarray(self._alone.bare(rows[None], start, steps)[0])

    def _run(
        self,
        phase: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        evaluate: Sequence[int],
        part: slice | None,
    ) -> Block:
        phase = self._rows(phase)
        check_times(start, steps, keep=keep, evaluate=evaluate)
        with self.computing(len(phase)):
            return self._alone.run(phase[None], start, steps, keep, evaluate, part)[0]

    @contextmanager
    def computing(self, replicas: int) -> Iterator[None]:
        """Have torch compute steps of `replicas` rows fast and repeatably."""
        with threads_for(self.work(replicas)), devices.repeatable(self.device):
            yield

    def _rows(self, phase: Array) -> Array:
        rows = np.ascontiguousarray(phase, dtype=self.dtype)
        if rows.ndim != 2 or rows.shape[1] != self.dimension or len(rows) == 0:
            raise UsageError(f"phase has shape {np.shape(phase)}, not (rows, {self.dimension})")
        return rows
