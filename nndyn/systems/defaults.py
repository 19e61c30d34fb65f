"""Defaults of a training: model, learning rate, how often it is evaluated where that is costly."""

from __future__ import annotations

import math
from typing import Any

from nndyn.errors import UsageError
from nndyn.systems.spelling import canonical

#: Models where none is given, of data that have a name: one hidden layer.
MODELS = {
    "digits": "mlp:64-32-10",
    "iris": "mlp:4-10-3",
    "wine": "mlp:13-10-3",
    "breast-cancer": "mlp:30-10-2",
    "fashion-mnist": "mlp:784-32-10",
    "mnist": "mlp:784-32-10",
}
#: Learning rates where none is given.
_RATES = {"sgd": 0.1, "adagrad": 0.01, "lion": 0.0001}
_RATE = 0.001
#: Share of the work of the steps that evaluations take where they are to be few.
_EVALUATIONS = 0.05


def model_of(model: Any, data: Any) -> Any:
    """Return the model of a training: that of its data where none is given.

    Returns
    -------
    str or torch.nn.Module

    Raises
    ------
    UsageError
        If there are no data, or they have no name.
    """
    if data is None:
        raise UsageError("data is missing; a training needs some")
    found = model_for(data, model)
    if found is None:
        raise UsageError(f"model is missing; only {', '.join(MODELS)} have one unless asked")
    return found


def model_for(data: Any, model: Any) -> Any:
    """Return a model, or where there is none that of the data, if they have one."""
    return MODELS.get(canonical(data)) if model is None and isinstance(data, str) else model


def rate_for(optimizer: str) -> float:
    """Return the learning rate of an optimizer, where none is given."""
    return _RATES.get(optimizer, _RATE)


def sparing(evaluation: float, step: float) -> int:
    """Return after how many steps an evaluation is a twentieth of their work, 1 or more."""
    return max(1, math.ceil(evaluation / (_EVALUATIONS * step)))
