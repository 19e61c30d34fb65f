"""Several runs of one optimizer, each with hyperparameters of its own, as one rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.optimizers.base import Coefficient, Optimizer, Rule, Tensor

#: Steps whose columns `Stacked` computes, and sends to the device, at once.
BLOCK = 64


class Stacked:
    """Several runs of one structure as one rule; see `stack`.

    Notes
    -----
    The columns of `BLOCK` steps are kept between calls, about ``64 * 10 * rows`` numbers, times
    the number of groups: an instance is not for two threads at once.
    """

    def __init__(
        self,
        rules: Sequence[Optimizer],
        replicas: int,
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> None:
        self.rules = tuple(rules)
        self.replicas = replicas
        self.dtype = dtype
        self.device = device
        self.buffers = rules[0].buffers
        self._block = -1
        self._table: dict[str, Sequence[float] | Tensor] = {}

    def __call__(
        self, phase: Tensor, gradient: Tensor, t: int, out: Tensor | None = None
    ) -> Tensor:
        """Return the phase ``(R, P)`` at ``t + 1``, written to `out`, which must not be `phase`."""
        block, k = divmod(t, BLOCK)
        if block != self._block:
            self._table = self._columns(range(block * BLOCK, (block + 1) * BLOCK))
            self._block = block
        c = {name: values[k] for name, values in self._table.items()}
        return self.rules[0].step(phase, gradient, c, out)

    def _columns(self, times: range) -> dict[str, Sequence[float] | Tensor]:
        """Return each coefficient at `times`: floats, or ``(rows, S)`` where runs or groups differ.

        Returns
        -------
        dict of str to sequence
            Rows are 1 where runs agree, S is 1 where groups do.
        """
        runs = [[rule.coefficients(t) for rule in self.rules] for t in times]
        table: dict[str, Sequence[float] | Tensor] = {}
        for name in runs[0][0]:
            values = _array([[coefficients[name] for coefficients in run] for run in runs])
            if (values == values[:, :1]).all():
                values = values[:, :1]
            if values.shape[1:] == (1, 1):
                table[name] = values[:, 0, 0].tolist()
                continue
            columns = torch.from_numpy(values).to(self.dtype)
            if values.shape[1] > 1:
                columns = columns.repeat_interleave(self.replicas, 1)
            table[name] = columns.to(self.device)
        return table


def _array(values: Sequence[Sequence[Coefficient]]) -> Array:
    """Return numbers of times and runs ``(T, M, S)``; S is 1 where there are none of groups."""
    groups = max(len(v) if isinstance(v, tuple) else 1 for row in values for v in row)
    whole = [[v if isinstance(v, tuple) else (v,) * groups for v in row] for row in values]
    return np.array(whole, np.float64)


def stack(
    rules: Sequence[Optimizer],
    replicas: int,
    dtype: torch.dtype,
    device: torch.device | str,
) -> Rule:
    """Return one rule for several runs, whose rows come one run after the other.

    Parameters
    ----------
    rules : sequence of Optimizer
        One a run, M; of the same `Optimizer.structure` and groups of the same weights.
    replicas : int
        Rows of each run, R; a phase has ``M * R``.
    dtype, device
        Of the phase.

    Returns
    -------
    Rule
        Every row has the bits that the rule of its run gives it.

    Raises
    ------
    UsageError
        If the rules differ in structure, or in the weights of their groups.
    """
    first = rules[0]
    for i, rule in enumerate(rules):
        if rule.structure[0] != first.structure[0]:
            raise UsageError(
                f"run 0 has {first.structure[0]}, run {i} has {rule.structure[0]}; "
                "runs of one batch need the same optimizer"
            )
        for name in first.structure + rule.structure:
            if (name in first.structure) != (name in rule.structure):
                here, there = (0, i) if name in first.structure else (i, 0)
                raise UsageError(
                    f"run {here} has {name}, run {there} has none; "
                    "runs of one batch need it all or not at all"
                )
        if rule.segments != first.segments:
            raise UsageError(
                f"the groups of run 0 and run {i} are of other parameters; runs of one batch need "
                "the same"
            )
    if first.segments or any(rule != first for rule in rules):
        return Stacked(rules, replicas, dtype, device)
    return first
