"""Bit-packed recurrence plots: 64 entries in a word, made from distances, transposed, scanned."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from nndyn.numerics.arrays import Array

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
def _within(typing_context, values, first, center, limit):  # type: ignore[no-untyped-def]
    """Set bit j of a word where |values[first + j] - center| ≤ limit.

    Of contiguous float64: a comparison of vectors gives 64 bits at once.

    Returns
    -------
    signature, callable
    """
    from llvmlite import ir

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        vector, index = ir.VectorType(ir.DoubleType(), SIZE), ir.IntType(32)
        nowhere = ir.Constant(vector, ir.Undefined)

        def everywhere(number: Any) -> Any:
            one = builder.insert_element(nowhere, number, ir.Constant(index, 0))
            zeros = ir.Constant(ir.VectorType(index, SIZE), [0] * SIZE)
            return builder.shuffle_vector(one, nowhere, zeros)

        pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), vector.as_pointer())
        away = builder.fsub(builder.load(pointer, align=8), everywhere(arguments[2]))
        integers = ir.VectorType(ir.IntType(64), SIZE)
        unsigned = ir.Constant(integers, [0x7FFFFFFFFFFFFFFF] * SIZE)
        size = builder.bitcast(builder.and_(builder.bitcast(away, integers), unsigned), vector)
        near = builder.fcmp_ordered("<=", size, everywhere(arguments[3]))
        return builder.bitcast(near, ir.IntType(SIZE))

    return types.uint64(values, types.int64, types.float64, types.float64), generate


# Callables of anything: a checker takes what `intrinsic` returns for what it was given.
trailing_zeros: Any = _trailing_zeros
population: Any = _population
within: Any = _within


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
