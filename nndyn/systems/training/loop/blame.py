"""What makes a step differ from itself: the first parameter and the first module that do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from nndyn.systems.training.batches.drawn import own
from nndyn.systems.training.loop.rest import equal
from nndyn.systems.training.loop.seat import Seat, State
from nndyn.systems.training.loop.steps import Steps

_CAUSES = (
    "usual causes are a module or a step that counts its calls, a random generator of its own, or "
    "state that is in neither `model` nor `stateful`"
)


def reason(seat: Seat, steps: Steps, t: int, reference: State, row: State, r: int) -> str:
    """Return why a recording ends where a row that is equal to the reference leaves it.

    Parameters
    ----------
    seat : Seat
    steps : Steps
    t : int
        Time from which the step differs.
    reference, row : State
        After the step.
    r : int
        The row that differs.

    Returns
    -------
    str
    """
    module = _module(seat, steps, t, reference)
    where = f", first in the outputs of {module}, whose inputs agree" if module else ""
    return (
        f"the step from time {t} is not the same for equal rows: replica {r} was equal to the "
        f"reference and differs from it at time {t + 1} in {seat.difference(reference, row)}"
        f"{where}; {_CAUSES}"
    )


def _module(seat: Seat, steps: Steps, t: int, state: State) -> str:
    """Return the first module that gives two outputs for one input, empty if there is none."""
    calls: list[list[tuple[str, Any, Any]]] = []
    for _ in range(2):
        seat.take(state.copy())
        noted: list[tuple[str, Any, Any]] = []
        try:
            with _watched(seat, noted):
                steps.take(t)
        except Exception:
            return ""
        calls.append(noted)
    for (name, given, found), (other, given_too, found_too) in zip(*calls, strict=False):
        if name != other or not equal(given, given_too):
            return ""
        if not equal(found, found_too):
            return str(name)
    return ""


@contextmanager
def _watched(seat: Seat, noted: list[tuple[str, Any, Any]]) -> Iterator[None]:
    """Note the inputs and outputs of all modules, inner ones before those they are in."""

    def hook(name: str) -> Any:
        def note(module: nn.Module, given: Any, found: Any) -> None:
            noted.append((name, _tensors(given), _tensors(found)))

        return note

    handles = [
        module.register_forward_hook(hook(f"{path or 'the model'} ({type(module).__name__})"))
        for path, module in seat.modules()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _tensors(value: Any) -> Any:
    """Return copies of the tensors in a value."""
    if isinstance(value, torch.Tensor):
        return own(value.detach())
    if isinstance(value, dict):
        return {str(k): _tensors(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tensors(v) for v in value]
    return repr(value) if isinstance(value, (int, float, str, bool)) else None
