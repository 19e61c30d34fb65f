"""A training loop of the user's own as a system: what `nndyn.Loop` is."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import nn

from nndyn.checks import whole
from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.sketch import Sketches
from nndyn.systems.defaults import sparing
from nndyn.systems.numeric.one_by_one import OneByOne
from nndyn.systems.protocol import Block
from nndyn.systems.training.execution.trajectories import check_times
from nndyn.systems.training.loop import trial
from nndyn.systems.training.loop.evaluation import Evaluation
from nndyn.systems.training.loop.memory import Memory
from nndyn.systems.training.loop.rest import decode, encode
from nndyn.systems.training.loop.rows import Rows
from nndyn.systems.training.loop.seat import Seat, State
from nndyn.systems.training.loop.steps import Steps
from nndyn.systems.training.torch_state.streams import preserved
from nndyn.systems.training.torch_state.threads import one_each

#: Room for a row's rest to grow in the file.
_ROOM = 4096


class Loop:
    """One update of a training loop of your own, as a map on weights and all that goes with them.

    Parameters
    ----------
    step : callable
        ``step(batch)``, ``step(batch, t)`` or, without `batches`, ``step()`` does one update of
        your own model and optimizer. A number that it returns is recorded as ``batch_loss``, a
        dict of numbers as ``batch_NAME``, at the weights before the update.
    batches : DataLoader, Dataset or iterable, optional
        Gone through once an epoch; see `nndyn.replay`. A Dataset with a length gives its items in
        order, each as one batch.
    model : torch.nn.Module or dict of str to torch.nn.Module
        What is trained.
    stateful : dict of str to object
        Whatever else a step changes: optimizers, schedulers, scalers, averages; objects with
        ``state_dict`` and ``load_state_dict``.
    evaluate : callable, optional
        Returns a dict of numbers: ``loss`` and ``accuracy`` over the training set, ``test_loss``
        and ``test_accuracy`` over the test set; ``output``, a tensor, from which
        ``distance_output`` is taken; others are recorded as ``metric_NAME``. It must not change a
        weight. What is random in it is the same at every time; training mode is put back.
    steps_per_epoch : int, optional
        Batches of an epoch, where `batches` does not say it or has more.
    seed : int, default 0
        Draws batches and what is random in a step.

    Raises
    ------
    UsageError
        If an argument is wrong, a step or evaluation fails, uses an optimizer, scheduler, scaler
        or module that is not listed, or leaves state that a recording does not hold.

    Warns
    -----
    UserWarning
        If batches come out otherwise each time they are drawn.

    Notes
    -----
    Two steps are tried at set-up, after which your objects are put back as they were, as they are
    after every call. The phase is the weights, parameters that require gradients, followed by
    every other floating tensor with a dimension: buffers, moments, averages, and gradients where
    a step uses those of the one before. Numbers, integers and the states of schedulers are a row's
    rest, kept beside the phase. Rows take turns: your objects are given a row's own tensors, or,
    where a step would not be the same on these, copies go into theirs and back. Beside its step a
    row costs three passes over its weights and two copies of its phase a call. Memory is three
    phases of all rows.

    A step must depend on nothing but that state, its batch and `t`. Before every one torch, numpy
    and Python are seeded by (`seed`, t), the same for all rows. Where a row that is equal to the
    reference leaves it, the recording stops and says which module did.

    Examples
    --------
    >>> model = nn.Linear(4, 3)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> def step(batch):
    ...     optimizer.zero_grad()
    ...     loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> batches = [(torch.randn(8, 4), torch.randint(3, (8,)))]
    >>> Loop(step, batches, model=model, stateful={"optimizer": optimizer}).dimension
    15
    """

    kind = "training"
    stationary = False
    needs_orbit = False
    interval = 1.0
    time_unit = "step"
    series = ()
    arrival = ("step_length",)
    exponent_sum = None
    no_tangents = (
        "a step of your own has no derivative here; record replicas with `rescale` instead"
    )
    concurrent = False
    sketched = True

    def __init__(
        self,
        step: Callable[..., Any],
        batches: Any = None,
        *,
        model: nn.Module | Mapping[str, nn.Module],
        stateful: Mapping[str, Any] | None = None,
        evaluate: Callable[[], Mapping[str, Any]] | None = None,
        steps_per_epoch: int | None = None,
        seed: int = 0,
    ) -> None:
        seed = whole("seed", seed, 0)
        if steps_per_epoch is not None:
            steps_per_epoch = whole("steps_per_epoch", steps_per_epoch, 1)
        models, objects = trial.checked(model, stateful, step)
        self._seat = Seat(models, objects)
        self._steps = Steps(step, batches, seed, steps_per_epoch)
        self._evaluation = Evaluation(evaluate, models, seed)
        with preserved():
            found = trial.run(self._seat, self._steps, self._evaluation, models, objects)
        self._initial, self._begin = found.phase, found.begin
        self._states: list[State] = []
        self._memory = Memory()
        self._weights: Array = np.empty((2, 0, 0))
        self._description, self._work = found.description, found.work
        self.not_resumable, self._computed = found.not_resumable, found.computed
        if self.not_resumable:
            warnings.warn(
                f"a recording of this loop cannot be resumed: {self.not_resumable}", stacklevel=2
            )
        self.batch_values = self._steps.names
        self.evaluations = self._evaluation.names
        self.parameters = self._seat.parameters
        self.by_parameter = len(self.parameters) > 1
        self.dimension = self.tangent_size = self._seat.size
        self.components = slice(0, sum(p.size for p in self.parameters))
        self.dtype = np.dtype("float64" if self._seat.dtype == torch.float64 else "float32")
        self.steps_per_epoch = self._steps.steps_per_epoch
        self.evaluate_every = self.steps_per_epoch or 1
        self.evaluate_auto = sparing(found.evaluation_work, found.work)
        self.name = f"loop of {' and '.join(type(m).__name__ for m in models.values())}"
        # numbers have more digits or fewer: the same in any session that begins alike
        self.rest_size = 1 << (2 * len(encode(found.longest)) + _ROOM).bit_length()
        self._nudged = False

    def __repr__(self) -> str:
        """Return the name and its size."""
        return f"<Loop {self.name}, {self.components.stop} weights>"

    def describe(self) -> dict[str, Any]:
        """Everything that defines the system, as JSON values."""
        return self._description | ({"summation": "nudged"} if self._nudged else {})

    def work(self, replicas: int) -> float:
        """Rough floating-point operations of one step of `replicas` rows."""
        return replicas * self._work

    def initial(self, seed: int = 0) -> Array:
        """Return the phase ``(P,)`` at time 0, that of the objects as they were given."""
        return self._initial.copy()

    def initial_rest(self, replicas: int) -> list[Any]:
        """Return the rest of `replicas` rows at time 0."""
        return [self._begin.rest for _ in range(replicas)]

    def encode_rest(self, rest: Sequence[Any], t: int) -> Array:
        """Return the rest of all rows at time `t` as bytes ``(R, rest_size)``.

        Returns
        -------
        (R, rest_size) uint8

        Raises
        ------
        UsageError
            If it has outgrown them.
        """
        digest = self._steps.digest(t)
        rows = np.full((len(rest), self.rest_size), ord(" "), np.uint8)
        for row, tree in zip(rows, rest, strict=True):
            text = encode({"rest": tree, "batches": digest})
            if len(text) > self.rest_size:
                raise UsageError(
                    f"the state beside the phase has grown to {len(text)} bytes, the file has room "
                    f"for {self.rest_size}"
                )
            row[: len(text)] = np.frombuffer(text, np.uint8)
        return rows

    def decode_rest(self, rows: Array, t: int) -> list[Any]:
        """Return the rest that `encode_rest` made bytes of.

        Returns
        -------
        list

        Raises
        ------
        UsageError
            If a run of this loop cannot be gone on with at `t`: its batches are others than those
            before.
        ValueError
            If the bytes are none of that.
        """
        if self.not_resumable:
            raise UsageError(f"a recording of this loop cannot be resumed: {self.not_resumable}")
        found = [decode(row.tobytes()) for row in rows]
        if not all(isinstance(one, dict) and {"rest", "batches"} <= one.keys() for one in found):
            raise ValueError("not the rest of a row")
        for one in found:
            self._try(one["rest"])
        if t and found[0]["batches"] != self._steps.digest(t):
            raise UsageError(
                f"the batches of this epoch before step {t} are others than those recorded; give "
                "the same data, in the same order"
            )
        return [one["rest"] for one in found]

    def _try(self, rest: Any) -> None:
        """Check that the objects take a rest that comes from a file."""
        row = torch.from_numpy(self._initial)
        state = State([], {})
        try:
            if not self._seat.fits(rest):
                raise ValueError("it has other tensors")
            with self._seat.lent():
                self._seat.load(state, row, rest)
                self._seat.take(state)
        except Exception as error:  # of the user's objects it may be any
            raise ValueError(f"not the rest of a row of this loop: {error}") from error

    def representable(self, phase: Array) -> Array:
        """Return rows ``(R, P)`` as the tensors of the objects, narrower perhaps, hold them."""
        width = self.dtype.itemsize
        narrow = [p for p in self._seat.places if torch.finfo(p.dtype).bits < 8 * width]
        if not narrow:
            return phase
        rounded = torch.from_numpy(phase.copy())
        for place in narrow:
            part = rounded[:, place.start : place.start + place.size]
            part.copy_(part.to(torch.float32 if place.dtype.is_complex else place.dtype))
        return rounded.numpy()

    def computed(self, phase: Array) -> tuple[str, Array] | None:
        """Return the dtype of the steps' autocast, if any, and rows ``(R, P)`` rounded to it."""
        if self._computed is None:
            return None
        rounded = torch.from_numpy(phase).to(self._computed).to(self._seat.dtype)
        return str(self._computed).removeprefix("torch."), rounded.numpy()

    @property
    def coarsest(self) -> tuple[str, float]:
        """The narrowest dtype of weights, and its rounding over that of the phase."""
        places = self._seat.places[: len(self.parameters)]
        dtype = max((place.dtype for place in places), key=lambda d: torch.finfo(d).eps)
        ratio = torch.finfo(dtype).eps / np.finfo(self.dtype).eps
        return str(dtype).removeprefix("torch."), float(ratio)

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
        if steps < 1:
            raise UsageError(f"steps is {steps}; give at least 1")
        return self._run(phase, start, steps, keep, evaluate, part, sketch, rest)

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
        return self._run(phase, t, 0, (t,), (t,) if evaluate else (), part, sketch, rest)

    def reordered(self) -> Loop:
        """Return the same loop whose weights are moved by a unit in the last place at every step.

        Up or down at random by (seed, t): for loops whose sums nobody can reorder.

        Returns
        -------
        Loop
        """
        twin = copy.copy(self)
        twin._states, twin._weights, twin._memory = [], np.empty((2, 0, 0)), Memory()
        twin._nudged = True
        return twin

    def together(self, others: Sequence[Any]) -> OneByOne:
        """Let this loop and others advance one after the other."""
        return OneByOne([self, *others])

    def one_thread(self) -> AbstractContextManager[object]:
        """Return a context in which torch uses one thread."""
        return one_each()

    def push(self, *args: Any, **kwargs: Any) -> Any:
        """Raise: there are no tangents."""
        raise UsageError(self.no_tangents)

    def _run(
        self,
        phase: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        evaluate: Sequence[int],
        part: slice | None,
        sketch: Sketches | None,
        rest: Sequence[Any] | None,
    ) -> Block:
        check_times(start, steps, keep=keep, evaluate=evaluate)
        given = self.initial_rest(len(phase)) if rest is None else list(rest)
        if self._weights.shape[1] != len(phase):
            self._states = [State([], {}) for _ in phase]
            self._weights = np.empty((2, len(phase), self.components.stop), self.dtype)
        memory = self._states, self._weights, self._memory
        self._steps.forget(start)
        with preserved(), self._seat.lent():
            rows = Rows(self._seat, self._steps, self._evaluation, *memory, phase, given)
            asked = keep, evaluate, part or self.components, sketch
            return rows.run(start, steps, *asked, nudged=self._nudged)
