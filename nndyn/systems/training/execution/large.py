"""Rows so large that they take turns: none of what a step needs is there for all at once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

Tensor = torch.Tensor

#: Bytes of all phases from which on rows are large.
LARGE = 32 * 2**20


def like(rows: Tensor) -> Tensor:
    """Return room for as many rows; numpy takes it in large pages, which are there sooner."""
    if rows.is_cuda:
        return torch.empty_like(rows)
    return torch.from_numpy(np.empty(tuple(rows.shape), rows.numpy().dtype))


class Turn:
    """Memory for one row of weights ``(D,)``, from the first use on.

    Parameters
    ----------
    rows : (R, D)
        On a CPU.
    """

    def __init__(self, rows: Tensor) -> None:
        self._rows = rows

    @cached_property
    def row(self) -> Tensor:
        """Room for a row."""
        return like(self._rows[0])

    def length(self, row: Tensor, out: Tensor) -> None:
        """Write the l2 length of a row into ``()``, float64: the bits of `lengths`."""
        wide = row
        if row.dtype != torch.float64:  # not kept: beside it a rule has temporaries
            wide = torch.from_numpy(np.empty(len(row))).copy_(row)
        torch.linalg.vector_norm(wide, dim=0, out=out)


def lengths(rows: Tensor, out: Tensor, turn: Turn | None = None) -> None:
    """Write the l2 lengths of rows ``(R, D)`` into ``(R,)`` float64, where there is a turn in it.

    torch makes a copy of all in float64, which takes longer than the sums.
    """
    if turn is None:
        torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64, out=out)
        return
    for row, one in zip(rows, out, strict=True):
        turn.length(row, one)
