"""Groups: weights that train with hyperparameters of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from nndyn.errors import UsageError
from nndyn.systems.protocol import Parameter
from nndyn.words.names import did_you_mean
from nndyn.words.text import escaped

_EXPECTED = (
    "expected a dict with the names of its parameters and its hyperparameters, such as "
    "{'params': ['*.bias'], 'weight_decay': 0}"
)


@dataclass(frozen=True)
class Group:
    """Parameters of a model with hyperparameters other than the common ones.

    Attributes
    ----------
    names : tuple of str
        Of the parameters, as the model calls them, or patterns of such names with ``*``.
    options : dict of str to object
        Hyperparameters, as a user gives them to `nndyn.Training`, which replace the common ones;
        an optimizer that does not take one refuses it.
    """

    names: tuple[str, ...]
    options: dict[str, Any]


def listed(given: Any) -> tuple[Group, ...]:
    """Return groups that a user gave: each a `Group`, or a dict with ``params`` and options.

    Returns
    -------
    tuple of Group

    Raises
    ------
    UsageError
        If it is no such list.
    """
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise UsageError(f"groups is {given!r}, expected a list, of dicts")
    return tuple(_group(i, one) for i, one in enumerate(given))


def _group(i: int, given: Any) -> Group:
    if isinstance(given, Group):
        return given
    if not isinstance(given, Mapping) or "params" not in given:
        raise UsageError(f"group {i} is {given!r}, {_EXPECTED}")
    names, options = given["params"], {str(k): v for k, v in given.items() if k != "params"}
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"group {i} has params {names!r}, expected names of parameters")
    return Group(tuple(names), options)


def members(groups: Sequence[Group], parameters: Sequence[Parameter]) -> list[int | None]:
    """Return of every parameter the index of its group, None where it is in none.

    Parameters
    ----------
    groups : sequence of Group
    parameters : sequence of Parameter

    Returns
    -------
    list of int or None

    Raises
    ------
    UsageError
        If a name is of no parameter, or a parameter is in two groups.
    """
    names = [parameter.name for parameter in parameters]
    found: dict[str, int] = {}
    for i, group in enumerate(groups):
        for pattern in group.names:
            meant = [pattern] if pattern in names else [n for n in names if fnmatchcase(n, pattern)]
            if not meant:
                raise UsageError(
                    f"group {i} has {escaped(pattern)}, which no parameter is called that trains"
                    f"{did_you_mean(pattern, names)}"
                )
            for name in meant:
                if found.setdefault(name, i) != i:
                    raise UsageError(
                        f"{escaped(name)} is in group {found[name]} and in group {i}; "
                        "a parameter is in one"
                    )
    return [found.get(name) for name in names]
