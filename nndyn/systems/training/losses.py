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
        labels = _labels(outputs, targets)
        picked = torch.gather(outputs, 1, labels)
        right = None
        if hits:
            largest, right = _hits(outputs, labels, picked, n)
        else:
            largest = torch.amax(outputs, 1, keepdim=True)
        outputs.sub_(largest).exp_()
        total = torch.sum(outputs, 1, keepdim=True)
        picked.sub_(largest)
        loss = torch.log(total).sub_(picked)[..., :n].sum((1, 2)).div_(n)
        if gradient:
            scale = torch.reciprocal(total.mul_(n))
            outputs.mul_(scale)
            outputs.scatter_(1, labels, picked.exp_().mul_(scale).sub_(1 / n))
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
        if hits:
            labels = _labels(outputs, targets)
            _, right = _hits(outputs, labels, torch.gather(outputs, 1, labels), n)
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


def _labels(outputs: Tensor, targets: Targets) -> Tensor:
    assert targets.labels is not None  # checked where the data enter
    return targets.labels.expand(len(outputs), 1, -1)


def _hits(outputs: Tensor, labels: Tensor, picked: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the largest output of every column, and per row how often it is the label's.

    The first of equals counts as the largest. Ties are rare, and an index of the maximum costs
    ten times as much as its value: so the label's output is compared with the largest of the
    others, and indices are searched only where a tie is met.

    Returns
    -------
    largest : (R, 1, columns)
    hits : (R,)
    """
    outputs.scatter_(1, labels, -torch.inf)
    others = torch.amax(outputs, 1, keepdim=True)
    outputs.scatter_(1, labels, picked)
    mark = torch.empty_like(picked)
    torch.ge(picked, others, out=mark)  # as numbers, whose sums are faster than those of bools
    mark = mark[..., :n]
    reached = mark.sum((1, 2))
    torch.gt(picked[..., :n], others[..., :n], out=mark)
    hits = mark.sum((1, 2))
    if not torch.equal(reached, hits):
        first = torch.max(outputs, 1, keepdim=True).indices
        hits = torch.eq(first, labels)[..., :n].sum((1, 2)).to(hits.dtype)
    return torch.maximum(picked, others, out=others), hits
