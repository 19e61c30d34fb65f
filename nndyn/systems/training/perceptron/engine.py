"""Losses and gradients of many replicas of one perceptron, feature-major and in one pass.

Of those with a wide layer, or in float32; all others are computed as in `fused`. The first layer of
all R replicas of a run is one matrix product, ``[R·H, features] @ X``; the layers behind it are one
product a replica, by kernels of our own where a library is slow: in those of few weights. A
replica's arithmetic must not depend on its place in the batch, or a copy of the reference would
drift away from it:

- The kernels of the linear algebra library treat the last rows of a matrix, and addresses that are
  not aligned, differently. So the rows of the first product are padded to a multiple of 8, and
  every replica's operands begin on a line of the cache; see
  `nndyn.systems.training.perceptron.operands`.
- Elementwise functions of a library compute what does not fill its vector registers, or lies at
  the edge of a thread's part, by another approximation. So activations and losses are kernels of
  our own, in which a number gives the same everywhere; see `nndyn.numerics.functions`.

Nor must it depend on the runs beside it, or a study would not give what its runs give alone: each
run has its own matrix products, of the same shapes and alignment as alone, and everything that is
elementwise is done for all runs at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch

from nndyn.numerics.arrays import Array
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.perceptron.activations import ACTIVATIONS
from nndyn.systems.training.perceptron.evaluations import Evaluations, losses
from nndyn.systems.training.perceptron.inputs import Feed, Inputs
from nndyn.systems.training.perceptron.kernels import matrices
from nndyn.systems.training.perceptron.losses import Loss
from nndyn.systems.training.perceptron.network import Layer, Network
from nndyn.systems.training.perceptron.operands import in_turn, operand, padded
from nndyn.systems.training.perceptron.views import Down, Target, Up

Tensor = torch.Tensor

#: Weights of a layer up to which its products are kernels of `matrices`, in float64: they pass
#: through all weights for every eight columns, and these stay in the caches next to the processor.
SMALL = 8192


class Perceptrons(Evaluations):
    """M runs of R replicas of a network, computed together; see `Engine`.

    Parameters
    ----------
    network : Network
    loss : Loss
    training : Inputs
    test : Inputs or None
    orders : sequence of Order
        One a run.
    replicas : int
        R.
    dtype : torch.dtype

    Notes
    -----
    Buffers are kept for every number of columns met, two of ``M R x width x columns`` a layer
    (columns of a step; 8192 at most in evaluations).
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        training: Inputs,
        test: Inputs | None,
        orders: Sequence[Order],
        *,
        replicas: int,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(loss, training, test, runs=len(orders), replicas=replicas)
        self._layers = network.layers
        self.size = network.size
        self.reason: str | None = None
        self.whole = network.tells_loss(orders[0].batch_size)
        self.dtype = dtype
        self._feed = Feed(training, orders)
        M, R = self.runs, replicas
        self.statistics = torch.zeros((M * R, 0), dtype=dtype)
        self._starts = [0, *accumulate(layer.size for layer in network.layers)]
        self._rows: Array = np.empty((0, self.size))
        self._operands: list[Tensor] = []
        products: list[tuple[int, ...]] = []
        for depth, layer in enumerate(network.layers):
            if self._is_small(depth):
                shape: tuple[int, ...] = (0,)  # they are where the weights lie
            elif depth == 0:
                shape = (M, padded(R * layer.outputs), layer.inputs + layer.bias)
            else:
                shape = (M, R, layer.outputs, layer.inputs)
            self._operands.append(operand(*shape, dtype=dtype))
            products.append(shape)
        self._gradients = in_turn(products, dtype=dtype)
        self._biases = [torch.zeros((M, R, layer.outputs), dtype=dtype) for layer in network.layers]
        self._taken = [self._entry(d) for d in range(len(self._layers)) if not self._is_small(d)]
        self._buffers: dict[int, list[tuple[Tensor, Tensor]]] = {}
        self._up: dict[tuple[int, int], list[Up]] = {}
        self._down: dict[int, list[Down]] = {}
        self._own: tuple[Tensor, list[Target]] | None = None

    def load(self, weights: Tensor, statistics: Tensor) -> None:
        """Take the weights ``(M·R, D)``; there are no statistics."""
        rows = self._rows = weights.numpy()
        for place, taken, behind, bias in self._taken:
            taken[:] = rows[:, place].reshape(taken.shape)
            bias[:] = rows[:, behind].reshape(bias.shape)

    def gradient(
        self, t: int, *, correct: bool = False, out: Tensor | None = None
    ) -> tuple[Tensor, Array, Array | None]:
        """Return gradient, loss and correct samples of the step from time `t`."""
        batches = self._feed.at(t)
        layers = self._forward(batches, self.replicas)
        top = layers[-1]
        # the loss overwrites the outputs, which the activation's derivative still needs
        kept = None if top.activation == "identity" else top.value.clone()
        loss, right = losses(
            self.loss, top.outputs, top.together, batches, gradient=True, correct=correct
        )
        if kept is not None:
            _derive(top.activation, _arrays(top.value, kept, top.preactivation))
        return self._backward(batches, layers, out), loss, right

    def outputs(self, piece: Inputs, replicas: int) -> tuple[list[Array], Array | None]:
        """Return outputs of the first `replicas` rows of every run; see `Evaluations`."""
        top = self._forward([piece] * self.runs, replicas)[-1]
        return top.outputs, top.together

    def _forward(self, batches: Sequence[Inputs], replicas: int) -> list[Up]:
        """Compute the first `replicas` of each run, up to ``value`` of the last layer."""
        key = batches[0].x.shape[1], replicas
        layers = self._up.get(key) or self._forward_buffers(*key)
        for layer in layers:
            if layer.small:
                for arguments in layer.small:
                    matrices.forward(self._rows, *arguments)
            elif layer.below:
                for operand, below, product in zip(
                    layer.operands, layer.below, layer.products, strict=True
                ):
                    torch.bmm(operand, below, out=product)
            else:
                for operand, batch, product in zip(
                    layer.operands, batches, layer.products, strict=True
                ):
                    torch.mm(operand, batch.x, out=product)
            for arrays in layer.arrays:
                ACTIVATIONS[layer.activation].forward(*arrays)
        return layers

    def _backward(self, batches: Sequence[Inputs], layers: list[Up], out: Tensor | None) -> Tensor:
        columns = batches[0].x.shape[1]
        rows, targets = self._targets(out)
        found = rows.numpy()
        for depth, down in enumerate(self._down.get(columns) or self._backward_buffers(columns)):
            target, bias = targets[depth]
            for first, at, biased, delta, below, lower in down.small:
                matrices.gradient(delta, below, found, first, at, biased)
                matrices.backward(self._rows, first, at, delta, lower)
            for m, product in enumerate(down.products):
                if not down.lowers:  # the first layer
                    torch.mm(down.deltas[m], batches[m].rows, out=product)
                else:
                    torch.bmm(down.deltas[m], down.below[m], out=product)
                    torch.bmm(down.weights[m], down.deltas[m], out=down.lowers[m])
            if down.gradient is not None:
                target.copy_(down.gradient)
                if down.bias is not None and bias is not None:
                    bias.copy_(down.bias)
                elif bias is not None:
                    torch.sum(down.delta, 3, out=bias)
            if down.arrays:
                _derive(layers[-2 - depth].activation, down.arrays)
        return rows

    def _targets(self, out: Tensor | None) -> tuple[Tensor, list[Target]]:
        """Return rows of weights, and the places of gradients in them, of the last layer first."""
        if out is None and self._own is not None:
            return self._own
        M, R, found, start = self.runs, self.replicas, [], 0
        rows = torch.zeros((M * R, self.size), dtype=self.dtype) if out is None else out
        for layer in self._layers:
            place, weights = rows[:, start : start + layer.size], layer.outputs * layer.inputs
            target = place[:, :weights].view(M, R, layer.outputs, layer.inputs)
            found.append((target, place[:, weights:].view(M, R, -1) if layer.bias else None))
            start += layer.size
        both = rows, found[::-1]
        if out is None:
            self._own = both
        return both

    def _forward_buffers(self, columns: int, replicas: int) -> list[Up]:
        """Make the views of a forward pass, and the buffers where the columns are new."""
        if columns not in self._buffers:
            self._buffers[columns] = [
                self._allocate(depth, columns) for depth in range(len(self._layers))
            ]
        found: list[Up] = []
        for depth, (layer, buffers) in enumerate(
            zip(self._layers, self._buffers[columns], strict=True)
        ):
            H, K = layer.outputs, layer.inputs
            preactivation, value = (self._part(buffer, H, replicas) for buffer in buffers)
            below = list(found[-1].value) if found else []
            operands: list[Tensor] = []
            products: list[Tensor] = []
            small: list[tuple[Any, ...]] = []
            bias = None
            if depth == 0:
                rows = padded(replicas * H)
                operands = list(self._operands[0][:, :rows, : K + layer.bias])
                products = list(buffers[0][:, :rows])
            elif self._is_small(depth):
                calls = _calls(found[-1].value, preactivation)
                small = [(*self._place(m, depth), *call) for m, call in enumerate(calls)]
            else:
                operands = list(self._operands[depth][:, :replicas, :, :K])
                products = list(preactivation)
                bias = self._biases[depth][:, :replicas] if layer.bias else None
            arrays: list[tuple[Array, ...]] = []
            if bias is not None or layer.activation != "identity":
                if bias is None:
                    bias = torch.zeros((self.runs, replicas, H), dtype=self.dtype)
                arrays = _arrays(preactivation, bias, value)
            outputs = list(value.numpy())
            together = value.flatten(0, 1).numpy() if value.is_contiguous() else None
            both = preactivation, value
            found.append(
                Up(
                    layer.activation,
                    operands,
                    products,
                    below,
                    small,
                    *both,
                    arrays,
                    outputs,
                    together,
                )
            )
        self._up[columns, replicas] = found
        return found

    def _backward_buffers(self, columns: int) -> list[Down]:
        """Make the views of a pass back, from the last layer to the first."""
        M, R, found = self.runs, self.replicas, []
        buffer = self._buffers[columns][-1][1]
        for depth in range(len(self._layers) - 1, -1, -1):
            layer, gradient = self._layers[depth], self._gradients[depth]
            H, K = layer.outputs, layer.inputs
            down = Down(self._part(buffer, H, R))
            if depth == 0:
                down.deltas, down.products = list(buffer), list(gradient[:, :, : K + layer.bias])
                down.gradient = gradient[:, : R * H].view(M, R, H, -1)[..., :K]
                if layer.bias:
                    down.bias = gradient[:, : R * H].view(M, R, H, -1)[..., K]
                found.append(down)
                continue
            below, up = self._buffers[columns][depth - 1][1], self._up[columns, R][depth - 1]
            buffer = operand(*below.shape, dtype=self.dtype)
            lower = self._part(buffer, K, R)
            down.arrays = _arrays(lower, up.value, up.preactivation)
            if self._is_small(depth):
                calls = _calls(down.delta, up.value, lower)
                down.small = [(*self._place(m, depth), *call) for m, call in enumerate(calls)]
            else:
                down.deltas, down.products, down.gradient = (
                    list(down.delta),
                    list(gradient),
                    gradient,
                )
                down.below = list(up.value.transpose(2, 3))
                down.weights = list(self._operands[depth].transpose(-2, -1))
                down.lowers = list(lower)
            found.append(down)
        self._down[columns] = found
        return found

    def _allocate(self, depth: int, columns: int) -> tuple[Tensor, Tensor]:
        """Make buffers ``(M, rows, columns)`` for what the activation takes and gives."""
        layer = self._layers[depth]
        rows = self.replicas * layer.outputs
        shape = (self.runs, rows if depth else padded(rows), columns)
        preactivation = operand(*shape, dtype=self.dtype)
        keeps = ACTIVATIONS[layer.activation].keeps_slope
        return preactivation, operand(*shape, dtype=self.dtype) if keeps else preactivation

    def _entry(self, depth: int) -> tuple[slice, Array, slice, Array]:
        """Return where weights and biases of a layer lie in a row, and where they go."""
        layer, M, R, start = self._layers[depth], self.runs, self.replicas, self._starts[depth]
        operand, end = self._operands[depth], start + layer.outputs * layer.inputs
        bias = self._biases[depth]
        if depth == 0:
            operand = operand[:, : R * layer.outputs].view(M, R, layer.outputs, -1)
            bias = operand[..., layer.inputs :]
        elif not layer.bias:
            bias = bias[..., :0]
        taken = operand[..., : layer.inputs].numpy()
        return slice(start, end), taken, slice(end, self._starts[depth + 1]), bias.numpy()

    def _place(self, m: int, depth: int) -> tuple[int, int, bool]:
        """Return the first row of run m, a layer's place in it, and whether it has biases."""
        return m * self.replicas, self._starts[depth], self._layers[depth].bias

    def _is_small(self, depth: int) -> bool:
        """Whether the products of a layer are kernels of our own."""
        return depth > 0 and is_small(self._layers[depth], self.dtype)

    def _part(self, buffer: Tensor, width: int, replicas: int) -> Tensor:
        """Return a buffer's first `replicas` of every run as ``(M, replicas, width, columns)``."""
        return buffer[:, : replicas * width].view(self.runs, replicas, width, -1)


def is_small(layer: Layer, dtype: torch.dtype) -> bool:
    """Whether kernels of our own are the faster ones for the products of a layer."""
    return dtype == torch.float64 and layer.outputs * layer.inputs <= SMALL


def _calls(*tensors: Tensor) -> list[tuple[Array, ...]]:
    """Return stacks of replicas: of all runs, or run by run where there are gaps between them."""
    if all(tensor.is_contiguous() for tensor in tensors):
        return [tuple(tensor.flatten(0, 1).numpy() for tensor in tensors)]
    return [tuple(part.numpy() for part in parts) for parts in zip(*tensors, strict=True)]


def _arrays(*tensors: Tensor) -> list[tuple[Array, ...]]:
    """Return the same with outputs as rows ``(rows, columns)``, or ``(rows,)`` without columns."""
    return [
        tuple(array.reshape(-1, *array.shape[2:]) for array in arrays)
        for arrays in _calls(*tensors)
    ]


def _derive(activation: str, calls: list[tuple[Array, ...]]) -> None:
    """Multiply gradients by the derivative of an activation."""
    backward = ACTIVATIONS[activation].backward
    if backward is not None:
        for arrays in calls:
            backward(*arrays)
