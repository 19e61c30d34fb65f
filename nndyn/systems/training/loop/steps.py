"""Steps of a loop: how they are called, with which random numbers, and what they return."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from nndyn.errors import UsageError
from nndyn.systems.training.batches.drawn import Batches, own
from nndyn.systems.training.loop.seat import real
from nndyn.systems.training.torch_state.randomness import key, step_key
from nndyn.systems.training.torch_state.streams import seed_all

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Steps:
    """Steps by time.

    Parameters
    ----------
    step : callable
        Of the user.
    batches : DataLoader, Dataset, iterable or None
    seed : int
    steps_per_epoch : int, optional

    Attributes
    ----------
    names : tuple of str
        What a step says, as variables of a recording; known after the trial.
    """

    def __init__(
        self, step: Callable[..., Any], batches: Any, seed: int, steps_per_epoch: int | None
    ) -> None:
        if not callable(step):
            raise UsageError(f"step is {step!r}, expected a function that does one update")
        self.function, self.seed = step, seed
        self.batches = None if batches is None else Batches(batches, seed, steps_per_epoch)
        self._call = _caller(step, with_batches=batches is not None)
        self._own_length = steps_per_epoch
        self.names: tuple[str, ...] = ()

    @property
    def steps_per_epoch(self) -> int | None:
        """Steps of an epoch; None where there is no such number."""
        return self._own_length if self.batches is None else self.batches.steps_per_epoch

    def take(self, t: int) -> dict[str, float]:
        """Take the step from time `t` on the objects as they are, and return what it says."""
        batch = None if self.batches is None else own(self.batches.at(t))
        seed_all(step_key(self.seed, t))
        with torch.enable_grad():
            said = self._call(batch, t)
        return numbers(said, "batch_", "loss", "a step")

    def digest(self, t: int) -> str:
        """Return the digest of the batches of the epoch of time `t` before that time."""
        return "" if self.batches is None else self.batches.digest(t)

    def forget(self, before: int) -> None:
        """Let go of large batches before a time."""
        if self.batches is not None:
            self.batches.forget(before)

    def nudge(self, weights: Iterable[torch.Tensor], t: int) -> None:
        """Move every weight by a unit in its last place, up or down at random by (seed, t)."""
        generator = torch.Generator().manual_seed(key([self.seed, 5, t]))
        with torch.no_grad():
            for weight in map(real, weights):
                up = torch.randint(2, weight.shape, generator=generator, dtype=torch.bool)
                up = up.to(weight.device)
                ends = torch.where(up, float("inf"), float("-inf")).to(weight.dtype)
                weight.copy_(torch.nextafter(weight, ends))


def numbers(said: Any, prefix: str, single: str, who: str) -> dict[str, float]:
    """Return numbers by the names of variables.

    Parameters
    ----------
    said : None, number or dict of str to number
        Tensors and arrays of one number are numbers.
    prefix, single : str
        Before the names, and the name where there is only one number.
    who : str
        Who said it, for messages.

    Returns
    -------
    dict of str to float

    Raises
    ------
    UsageError
        If it is anything else.
    """
    if said is None:
        return {}
    named = said if isinstance(said, Mapping) else {single: said}
    found = {}
    for name, value in named.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UsageError(
                f"{who} returns a number named {name!r}, expected letters, digits and underscores"
            )
        if isinstance(value, torch.Tensor):
            value = value.detach()
        try:
            found[prefix + name] = float(value)
        except (TypeError, ValueError, RuntimeError):
            raise UsageError(
                f"{who} returns {type(value).__name__} as {name!r}, expected a number"
                if isinstance(said, Mapping)
                else f"{who} returns {type(value).__name__}, expected nothing, a number, or a "
                "dict of numbers"
            ) from None
    return found


def _caller(step: Callable[..., Any], *, with_batches: bool) -> Callable[[Any, int], Any]:
    """Return what calls a step with what it takes of a batch and the time."""
    try:
        parameters = inspect.signature(step).parameters.values()
    except (TypeError, ValueError):
        return (lambda batch, t: step(batch)) if with_batches else lambda batch, t: step()
    placed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = sum(p.default is p.empty for p in placed)
    timed = len(placed) > 1 and (needed > 1 or placed[1].name == "t")
    if needed > 2 or any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
        raise UsageError(
            f"step takes {needed} arguments, expected step(batch), step(batch, t), or step() "
            "without batches"
        )
    if with_batches:
        if not placed and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            raise UsageError("step takes no batch; give it a parameter, or leave `batches` out")
        return step if timed else lambda batch, t: step(batch)
    if len(placed) == 1 and placed[0].name == "t":
        return lambda batch, t: step(t)
    if needed:
        raise UsageError("step takes a batch, and there are none: give `batches`")
    return lambda batch, t: step()
