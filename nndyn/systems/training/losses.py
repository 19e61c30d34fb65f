"""Losses over a batch of samples, for every row at once, and their gradients at the outputs.

Outputs are feature-major, ``(R, outputs, columns)``: one column a sample, and behind them a few
columns that only pad the buffer and count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

Tensor = torch.Tensor


@dataclass(frozen=True)
class Targets:
    """Targets of `count` samples in columns, padded with zeros to the columns of the outputs.

    Attributes
    ----------
    count : int
    labels : (1, 1, columns) int64 or None
    values : (1, outputs, columns)
        Real-valued targets; one-hot columns where there are labels.
    """

    count: int
    labels: Tensor | None
    values: Tensor


class Loss(Protocol):
    """A mean over samples, and its gradient."""

    def __call__(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, hits: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss (R,) and, where asked, the number of samples classified rightly (R,).

        `outputs` is overwritten: by the gradient of the loss where `gradient`.
        """


class CrossEntropy:
    """Mean over samples of ``log Σ exp z - z[label]``, each column shifted by its maximum."""

    def __call__(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, hits: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss and the number of hits; `outputs` becomes the gradient."""
        n = targets.count
        labels, picked, others = _part(outputs, targets)
        right = _hits(outputs, labels, picked, others, n) if hits else None
        # the label's entry of `outputs` is -inf by now, and adds 0 to the sum
        largest = torch.maximum(picked, others, out=others)
        outputs.sub_(largest).exp_()
        picked.sub_(largest)
        likelihood = torch.exp(picked)
        total = torch.sum(outputs, 1, keepdim=True).add_(likelihood)
        loss = torch.log(total).sub_(picked)[..., :n].sum((1, 2)).div_(n)
        if gradient:
            scale = torch.reciprocal(total.mul_(n))
            outputs.mul_(scale)
            outputs.scatter_(1, labels, likelihood.mul_(scale).sub_(1 / n))
            outputs[..., n:] = 0.0
        return loss, right


class MeanSquare:
    """Mean over all entries of the squared difference to the targets."""

    def __call__(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, hits: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss and the number of hits; `outputs` becomes the gradient."""
        n = targets.count
        right = None
        if hits and targets.labels is not None:
            labels, picked, others = _part(outputs, targets)
            right = _hits(outputs, labels, picked, others, n)
            outputs.scatter_(1, labels, picked)
        outputs.sub_(targets.values)
        outputs[..., n:] = 0.0
        entries = n * outputs.shape[1]
        loss = outputs.square().sum((1, 2)).div_(entries)
        if gradient:
            outputs.mul_(2 / entries)
        return loss, right


LOSSES: dict[str, type[CrossEntropy] | type[MeanSquare]] = {
    "cross-entropy": CrossEntropy,
    "mse": MeanSquare,
}


def _part(outputs: Tensor, targets: Targets) -> tuple[Tensor, Tensor, Tensor]:
    """Take the label's output out of every column, leaving -inf.

    Returns
    -------
    labels, picked, others : (R, 1, columns)
        The labels, the outputs taken out, and the largest of those left.
    """
    assert targets.labels is not None  # checked where the data enter
    labels = targets.labels.expand(len(outputs), 1, -1)
    picked = torch.gather(outputs, 1, labels)
    outputs.scatter_(1, labels, -torch.inf)
    return labels, picked, torch.amax(outputs, 1, keepdim=True)


def _hits(outputs: Tensor, labels: Tensor, picked: Tensor, others: Tensor, n: int) -> Tensor:
    """Count per row the columns whose largest output, the first of equals, is the label's."""
    if torch.eq(picked, others)[..., :n].any():
        first = torch.max(outputs.scatter(1, labels, picked), 1, keepdim=True).indices
        return torch.eq(first, labels)[..., :n].sum((1, 2))
    return torch.gt(picked, others)[..., :n].sum((1, 2))
