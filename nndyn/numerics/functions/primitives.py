"""Fused multiply-add, and numbers as their bits: what elementary functions are made of.

A compiler that may contract ``a * b + c`` does so where it likes, and may do otherwise in the rest
of a loop than in its vectors. Here every fused operation is asked for by name, and all others round
by themselves, so that a number gives the same bits in every place and on every processor. (One that
has no such operation computes it in the C library, slowly.)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

#: 1.5 · 2^52: added to a number below 2^51 in size, it leaves the nearest integer in the low bits.
MAGIC = 6755399441055744.0
#: Bits of the sign, of all but the sign, and of 1.0.
SIGN, SIZE, ONE = -0x8000000000000000, 0x7FFFFFFFFFFFFFFF, 0x3FF0000000000000
#: Bits of the fraction.
FRACTION = 52


@intrinsic
def _fma(typing_context, a, b, c):  # type: ignore[no-untyped-def]
    """Return ``a * b + c``, rounded once."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


@intrinsic
def _bits(typing_context, x):  # type: ignore[no-untyped-def]
    """Return the bits of a number as an integer."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def _number(typing_context, bits):  # type: ignore[no-untyped-def]
    """Return the number that has these bits."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


# Callables of anything: a checker takes what `intrinsic` returns for what it was given.
fma: Any = _fma
bits: Any = _bits
number: Any = _number
