"""Groups: weights that train with hyperparameters of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Group:
    """Parameters of a model with hyperparameters other than the common ones.

    Attributes
    ----------
    names : tuple of str
        Of the parameters, as the model calls them.
    options : dict of str to object
        Hyperparameters, as a user gives them to `nndyn.Training`, which replace the common ones;
        an optimizer that does not take one refuses it.
    """

    names: tuple[str, ...]
    options: dict[str, Any]
