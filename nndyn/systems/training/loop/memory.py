"""Large arrays that are given out again: to touch new memory takes longer than to fill it."""

from __future__ import annotations

import sys

import numpy as np

from nndyn.numerics.arrays import Array


def _references(arrays: list[Array], i: int) -> int:
    return sys.getrefcount(arrays[i])


#: What `_references` counts of an array that nobody else holds.
_ALONE = _references([np.empty(1)], 0)


class Memory:
    """Arrays of one shape and dtype."""

    def __init__(self) -> None:
        self._arrays: list[Array] = []

    def array(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
        """Return an array that nobody holds, or looks at a part of; its numbers are any."""
        if self._arrays and (self._arrays[0].shape, self._arrays[0].dtype) != (shape, dtype):
            self._arrays = []
        for i in range(len(self._arrays)):
            if _references(self._arrays, i) == _ALONE:
                return self._arrays[i]
        self._arrays.append(np.empty(shape, dtype))
        return self._arrays[-1]
