"""Numbers that a user logs beside a recording, until they can be written."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.recording import VARIABLES, Variable, variable

#: What evaluations of the whole sets are called, and where the schema has them.
SETS = {
    "training_loss": "loss",
    "training_accuracy": "accuracy",
    "test_loss": "test_loss",
    "test_accuracy": "test_accuracy",
}
#: Beginnings of the names of other numbers that are of the model and not of a batch.
OF_THE_MODEL = ("metric_", "training_", "test_", "validation_", "val_")
BATCH, EVALUATION = "batch_time", "evaluation_time"

#: Of a dimension, by step, by variable.
Rows = dict[str, dict[int, dict[str, Any]]]


@functools.cache
def stored(name: str) -> str:
    """Return the variable in which a number of that name is stored.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        If it cannot name one.
    """
    good = isinstance(name, str) and name.isidentifier() and name.isascii()
    if not good or name in ("time", "batch_time", "batch_", "metric_"):
        raise UsageError(
            f"a number cannot be called {name!r}; expected letters, digits and _, and not 'time'"
        )
    if name in SETS:
        return SETS[name]
    if name.startswith(OF_THE_MODEL):
        return f"metric_{name.removeprefix('metric_')}"
    return f"batch_{name.removeprefix('batch_')}"


@functools.cache
def placed(name: str) -> Variable:
    """Return a variable of logged numbers as a file has it."""
    found = variable(name)
    assert found is not None  # `stored` gives what the schema has
    found = found.on(EVALUATION) if found.dims[0] == "time" else found
    return replace(found, attrs={"comment": "NaN where it was not logged"})


def variables(names: set[str]) -> list[Variable]:
    """Return the variables of these names, with the coordinates they take."""
    found = [placed(name) for name in sorted(names)]
    return [VARIABLES[dim] for dim in sorted({v.dims[0] for v in found})] + found


class Numbers:
    """Logged numbers that are not written yet.

    Those of a batch stand at the step before the last one made, to which the batch led; those of
    the model at the steps made so far. Of two of one name at one step the later one holds.

    Parameters
    ----------
    filed : set of str
        Variables of such numbers that the file has.

    Attributes
    ----------
    names : set of str
        Those, and the variables of all numbers noted.
    """

    def __init__(self, filed: set[str]) -> None:
        self._filed, self.names = set(filed), set(filed)
        self._rows: Rows = {BATCH: {}, EVALUATION: {}}
        self._written = {BATCH: -1, EVALUATION: -1}

    def note(self, values: Mapping[str, Any], step: int) -> bool:
        """Take note of numbers after so many steps.

        Returns
        -------
        bool
            Whether any is of the model.

        Raises
        ------
        UsageError
            If a name cannot be one, or a value is no number.
        """
        found = {stored(name): _number(name, value) for name, value in values.items()}
        by_dim: dict[str, dict[str, Any]] = {}
        for name, value in found.items():
            by_dim.setdefault(placed(name).dims[0], {})[name] = value
        for dim, row in by_dim.items():
            at = _open(dim, step)
            if at > self._written[dim]:  # else the file has it, of the same weights
                self._rows[dim].setdefault(at, {}).update(row)
                self.names |= row.keys()
        return EVALUATION in by_dim

    def take(self, last: float, step: int, *, closing: bool = False) -> dict[str, Array]:
        """Return rows of all variables up to the time `last`; they count as written.

        Parameters
        ----------
        last : float
            The last time of the recording, which no row may pass.
        step : int
            Steps made: where more may be logged at their time, its row stays.
        closing : bool
            Whether nothing more will be.

        Returns
        -------
        dict of str to array
            Over (rows, replica); coordinates over (rows,).
        """
        found: dict[str, Array] = {}
        for dim, rows in self._rows.items():
            ready = [t for t in sorted(rows) if t <= last and (closing or t < _open(dim, step))]
            if not ready:
                continue
            found[dim] = np.array(ready, dtype=np.float64)
            for name in (name for name in self.names if placed(name).dims[0] == dim):
                column = [_float(rows[t].get(name, np.nan)) for t in ready]
                found[name] = np.array(column)[:, None]
                self._filed.add(name)
            for t in ready:
                del rows[t]
            self._written[dim] = ready[-1]
        return found

    def go_back(self, step: int, kept: Mapping[str, Array], rest: Mapping[str, Any]) -> None:
        """Take note of what stays where a recording is taken back.

        Parameters
        ----------
        step : int
            Steps that stay made.
        kept : mapping of str to (n,) array
            Of each dimension, the times in the file.
        rest : mapping
            As of `waiting`, what waits to be written.
        """
        self._written = {dim: int(kept[dim][-1]) if len(kept.get(dim, ())) else -1 for dim in _OF}
        self._rows, self.names = {dim: {} for dim in _OF}, set(self._filed)
        for dim, rows in rest.items():
            for t, row in rows.items():
                if self._written[dim] < int(t) <= _open(dim, step):
                    self._rows[dim][int(t)] = dict(row)
                    self.names |= row.keys()

    def waiting(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return what is not written yet, by dimension, step and variable: plain numbers."""
        return {
            dim: {str(t): {n: _float(v) for n, v in row.items()} for t, row in rows.items()}
            for dim, rows in self._rows.items()
        }

    @staticmethod
    def staying(dim: str, times: Array, last: float, step: int) -> int:
        """Return how many of the `times` of a dimension are final, `step` steps being made."""
        return int(np.count_nonzero((times <= last) & (times < _open(dim, step))))


_OF = (BATCH, EVALUATION)


def _open(dim: str, step: int) -> int:
    """Return the time of what is logged after so many steps."""
    return max(step - 1, 0) if dim == BATCH else step


def _number(name: str, value: Any) -> Any:
    """Return a number, or what will be one: reading it at once would wait for a device."""
    detach = getattr(value, "detach", None)
    if detach is not None and getattr(value, "ndim", 1) <= 1 and value.numel() == 1:
        held = detach()
        return held.clone() if held.device.type != "cpu" else float(held)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{name} is {value!r}, expected a number") from None


def _float(value: Any) -> float:
    return float(value)
