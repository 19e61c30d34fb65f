"""One call of a training function: its steps on the copy it is given, seen and recorded."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from nndyn.errors import DataError, NndynError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.loop.description import plain
from recorders.watch.file import File
from recorders.watch.handle import Watch
from recorders.watch.opening import described
from recorders.watch.steps import Outermost
from recorders.watch.weights import Weights

#: An optimizer's class, or a function of one, that says which ends a step.
Boundary = type[torch.optim.Optimizer] | Callable[[torch.optim.Optimizer], bool] | None


class _EndOfRun(BaseException):
    """Ends a training function: no Exception, any of which it may catch."""


class _Strict(Watch):
    """A `Watch` whose failures end the run: without its recording there is no use for it."""

    def _guarded(self, act: Callable[[], None]) -> None:
        act()


@dataclass(frozen=True)
class Optimizers:
    """Optimizers that hold parameters of a copy, as they were when they first stepped.

    Attributes
    ----------
    names : list of str
        Their classes.
    groups : list of list of dict
        Their numbers, by group of parameters, as JSON values.
    """

    names: list[str]
    groups: list[list[dict[str, Any]]]


class Run:
    """A call of a training function.

    Parameters
    ----------
    model : torch.nn.Module
        The copy that is to be trained.
    original : torch.nn.Module
        What it was copied from, which is not.
    boundary : class, callable or None
    most : int or None
        Steps after which it ends.

    Attributes
    ----------
    steps : int
        Made so far.
    work : list of (int, int)
        Of every step, backward passes before it, and steps of optimizers that end none.
    optimizers : Optimizers
    """

    def __init__(
        self, model: nn.Module, original: nn.Module, boundary: Boundary, most: int | None
    ) -> None:
        self._model, self._original = model, original
        self._boundary, self._most = boundary, most
        self.steps, self.work = 0, list[tuple[int, int]]()
        self.optimizers = Optimizers([], [])
        self._known: dict[int, tuple[torch.optim.Optimizer, int, bool]] = {}
        self._ours: dict[int, tuple[Outermost, bool]] = {}
        self._passes, self._between, self._others = Counter[int](), True, 0
        self._refusal: NndynError | OSError | None = None

    def call(self, train: Callable[[nn.Module], Any]) -> None:
        """Let it train, to its end or that of the run.

        Raises
        ------
        UsageError
            If it makes no step that can be counted, or trains another model.
        Exception
            Of its own.
        """
        try:
            with self._hooked():
                train(self._model)
        except _EndOfRun:
            pass
        except Exception as error:
            if self._refusal is None and not _led_to(error):
                raise
        finally:
            self._ours.clear()  # it may hold a frame, and that anything
        if self._refusal is not None:
            raise self._refusal
        if not self.steps:
            raise UsageError(self._without_steps())

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        """Hear of the steps of all optimizers, and of backward passes through the copy."""
        handles: list[Any] = [
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]
        try:
            for i, parameter in enumerate(self._model.parameters()):
                if parameter.requires_grad:
                    hook = self._passing(i)
                    handles.append(
                        parameter.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]
                    )
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _passing(self, i: int) -> Callable[[torch.Tensor], None]:
        def note(_: torch.Tensor) -> None:
            if self._between:  # passes within a step are the optimizer's own affair
                self._passes[i] += 1

        return note

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        try:
            if not self._is_ours(optimizer):
                return
            outermost, _ends = self._ours[id(optimizer)]
            if not outermost.begins(sys._getframe(1)):
                return
            if self._refusal is not None or self.steps == self._most:
                raise _EndOfRun
            if self.ready(optimizer):
                raise _EndOfRun
        except (NndynError, OSError) as error:
            self._refusal = error
            raise _EndOfRun from None
        self._between = False

    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        known = self._ours.get(id(optimizer))
        if known is None or not known[0].ends(sys._getframe(1)):
            return
        self._between = True
        if not known[1]:
            self._others += 1
            return
        self.steps += 1
        self.work.append((max(self._passes.values(), default=0), self._others))
        self._passes.clear()
        self._others = 0
        try:
            self.stepped()
        except (NndynError, OSError) as error:
            self._refusal = error
            raise _EndOfRun from None

    def ready(self, optimizer: torch.optim.Optimizer) -> bool:
        """Do what is to be done before an optimizer steps; return whether the run is over."""
        return False

    def stepped(self) -> None:
        """Do what is to be done after a step."""

    def _is_ours(self, optimizer: torch.optim.Optimizer) -> bool:
        """Whether an optimizer holds a parameter of the copy."""
        size = sum(len(group["params"]) for group in optimizer.param_groups)
        known = self._known.get(id(optimizer))
        if known is not None and known[1] == size:
            return known[2]
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        ours = not held.isdisjoint(map(id, self._model.parameters()))
        if not ours and not held.isdisjoint(map(id, self._original.parameters())):
            raise UsageError(
                f"train steps {type(optimizer).__name__} on the model that was given to twins, not "
                "on the copy that it is called with; make the optimizer in it, of its argument"
            )
        self._known[id(optimizer)] = (optimizer, size, ours)  # held, so that the id is its own
        if ours and id(optimizer) not in self._ours:
            self._ours[id(optimizer)] = (Outermost(), self._ends_steps(optimizer))
            self.optimizers.names.append(type(optimizer).__name__)
            self.optimizers.groups.append([plain(group) for group in optimizer.param_groups])
        return ours

    def _ends_steps(self, optimizer: torch.optim.Optimizer) -> bool:
        """Tell whether a step ends with that of an optimizer seen for the first time.

        Returns
        -------
        bool

        Raises
        ------
        UsageError
            If it is not the only one and nothing says so.
        """
        boundary = self._boundary
        others = [one for one, _, ours in self._known.values() if ours and one is not optimizer]
        if boundary is None:
            if others:
                raise UsageError(
                    f"train has two optimizers of the model, {_named(others[0])} and "
                    f"{_named(optimizer)}; say which one ends a step, by its class, such as "
                    f"`boundary=torch.optim.{type(others[0]).__name__}`, or by a function of the "
                    "optimizer (`lambda optimizer: True` where each step of any is one)"
                )
            return True
        if not isinstance(boundary, type):
            return bool(boundary(optimizer))
        if not isinstance(optimizer, boundary):
            return False
        kinds = {type(one) for one in others if isinstance(one, boundary)} | {type(optimizer)}
        if len(kinds) > 1:
            names = " and ".join(sorted(kind.__name__ for kind in kinds))
            raise UsageError(
                f"boundary is {boundary.__name__}, and so are {names}; give a function of the "
                f"optimizer, such as `lambda optimizer: type(optimizer) is {boundary.__name__}`"
            )
        return True

    def _without_steps(self) -> str:
        """Return why there is no step."""
        if self.optimizers.names:
            name = getattr(self._boundary, "__name__", str(self._boundary))
            return (
                f"no step has ended: boundary {name} is none of the optimizers that stepped, "
                f"known: {', '.join(self.optimizers.names)}"
            )
        if self._known:
            names = sorted({type(one).__name__ for one, *_ in self._known.values()})
            return (
                f"train makes steps of {', '.join(names)}, which holds no parameter of the model "
                "it is called with: it trains another one; let it train its argument"
            )
        passes = max(self._passes.values(), default=0)
        went = f"went backward {passes} times, but " if passes else ""
        cure = (
            "; a gradient scaler leaves out steps whose gradients are not finite" if passes else ""
        )
        return (
            f"train {went}made no step of an optimizer of torch.optim on the model that it is "
            f"called with: there is nothing to record{cure}"
        )


class Recorded(Run):
    """A call of a training function that is recorded.

    Parameters
    ----------
    model, original, boundary, most
        As of `Run`.
    path : Path
    every : int
    reference : (D,) array, optional
        Weights that it must not begin with.
    """

    def __init__(
        self,
        model: nn.Module,
        original: nn.Module,
        boundary: Boundary,
        most: int | None,
        *,
        path: Path,
        every: int,
        reference: Array | None = None,
    ) -> None:
        super().__init__(model, original, boundary, most)
        self._path, self._every, self._reference = path, every, reference
        self._watch: _Strict | None = None
        self._before: Callable[[], None] = _nothing
        self._after: Callable[[], None] = _nothing

    def call(self, train: Callable[[nn.Module], Any]) -> None:
        """Let it train, and record that; raises as `Run.call` does, and as a `Writer`."""
        try:
            super().call(train)
            if self.steps < self._every and not self.diverged:
                raise UsageError(
                    f"train made {self.steps} steps, every is {self._every}; let it make more, or "
                    "record every step"
                )
        except BaseException as error:
            if self._watch is not None:
                with suppress(NndynError, OSError):
                    self._watch.__exit__(type(error), error, None)
            raise
        else:
            assert self._watch is not None  # there was a step
            self._watch.remove()
        finally:
            self._watch = None  # which holds this one

    @property
    def diverged(self) -> bool:
        """Whether the weights were seen not to be finite."""
        return self._watch is not None and self._watch.diverged

    def ready(self, optimizer: torch.optim.Optimizer) -> bool:
        """Begin the recording before the first step; return whether there is nothing to follow."""
        if self._watch is None:
            self._watch = self._begun(optimizer)
        self._before()
        return self.diverged

    def stepped(self) -> None:
        """Record what is due."""
        self._after()

    def follow(self, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Call these before and after steps: this is what the `Watch` follows."""
        self._before, self._after = before, after

    def let_go(self) -> None:
        """Call neither any more."""
        self._before = self._after = _nothing

    def _begun(self, optimizer: torch.optim.Optimizer) -> _Strict:
        weights = Weights(self._model)
        start = np.empty(weights.size, weights.dtype)
        weights.read(start)
        if not np.isfinite(start).all():
            raise DataError("a weight is not finite before the first step of train")
        if self._reference is not None and np.array_equal(start, self._reference):
            raise UsageError(
                "a copy has the weights of the reference before its first step: train makes, loads "
                "or rounds weights, after which nothing is left of the perturbation; make the "
                "model as it is to begin, and give that to twins"
            )
        system = described(self._model, weights, [optimizer], start)
        file = File.new(self._path, weights.parameters, weights.dtype, self._every, system)
        return _Strict(weights, self, file, self._every, None)


def _nothing() -> None:
    pass


def _named(optimizer: torch.optim.Optimizer) -> str:
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    return f"{type(optimizer).__name__} (of {count} parameters)"


def _led_to(error: BaseException | None) -> bool:
    """Whether an error came of the end of a run, which somebody has caught."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, _EndOfRun):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
