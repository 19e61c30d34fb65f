"""Evaluation by a function of the user's: what it returns, and what it must leave alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.loop.steps import numbers
from nndyn.systems.training.torch_state.randomness import evaluation_key
from nndyn.systems.training.torch_state.streams import seed_all

#: Names of the schema, in its order.
_SCHEMA = ("loss", "accuracy", "test_loss", "test_accuracy")
_OUTPUT, _CLASSES = "distance_output", "prediction_disagreement"


class Evaluation:
    """Evaluation of the objects as they are.

    Parameters
    ----------
    function : callable or None
    models : dict of str to torch.nn.Module
    seed : int

    Attributes
    ----------
    names : tuple of str
        What it gives, as variables of a recording; known after the trial.
    """

    def __init__(
        self,
        function: Callable[[], Mapping[str, Any]] | None,
        models: Mapping[str, nn.Module],
        seed: int,
    ) -> None:
        if function is not None and not callable(function):
            raise UsageError(f"evaluate is {function!r}, expected a function that returns a dict")
        self._function, self._key = function, evaluation_key(seed)
        self._modules = [m for module in models.values() for m in module.modules()]
        self.names: tuple[str, ...] = ()

    def __call__(self) -> dict[str, Any]:
        """Evaluate, and put training modes back.

        Returns
        -------
        dict of str to float or array
            By the names of variables; ``distance_output`` is the output itself, float64, and
            ``prediction_disagreement`` the class of each sample: ``predicted``, or the largest
            entry of an output of (samples, classes) where there is an accuracy.

        Raises
        ------
        UsageError
            If it fails, or returns anything but a dict of numbers.
        """
        if self._function is None:
            return {}
        modes = [module.training for module in self._modules]
        seed_all(self._key)
        try:
            said = self._function()
        except Exception as error:
            raise UsageError(f"evaluate failed: {type(error).__name__}: {error}") from error
        finally:
            for module, mode in zip(self._modules, modes, strict=True):
                module.training = mode
        if not isinstance(said, Mapping):
            raise UsageError(f"evaluate returns {type(said).__name__}, expected a dict of numbers")
        said = dict(said)
        output, predicted = said.pop("output", None), said.get("predicted")
        found: dict[str, Any] = numbers(
            {name: said[name] for name in _SCHEMA if name in said}, "", "", "evaluate"
        )
        if output is not None:
            if not isinstance(output, torch.Tensor):
                raise UsageError(
                    f"evaluate returns {type(output).__name__} as 'output', expected a tensor"
                )
            accuracy = any(name.endswith("accuracy") for name in found)
            if accuracy and output.ndim == 2 and output.shape[1] > 1:
                found[_CLASSES] = output.detach().argmax(1).cpu().numpy()
            found[_OUTPUT] = output.detach().cpu().to(torch.float64).numpy().reshape(-1)
        if (
            isinstance(predicted, torch.Tensor)
            and predicted.ndim
            and not predicted.is_floating_point()
        ):
            found[_CLASSES] = said.pop("predicted").cpu().numpy()
        others = {name: value for name, value in said.items() if name not in _SCHEMA}
        return found | numbers(others, "metric_", "", "evaluate")

    def rows(self, found: Sequence[Sequence[dict[str, Any] | None]], R: int) -> dict[str, Array]:
        """Return what was found at some times on R rows as arrays ``(times, R)`` by variable.

        Returns
        -------
        dict of str to (times, R) float64

        Raises
        ------
        UsageError
            If other names were returned than in the trial.
        """
        values = {name: np.full((len(found), R), np.nan) for name in self.names}
        for i, rows in enumerate(found):
            for r, row in enumerate(rows):
                if row is None:
                    continue
                if row.keys() != set(self.names):
                    odd = min(row.keys() ^ set(self.names))
                    raise UsageError(f"evaluate does not always return {odd!r}")
                for name, value in row.items():
                    if name == _OUTPUT:
                        value = _distance(value, rows[0])
                    elif name == _CLASSES:
                        value = _disagreement(value, rows[0])
                    values[name][i, r] = value
        return values


def _distance(output: Array, reference: dict[str, Any] | None) -> float:
    """Return the l2 distance of an output to that of the reference, NaN where it has none."""
    if reference is None or reference[_OUTPUT].shape != output.shape:
        return float("nan")
    return float(np.linalg.norm(output - reference[_OUTPUT]))


def _disagreement(classes: Array, reference: dict[str, Any] | None) -> float:
    """Return the share of samples in other classes than the reference's, NaN where it has none."""
    if reference is None or reference[_CLASSES].shape != classes.shape:
        return float("nan")
    return float(np.mean(classes != reference[_CLASSES]))
