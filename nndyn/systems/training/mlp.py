"""Losses and gradients of many replicas of one perceptron, feature-major and in one pass.

The first layer of all R replicas of a run is one matrix product, ``[R·H, features] @ Xᵀ``; the
layers behind it are one product a replica. A replica's arithmetic must not depend on its place in
the batch, or a copy of the reference would drift away from it:

- The kernels of the linear algebra library treat the last rows of a matrix, and addresses that are
  not aligned, differently. So the rows of the first product are padded to a multiple of 8, and
  every replica's operands begin on a multiple of 64 bytes.
- Elementwise kernels compute what does not fill two vector registers number by number, where exp
  is another approximation. So samples (columns) are padded to a multiple of 128 bytes.
- Threads cut an array anywhere. So where there are several, everything elementwise is called once
  a replica, which cuts all replicas alike.

Nor must it depend on the runs beside it, or a study would not give what its runs give alone: each
run has its own matrix products, of the same shapes and alignment as alone, and everything that is
elementwise is done for all runs at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from nndyn.systems.training.activations import activate, derive, keeps_input
from nndyn.systems.training.batches import Feed, Inputs, Order, padded, tiles
from nndyn.systems.training.losses import Loss
from nndyn.systems.training.models import Network

Tensor = torch.Tensor
#: Elementwise functions cut an array among threads from this size on (torch's smallest grain).
GRAIN = 2048
#: Samples of a tile of an evaluation, which need not hold all activations at once.
TILE = 8192


@dataclass
class _Buffers:
    """Per layer what a pass over a number of columns writes."""

    values: list[Tensor] = field(default_factory=list)
    preimages: list[Tensor] = field(default_factory=list)
    slopes: list[Tensor] = field(default_factory=list)


class Perceptrons:
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
    (columns of a step; `TILE` at most in evaluations).
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
        self.network = network
        self.loss = loss
        self.runs, self.replicas = len(orders), replicas
        self.size = network.size
        self.whole = orders[0].batch_size is None
        self.dtype = dtype
        self._feed = Feed(training, orders)
        self._training = tiles(training, TILE)
        self._tested = [] if test is None else tiles(test, TILE)
        M, R = self.runs, replicas
        self.statistics = torch.zeros((M * R, 0), dtype=dtype)
        self._operands: list[Tensor] = []
        self._gradients: list[Tensor] = []
        for depth, layer in enumerate(network.layers):
            if depth == 0:
                rows, lead = padded(R * layer.outputs), padded(layer.inputs + layer.bias)
                shape: tuple[int, ...] = (M, rows, lead)
            else:
                shape = (M, R, layer.outputs, padded(layer.inputs))
            self._operands.append(torch.zeros(shape, dtype=dtype))
            if depth > 0:  # transposed: the faster order of the product where outputs are few
                shape = (M, R, layer.inputs, padded(layer.outputs))
            self._gradients.append(torch.zeros(shape, dtype=dtype))
        self._biases = [
            torch.zeros((M, R, layer.outputs, 1), dtype=dtype) for layer in network.layers
        ]
        self._buffers: dict[int, _Buffers] = {}
        self._gradient = torch.zeros((M * R, network.size), dtype=dtype)

    def load(self, weights: Tensor, statistics: Tensor) -> None:
        """Take the weights ``(M·R, D)``; there are no statistics."""
        start, M, R = 0, self.runs, self.replicas
        for depth, layer in enumerate(self.network.layers):
            H, K = layer.outputs, layer.inputs
            operand = self._operands[depth]
            if depth == 0:
                operand = operand[:, : R * H].view(M, R, H, -1)
            operand[..., :K] = weights[:, start : start + H * K].view(M, R, H, K)
            start += H * K
            if layer.bias:
                bias = weights[:, start : start + H].view(M, R, H, 1)
                if depth == 0:
                    operand[..., K : K + 1] = bias
                else:
                    self._biases[depth].copy_(bias)
                start += H

    def gradient(self, t: int, *, hits: bool = False) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return gradient, loss and number of hits on the samples of the step from time `t`."""
        batches = self._feed.at(t)
        outputs = self._outputs(batches, self.replicas)
        buffers = self._buffers[len(batches[0].x)]
        last = self.network.layers[-1].activation
        # the loss overwrites the outputs, which the activation's derivative still needs
        kept = None if last == "identity" else outputs.clone()
        loss, right = self._losses(outputs, batches, gradient=True, hits=hits)
        if kept is not None:
            preimage = self._part(buffers.preimages[-1], -1, self.replicas)
            for part in zip(*map(self._calls, (outputs, kept, preimage)), strict=True):
                derive(last, *part)
        return self._backward(batches, buffers, outputs), loss.flatten(), _flat(right)

    def evaluate(self, *, hits: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return loss and hits over the training set."""
        _, loss, right = self._over(self._training, self.replicas, distance=False, hits=hits)
        return loss.flatten(), _flat(right)

    def test(self, replicas: int, *, hits: bool = False) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return output distance, loss and hits of the first `replicas` rows of every run."""
        return self._over(self._tested, replicas, distance=True, hits=hits)

    def _over(
        self, pieces: list[Inputs], replicas: int, *, distance: bool, hits: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        count = sum(piece.targets.count for piece in pieces)
        apart, loss, right = torch.zeros((3, self.runs, replicas), dtype=torch.float64)
        for piece in pieces:
            batches, n = [piece] * self.runs, piece.targets.count
            outputs = self._outputs(batches, replicas)
            if distance:
                difference = outputs - outputs[:, :1]
                difference[..., n:] = 0.0
                norm = torch.linalg.vector_norm(difference.flatten(2), dim=2, dtype=torch.float64)
                torch.hypot(apart, norm, out=apart)
            one, found = self._losses(outputs, batches, gradient=False, hits=hits)
            loss += one if len(pieces) == 1 else one * (n / count)
            if found is not None:
                right += found
        return apart, loss, right if hits else None

    def _outputs(self, batches: Sequence[Inputs], replicas: int) -> Tensor:
        """Return the outputs ``(M, R, outputs, columns)`` of the first R `replicas` of each run."""
        columns = len(batches[0].x)
        buffers = self._buffers.get(columns) or self._allocate(columns)
        below: Tensor | None = None
        for depth, layer in enumerate(self.network.layers):
            preimage = self._part(buffers.preimages[depth], depth, replicas)
            if below is None:
                rows = padded(replicas * layer.outputs)
                for m, batch in enumerate(batches):
                    operand = self._operands[0][m, :rows, : batch.x.shape[1]]
                    torch.mm(operand, batch.x.t(), out=buffers.preimages[0][m, :rows])
            else:
                operand = self._operands[depth][:, :replicas, :, : layer.inputs]
                for m in range(self.runs):
                    torch.bmm(operand[m], below[m], out=preimage[m])
                if layer.bias:
                    preimage.add_(self._biases[depth][:, :replicas])
            below = self._part(buffers.values[depth], depth, replicas)
            for part, out in zip(self._calls(preimage), self._calls(below), strict=True):
                activate(layer.activation, part, out)
        assert below is not None  # a network has a layer
        return below

    def _losses(
        self, outputs: Tensor, batches: Sequence[Inputs], *, gradient: bool, hits: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss (M, R) and the hits (M, R) of `outputs`, which are overwritten."""
        losses, right = [], []
        for m, part in self._loss_calls(outputs, batches):
            loss, found = self.loss(part, batches[m].targets, gradient=gradient, hits=hits)
            losses.append(loss)
            if found is not None:
                right.append(found)
        shape = outputs.shape[:2]
        return torch.cat(losses).view(shape), torch.cat(right).view(shape) if right else None

    def _loss_calls(
        self, outputs: Tensor, batches: Sequence[Inputs]
    ) -> Iterator[tuple[int, Tensor]]:
        """Yield the rows that are taken in one call, and the run whose samples they saw."""
        if torch.get_num_threads() > 1 and outputs.numel() >= GRAIN:
            for m, run in enumerate(outputs):
                yield from ((m, row[None]) for row in run)
        elif outputs.is_contiguous() and all(batch is batches[0] for batch in batches):
            yield 0, outputs.flatten(0, 1)
        else:
            yield from enumerate(outputs)

    def _backward(self, batches: Sequence[Inputs], buffers: _Buffers, slope: Tensor) -> Tensor:
        M, R, layers = self.runs, self.replicas, self.network.layers
        if not buffers.slopes:
            buffers.slopes = [torch.zeros_like(values) for values in buffers.values[:-1]]
        ends = [0]
        for layer in layers:
            ends.append(ends[-1] + layer.size)
        for depth in range(len(layers) - 1, -1, -1):
            layer = layers[depth]
            H, K = layer.outputs, layer.inputs
            target = self._gradient[:, ends[depth] : ends[depth + 1]]
            gradient = self._gradients[depth]
            if depth == 0:
                full = buffers.slopes[0] if len(layers) > 1 else buffers.values[0]
                for m, batch in enumerate(batches):
                    torch.mm(full[m], batch.x, out=gradient[m, :, : batch.x.shape[1]])
                gradient = gradient[:, : R * H].view(M, R, H, -1)
                if layer.bias:
                    target[:, H * K :].view(M, R, H).copy_(gradient[..., K])
            else:
                below = self._part(buffers.values[depth - 1], depth - 1, R)
                lower = self._part(buffers.slopes[depth - 1], depth - 1, R)
                weights = self._operands[depth][..., :K].transpose(2, 3)
                for m in range(M):
                    torch.bmm(below[m], slope[m].transpose(1, 2), out=gradient[m, ..., :H])
                    torch.bmm(weights[m], slope[m], out=lower[m])
                gradient = gradient.transpose(2, 3)
                if layer.bias:
                    torch.sum(slope, 3, out=target[:, H * K :].view(M, R, H))
                preimage = self._part(buffers.preimages[depth - 1], depth - 1, R)
                for part in zip(*map(self._calls, (lower, below, preimage)), strict=True):
                    derive(layers[depth - 1].activation, *part)
                slope = lower
            target[:, : H * K].view(M, R, H, K).copy_(gradient[:, :, :H, :K])
        return self._gradient

    def _calls(self, values: Tensor) -> Iterator[Tensor]:
        """Yield what each call of an elementwise function takes."""
        if torch.get_num_threads() == 1 or values.numel() < GRAIN:
            yield values
            return
        for run in values:
            yield from run

    def _part(self, buffer: Tensor, depth: int, replicas: int) -> Tensor:
        """Return a buffer's first `replicas` of every run as ``(M, replicas, width, columns)``."""
        layer = self.network.layers[depth]
        rows = replicas * layer.outputs
        return buffer[:, :rows].view(self.runs, replicas, layer.outputs, buffer.shape[2])

    def _allocate(self, columns: int) -> _Buffers:
        """Make the buffers ``(M, rows, columns)`` of all layers, the rows of the first padded."""
        buffers = _Buffers()
        for depth, layer in enumerate(self.network.layers):
            rows = self.replicas * layer.outputs
            shape = (self.runs, padded(rows) if depth == 0 else rows, columns)
            values = preimage = torch.zeros(shape, dtype=self.dtype)
            if keeps_input(layer.activation):
                values = torch.zeros(shape, dtype=self.dtype)
            buffers.preimages.append(preimage)
            buffers.values.append(values)
        self._buffers[columns] = buffers
        return buffers


def _flat(hits: Tensor | None) -> Tensor | None:
    return None if hits is None else hits.flatten()
