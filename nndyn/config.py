"""Options from a TOML file: an option on the command line comes first, then the file's."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nndyn.errors import UsageError


def read(path: Path, known: Iterable[str]) -> dict[str, Any]:
    """Return the options of a TOML file, by name with underscores.

    Parameters
    ----------
    path : Path
    known : iterable of str
        The options there are, with underscores.

    Returns
    -------
    dict of str to value

    Raises
    ------
    UsageError
        If the file cannot be read, is not TOML, or has a key that is no option.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    options = {key.replace("-", "_"): value for key, value in tree.items()}
    known = sorted(known)
    unknown = [key for key in options if key not in known]
    if unknown:
        raise UsageError(f"{path}: unknown option {unknown[0]!r}; known: {', '.join(known)}")
    return options


def write(options: Mapping[str, Any]) -> str:
    """Return options as TOML; those that are None are left out."""
    lines = []
    for key, value in options.items():
        if isinstance(value, Mapping):
            inner = ", ".join(f"{k} = {_value(v)}" for k, v in value.items())
            lines.append(f"{key} = {{ {inner} }}" if inner else "")
        elif value is not None:
            lines.append(f"{key} = {_value(value)}")
    return "\n".join(line for line in lines if line) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return repr(value)
