"""Distances of the rows of runs from their first ones, where they are: on a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch

Tensor = torch.Tensor

#: Components of a product of deviations: few rows of many numbers would be one long sum a run.
PIECE = 2048


def separate(rows: Tensor, ends: Sequence[int], i: int, out: Sequence[Tensor]) -> None:
    """Write distances of rows from the first of their run, as `separate_by_parameter` does.

    Parameters
    ----------
    rows : (M, R, D)
    ends : sequence of int
        Where each parameter ends.
    i : int
        Index of the time that is written.
    out : sequence of tensors, float64
        l1 and linf (M, n, R), inner products of deviations (M, n, R, R) and squares by parameter
        (M, n, R, parameters).

    Notes
    -----
    Eight passes over the deviations, in float64; memory of three of them.
    """
    deviation = rows.to(torch.float64) - rows[:, :1]
    l1, linf, gram, squares = out
    gram[:, i] = inner_products(deviation)
    torch.sum(deviation.abs_(), 2, out=l1[:, i])
    torch.amax(deviation, 2, out=linf[:, i])
    start, square = 0, deviation.square_()
    for p, end in enumerate(ends):
        torch.sum(square[..., start:end], 2, out=squares[:, i, :, p])
        start = end


def inner_products(deviation: Tensor) -> Tensor:
    """Return the inner products ``(M, R, R)`` of rows ``(M, R, D)``, summed in pieces."""
    M, R, D = deviation.shape
    count = -(-D // PIECE)
    if count > 1:
        whole = torch.nn.functional.pad(deviation, (0, count * PIECE - D))
        deviation = whole.view(M, R, count, PIECE).transpose(1, 2).flatten(0, 1)
    return torch.bmm(deviation, deviation.mT).view(M, count, R, R).sum(1)
