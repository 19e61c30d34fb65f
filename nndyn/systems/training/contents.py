"""What a module or a function of the user's holds and does, in a form that compares.

Two uses: to tell whether a forward pass changes its module, and to tell, in another process,
whether a recording is continued by the same network and loss. Code counts by its bytecode, which
another minor version of Python compiles otherwise, and what is called in other files not at all.
"""

from __future__ import annotations

import functools
import hashlib
import re
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

Tensor = torch.Tensor

#: Containers and objects are followed to this depth.
DEPTH = 6
#: What torch keeps in every module, by names and numbers of its own.
_BOOKKEEPING = frozenset(vars(nn.Module()))


def contents(module: nn.Module, moving: set[str]) -> dict[str, Any]:
    """Return by name everything in `module` but the buffers `moving`, in a form that compares.

    Parameters
    ----------
    module : torch.nn.Module
    moving : set of str

    Returns
    -------
    dict
        Of every parameter, buffer and attribute.
    """
    found: dict[str, Any] = {}
    for prefix, part in module.named_modules():
        for name, value in _state(part):
            path = f"{prefix}.{name}" if prefix else name
            if path not in moving:
                found[path] = _comparable(value)
    return found


def attributes_digest(module: nn.Module, moving: set[str]) -> str:
    """Return a digest of what `module` holds but its parameters and the buffers `moving`.

    Parameters
    ----------
    module : torch.nn.Module
    moving : set of str

    Returns
    -------
    str
    """
    apart = moving | {name for name, _ in module.named_parameters(remove_duplicate=False)}
    return _digest(contents(module, apart))


def code_digest(module: nn.Module) -> str:
    """Return a digest of the classes of the parts of `module`, with the code that is not torch's.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    str
    """
    return _digest([(prefix, _class(type(part))) for prefix, part in module.named_modules()])


def function_digest(function: Callable[..., Any]) -> str:
    """Return a digest of what a callable computes: its code and all that it holds.

    Parameters
    ----------
    function : callable

    Returns
    -------
    str
    """
    if isinstance(function, nn.Module):
        return _digest((code_digest(function), contents(function, set())))
    return _digest(_comparable(function))


def _digest(value: Any) -> str:
    # an address in memory is another one in every process
    text = re.sub(r" at 0x[0-9a-f]+", "", repr(value))
    return hashlib.sha256(text.encode()).hexdigest()


def _state(part: nn.Module) -> Iterator[tuple[str, Any]]:
    yield from part._parameters.items()
    yield from part._buffers.items()
    for name, value in vars(part).items():
        if name in {"_parameters", "_buffers", "_modules", "training"}:
            continue
        # the keys of hooks count up over a process
        kept = name in _BOOKKEEPING and isinstance(value, dict)
        yield name, list(value.values()) if kept else value


def _comparable(value: Any, depth: int = 0) -> Any:
    """Return what equals the same of a value of the same content, also in another process."""
    if isinstance(value, Tensor):
        return str(value.dtype), tuple(value.shape), _bytes(value.detach().cpu().numpy())
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, _bytes(value)
    if isinstance(value, (bool, int, float, complex, str, bytes, type(None))):
        return repr(value)
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    name = _name(value if isinstance(value, type) else type(value))
    if depth >= DEPTH or isinstance(value, (types.ModuleType, torch.dtype, torch.device)):
        return name
    if isinstance(value, type):
        return _class(value, depth + 1)
    if isinstance(value, Mapping):
        return [(repr(k), _comparable(v, depth + 1)) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return [_comparable(v, depth + 1) for v in value]
    if isinstance(value, types.FunctionType):
        return _function(value, depth + 1)
    if isinstance(value, types.MethodType):
        return _comparable([value.__func__, value.__self__], depth + 1)
    if isinstance(value, functools.partial):
        return _comparable([value.func, value.args, value.keywords], depth + 1)
    if isinstance(value, nn.Module):
        return code_digest(value), _comparable(contents(value, set()), depth + 1)
    held = getattr(value, "__dict__", None)
    return name, _comparable(dict(held), depth + 1) if held else getattr(value, "__name__", "")


def _bytes(array: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _name(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _foreign(thing: Any) -> bool:
    """Whether it belongs to torch, numpy or Python, whose versions are their own affair."""
    package = str(getattr(thing, "__module__", "")).partition(".")[0]
    return package in {"torch", "numpy", "builtins", "typing", "abc", "functools"}


def _class(kind: type, depth: int = 0) -> Any:
    own = [base for base in kind.__mro__ if not _foreign(base)]
    return _name(kind), [(_name(base), _members(base, depth)) for base in own]


def _members(kind: type, depth: int) -> list[Any]:
    found = []
    for name, value in vars(kind).items():
        if isinstance(value, property):
            value = value.fget
        value = getattr(value, "__func__", value)  # of static and class methods
        if isinstance(value, types.FunctionType) or not name.startswith("_"):
            found.append((name, _comparable(value, depth + 1)))
    return sorted(found, key=lambda item: item[0])


def _function(function: types.FunctionType, depth: int) -> Any:
    name = _name(function)
    if _foreign(function):
        return name
    cells = [_cell(cell) for cell in function.__closure__ or ()]
    code = function.__code__
    # constants and helpers of the same file
    used = [
        (name, function.__globals__[name])
        for name in code.co_names
        if _is_local(function.__globals__.get(name), function.__module__)
    ]
    bound = [function.__defaults__, function.__kwdefaults__, cells, used]
    return name, _code(code), _comparable(bound, depth)


def _is_local(value: Any, module: str) -> bool:
    if isinstance(value, (types.FunctionType, type)):
        return value.__module__ == module
    return isinstance(value, (bool, int, float, str, tuple, list, dict, Tensor, np.ndarray))


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _code(code: types.CodeType) -> Any:
    constants = [
        _code(value) if isinstance(value, types.CodeType) else _comparable(value)
        for value in code.co_consts
    ]
    return code.co_code.hex(), code.co_names, code.co_varnames, constants
