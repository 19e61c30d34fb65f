"""Losses over a batch of samples, for every row at once, and their gradients at the outputs.

Outputs are feature-major, ``(R, outputs, columns)``: one column a sample, and behind them a few
columns that only pad the buffer and count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from nndyn.systems.training.perceptron import kernels

Tensor = torch.Tensor


@dataclass(frozen=True)
class Targets:
    """Targets of `count` samples in columns, padded with zeros to the columns of the outputs.

    Attributes
    ----------
    count : int
    labels : (columns,) int64 or None
    values : (1, outputs, columns)
        Real-valued targets; one-hot columns where there are labels.
    """

    count: int
    labels: Tensor | None
    values: Tensor


class Loss(Protocol):
    """A mean over samples, and its gradient."""

    def __call__(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, correct: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss (R,) and, where asked, the number of samples classified correctly (R,).

        `outputs` is overwritten: by the gradient of the loss where `gradient`.
        """

    def hvp(self, vectors: Tensor, gradient: Tensor, targets: Targets) -> None:
        """Multiply `vectors` (k, outputs, columns), in place, by the Hessian at the outputs.

        `gradient` (outputs, columns) is the one there.
        """


class CrossEntropy:
    """Mean over samples of ``log Σ exp z - z[label]``, each column shifted by its maximum."""

    def __call__(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, correct: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss and the number of correct samples; `outputs` becomes the gradient."""
        assert targets.labels is not None  # checked where the data enter
        n = targets.count
        picked, right = _shift(outputs, targets)
        outputs.exp_()
        if gradient:
            total = torch.empty_like(picked)
            kernels.gradient(outputs.numpy(), targets.labels.numpy(), total.numpy(), n)
        else:
            total = torch.sum(outputs, 1)
        loss = torch.log(total).sub_(picked)[:, :n].sum(1).div_(n)
        return loss, right if correct else None

    def hvp(self, vectors: Tensor, gradient: Tensor, targets: Targets) -> None:
        """Multiply by ``(diag p - p pᵀ) / n`` with the probabilities p of every column."""
        share = gradient + targets.values[0] / targets.count  # p / n, and 0 where columns only pad
        vectors.mul_(share)
        mean = torch.sum(vectors, 1, keepdim=True).mul_(targets.count)
        vectors.addcmul_(mean, share, value=-1)


class MeanSquare:
    """Mean over all entries of the squared difference to the targets."""

    def __call__(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, correct: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss and the number of correct samples; `outputs` becomes the gradient."""
        n = targets.count
        right = None
        if correct:
            _, right = _shift(outputs.clone(), targets)
        outputs.sub_(targets.values)
        outputs[..., n:] = 0.0
        entries = n * outputs.shape[1]
        loss = outputs.square().sum((1, 2)).div_(entries)
        if gradient:
            outputs.mul_(2 / entries)
        return loss, right

    def hvp(self, vectors: Tensor, gradient: Tensor, targets: Targets) -> None:
        """Multiply by ``2 / entries``."""
        vectors.mul_(2 / (targets.count * vectors.shape[1]))
        vectors[..., targets.count :] = 0.0


LOSSES: dict[str, type[CrossEntropy] | type[MeanSquare]] = {
    "cross-entropy": CrossEntropy,
    "mse": MeanSquare,
}


def _shift(outputs: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """Shift every column by its maximum.

    Returns
    -------
    picked : (R, columns)
        The shifted outputs of the labels.
    correct : (R,)
    """
    assert targets.labels is not None  # checked where the data enter
    picked = outputs.new_empty(len(outputs), outputs.shape[2])
    correct = outputs.new_empty(len(outputs))
    kernels.shift(
        outputs.numpy(), targets.labels.numpy(), picked.numpy(), correct.numpy(), targets.count
    )
    return picked, correct
