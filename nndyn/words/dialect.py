"""Options in messages: Python's `overwrite=True`, in backticks, is ``--overwrite`` here.

Messages are written once, for Python. What the command line prints, and what reports say, passes
through `flags`.
"""

from __future__ import annotations

import ast
import re
import shlex
from typing import Any

_OPTION = re.compile(r"`([a-z][a-z0-9_]*)(?:=([^`]*))?`")
#: A message that begins with the name of an option, of several words.
_FIRST = re.compile(r"^((?:nndyn: )?)([a-z0-9]+(?:_[a-z0-9]+)+)(?= (?:is|has|applies|and) )")


def flags(text: str) -> str:
    """Return a message with its options as the command line has them.

    Parameters
    ----------
    text : str
        Options in it are `name` or `name=value`, in backticks, as in Python.

    Returns
    -------
    str
        ``--name``, ``--no-name`` for what is False, ``--name value`` for others: text as a shell
        takes it, ``A:B`` of a pair, ``A,B`` of a list.
    """
    return _OPTION.sub(_flag, _FIRST.sub(lambda m: m[1] + _name(m[2]), text))


def _flag(found: re.Match[str]) -> str:
    name, value = found[1], found[2]
    if value in (None, "True"):
        return _name(name)
    return f"--no-{_name(name)[2:]}" if value == "False" else f"{_name(name)} {_spelled(value)}"


def _name(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _spelled(value: str) -> str:
    """Return a value of Python's as a shell takes it; what is none, such as ``LO``, as it is."""
    try:
        return _plain(ast.parse(value, mode="eval").body)
    except (SyntaxError, ValueError):
        return shlex.quote(value)


def _plain(node: Any) -> str:
    if isinstance(node, ast.Tuple | ast.List):
        mark = ":" if isinstance(node, ast.Tuple) else ","
        return mark.join(_plain(part) for part in node.elts)
    if isinstance(node, ast.Constant):
        return shlex.quote(str(node.value))
    return ast.unparse(node)
