"""Distances in l1 and in the max-norm of states of many components, eight pairs at a time."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from analyzers.recurrence.kernels.bits import SIZE
from analyzers.recurrence.kernels.pairs import L1
from nndyn.numerics.arrays import Array

#: Components taken before the next states are: 64 rows and 64 columns of them are cached.
CHUNK = 512
#: Rows and columns of pairs taken at once, and components of a vector: their eight sums and six
#: states are as many registers as most processors have.
ROWS, COLUMNS, LANES = 4, 2, 4


def _vectors(greatest: bool) -> Any:
    """Return a function of kernels that takes the distances of 4 rows and 2 columns.

    Left to itself the compiler takes more vectors at once than it has registers for.

    Returns
    -------
    callable
        ``f(x, rows, y, columns, first, last, out)`` writes the sums, or the greatest, of
        ``|x[r, k] - y[c, k]|`` over first ≤ k < last to ``out[2 r + c]``; x, y and out are
        contiguous float64, and last - first is a multiple of 4 and not 0.
    """

    @intrinsic
    def distances(typing_context, x, rows, y, columns, first, last, out):  # type: ignore[no-untyped-def]
        from llvmlite import ir

        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            index, double = ir.IntType(64), ir.DoubleType()
            vector, integers = ir.VectorType(double, LANES), ir.VectorType(index, LANES)
            unsigned = ir.Constant(integers, [0x7FFFFFFFFFFFFFFF] * LANES)
            nothing = ir.Constant(vector, [0.0] * LANES)

            def pointers(at: int, number: int) -> list[Any]:
                states = context.make_array(signature.args[at])(context, builder, arguments[at])
                width = builder.extract_value(states.shape, 1)
                chosen = [builder.extract_value(arguments[at + 1], r) for r in range(number)]
                return [builder.gep(states.data, [builder.mul(r, width)]) for r in chosen]

            def load(pointer: Any) -> Any:
                place = builder.bitcast(builder.gep(pointer, [k]), vector.as_pointer())
                return builder.load(place, align=8)

            def joined(found: Any, other: Any) -> Any:
                if not greatest:
                    return builder.fadd(found, other)
                return builder.select(builder.fcmp_ordered(">", other, found), other, found)

            rows, columns = pointers(0, ROWS), pointers(2, COLUMNS)
            before = builder.block
            loop, after = (builder.append_basic_block(name) for name in ("loop", "after"))
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(index)
            k.add_incoming(arguments[4], before)
            found = [builder.phi(vector) for _ in range(ROWS * COLUMNS)]
            lower, left = [load(p) for p in columns], [load(p) for p in rows]
            for n, phi in enumerate(found):
                away = builder.fsub(left[n // COLUMNS], lower[n % COLUMNS])
                size = builder.and_(builder.bitcast(away, integers), unsigned)
                phi.add_incoming(nothing, before)
                found[n] = joined(phi, builder.bitcast(size, vector))
                phi.add_incoming(found[n], loop)
            behind = builder.add(k, ir.Constant(index, LANES))
            k.add_incoming(behind, loop)
            builder.cbranch(builder.icmp_signed("<", behind, arguments[5]), loop, after)
            builder.position_at_end(after)
            results = context.make_array(signature.args[6])(context, builder, arguments[6])
            for n, lanes in enumerate(found):
                each = [
                    builder.extract_element(lanes, ir.Constant(ir.IntType(32), lane))
                    for lane in range(LANES)
                ]
                total = joined(joined(each[0], each[1]), joined(each[2], each[3]))
                builder.store(total, builder.gep(results.data, [ir.Constant(index, n)]))
            return context.get_dummy_value()

        signature = types.void(x, rows, y, columns, types.int64, types.int64, out)
        return signature, generate

    return distances


_sums, _greatest = _vectors(False), _vectors(True)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def measure(x: Array, y: Array, norm: int, ahead: int, keys: Array, part: int, parts: int) -> None:
    """Write the l1 or max-norm distances of the rows of x (n, D) and y (m, D) to keys (n, m).

    All are contiguous. Blocks of 64 rows for which ``block % parts == part`` are written, by blocks
    of columns and chunks of components; how a distance is summed does not depend on its place.

    Parameters
    ----------
    x, y : float64
    norm : int
    ahead : int
        By how many rows the first column lies behind the first row of a symmetric plot, whose
        blocks below the diagonal become 0; `n` where all blocks are wanted.
    keys : float64, written
    part, parts : int
    """
    n, D = x.shape
    m = len(y)
    found = np.empty(ROWS * COLUMNS)
    for i0 in range(SIZE * part, n, SIZE * parts):
        i1 = min(i0 + SIZE, n)
        keys[i0:i1] = 0.0
        for j0 in range(max(0, i0 - ahead), m, SIZE):
            j1 = min(j0 + SIZE, m)
            for k0 in range(0, D, CHUNK):
                k1 = min(k0 + CHUNK, D)
                whole = k1 - (k1 - k0) % LANES
                for i in range(i0, i1, ROWS):
                    last = i1 - 1
                    rows = (i, min(i + 1, last), min(i + 2, last), min(i + 3, last))
                    for j in range(j0, j1, COLUMNS):
                        columns = (j, min(j + 1, j1 - 1))
                        found[:] = 0.0
                        if whole > k0:
                            if norm == L1:
                                _sums(x, rows, y, columns, k0, whole, found)
                            else:
                                _greatest(x, rows, y, columns, k0, whole, found)
                        for r in range(i, min(i + ROWS, i1)):
                            for c in range(j, min(j + COLUMNS, j1)):
                                key = found[COLUMNS * (r - i) + c - j]
                                for k in range(whole, k1):
                                    size = abs(x[r, k] - y[c, k])
                                    key = key + size if norm == L1 else max(key, size)
                                if norm == L1:
                                    keys[r, c] += key
                                else:
                                    keys[r, c] = max(keys[r, c], key)
