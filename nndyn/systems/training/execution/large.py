"""Rows so large that they take turns: none of what a step needs is there for all at once."""

from __future__ import annotations

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
