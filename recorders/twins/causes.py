"""What makes a training function differ from itself: what it changes outside, where it shows."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from nndyn.systems.fingerprint import content_bytes, digest
from nndyn.systems.training.loop.reach import reached
from recorders.twins.run import Boundary, Run

_PLAIN = (bool, int, float, str, bytes)
#: Larger arrays are not looked at before the first run: most are data.
_MOST_BYTES = 2**20
#: Steps up to which it is looked where two calls come apart.
_TRACED = 100
#: Names in a message.
_SHOWN = 3
#: Where it stands cannot be told; whoever uses it moves it.
_GOES_ON = "an iterator, which goes on"
#: What is more likely a cause comes first.
_RANK = (
    "a random generator",
    _GOES_ON,
    "a value",
    "a module",
    "an array",
    "a container",
)
_LIBRARIES = ("torch", "numpy", "builtins", "nndyn", "random", "itertools")
_USUAL = (
    "usual causes are a shuffle that is not seeded in `train`, or by a generator or loader made "
    "outside of it, which goes on from run to run; a counter, cache or file outside of the model; "
    "and algorithms of a GPU that do not repeat (torch.use_deterministic_algorithms(True))"
)


def values(train: Callable[..., Any], model: nn.Module) -> dict[str, tuple[str, str]]:
    """Return what each thing is that a training function can reach by name, and a digest.

    Parameters
    ----------
    train : callable
    model : torch.nn.Module
        Whose methods are looked into as well.

    Returns
    -------
    dict of str to (str, str)
    """
    found: dict[str, tuple[str, str]] = {}
    with suppress(Exception):  # of an object of the user's, at which it is only looked
        for name, form in _known(train, model):
            found.setdefault(name, form)
    return found


def _known(train: Callable[..., Any], model: nn.Module) -> Iterator[tuple[str, tuple[str, str]]]:
    seen = {id(model)}
    kinds = dict.fromkeys(type(m) for m in model.modules() if _of_the_user(type(m)))
    sources = [("", train), *((f" of {k.__name__}", k.forward) for k in kinds)]
    for source, function in sources:
        for name, value in reached(function):
            if isinstance(value, type) and _of_the_user(value):
                kinds.setdefault(value)
            for path, part in _parts(name, value):
                form = _form(part)
                if form is None or (id(part) in seen and not isinstance(part, _PLAIN)):
                    continue
                seen.add(id(part))
                yield f"{path}{source}", form
    for kind in kinds:
        for name, value in vars(kind).items():
            form = None if name.startswith("__") else _form(value)
            if form is not None:
                yield f"{kind.__name__}.{name}", form


def _of_the_user(kind: type) -> bool:
    return (kind.__module__ or "").partition(".")[0] not in _LIBRARIES


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Give a value, and of a loader what it draws with."""
    yield name, value
    if isinstance(value, DataLoader):
        sampler = getattr(value.batch_sampler, "sampler", value.sampler)
        yield f"{name}.generator", value.generator
        yield f"{name}.sampler.generator", getattr(sampler, "generator", None)
        for key, held in getattr(value.dataset, "__dict__", {}).items():
            yield f"{name}.dataset.{key}", held


def _form(value: Any) -> tuple[str, str] | None:
    """Return what a value is and a digest of it, None where nothing can be told."""
    if isinstance(value, torch.Generator):
        return "a random generator", content_bytes(value.get_state().cpu().numpy())
    if isinstance(value, np.random.Generator):
        return "a random generator", digest(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return "a random generator", digest(list(value.get_state())[1:])
    if isinstance(value, random.Random):
        return "a random generator", digest(value.getstate())
    if isinstance(value, Iterator):
        return _GOES_ON, ""
    if isinstance(value, _PLAIN):
        return "a value", repr(value)
    if isinstance(value, nn.Module):
        return "a module", digest([_small(t) for t in (*value.parameters(), *value.buffers())])
    if isinstance(value, torch.Tensor | np.ndarray):
        return "an array", _small(value)
    if isinstance(value, list | dict | set):
        return "a container", str(len(value))
    return None


def _small(value: Any) -> str:
    return _tensor(value) if value.nbytes <= _MOST_BYTES else ""


def _tensor(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided:
            return ""
        value = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return content_bytes(value) if value.dtype != object else ""


class _Traced(Run):
    """A call whose modules are listened to, up to the end of a step.

    Attributes
    ----------
    heard : list of (str, str)
        What came into and out of modules, by name, with digests.
    """

    def __init__(self, model: nn.Module, original: nn.Module, boundary: Boundary, most: int):
        super().__init__(model, original, boundary, most)
        self.heard: list[tuple[str, str]] = []
        self._within = 0
        self._listening = [
            handle
            for name, module in model.named_modules()
            for handle in self._listen(name, module)
        ]

    def call(self, train: Callable[[nn.Module], Any]) -> None:
        """Let it train, listening."""
        try:
            super().call(train)
        finally:
            for handle in self._listening:
                handle.remove()

    def _listen(self, name: str, module: nn.Module) -> list[Any]:
        called = f"{name} ({type(module).__name__})" if name else f"the {type(module).__name__}"

        def entered(_: nn.Module, *given: Any) -> None:
            what = f"what {called} is given" if self._within else ""
            self.heard.append((what, _digest(given)))
            self._within += 1

        def left(_: nn.Module, __: Any, found: Any) -> None:
            self._within -= 1
            self.heard.append((f"the output of {called}", _digest(found)))

        return [
            module.register_forward_pre_hook(entered, with_kwargs=True),
            module.register_forward_hook(left),
        ]


def _digest(value: Any) -> str:
    if isinstance(value, torch.Tensor | np.ndarray):
        return _tensor(value)
    if isinstance(value, dict):
        return digest([(str(k), _digest(v)) for k, v in value.items()])
    if isinstance(value, list | tuple):
        return digest([_digest(v) for v in value])
    return repr(value) if isinstance(value, _PLAIN) else ""


def _place(one: _Traced, other: _Traced) -> str:
    """Return where two calls come apart, empty where they do not."""
    for (what, given), (what_too, given_too) in zip(one.heard, other.heard, strict=False):
        if what != what_too:
            return "its modules are called in another order"
        if given != given_too:
            if not what:
                return "the model is given other samples: batches are drawn, or changed, otherwise"
            return f"it begins with {what}, all before being equal"
    return ""


def found(
    train: Callable[[nn.Module], Any],
    copy: Callable[[], nn.Module],
    original: nn.Module,
    boundary: Boundary,
    step: int,
    before: Mapping[str, tuple[str, str]],
) -> str:
    """Return what can be found out of the causes of a difference, as a message has it.

    Parameters
    ----------
    train : callable
    copy : callable
        Returns a copy of the model, and puts random generators back.
    original : torch.nn.Module
    boundary : class, callable or None
    step : int
        At which two equal calls were seen to differ.
    before : mapping
        As of `values`, before the first of these.

    Returns
    -------
    str

    Notes
    -----
    Calls it twice up to there, or up to a hundred steps.
    """
    steps = min(max(step, 1), _TRACED)
    calls = []
    for _ in range(2):
        traced = _Traced(copy(), original, boundary, steps)
        with suppress(Exception):
            traced.call(train)
        calls.append(traced)
    where = _place(*calls)
    if step == 0:
        where = "the weights differ before the first step"
    elif not where and step <= _TRACED and calls[0].heard:
        where = "all modules give the same, so that it is the loss, the gradient or the optimizer"
    changed = [
        (_RANK.index(what), f"{name} ({what})")
        for name, (what, form) in values(train, original).items()
        if name in before and (before[name][1] != form or what == _GOES_ON)
    ]
    parts = [where] if where else []
    if changed:
        shown = [said for _, said in sorted(changed, key=lambda pair: pair[0])[:_SHOWN]]
        parts.append(f"outside of the model it changes {', '.join(shown)}")
    return "; ".join([*parts, _USUAL])
