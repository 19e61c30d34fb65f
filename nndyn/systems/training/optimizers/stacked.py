"""Several runs of one optimizer, each with hyperparameters of its own, as one rule."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nndyn.errors import UsageError
from nndyn.systems.training.optimizers.base import Optimizer, Rule, Tensor

#: Steps whose columns `Stacked` computes, and sends to the device, at once.
BLOCK = 64


class Stacked:
    """Several runs of one structure as one rule; see `stack`.

    Notes
    -----
    The columns of `BLOCK` steps are kept between calls, about ``64 * 10 * rows`` numbers: an
    instance is not for two threads at once.
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
        """Return each coefficient at `times`: floats, or columns where runs differ in it."""
        runs = [[rule.coefficients(t) for rule in self.rules] for t in times]
        table: dict[str, Sequence[float] | Tensor] = {}
        for name in runs[0][0]:
            values = [[coefficients[name] for coefficients in run] for run in runs]
            if all(value == row[0] for row in values for value in row):
                table[name] = [row[0] for row in values]
            else:
                columns = torch.tensor(values, dtype=self.dtype)
                columns = columns.repeat_interleave(self.replicas, 1)
                table[name] = columns[:, :, None].to(self.device)
        return table


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
        One a run, M; of the same `Optimizer.structure`.
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
        If the rules differ in structure.
    """
    first = rules[0]
    for i, rule in enumerate(rules):
        if type(rule) is not type(first):
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
    return (
        first if all(rule == first for rule in rules) else Stacked(rules, replicas, dtype, device)
    )
