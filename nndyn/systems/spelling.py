"""Names as people spell them: ``"Adam"``, ``torch.float32``, ``numpy.float32``."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Names that an option of a training takes, for help and completion; the modules that act on them
#: have tables of their own, and load torch.
CHOICES = {
    "data": ("digits", "iris", "wine", "breast-cancer", "fashion-mnist", "mnist"),
    "activation": ("tanh", "relu", "sigmoid", "gelu", "sin", "silu", "identity"),
    "init": ("normal:S", "xavier", "kaiming", "default"),
    "loss": ("cross-entropy", "mse"),
    "optimizer": ("sgd", "adam", "adamw", "rmsprop", "nadam"),
    "schedule": ("constant", "cosine:T", "warmup:K", "step:K", "step:K:G"),
    "dtype": ("float64", "float32"),
    "device": ("cpu", "cuda"),
}
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
        return name.replace("_", "-").removeprefix("torch.") + colon + options
    if isinstance(value, np.dtype) or (
        isinstance(value, type) and issubclass(value, np.floating | float)
    ):
        return np.dtype(value).name
    if type(value).__module__ == "torch" and type(value).__name__ in ("dtype", "device"):
        return str(value).removeprefix("torch.")
    return value
