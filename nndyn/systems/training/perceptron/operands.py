"""Operands of matrix products, laid out so that results do not depend on their address.

The kernels of the linear algebra library may treat addresses that are no multiple of a vector
register, and the last rows of a matrix, otherwise than the rest, and which do is a matter of the
processor. So every run, replica and row of what enters a product or comes out of it begins on a
multiple of 64 bytes, the longest register and a line of the cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

Tensor = torch.Tensor

#: Bytes of a line of the cache, and of the longest vector register.
LINE = 64


def padded(count: int, multiple: int = 8) -> int:
    """Return `count` rounded up to a multiple of `multiple`."""
    return -(-count // multiple) * multiple


def padded_columns(count: int, dtype: torch.dtype) -> int:
    """Return the columns that `count` samples take: rows without gaps, each begins on a line."""
    return padded(count, LINE // dtype.itemsize)


def operand(*shape: int, dtype: torch.dtype) -> Tensor:
    """Return zeros in which every row begins on a line of the cache.

    Parameters
    ----------
    *shape : int
        Its last number is the length of a row.
    dtype : torch.dtype

    Returns
    -------
    torch.Tensor
        Of that shape; behind every row lie zeros up to the next line.
    """
    (found,) = in_turn([shape], dtype=dtype)
    return found


def in_turn(shapes: Sequence[tuple[int, ...]], *, dtype: torch.dtype) -> list[Tensor]:
    """Return operands of which one is in use at a time: they lie in the same memory.

    Parameters
    ----------
    shapes : sequence of tuple of int
    dtype : torch.dtype

    Returns
    -------
    list of torch.Tensor
        Of each shape, laid out as `operand`; what lies behind a row is the other ones'.
    """
    line = LINE // dtype.itemsize
    strides = [padded(shape[-1], line) for shape in shapes]
    counts = [math.prod(shape[:-1]) * s for shape, s in zip(shapes, strides, strict=True)]
    room = torch.zeros(max(counts) + line, dtype=dtype)
    first = -room.data_ptr() % LINE // dtype.itemsize
    return [
        room[first : first + count].view(*shape[:-1], stride)[..., : shape[-1]]
        for shape, count, stride in zip(shapes, counts, strides, strict=True)
    ]


def aligned(tensor: Tensor) -> bool:
    """Whether a matrix, and every one of a stack of them, begins on a line of the cache."""
    strides = tensor.stride()[:-2]
    steps = [s * tensor.itemsize for s, n in zip(strides, tensor.shape, strict=False) if n > 1]
    return not any(place % LINE for place in (tensor.data_ptr(), *steps))
