"""Options from a TOML file; those of the command line take precedence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nndyn.errors import UsageError
from nndyn.store.regular import read_regular
from nndyn.words.names import OPTIONS, did_you_mean
from nndyn.words.text import escaped_toml

#: Most bytes of a file of options.
_MOST = 1024 * 1024


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
        tree = tomllib.loads(read_regular(path, _MOST).decode("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{path} is TOML of too many levels, expected options") from error
    options = {key.replace("-", "_"): value for key, value in tree.items()}
    known = sorted(known)
    unknown = [key for key in options if key not in known]
    if unknown:
        raise UsageError(
            f"{path}: unknown option {unknown[0]!r}; known: {', '.join(known)}"
            f"{did_you_mean(unknown[0], known, OPTIONS)}"
        )
    return options


def write(options: Mapping[str, Any]) -> str:
    """Return options as TOML; those that are None are left out.

    Parameters
    ----------
    options : mapping of str to value
        As JSON has them.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        If TOML has no such value, a null in a list.
    """
    import tomli_w

    try:
        return escaped_toml(tomli_w.dumps({k: v for k, v in options.items() if v is not None}))
    except TypeError as error:
        raise UsageError(f"these options cannot be written as TOML: {error}") from error
