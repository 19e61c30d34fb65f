"""Steps of optimizers, as their hooks tell of them: each once, whatever it calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Protocol

import torch


class Steps(Protocol):
    """What tells of the steps of a training."""

    def follow(self, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Call `before` before any optimizer steps, and `after` where a step has ended."""

    def let_go(self) -> None:
        """Call neither any more."""


class Outermost:
    """Tells a step from those within it: a class may call its parent's, which has hooks as well."""

    def __init__(self) -> None:
        self._frame: FrameType | None = None

    def begins(self, frame: FrameType) -> bool:
        """Whether what calls a hook before a step, in `frame`, is in no other step."""
        if self._frame is not None and _is_within(frame, self._frame):
            return False
        self._frame = frame  # the one before was left by an exception, if there is one
        return True

    def ends(self, frame: FrameType) -> bool:
        """Whether what calls a hook after a step, in `frame`, is the one that began."""
        if frame is not self._frame:
            return False
        self._frame = None
        return True


class OfOptimizers:
    """Steps of optimizers, a step ending with that of the last; `Steps`.

    Parameters
    ----------
    optimizers : sequence of torch.optim.Optimizer
    """

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        self._optimizers, self._handles = list(optimizers), list[Any]()

    def follow(self, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Call `before` before any optimizer steps, and `after` where a step has ended."""
        step = Outermost()

        def begun(*_: Any) -> None:
            if step.begins(sys._getframe(1)):
                before()

        def ended(*_: Any) -> None:
            if step.ends(sys._getframe(1)):
                after()

        *others, last = self._optimizers
        self._handles += [one.register_step_pre_hook(lambda *_: before()) for one in others]
        self._handles.append(last.register_step_pre_hook(begun))
        self._handles.append(last.register_step_post_hook(ended))

    def let_go(self) -> None:
        """Call neither any more."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._optimizers = [], []


def _is_within(frame: FrameType | None, outer: FrameType) -> bool:
    while frame is not None and frame is not outer:
        frame = frame.f_back
    return frame is outer
