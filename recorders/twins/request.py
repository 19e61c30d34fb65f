"""What is asked of twins, checked before anything is made: the model, its copies, the settings."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nndyn.checks import number, whole
from nndyn.errors import DataError, UsageError
from recorders.perturbations import check_size, perturbation
from recorders.twins.run import Boundary
from recorders.watch.opening import described
from recorders.watch.weights import Weights


@dataclass(frozen=True)
class Asked:
    """A checked request; see `recorders.twins.ensemble.twins`.

    Attributes
    ----------
    settings : dict
        What must agree for runs to be of one ensemble, as JSON values.
    """

    train: Callable[[nn.Module], Any]
    model: nn.Module
    replicas: int
    epsilon: float
    steps: int | None
    every: int
    seed: int
    boundary: Boundary
    settings: dict[str, Any]

    @property
    def copies(self) -> list[str]:
        """Names of the perturbed runs."""
        return [f"copy {r}" for r in range(1, self.replicas + 1)]


def checked(
    train: Any,
    model: nn.Module,
    replicas: Any,
    epsilon: Any,
    steps: Any,
    every: Any,
    seed: Any,
    boundary: Any,
) -> Asked:
    """Check what does not depend on files, before anything is made."""
    if not callable(train):
        raise UsageError(f"train is {train!r}, expected a function of the model")
    try:
        inspect.signature(train).bind(model)
    except TypeError as error:
        raise UsageError(f"train cannot be called as train(model): {error}") from None
    except ValueError:  # of what is not Python's
        pass
    weights = Weights(model)
    replicas, seed = whole("replicas", replicas, 1), whole("seed", seed, 0)
    epsilon = number("epsilon", epsilon, above=0)
    every = whole("every", every, 1)
    if steps is not None:
        steps = whole("steps", steps, every, cure=" (as `every` is)" if every > 1 else "")
    kind = isinstance(boundary, type)
    if boundary is not None and (
        not callable(boundary) or (kind and not issubclass(boundary, torch.optim.Optimizer))
    ):
        raise UsageError(
            f"boundary is {boundary!r}, expected the class of an optimizer, or a function of one"
        )
    start = np.empty(weights.size, weights.dtype)
    weights.read(start)
    if not np.isfinite(start).all():
        raise DataError("a weight of the model is not finite; there is nothing to follow")
    system = described(model, weights, [], start)
    settings = {
        **{key: system[key] for key in ("model", "parameters", "initial_sha256", "dtype")},
        "replicas": replicas,
        "epsilon": epsilon,
        "seed": seed,
        "steps": steps,
        "every": every,
    }
    asked = Asked(train, model, replicas, epsilon, steps, every, seed, boundary, settings)
    perturbed(copied(model), asked, 1)
    return asked


def copied(model: nn.Module) -> nn.Module:
    """Return a deep copy of a model, or say that there can be none."""
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise UsageError(
            f"model, a {type(model).__name__}, cannot be copied: {type(error).__name__}: {error}; "
            "give it as it was made, before it was run or wrapped"
        ) from error


def perturbed(model: nn.Module, asked: Asked, r: int) -> nn.Module:
    """Perturb a copy of the model as replica `r`, 0 being none, and return it."""
    if r:
        weights = Weights(model)
        states = np.empty((2, weights.size), weights.dtype)
        weights.read(states[0])
        deviation = perturbation(weights.parameters, asked.epsilon, asked.seed, r)
        weights.write(states[0] + deviation.astype(weights.dtype))
        weights.read(states[1])
        check_size(states, asked.epsilon, *weights.coarsest)
    return model
