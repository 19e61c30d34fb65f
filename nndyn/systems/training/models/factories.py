"""Factories of models, by name: ``package.module:factory``.

A module of the user's is imported only because the user named it.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from torch import nn

from nndyn.errors import UsageError
from nndyn.systems.training.torch_state.randomness import initial_key, seeded
from nndyn.words.text import raised


def is_named(model: str) -> bool:
    """Return whether `model` has the form ``package.module:factory``."""
    return re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", model) is not None


def is_spec(model: object, activation: str) -> bool:
    """Return whether `model` is a spec, to which `activation` applies.

    Returns
    -------
    bool

    Raises
    ------
    UsageError
        If an activation other than the default is given for what is none.
    """
    spec = isinstance(model, str) and not is_named(model)
    if not spec and activation != "tanh":
        raise UsageError(
            f"`activation={activation!r}` applies to mlp: and cnn:; a module brings its own"
        )
    return spec


def check_spec(model: str) -> None:
    """Refuse the path of a file where a module is to be named.

    Raises
    ------
    UsageError
        If `model` looks like ``folder/own.py:Net``.
    """
    match = re.fullmatch(r"(.*?)([^/\\]+)\.py:(\w+)", model)
    if match is not None:
        raise UsageError(
            f"model {model!r} names a file; run in the folder {match[1] or '.'} and name the "
            f"module: {match[2]}:{match[3]}"
        )


def call(model: str, seed: int) -> nn.Module:
    """Import what `model` names and return the module it makes.

    Parameters
    ----------
    model : str
        ``package.module:factory``: a class or function that takes no argument and returns a
        ``torch.nn.Module``, or such a module itself, which is made once, by the first import.
    seed : int
        Seeds torch's random state for the import and for the call; what it was before is given
        back.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    UsageError
        If there is no such module or name in it, the import or the call fails, or what comes back
        is not a ``torch.nn.Module``.

    Notes
    -----
    The working directory is searched first, as by ``python -m``, and later, for what the module
    imports while it runs, last.
    """
    place, _, name = model.partition(":")
    with _working_directory(), seeded(initial_key(seed)):
        found: object = _import(model, place)
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(
                f"model {model!r}: {place} has no {name!r}; it has {_callables(found)}"
            )
        found = getattr(found, part)
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise UsageError(
            f"model {model!r}: {name} is {_kind(found)}; name a class or function that returns "
            "a torch.nn.Module"
        )
    return called(found, seed, f"model {model!r}", name)  # anew: only a first import draws


def called(factory: Callable[[], object], seed: int, what: str, name: str) -> nn.Module:
    """Return the module that a class or function makes.

    Parameters
    ----------
    factory : callable
        Takes no argument.
    seed : int
        Seeds torch's random state for the call; what it was before is given back.
    what, name : str
        What messages call the model, and the factory.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    UsageError
        If the call fails, or what comes back is not a ``torch.nn.Module``.
    """
    try:
        with seeded(initial_key(seed)):
            made = factory()
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{what}: calling {name}() without arguments raised {raised(error)}"
        ) from error
    if not isinstance(made, nn.Module):
        raise UsageError(
            f"{what}: {name}() returned {_kind(made)}; it must return a torch.nn.Module"
        )
    return made


def _import(model: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if place == missing or place.startswith(missing + "."):
            cure = "without .py" if place.endswith(".py") else "package.module:factory"
            raise UsageError(
                f"model {model!r}: there is no module {missing!r}, neither installed nor in "
                f"{Path.cwd()}; give its name {cure}"
            ) from error
        raise UsageError(f"model {model!r}: importing {place} raised {raised(error)}") from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"model {model!r}: importing {place} raised {raised(error)}") from error


@contextmanager
def _working_directory() -> Iterator[None]:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)
        if here not in sys.path:
            sys.path.append(here)


def _callables(found: object) -> str:
    own = getattr(found, "__name__", None)
    names = [
        name
        for name, value in vars(found).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isroutine(value) or isinstance(value, nn.Module))
        and getattr(value, "__module__", own) in (own, type(value).__module__)
    ]
    return ", ".join(sorted(names)) or "no public function or class"


def _kind(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
