"""Kernels of a step and of an evaluation: all layers of many rows, a tile of the samples at a time.

What a tile needs of a row stays in the processor's second cache, unless there are many layers, and
nothing depends on the rows beside it. Samples are laid out as the products read them, see `Panels`;
layers are described by `plan`. Weights are rows of numbers `stride` apart in an array of one
dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.lanes import LANES
from nndyn.systems.training.perceptron.kernels import dispatch
from nndyn.systems.training.perceptron.kernels.matrices import add_sums, combined, contracted
from nndyn.systems.training.perceptron.kernels.outputs import cross_entropy, hits, mean_square
from nndyn.systems.training.perceptron.network import Layer

#: Numbers of the widest layer, the samples among them, in a tile.
TILE = 2**15


def plan(layers: Sequence[Layer]) -> Array:
    """Return inputs, outputs, place in a row, biases and activation of layers ``(L, 5)`` int64."""
    found, at = [], 0
    for layer in layers:
        kind = dispatch.KINDS[layer.activation]
        found.append((layer.inputs, layer.outputs, at, layer.bias, kind))
        at += layer.size
    return np.array(found, np.int64)


def columns(layers: Sequence[Layer]) -> int:
    """Return how many samples a tile has, eight times an odd number, told by the layers alone."""
    widest = max(max(layer.inputs, layer.outputs) for layer in layers)
    return max((TILE // widest // LANES - 1) | 1, 1) * LANES


@numba.njit(inline="always")
def _wide(n: int) -> int:
    """Return how far rows of n numbers lie apart: eight times an odd number."""
    # at a power of two they would all want the same few lines of a cache
    return n if n // LANES % 2 else n + LANES


def room(layers: Sequence[Layer]) -> Array:
    """Return what kernels write to meanwhile: about four numbers a unit and sample of a tile."""
    first, widths = layers[0], [layer.outputs for layer in layers]
    tile = columns(layers) * 2 * (sum(widths) + max(widths))
    return np.zeros(tile + first.outputs * (first.inputs + LANES))


@numba.njit(inline="always")
def _rows(room: Array, at: int, H: int, wide: int) -> Array:
    return room[at : at + H * wide].reshape(H, wide)


@numba.njit(cache=True, nogil=True)
def _forward(
    row: Array, layers: Array, x: Array, start: int, n: int, tile: int, nothing: Array, room: Array
) -> None:
    """Compute the values of all layers at n samples from `start` on.

    Those of the layer whose units have u others in front of them begin at ``room[u tile]``, those
    of its derivatives, where they are kept, as many numbers behind as there are units in a tile.
    Rows are `_wide`; what lies between them is computed with them and counts for nothing.
    """
    units, wide = layers[:, 1].sum() * tile, _wide(n)
    to = 0
    for depth in range(len(layers)):
        K, H, at, biased, kind = layers[depth]
        value, kept = _rows(room, to, H, wide), _rows(room, units + to, H, wide)
        there = (kept if kind in dispatch.KEEP else value).ravel()
        bias = row[at + H * K :] if biased else nothing
        if depth == 0:
            combined(row, at, K, 1, bias, x, start * K, LANES * K, LANES, K, there, wide, H, n)
        else:
            below = room[to - K * tile : to]
            combined(row, at, K, 1, bias, below, 0, LANES, wide, K, there, wide, H, n)
        if kind:
            dispatch.forward(kind, there.reshape(H, wide), nothing, value)
        to += H * tile


@numba.njit(cache=True, nogil=True)
def outputs(
    weights: Array,
    stride: int,
    layers: Array,
    samples: Array,
    tile: int,
    out: Array,
    first: int,
    end: int,
    room: Array,
) -> None:
    """Write the outputs of rows of weights.

    Parameters
    ----------
    weights : (≥ stride R,) float64
    stride : int
    layers : (L, 5) int64
    samples : (columns K,)
        See `Panels.forward`.
    tile : int
    out : (R, C, columns), written
    first, end : int
        The rows that are computed.
    room : (…,), written
    """
    _, C, columns = out.shape
    nothing, top = np.zeros(layers[:, 1].max()), (layers[:, 1].sum() - C) * tile
    for start in range(0, columns, tile):
        n = min(tile, columns - start)
        for r in range(first, end):
            row = weights[r * stride :]
            _forward(row, layers, samples, start, n, tile, nothing, room)
            found = _rows(room, top, C, _wide(n))
            for c in range(C):
                for j in range(n):
                    out[r, c, start + j] = found[c, j]


@numba.njit(cache=True, nogil=True)
def gradient(
    weights: Array,
    stride: int,
    layers: Array,
    samples: Array,
    features: Array,
    labels: Array,
    values: Array,
    count: int,
    squared: bool,
    tile: int,
    found: Array,
    apart: int,
    loss: Array,
    correct: Array,
    first: int,
    end: int,
    room: Array,
) -> None:
    """Write the gradients of the loss at rows of weights.

    Parameters
    ----------
    weights : (≥ stride R,) float64
    stride : int
    layers : (L, 5) int64
    samples, features : (columns K,), (columns K',)
        See `Panels`.
    labels : (columns,) or (0,) int64
    values : (C, columns)
        As `Targets.arrays`.
    count : int
        Columns that are samples: the first ones.
    squared : bool
        Whether the loss is the mean square, not the cross-entropy.
    tile : int
    found : (≥ apart R,), written
        Gradients: sums over a tile, added up tile by tile.
    apart : int
        How many numbers lie between their beginnings.
    loss, correct : (R,), written
        Correct samples only where there are labels.
    first, end : int
        The rows that are computed.
    room : (…,), written
    """
    columns = values.shape[1]
    units, widest = layers[:, 1].sum() * tile, layers[:, 1].max()
    nothing, sums, part = np.zeros(max(widest, LANES)), np.empty(6 * LANES), np.zeros((2, 1))
    loss[first:end], correct[first:end] = 0.0, 0.0
    for start in range(0, columns, tile):
        n, fresh = min(tile, columns - start), start == 0
        wide = _wide(n)
        real, seen = min(n, count - start), labels[start : start + n]
        for r in range(first, end):
            row, slope = weights[r * stride :], found[r * apart :]
            _forward(row, layers, samples, start, n, tile, nothing, room)

            K, H, at, biased, kind = layers[-1]
            to, other = 2 * units, 2 * units + widest * tile
            above = units - H * tile  # where the values of the layer begin
            delta, value = _rows(room, to, H, wide), _rows(room, above, H, wide)
            for i in range(H):
                for j in range(wide):
                    delta[i, j] = value[i, j]
            top = delta.reshape(1, H, wide)
            if not squared:
                cross_entropy(top, seen, real, count, True, part[0], part[1])
            else:
                if len(labels):
                    hits(top, seen, real, part[1])
                mean_square(top, values, start, real, count, part[0])
            loss[r] += part[0, 0]
            correct[r] += part[1, 0]
            for depth in range(len(layers) - 1, -1, -1):
                K, H, at, biased, kind = layers[depth]
                if kind:
                    value = _rows(room, above, H, wide)
                    dispatch.backward(kind, delta, value, _rows(room, units + above, H, wide))
                if biased:
                    add_sums(delta.ravel(), wide, H, n, sums, slope, at + H * K, fresh)
                if depth == 0:
                    break
                above -= K * tile
                below, lower = _rows(room, above, K, wide), _rows(room, other, K, wide)
                contracted(delta.ravel(), below.ravel(), wide, 0, n, (H, K), sums, slope, at, fresh)
                combined(
                    row,
                    at,
                    1,
                    K,
                    nothing,
                    delta.ravel(),
                    0,
                    LANES,
                    wide,
                    H,
                    lower.ravel(),
                    wide,
                    K,
                    n,
                )
                delta, to, other = lower, other, to
            _of_samples(
                delta.ravel(), H, K, n, features, start, columns, nothing, room, slope, at, fresh
            )


@numba.njit(cache=True, nogil=True)
def _of_samples(
    delta: Array,
    H: int,
    K: int,
    n: int,
    features: Array,
    start: int,
    columns: int,
    nothing: Array,
    room: Array,
    slope: Array,
    at: int,
    fresh: bool,
) -> None:
    """Add the gradient of the first layer's weights: chains over the samples of a tile."""
    wide = (K + LANES - 1) // LANES * LANES
    products = room[len(room) - H * wide :]
    first, panel = start * LANES, columns * LANES
    combined(
        delta, 0, _wide(n), 1, nothing, features, first, panel, LANES, n, products, wide, H, wide
    )
    for h in range(H):
        for k in range(K):
            was = 0.0 if fresh else slope[at + h * K + k]
            slope[at + h * K + k] = was + products[h * wide + k]
