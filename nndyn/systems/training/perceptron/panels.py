"""Samples in the order in which the kernels of the first layer read them: eight at a time."""

from __future__ import annotations

import numba
import numpy as np
import torch

from nndyn.numerics.arrays import Array
from nndyn.numerics.lanes import LANES

Tensor = torch.Tensor


class Panels:
    """Samples twice, for the pass forward and for the pass back.

    Parameters
    ----------
    x : (≥ features, columns) float64
        A sample a column; the columns are a multiple of eight.
    features : int
        K, the rows that are taken.

    Attributes
    ----------
    forward : (columns · K,)
        Eight samples after eight, of these feature by feature.
    back : (columns · K',)
        Eight features after eight, of these sample by sample; K' is K and zeros up to a multiple
        of eight.
    """

    def __init__(self, x: Tensor, features: int) -> None:
        self.features, columns = features, x.shape[1]
        self.forward: Array = np.zeros(columns * features)
        self.back: Array = np.zeros(columns * -(-features // LANES) * LANES)
        self.fill(x)

    def fill(self, x: Tensor) -> None:
        """Take samples that lie likewise."""
        along, across = x.stride()
        size = (x.shape[0] - 1) * along + (x.shape[1] - 1) * across + 1
        numbers = x.as_strided((size,), (1,)).numpy()
        _fill(numbers, along, across, x.shape[1], self.features, self.forward, self.back)


@numba.njit(cache=True, nogil=True)
def _fill(
    numbers: Array, along: int, across: int, columns: int, features: int, x: Array, back: Array
) -> None:
    for j in range(columns):
        for k in range(features):
            number = numbers[k * along + j * across]
            x[(j // LANES * features + k) * LANES + j % LANES] = number
            back[(k // LANES * columns + j) * LANES + k % LANES] = number
