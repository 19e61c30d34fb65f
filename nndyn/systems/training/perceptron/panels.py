"""Samples in the order in which the kernels of the first layer read them: eight at a time."""

from __future__ import annotations

from functools import cached_property

import numba
import numpy as np
import torch

from nndyn.numerics.arrays import Array
from nndyn.numerics.lanes import LANES
from nndyn.systems.training.perceptron.operands import padded

Tensor = torch.Tensor


class Panels:
    """Samples for the pass forward and for the pass back, each laid out when it is first read.

    Parameters
    ----------
    x : (≥ features, columns) float64
        A sample a column; the columns are a multiple of eight.
    features : int
        K, the rows that are taken.
    """

    def __init__(self, x: Tensor, features: int) -> None:
        self._along, self._across = x.stride()
        size = (x.shape[0] - 1) * self._along + (x.shape[1] - 1) * self._across + 1
        self._numbers: Array = x.as_strided((size,), (1,)).numpy()
        self._shape = x.shape[1], features

    @cached_property
    def forward(self) -> Array:
        """Eight samples after eight, of these feature by feature: ``(columns · K,)``."""
        columns, features = self._shape
        out = np.zeros(columns * features)
        self._write(out, back=False)
        return out

    @cached_property
    def back(self) -> Array:
        """Eight features after eight, of these sample by sample: ``(columns · K',)``.

        K' is K and zeros up to a multiple of eight.
        """
        columns, features = self._shape
        out = np.zeros(columns * padded(features, LANES))
        self._write(out, back=True)
        return out

    def refresh(self) -> None:
        """Take what the samples have become since."""
        for name in {"forward", "back"} & self.__dict__.keys():
            self._write(self.__dict__[name], back=name == "back")

    def _write(self, out: Array, *, back: bool) -> None:
        samples, features = zip((self._across, self._along), self._shape, strict=True)
        eights, others = (features, samples) if back else (samples, features)
        _fill(self._numbers, *eights, *others, out)


@numba.njit(cache=True, nogil=True)
def _fill(
    numbers: Array, apart: int, count: int, others_apart: int, others: int, out: Array
) -> None:
    """Write eight after eight of an axis, of these all along the other; axes by stride, length."""
    for i in range(count):
        for j in range(others):
            to = (i // LANES * others + j) * LANES + i % LANES
            out[to] = numbers[i * apart + j * others_apart]
