"""Rows of a training that take turns, each with the optimizer of torch that was given."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.sketch import Sketches
from nndyn.systems.numeric.one_by_one import OneByOne
from nndyn.systems.protocol import Block
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.execution.advancing import Advancing
from nndyn.systems.training.loop.reach import reached
from nndyn.systems.training.loop.system import Loop
from nndyn.systems.training.modules.engine import ModuleTask
from nndyn.systems.training.modules.modes import plain
from nndyn.systems.training.optimizers.schedules import Schedule
from nndyn.systems.training.protocol import Engine
from nndyn.systems.training.start.start import Start
from nndyn.systems.training.task import Task
from nndyn.systems.training.torch_optimizers.choice import Chosen
from nndyn.systems.training.torch_optimizers.step import Rates, Step
from nndyn.systems.training.torch_state import device as devices

#: What the steps say of the gradient before them.
_NORM = "batch_gradient_norm"


class RowsInTurn(Advancing):
    """What a training does whose optimizer has no rule here: its rows are those of a `Loop`.

    Attributes
    ----------
    first_step : int
        Step at which it begins; times are counted from there, those of the loop are steps.
    reason : str
        Why rows are computed one after the other.
    """

    needs_orbit = False
    exponent_sum = None
    curvatures = ()
    concurrent = False
    task: Task
    order: Order
    device: torch.device
    first_step: int
    reason: str
    _schedule: Schedule
    _loop: Loop
    _step: Step
    _description: dict[str, Any]
    _engines: Engine | None = None

    def _begin(self, chosen: Chosen, begin: Start | None) -> None:
        """Try the steps of the optimizer that is chosen.

        Parameters
        ----------
        chosen : Chosen
        begin : Start, optional
            What may bring a state of the optimizer.

        Raises
        ------
        UsageError
            If a step fails or leaves state that a recording does not hold.
        """
        turns, task = chosen.turns, self.task
        assert turns is not None
        assert isinstance(task, ModuleTask)
        self.reason, optimizer = turns.reason, turns.optimizer
        inside = _inside(optimizer)
        if begin is not None and begin.optimizer is not None and inside:
            raise UsageError(
                f"optimizer {chosen.name} holds others ({', '.join(inside)}), whose state a "
                "checkpoint does not have; give the weights alone, by a dict with model and step"
            )
        if begin is not None:
            begin.give(optimizer, chosen.groups, self.task.network.names)
            self._description["start"] = {"step": begin.step}
        rates: Rates | None = None
        if str(chosen.schedule) != "constant":
            rates = partial(
                chosen.schedule.rates, lrs=[float(group["lr"]) for group in optimizer.param_groups]
            )
        self._schedule = chosen.schedule
        step = Step(task, self.order, turns.module, optimizer, rates, turns.clip)
        try:
            with self.computing(1):
                loop = Loop(
                    step,
                    model=turns.module,
                    stateful={"optimizer": optimizer, **inside},
                    evaluate=step.evaluate,
                    seed=self.order.seed,
                )
        except UsageError as error:
            raise UsageError(f"optimizer {chosen.name}: {error}") from error
        self._step, self._loop = step, loop
        self.dimension = loop.dimension
        self.dtype = loop.dtype
        self.rest_size, self.not_resumable = loop.rest_size, loop.not_resumable
        self.coarsest = loop.coarsest
        of_loop = loop.describe()
        self._description |= {
            "phase_sha256": of_loop["initial_sha256"],
            "rest_sha256": of_loop["rest_sha256"],
        }

    @property
    def tangent_size(self) -> int:
        """Components of the phase that are no rest."""
        return self.dimension

    @property
    def no_tangents(self) -> str:
        """Why there are none."""
        return f"{self.reason}, and its step has no derivative here; compare replicas instead"

    @property
    def no_gradient(self) -> str:
        """Why there is no direction of a gradient."""
        return f"{self.reason}: nndyn does not know where its phase has what a gradient needs"

    @property
    def no_critical(self) -> str:
        """Why nothing is known of the next update."""
        return f"{self.reason}: nndyn does not know its next update before it is made"

    def check_steps(self, steps: int) -> None:
        """Check that the schedule has so many steps."""
        self._schedule.check(self.first_step + steps)

    def one_by_one(self, replicas: int) -> str | None:
        """Return why rows are computed one after the other."""
        return self.reason

    def describe(self) -> dict[str, Any]:
        """Everything that defines the system, as JSON values; equal only for equal systems."""
        summation = self._loop.describe().get("summation")
        return self._description | ({} if summation is None else {"summation": summation})

    def initial(self, seed: int = 0) -> Array:
        """Return the first phase ``(P,)``."""
        return self._loop.initial()

    def initial_rest(self, replicas: int) -> list[Any]:
        """Return the rest of `replicas` rows at the first time."""
        return self._loop.initial_rest(replicas)

    def encode_rest(self, rest: Sequence[Any], t: int) -> Array:
        """Return the rest of all rows as bytes ``(R, rest_size)``."""
        return self._loop.encode_rest(rest, self.first_step + t)

    def decode_rest(self, rows: Array, t: int) -> list[Any]:
        """Return the rest that `encode_rest` made bytes of."""
        return self._loop.decode_rest(rows, self.first_step + t)

    def representable(self, phase: Array) -> Array:
        """Return rows ``(R, P)`` as the tensors of the optimizer and the module hold them."""
        return self._loop.representable(phase)

    def computed(self, phase: Array) -> tuple[str, Array] | None:
        """Return the dtype of the steps' autocast, if any, and rows ``(R, P)`` rounded to it."""
        return self._loop.computed(phase)

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
        rest: Sequence[Any] | None = None,
    ) -> Block:
        """Advance the rows ``(R, P)`` by `steps` >= 1; see `nndyn.systems.protocol.System`."""
        self.check_steps(start + steps)
        first = self.first_step
        keep, evaluate = [first + t for t in keep], [first + t for t in evaluate]
        asked: dict[str, Any] = {"evaluate": evaluate, "part": part, "rest": rest}
        if sketch is not None:
            asked["sketch"] = sketch.later(first)
        with self.computing(len(phase)):
            block = self._loop.advance(phase, first + start, steps, keep, **asked)
        return self._with_norms(block, block.batch.pop(_NORM))

    def observe(
        self,
        phase: Array,
        t: int,
        *,
        evaluate: bool = True,
        part: slice | None = None,
        sketch: Sketches | None = None,
        rest: Sequence[Any] | None = None,
    ) -> Block:
        """Return the Block of the time `t` alone, equal to what `advance` stores there."""
        t += self.first_step
        asked: dict[str, Any] = {"evaluate": evaluate, "part": part, "rest": rest}
        if sketch is not None:
            asked["sketch"] = sketch.later(self.first_step)
        with self.computing(len(phase)):
            block = self._loop.observe(phase, t, **asked)
            with self._step.looking():
                seen = self._loop.advance(phase, t, 1, (), rest=rest).batch[_NORM]
        return self._with_norms(block, seen if len(seen) else np.full((1, len(phase)), np.nan))

    def _with_norms(self, block: Block, norms: Array) -> Block:
        """Say of a block what a training says."""
        block.series = {"gradient_norm": norms}
        if self.task.kept:  # then the loss of the training set is evaluated
            block.batch = {}
        return block

    def bare(self, phase: Array, start: int, steps: int) -> Array:
        """Return the phase ``(R, P)`` after `steps` steps."""
        return self.advance(phase, start, steps, ()).phase

    def reordered(self) -> Any:
        """Return the same training with weights moved by a unit in the last place at every step.

        Returns
        -------
        Training
        """
        twin = copy.copy(self)
        twin._loop = self._loop.reordered()
        return twin

    def together(self, others: Sequence[Any]) -> OneByOne:
        """Let this training and others advance one after the other."""
        systems: list[Any] = [self, *others]
        return OneByOne(systems)

    def push(self, *args: Any, **kwargs: Any) -> Any:
        """Raise: there are no tangents."""
        raise UsageError(self.no_tangents)

    def _engine(self, rows: int) -> Engine:
        """Return what computes so many rows, kept for the next call: steps have none."""
        if self._engines is None or self._engines.replicas != rows:
            self._engines = self.task.engine([self.order], rows)
        return self._engines

    @contextmanager
    def computing(self, replicas: int, least: float | None = None) -> Iterator[None]:
        """Have torch compute repeatably, with as many threads as it has: as a plain loop does."""
        with plain(), devices.repeatable(self.device):
            yield


def _inside(optimizer: torch.optim.Optimizer) -> dict[str, torch.optim.Optimizer]:
    """Return the optimizers that one holds, by name."""
    return {
        f"optimizer{name.removeprefix('step')}".replace("/", "|"): one
        for name, one in reached(optimizer)
        if isinstance(one, torch.optim.Optimizer)
    }
