"""Losses and gradients of many replicas of one perceptron on a GPU; see `Engine`.

The first layer of all replicas of all runs is one matrix product, ``[M·R·H, features] @ Xᵀ``, and
so is the gradient of its weights; the layers behind it are one batched product each. A copy of the
reference gets its bits where each number of a product is a sum in the order that all of them have.

Samples are taken in tiles where the hidden states of all would take too much memory
(`nndyn.systems.training.perceptron.device.sizes`). Nothing in a step waits for the GPU; the steps
of small networks are CUDA graphs (`nndyn.systems.training.torch_state.graphs`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from nndyn.systems.training.data.order import Order
from nndyn.systems.training.perceptron.device import losses, sizes
from nndyn.systems.training.perceptron.device.activations import ACTIVATIONS
from nndyn.systems.training.perceptron.device.samples import Feed, Laid
from nndyn.systems.training.perceptron.network import Network
from nndyn.systems.training.torch_state.graphs import Replayed

Tensor = torch.Tensor
#: Buffers that engines of a task share, by use and shape: one engine computes at a time.
Buffers = dict[tuple[str, tuple[int, ...]], Tensor]


class DevicePerceptrons:
    """M runs of R replicas of a network, computed together; see `Engine`.

    Parameters
    ----------
    network : Network
    loss : str
    training : Laid
    test : Laid or None
    orders : sequence of Order
        One a run.
    replicas : int
        R.
    buffers : dict
        Of hidden states, to share with other engines.

    Notes
    -----
    Memory: three arrays ``M R x D``; of the hidden states of a tile their values and gradients.
    """

    def __init__(
        self,
        network: Network,
        loss: str,
        training: Laid,
        test: Laid | None,
        orders: Sequence[Order],
        *,
        replicas: int,
        buffers: Buffers,
    ) -> None:
        self._layers = network.layers
        self._loss = losses.LOSSES[loss]
        self.runs, self.replicas, self.size = len(orders), replicas, network.size
        self.reason: str | None = None
        self.whole = orders[0].batch_size is None
        self._feed = Feed(training, orders)
        self._training, self._test = training, test
        self._network = network
        self._buffers = buffers
        G, like = self.runs * replicas, training.x
        self._made = partial(torch.zeros, dtype=like.dtype, device=like.device)
        self.statistics = self._made((G, 0))
        self._weights, self._gradient = self._made((G, self.size)), self._made((G, self.size))
        self._operands = [
            self._made((G, layer.outputs, layer.inputs if depth else like.shape[-1]))
            for depth, layer in enumerate(network.layers)
        ]
        self._products = [torch.zeros_like(operand) for operand in self._operands]
        self._biases = [self._made((G, layer.outputs, 1)) for layer in network.layers]
        self._bias_sums = [torch.zeros_like(bias) for bias in self._biases]
        self._replayed: dict[tuple[object, ...], Replayed[Tensor]] = {}

    def load(self, weights: Tensor, statistics: Tensor) -> None:
        """Take the weights ``(M·R, D)``; there are no statistics."""
        self._weights.copy_(weights)

    def gradient(
        self, t: int, *, correct: bool = False, out: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return gradient, loss and correct samples of the step from time `t`."""
        samples = self._feed.at(t)
        key = "gradient", samples.count, correct
        found = self._run(key, partial(self._descend, samples, correct=correct), samples)
        loss, right = found.flatten(1)
        gradient = self._gradient if out is None else out.copy_(self._gradient)
        return gradient, loss, right if correct else None

    def evaluate(self, *, correct: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return loss and correct samples over the training set."""
        whole = self._training
        look = partial(self._look, whole, correct=correct, distance=False)
        loss, right, _, _ = self._run(("evaluate", correct), look, whole).flatten(1)
        return loss, right if correct else None

    def test(
        self, replicas: int, *, correct: bool = False
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        """Return what the test set says of the first `replicas` rows; see `Engine.test`."""
        assert self._test is not None  # who asks has one
        look = partial(self._look, self._test, correct=correct, distance=True)
        found = self._run(("test", correct), look, self._test)[..., :replicas]
        loss, right, distance, differing = found
        return (loss, right, distance, differing) if correct else (loss, None, distance, None)

    def _run(
        self, key: tuple[object, ...], function: Callable[[], Tensor], samples: Laid
    ) -> Tensor:
        """Call a function of the weights, by a graph where it is small; the result is kept."""
        if key not in self._replayed:
            rows = self.runs * self.replicas
            device = samples.x.device
            small = (
                samples.x.is_cuda
                and rows * sizes.states(self._network) * samples.count <= sizes.GRAPHED
            )
            self._replayed[key] = Replayed(function, device if small else None)
        return self._replayed[key]().clone()

    def _enter(self) -> None:
        """Put the weights where the products take them."""
        start = 0
        for layer, operand, bias in zip(self._layers, self._operands, self._biases, strict=True):
            H, K, row = layer.outputs, layer.inputs, self._weights
            operand[..., :K] = row[:, start : start + H * K].view(-1, H, K)
            if layer.bias:
                bias.copy_(row[:, start + H * K : start + layer.size, None])
            start += layer.size
        first = self._layers[0]
        if first.bias:  # of the first layer it belongs to a column of ones
            self._operands[0][..., first.inputs : first.inputs + 1] = self._biases[0]

    def _tiles(self, samples: Laid) -> list[Laid]:
        itemsize = samples.x.itemsize
        size = sizes.tile(self._network, self.replicas, samples.count, itemsize)
        return samples.parts(size)

    def _descend(self, samples: Laid, *, correct: bool) -> Tensor:
        """Compute the gradient; return loss and correct samples ``(2, M, R)`` float64."""
        self._enter()
        total = self._zeros(2)
        for i, tile in enumerate(self._tiles(samples)):
            states = self._forward(tile)
            outputs = self._apart(states[-1][1])
            if correct:
                total[1] += losses.correct(losses.predicted(outputs, tile), tile)
            kept = states[-1][1].clone() if self._layers[-1].activation != "identity" else None
            total[0] += self._loss(outputs, tile)
            if kept is not None:
                ACTIVATIONS[self._layers[-1].activation].derive(states[-1][1], kept, states[-1][0])
            self._backward(tile, states, add=i > 0)
        self._leave(samples.count)
        total[0] /= samples.count
        return total

    def _look(self, samples: Laid, *, correct: bool, distance: bool) -> Tensor:
        """Return loss, correct samples, distances and differing samples ``(4, M, R)`` float64."""
        self._enter()
        total = self._zeros(4)
        for tile in self._tiles(samples):
            outputs = self._apart(self._forward(tile)[-1][1])
            if distance:
                apart = (outputs - outputs[:, :1])[..., : tile.count].flatten(2)
                norm = torch.linalg.vector_norm(apart, dim=2, dtype=torch.float64)
                torch.hypot(total[2], norm, out=total[2])
            if correct:
                predictions = losses.predicted(outputs, tile)
                total[1] += losses.correct(predictions, tile)
                total[3] += (predictions != predictions[:, :1]).sum(2, dtype=torch.float64)
            total[0] += self._loss(outputs, tile)
        total[0] /= samples.count
        return total

    def _forward(self, tile: Laid) -> list[tuple[Tensor, Tensor]]:
        """Return preactivation and value ``(M·R, outputs, columns)`` of every layer."""
        found: list[tuple[Tensor, Tensor]] = []
        columns = tile.x.shape[-2]
        for depth, layer in enumerate(self._layers):
            made = ACTIVATIONS[layer.activation]
            value = self._buffer(f"value {depth}", layer.outputs, columns)
            below = (
                self._buffer(f"preactivation {depth}", layer.outputs, columns)
                if (made.keeps_input)
                else value
            )
            if depth:
                torch.bmm(self._operands[depth], found[-1][1], out=below)
                if layer.bias:
                    below.add_(self._biases[depth])
            elif tile.x.dim() == 2:
                torch.mm(self._operands[0].flatten(0, 1), tile.x.mT, out=below.flatten(0, 1))
            else:
                torch.bmm(self._of_runs(self._operands[0]), tile.x.mT, out=self._of_runs(below))
            made.activate(below, value)
            found.append((below, value))
        return found

    def _backward(self, tile: Laid, states: list[tuple[Tensor, Tensor]], *, add: bool) -> None:
        """Add the gradients of a tile, whose outputs hold the gradient there."""
        delta, keep = states[-1][1], 1.0 if add else 0.0
        for depth in range(len(self._layers) - 1, -1, -1):
            product, layer = self._products[depth], self._layers[depth]
            if depth == 0 and tile.x.dim() == 2:
                flat = product.flatten(0, 1)
                torch.addmm(flat, delta.flatten(0, 1), tile.x, beta=keep, out=flat)
            elif depth == 0:
                flat = self._of_runs(product)
                torch.baddbmm(flat, self._of_runs(delta), tile.x, beta=keep, out=flat)
            else:
                value = states[depth - 1][1]
                torch.baddbmm(product, delta, value.mT, beta=keep, out=product)
                if layer.bias:
                    sums = delta.sum(2, keepdim=True)
                    self._bias_sums[depth].copy_(self._bias_sums[depth] + sums if add else sums)
                lower = self._buffer(f"gradient {depth}", layer.inputs, delta.shape[2])
                torch.bmm(self._operands[depth].mT, delta, out=lower)
                below, value = states[depth - 1]
                ACTIVATIONS[self._layers[depth - 1].activation].derive(lower, value, below)
                delta = lower

    def _leave(self, count: int) -> None:
        """Write the gradients to the rows of weights."""
        start = 0
        for depth, layer in enumerate(self._layers):
            H, K, row = layer.outputs, layer.inputs, self._gradient
            product = self._products[depth]
            row[:, start : start + H * K].view(-1, H, K).copy_(product[..., :K])
            if layer.bias:
                sums = self._bias_sums[depth][..., 0] if depth else product[..., K]
                row[:, start + H * K : start + layer.size] = sums
            start += layer.size
        self._gradient.div_(count)

    def _buffer(self, use: str, width: int, columns: int) -> Tensor:
        """Return a buffer ``(M·R, width, columns)``."""
        shape = self.runs * self.replicas, width, columns
        found = self._buffers.get((use, shape))
        if found is None:
            found = self._buffers[use, shape] = self._made(shape)
        return found

    def _of_runs(self, rows: Tensor) -> Tensor:
        """Return ``(M·R, H, …)`` as ``(M, R·H, …)``."""
        return rows.view(self.runs, -1, rows.shape[-1])

    def _apart(self, rows: Tensor) -> Tensor:
        """Return ``(M·R, …)`` as ``(M, R, …)``."""
        return rows.view(self.runs, self.replicas, *rows.shape[1:])

    def _zeros(self, count: int) -> Tensor:
        return torch.zeros(
            (count, self.runs, self.replicas), dtype=torch.float64, device=self._weights.device
        )
