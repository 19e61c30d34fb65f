"""Spellings of names: ``"Adam"``, ``torch.float32``, ``numpy.float32``."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Options of `nndyn.Training` whose value is a name.
NAMES = ("optimizer", "loss", "activation", "init", "schedule", "dtype", "device")


def canonical(value: Any) -> Any:
    """Return a name as it is known here; what is no name as it is.

    Returns
    -------
    value
        Of text, with small letters, and dashes but for options after a colon; of a dtype or a
        device, its name.
    """
    if isinstance(value, str):
        name, colon, options = value.lower().partition(":")
        name = name.replace("_", "-").removeprefix("torch.").removeprefix("optim.")
        return name + colon + options
    if isinstance(value, np.dtype) or (
        isinstance(value, type) and issubclass(value, np.floating | float)
    ):
        return np.dtype(value).name
    if type(value).__module__ == "torch" and type(value).__name__ in ("dtype", "device"):
        return str(value).removeprefix("torch.")
    return value
