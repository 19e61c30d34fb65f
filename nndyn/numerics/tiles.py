"""Tiles of products of small matrices, held in registers while they are summed.

A library multiplies ten rows by thousands of columns at half the speed of larger matrices, and
rounds as processor, address and neighbours would have it. Here a number is one chain of fused
operations, or the sum of eight, in an order that is written down.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nndyn.numerics.lanes import LANES, VECTOR

_FUSED = f"llvm.fma.v{LANES}f64"


def _room(builder: Any) -> Any:
    """Return room for a vector, which the compiler keeps in a register."""
    return cgutils.alloca_once(builder, VECTOR)  # type: ignore[no-untyped-call]


def _index(i: int) -> Any:
    return ir.Constant(ir.IntType(64), i)


def _data(context: Any, builder: Any, kinds: Any, arguments: Any, *which: int) -> list[Any]:
    """Return where the numbers of some of the arguments, arrays without gaps, begin."""
    return [context.make_array(kinds[i])(context, builder, arguments[i]).data for i in which]


def _vector(builder: Any, data: Any, i: Any) -> Any:
    """Return the place of the i-th number and the seven behind it."""
    return builder.bitcast(builder.gep(data, [i]), VECTOR.as_pointer())


def _spread(builder: Any, number: Any) -> Any:
    """Return a vector of one number."""
    nothing = ir.Constant(VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, number, _index(0))
    first = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, nothing, first)


def _add_product(builder: Any, a: Any, b: Any, total: Any) -> None:
    """Add the product of two vectors to a sum, rounded once."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    fused = cgutils.get_or_insert_function(builder.module, kind, _FUSED)  # type: ignore[no-untyped-call]
    builder.store(builder.call(fused, [a, b, builder.load(total)]), total)


@intrinsic
def _combine(  # type: ignore[no-untyped-def]
    typing_context, rows, weights, at, across, along, start, below, j, wide, count, out, to, n
):
    """Write eight columns of ``start + weights @ below``, of as many rows as the literal `rows`."""
    # The weight of row r and of the k-th row below is weights[at + r across + k along]; rows below
    # are `wide` numbers apart, those of `out` n; columns begin at `j` in the one, at `to` in the
    # other.
    if not isinstance(rows, types.IntegerLiteral):
        return None

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        _, _, at, across, along, _, _, j, wide, count, _, to, n = arguments
        weights, start, below, out = _data(context, builder, signature.args, arguments, 1, 5, 6, 10)
        sums = [_room(builder) for _ in range(rows.literal_value)]
        for r, total in enumerate(sums):
            first = builder.load(builder.gep(start, [_index(r)]))
            builder.store(_spread(builder, first), total)
        with cgutils.for_range(builder, count) as loop:
            place = builder.add(j, builder.mul(loop.index, wide))
            values = builder.load(_vector(builder, below, place), align=8)
            place = builder.add(at, builder.mul(loop.index, along))
            for total in sums:
                weight = builder.load(builder.gep(weights, [place]))
                _add_product(builder, _spread(builder, weight), values, total)
                place = builder.add(place, across)
        for total in sums:
            builder.store(builder.load(total), _vector(builder, out, to), align=8)
            to = builder.add(to, n)
        return context.get_dummy_value()

    i = types.intp
    return types.void(rows, weights, i, i, i, start, below, i, i, i, out, i, i), generate


@intrinsic
def _contract(typing_context, rows, columns, a, i, b, k, n, count, out):  # type: ignore[no-untyped-def]
    """Write sums over every eighth of `count` products of rows of a with rows of b."""
    # As many rows of each as the literals say, n numbers apart, from a[i] and b[k] on; the eight
    # sums of a pair lie side by side.
    if not all(isinstance(kind, types.IntegerLiteral) for kind in (rows, columns)):
        return None

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        _, _, _, i, _, k, n, count, _ = arguments
        a, b, out = _data(context, builder, signature.args, arguments, 2, 4, 8)
        height, width = rows.literal_value, columns.literal_value
        sums = [[_room(builder) for _ in range(width)] for _ in range(height)]
        for total in (total for row in sums for total in row):
            builder.store(ir.Constant(VECTOR, [0.0] * LANES), total)
        with cgutils.for_range(builder, builder.sdiv(count, _index(LANES))) as loop:
            j = builder.mul(loop.index, _index(LANES))

            def numbers(data: Any, first: Any, row: int) -> Any:
                place = builder.add(builder.add(first, j), builder.mul(n, _index(row)))
                return builder.load(_vector(builder, data, place), align=8)

            right = [numbers(b, k, s) for s in range(width)]
            for r, row in enumerate(sums):
                left = numbers(a, i, r)
                for other, total in zip(right, row, strict=True):
                    _add_product(builder, left, other, total)
        for place, total in enumerate(total for row in sums for total in row):
            where = _vector(builder, out, _index(place * LANES))
            builder.store(builder.load(total), where, align=8)
        return context.get_dummy_value()

    index = types.intp
    given = rows, columns, a, index, b, index, index, index, out
    return types.void(*given), generate


# Callables of anything: a checker takes what `intrinsic` returns for what it was given.
combine: Any = _combine
contract: Any = _contract
