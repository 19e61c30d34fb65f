"""Objects with state that a step can reach, in its closure, its globals and its object."""

from __future__ import annotations

import dis
import functools
import inspect
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler

from nndyn.errors import UsageError
from nndyn.systems.fingerprint import Comparer, digest

_KINDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("an optimizer", (torch.optim.Optimizer,)),
    ("a scheduler", (lr_scheduler.LRScheduler, lr_scheduler.ReduceLROnPlateau)),
    ("a gradient scaler", (torch.amp.GradScaler,)),
    ("a module", (nn.Module,)),
)
#: Containers are looked into up to so many items.
_MOST = 1000


def reached(function: Any) -> Iterator[tuple[str, Any]]:
    """Give the values that a function can reach by name, and those of the functions it calls.

    Parameters
    ----------
    function : callable

    Yields
    ------
    (str, object)
        Every value, once, and how the function names it.
    """
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("step", function)]
    while waiting:
        name, value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if value is not function:
            yield name, value
        waiting += _within(name, value)


def _within(name: str, value: Any) -> list[tuple[str, Any]]:
    """Return what a value leads to: of functions what they name, of containers their items."""
    if isinstance(value, functools.partial):
        parts = [(name, value.func), *((name, v) for v in value.args)]
        return parts + list(value.keywords.items())
    if isinstance(value, types.MethodType):
        return [
            (name, value.__func__),
            *_attributes(name, value.__self__),
            ("self", value.__self__),
        ]
    if isinstance(value, types.FunctionType):
        if value.__module__ and value.__module__.partition(".")[0] in ("torch", "numpy"):
            return []
        found = _named(value)
        wrapped = getattr(value, "__wrapped__", None)
        return found if wrapped is None else [*found, (name, wrapped)]
    if isinstance(value, dict) and len(value) <= _MOST:
        return [(f"{name}[{key!r}]", v) for key, v in value.items()]
    if isinstance(value, (list, tuple, set)) and len(value) <= _MOST:
        return [(f"{name}[{i}]", v) for i, v in enumerate(value)]
    if isinstance(value, torch.optim.Optimizer):  # one may hold another
        return [(f"{name}.{k}", v) for k, v in vars(value).items() if k != "state"]
    if _of_the_user(value):
        return _attributes(name, value)
    return []


def _of_the_user(value: Any) -> bool:
    """Whether a value is an object of a class of the user's, which may hold others."""
    if isinstance(value, (nn.Module, type, types.ModuleType, torch.Tensor)):
        return False
    top = (type(value).__module__ or "").partition(".")[0]
    return hasattr(value, "__dict__") and top not in ("torch", "numpy", "builtins", "nndyn")


def _attributes(name: str, owner: Any) -> list[tuple[str, Any]]:
    found = [(f"{name}.{k}", v) for k, v in getattr(owner, "__dict__", {}).items()]
    call = vars(type(owner)).get("__call__")
    return [*found, *([(name, call)] if isinstance(call, types.FunctionType) else [])]


def _named(function: types.FunctionType) -> list[tuple[str, Any]]:
    """Return the values of the free and global names in the code of a function."""
    found = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found.append((name, cell.cell_contents))
        except ValueError:  # not assigned yet
            continue
    codes = [function.__code__]
    for code in codes:
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        found += [
            (name, function.__globals__[name])
            for name in _globals(code)
            if name in function.__globals__
        ]
    return found


def _globals(code: types.CodeType) -> list[str]:
    """Return the global names in a code, without those of attributes, which `co_names` has too."""
    loads = (i for i in dis.get_instructions(code) if "GLOBAL" in i.opname or "NAME" in i.opname)
    return list(dict.fromkeys(str(i.argval) for i in loads))


def check_listed(step: Callable[..., Any], listed: list[Any]) -> list[tuple[str, nn.Module]]:
    """Check that what has state, of all that a step reaches, was listed.

    Parameters
    ----------
    step : callable
    listed : list of object
        Models and other objects with state.

    Returns
    -------
    list of (str, torch.nn.Module)
        Modules without parameters that have buffers, such as losses with weights, which need not be
        listed as long as these do not change.

    Raises
    ------
    UsageError
        If something is not, with its name.
    """
    known = {id(part) for one in listed for part in _parts(one)}
    saved = {_memory(tensor) for one in listed for tensor in _saved(one)}
    constant = []
    for name, value in reached(step):
        if id(value) in known:
            continue
        for kind, types_ in _KINDS:
            if not isinstance(value, types_):
                continue
            if isinstance(value, nn.Module):
                tensors = [*value.parameters(), *value.buffers()]
                if all(id(t) in known or _memory(t) in saved for t in tensors):
                    break
                if not list(value.parameters()):
                    constant.append((name, value))
                    break
            where = "model" if isinstance(value, nn.Module) else "stateful"
            raise UsageError(
                f"the step uses {name!r}, {kind} ({type(value).__name__}) that is not listed; "
                f"add it to `{where}`"
            )
    return constant


def _parts(one: Any) -> list[Any]:
    """Return an object, and what is saved with it."""
    if isinstance(one, nn.Module):
        return [one, *one.modules(), *one.parameters(), *one.buffers()]
    nested = [*getattr(one, "_schedulers", ())]
    return [one, *(part for inner in nested for part in _parts(inner))]


def _saved(one: Any) -> Iterator[torch.Tensor]:
    """Give the tensors that an object of a class of the user's saves, such as a copy of a model."""
    waiting: list[Any] = []
    if _of_the_user(one) and hasattr(one, "state_dict"):
        with suppress(AttributeError):  # of a wrapper that was not made as torch makes one
            waiting.append(one.state_dict())
    for tree in waiting:
        if isinstance(tree, torch.Tensor):
            yield tree
        elif isinstance(tree, dict):
            waiting += tree.values()
        elif isinstance(tree, (list, tuple)):
            waiting += tree


def _memory(tensor: torch.Tensor) -> tuple[int, tuple[int, ...]]:
    return tensor.data_ptr(), tuple(tensor.shape)


def code_digest(step: Callable[..., Any]) -> str:
    """Return a digest of the code of a step and of the functions that it reaches by name.

    Returns
    -------
    str
        Of bytecode, which another minor version of Python compiles otherwise.
    """
    found = {name: v for name, v in reached(step) if isinstance(v, types.FunctionType)}
    own = inspect.unwrap(getattr(step, "__func__", step))
    return digest(
        [
            Comparer().comparable(f.__code__)
            for f in (own, *found.values())
            if hasattr(f, "__code__")
        ]
    )


def values(step: Callable[..., Any]) -> dict[str, Any]:
    """Return the numbers and texts that a step takes from around it, by name.

    Returns
    -------
    dict of str to number, str or bool
    """
    function = inspect.unwrap(getattr(step, "__func__", step))
    if not isinstance(function, types.FunctionType):
        return {}
    plain = (bool, int, float, str)
    return {name: v for name, v in sorted(_named(function), key=_name) if isinstance(v, plain)}


def _name(pair: tuple[str, Any]) -> str:
    return pair[0]
