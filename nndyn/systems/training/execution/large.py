"""Rows so large that they take turns: none of what a step needs is there for all at once."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np
import torch

Tensor = torch.Tensor

#: Bytes of all phases from which on rows are large.
LARGE = 32 * 2**20


class Room:
    """Room for rows, which is used again once nobody has a view of it any more.

    The system takes back what is freed of large arrays, and clears it anew each time. So one that
    was left is kept for the next of its size.
    """

    def __init__(self) -> None:
        self._left: list[Any] = []

    def like(self, rows: Tensor) -> Tensor:
        """Return room for as many rows, whose numbers mean nothing yet."""
        if rows.is_cuda:
            return torch.empty_like(rows)
        held = rows.numpy()
        left = self._left.pop() if self._left else None
        if left is None or left.nbytes != held.nbytes:
            left = np.empty(held.nbytes, np.uint8)  # which numpy takes in large pages
        # every view, of numpy or torch, holds what lends the memory, and so ends after it
        lender = (ctypes.c_char * held.nbytes).from_buffer(left.data)
        weakref.finalize(lender, _give, weakref.ref(self), left).atexit = False
        return torch.from_numpy(np.ndarray(held.shape, held.dtype, memoryview(lender)))


def _give(room: weakref.ref[Room], left: Any) -> None:
    """Keep what was left, instead of what is kept."""
    if (here := room()) is not None:
        here._left[:] = [left]
