"""Whether a value is a system."""

from __future__ import annotations

import inspect
from typing import TypeGuard

from nndyn.systems.protocol import System


def is_system(value: object) -> TypeGuard[System]:
    """Whether a value has all that a `System` has.

    Other than by `isinstance`, no property is computed: that there are tangents takes trials.

    Returns
    -------
    bool
    """
    names = [name for name in dir(System) if not name.startswith("_")]
    nothing = object()
    return all(
        inspect.getattr_static(value, name, nothing) is not nothing or hasattr(value, name)
        for name in names
    )
