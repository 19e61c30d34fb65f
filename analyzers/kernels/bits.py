"""Sixty-four entries of a recurrence plot in a word: made from distances, transposed, scanned."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[Any]

#: Entries of a word, and rows and columns of a block.
SIZE = 64


@intrinsic
def _trailing_zeros(typing_context, word):  # type: ignore[no-untyped-def]
    """Count the zeros below the lowest bit of a uint64 that is not 0."""
    from llvmlite import ir

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@intrinsic
def _population(typing_context, word):  # type: ignore[no-untyped-def]
    """Count the bits of a uint64 that are set."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def _at_most(typing_context, values, limit):  # type: ignore[no-untyped-def]
    """Return the word whose bit j says whether values[j] ≤ limit, of 64 contiguous float64."""
    from llvmlite import ir

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        vector = ir.VectorType(ir.DoubleType(), SIZE)
        pointer = builder.bitcast(array.data, vector.as_pointer())
        numbers = builder.load(pointer, align=8)
        one = builder.insert_element(
            ir.Constant(vector, ir.Undefined), arguments[1], ir.Constant(ir.IntType(32), 0)
        )
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), SIZE), [0] * SIZE)
        limits = builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), everywhere)
        near = builder.fcmp_ordered("<=", numbers, limits)
        return builder.bitcast(near, ir.IntType(SIZE))

    return types.uint64(values, types.float64), generate


# Callables of anything: a checker takes what `intrinsic` returns for what it was given.
trailing_zeros: Any = _trailing_zeros
population: Any = _population
at_most: Any = _at_most


@numba.njit(cache=True, nogil=True, error_model="numpy")
def transpose(words: Array) -> None:
    """Transpose 64 x 64 bits in place: bit j of word i becomes bit i of word j."""
    width = np.uint64(32)
    mask = np.uint64(0x00000000FFFFFFFF)
    while width != np.uint64(0):
        step = np.int64(width)
        for k0 in range(0, SIZE, 2 * step):
            for k in range(k0, k0 + step):
                t = ((words[k] >> width) ^ words[k + step]) & mask
                words[k + step] ^= t
                words[k] ^= t << width
        width >>= np.uint64(1)
        mask ^= mask << width
