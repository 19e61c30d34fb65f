"""Sums over every eighth number, eight at a time: most of the work of kernels over long rows.

No compiler reorders a sum of floating-point numbers. Nor does numba's see that eight of them lie
side by side, and adds one after the other unless told, in three to five times the time.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

from nndyn.numerics.arrays import Array

LANES = 8
VECTOR, _BITS = (ir.VectorType(kind, LANES) for kind in (ir.DoubleType(), ir.IntType(64)))


class _Lanes(types.Type):
    """Eight float64, inside kernels."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


_lanes = _Lanes()
_numbers = types.Array(types.float64, 1, "C")


@register_model(_Lanes)
class _Model(models.PrimitiveModel):
    """Lanes as a vector of the processor, or as several."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)  # type: ignore[no-untyped-call]


def _place(context: Any, builder: Any, array: Any, i: Any) -> Any:
    data = context.make_array(_numbers)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [i]), VECTOR.as_pointer())


@intrinsic
def _load(typing_context, x, i):  # type: ignore[no-untyped-def]
    """Return ``x[i], …, x[i + 7]``."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.load(_place(context, builder, *arguments), align=8)

    return _lanes(_numbers, types.intp), generate


@intrinsic
def _store(typing_context, x, i, lanes):  # type: ignore[no-untyped-def]
    """Write ``x[i], …, x[i + 7]``."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        builder.store(arguments[2], _place(context, builder, *arguments[:2]), align=8)
        return context.get_dummy_value()

    return types.void(_numbers, types.intp, _lanes), generate


@intrinsic
def _plus(typing_context, lanes, others):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.fadd(*arguments)

    return _lanes(_lanes, _lanes), generate


@intrinsic
def _times(typing_context, lanes, others):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.fmul(*arguments)

    return _lanes(_lanes, _lanes), generate


@intrinsic
def _absolute(typing_context, lanes):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        bits = builder.bitcast(arguments[0], _BITS)
        unsigned = ir.Constant(_BITS, [0x7FFFFFFFFFFFFFFF] * LANES)
        return builder.bitcast(builder.and_(bits, unsigned), VECTOR)

    return _lanes(_lanes), generate


@intrinsic
def _larger(typing_context, lanes, others):  # type: ignore[no-untyped-def]
    """Return the larger of each two, the other where one is NaN."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return _lanes(_lanes, _lanes), generate


# Callables of anything: a checker takes what `intrinsic` returns for what it was given.
load: Any = _load
store: Any = _store
plus: Any = _plus
times: Any = _times
absolute: Any = _absolute
larger: Any = _larger


@numba.njit(cache=True, nogil=True)
def add_sizes(x: Array, n: int, total: Array, largest: Array) -> None:
    """Add the absolute values of numbers to sums over every eighth, and update their largest.

    Parameters
    ----------
    x : (≥ n,) float64, contiguous
    n : int
        A multiple of eight.
    total, largest : (8,) float64, contiguous, written
        A number that is NaN is never the largest.
    """
    sums, most = load(total, 0), load(largest, 0)
    for i in range(0, n, LANES):
        sizes = absolute(load(x, i))
        sums, most = plus(sums, sizes), larger(sizes, most)
    store(total, 0, sums)
    store(largest, 0, most)


@numba.njit(cache=True, nogil=True)
def add_products(x: Array, y: Array, n: int, total: Array) -> None:
    """Add the products of numbers to sums over every eighth.

    Parameters
    ----------
    x, y : (≥ n,) float64, contiguous
    n : int
        A multiple of eight.
    total : (8,) float64, contiguous, written
    """
    sums = load(total, 0)
    for i in range(0, n, LANES):
        sums = plus(sums, times(load(x, i), load(y, i)))
    store(total, 0, sums)
