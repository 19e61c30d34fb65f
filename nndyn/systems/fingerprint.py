"""Fingerprints of a user's functions and objects, which compare by code and content.

Tells, in another process, whether a recording is continued by the same code. Code counts by its
bytecode, which another minor version of Python compiles otherwise, and what is called in other
files not at all.
"""

from __future__ import annotations

import functools
import hashlib
import re
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

#: Containers and objects are followed to this depth.
DEPTH = 6


def digest(value: Any) -> str:
    """Return a digest of a value in comparable form.

    Returns
    -------
    str
    """
    # an address in memory is another one in every process
    text = re.sub(r" at 0x[0-9a-f]+", "", repr(value))
    return hashlib.sha256(text.encode()).hexdigest()


def content_bytes(array: Any) -> str:
    """Return a digest of the numbers of an array."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


class Comparer:
    """Brings values into a form that is equal for equal content, also in another process."""

    def special(self, value: Any, depth: int) -> Any:
        """Return the form of a value of a kind known to a subclass, None for others."""

    def comparable(self, value: Any, depth: int = 0) -> Any:
        """Return the form of any value.

        Parameters
        ----------
        value : object
        depth : int
            How many containers it lies in; `DEPTH` ends the search.

        Returns
        -------
        object
            Of strings, numbers, lists and tuples.
        """
        if (form := self.special(value, depth)) is not None:
            return form
        if isinstance(value, np.ndarray):
            return str(value.dtype), value.shape, content_bytes(value)
        if isinstance(value, (bool, int, float, complex, str, bytes, type(None))):
            return repr(value)
        if isinstance(value, (set, frozenset)):
            return sorted(map(repr, value))
        name = _name(value if isinstance(value, type) else type(value))
        if depth >= DEPTH or isinstance(value, types.ModuleType):
            return name
        if isinstance(value, type):
            return self.of_class(value, depth + 1)
        if isinstance(value, Mapping):
            return [(repr(k), self.comparable(v, depth + 1)) for k, v in value.items()]
        if isinstance(value, (list, tuple)):
            return [self.comparable(v, depth + 1) for v in value]
        if isinstance(value, types.FunctionType):
            return self._function(value, depth + 1)
        if isinstance(value, types.MethodType):
            return self.comparable([value.__func__, value.__self__], depth + 1)
        if isinstance(value, functools.partial):
            return self.comparable([value.func, value.args, value.keywords], depth + 1)
        if isinstance(plain := getattr(value, "py_func", None), types.FunctionType):  # numba's
            return self._function(plain, depth + 1)
        held = getattr(value, "__dict__", None)
        if held:
            return name, self.comparable(dict(held), depth + 1)
        return name, getattr(value, "__name__", "")

    def of_class(self, kind: type, depth: int = 0) -> Any:
        """Return the form of a class: of its members and those of its bases, libraries' left out.

        Returns
        -------
        object
        """
        own = [base for base in kind.__mro__ if not _foreign(base)]
        return _name(kind), [(_name(base), self._members(base, depth)) for base in own]

    def _members(self, kind: type, depth: int) -> list[Any]:
        found = []
        for name, value in vars(kind).items():
            if isinstance(value, property):
                value = value.fget
            value = getattr(value, "__func__", value)  # of static and class methods
            if isinstance(value, types.FunctionType) or not name.startswith("_"):
                found.append((name, self.comparable(value, depth + 1)))
        return sorted(found, key=lambda item: item[0])

    def _function(self, function: types.FunctionType, depth: int) -> Any:
        name = _name(function)
        if _foreign(function):
            return name
        cells = [_cell(cell) for cell in function.__closure__ or ()]
        code = function.__code__
        # constants and helpers of the same file
        used = [
            (name, function.__globals__[name])
            for name in code.co_names
            if self.is_local(function.__globals__.get(name), function.__module__)
        ]
        bound = [function.__defaults__, function.__kwdefaults__, cells, used]
        return name, self._code(code), self.comparable(bound, depth)

    def is_local(self, value: Any, module: str) -> bool:
        """Tell whether a global counts as part of the functions of `module` that name it."""
        if isinstance(value, (types.FunctionType, type)) or hasattr(value, "py_func"):
            return bool(value.__module__ == module)
        return isinstance(value, (bool, int, float, str, tuple, list, dict, np.ndarray))

    def _code(self, code: types.CodeType) -> Any:
        constants = [
            self._code(value) if isinstance(value, types.CodeType) else self.comparable(value)
            for value in code.co_consts
        ]
        return code.co_code.hex(), code.co_names, code.co_varnames, constants


def _name(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _foreign(thing: Any) -> bool:
    """Whether it belongs to a library or Python, whose versions are their own affair."""
    package = str(getattr(thing, "__module__", "")).partition(".")[0]
    return package in {"torch", "numpy", "numba", "builtins", "typing", "abc", "functools"}


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None
