"""Losses and gradients of many replicas of one perceptron, feature-major and in one pass.

The first layer of all R replicas is one matrix product, ``[R·H, features] @ Xᵀ``; the layers behind
it are one product a replica. A replica's arithmetic must not depend on its place in the batch, or
a copy of the reference would drift away from it:

- The kernels of the linear algebra library treat the last rows of a matrix, and addresses that are
  not aligned, differently. So the rows of the first product are padded to a multiple of 8, and
  every replica's operands begin on a multiple of 64 bytes.
- Elementwise kernels compute what does not fill two vector registers number by number, where exp
  is another approximation. So samples (columns) are padded to a multiple of 128 bytes.
- Threads cut an array anywhere. So where there are several, everything elementwise is called once
  a replica, which cuts all replicas alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from nndyn.systems.training.activations import activate, derive, keeps_input
from nndyn.systems.training.losses import Loss, Targets
from nndyn.systems.training.models import Network

Tensor = torch.Tensor
#: Elementwise functions cut an array among threads from this size on (torch's smallest grain).
GRAIN = 2048


def padded(count: int, multiple: int = 8) -> int:
    """Return `count` rounded up to a multiple of `multiple`."""
    return -(-count // multiple) * multiple


def padded_columns(count: int, dtype: torch.dtype) -> int:
    """Return the number of columns that `count` samples take: two registers of 64 bytes."""
    return padded(count, 128 // dtype.itemsize)


@dataclass
class Inputs:
    """Samples in rows as the first layer takes them.

    Attributes
    ----------
    x : (columns, features + 1)
        A sample a row, a 1 behind its features where the first layer has a bias; zero rows behind
        the samples up to `padded_columns`.
    targets : Targets
    """

    x: Tensor
    targets: Targets


@dataclass
class _Buffers:
    """Per layer what a pass over a number of columns writes."""

    values: list[Tensor] = field(default_factory=list)
    preimages: list[Tensor] = field(default_factory=list)
    slopes: list[Tensor] = field(default_factory=list)


class Perceptrons:
    """R replicas of a network, computed together.

    Parameters
    ----------
    network : Network
    loss : Loss
    replicas : int
    dtype : torch.dtype

    Notes
    -----
    Buffers are kept for every number of columns met, two of ``R x width x columns`` a layer, and
    are overwritten by the next call: not for use by two threads at once.
    """

    def __init__(self, network: Network, loss: Loss, replicas: int, dtype: torch.dtype) -> None:
        self.network = network
        self.loss = loss
        self.replicas = replicas
        self.dtype = dtype
        self._operands: list[Tensor] = []
        self._gradients: list[Tensor] = []
        for depth, layer in enumerate(network.layers):
            if depth == 0:
                rows, lead = padded(replicas * layer.outputs), padded(layer.inputs + layer.bias)
                shape: tuple[int, ...] = (rows, lead)
            else:
                shape = (replicas, layer.outputs, padded(layer.inputs))
            self._operands.append(torch.zeros(shape, dtype=dtype))
            if depth > 0:  # transposed: the faster order of the product where outputs are few
                shape = (replicas, layer.inputs, padded(layer.outputs))
            self._gradients.append(torch.zeros(shape, dtype=dtype))
        self._biases = [
            torch.zeros((replicas, layer.outputs, 1), dtype=dtype) for layer in network.layers
        ]
        self._buffers: dict[int, _Buffers] = {}
        self.gradient_buffer = torch.zeros((replicas, network.size), dtype=dtype)

    def load(self, weights: Tensor) -> None:
        """Take the weights ``(R, D)`` for the passes that follow."""
        start, R = 0, self.replicas
        for depth, layer in enumerate(self.network.layers):
            H, K = layer.outputs, layer.inputs
            operand = self._operands[depth]
            if depth == 0:
                operand = operand[: R * H].view(R, H, -1)
            operand[..., :K] = weights[:, start : start + H * K].view(R, H, K)
            start += H * K
            if layer.bias:
                bias = weights[:, start : start + H].view(R, H, 1)
                if depth == 0:
                    operand[..., K : K + 1] = bias
                else:
                    self._biases[depth].copy_(bias)
                start += H

    def outputs(self, inputs: Inputs, replicas: int | None = None) -> Tensor:
        """Return the outputs ``(R, outputs, columns)`` of the first R `replicas`."""
        R = self.replicas if replicas is None else replicas
        columns = len(inputs.x)
        buffers = self._buffers.get(columns) or self._allocate(columns)
        below: Tensor | None = None
        for depth, layer in enumerate(self.network.layers):
            preimage = buffers.preimages[depth]
            if below is None:
                count = padded(R * layer.outputs)
                operand = self._operands[0][:count, : inputs.x.shape[1]]
                torch.mm(operand, inputs.x.t(), out=preimage[:count])
                preimage = preimage[: R * layer.outputs].view(R, layer.outputs, columns)
            else:
                operand = self._operands[depth][:R, :, : layer.inputs]
                preimage = preimage[:R]
                torch.bmm(operand, below, out=preimage)
                if layer.bias:
                    preimage.add_(self._biases[depth][:R])
            below = buffers.values[depth]
            below = below[: R * layer.outputs].view(R, layer.outputs, columns)
            for rows in self._calls(below):
                activate(layer.activation, preimage[rows], below[rows])
        assert below is not None
        return below

    def evaluate(self, inputs: Inputs, *, hits: bool) -> tuple[Tensor, Tensor | None]:
        """Return the loss (R,) and, where asked, the hits (R,) of the loaded weights."""
        return self.losses(self.outputs(inputs), inputs.targets, gradient=False, hits=hits)

    def losses(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, hits: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss (R,) and the hits (R,) of `outputs`, which are overwritten."""
        parts = [
            self.loss(outputs[rows], targets, gradient=gradient, hits=hits)
            for rows in self._calls(outputs)
        ]
        if len(parts) == 1:
            return parts[0]
        right = [part for _, part in parts if part is not None]
        return torch.cat([loss for loss, _ in parts]), torch.cat(right) if right else None

    def gradient(
        self, inputs: Inputs, *, hits: bool = False
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the gradient, the loss and the number of hits of the loaded weights.

        Returns
        -------
        gradient : (R, D)
            A buffer, overwritten by the next call.
        loss : (R,)
        hits : (R,) or None
        """
        outputs = self.outputs(inputs)
        buffers = self._buffers[len(inputs.x)]
        last = self.network.layers[-1]
        if last.activation != "identity":
            # the loss overwrites the outputs, which the activation's derivative still needs
            kept = outputs.clone()
            loss, right = self.losses(outputs, inputs.targets, gradient=True, hits=hits)
            preimage = buffers.preimages[-1].view(-1)[: outputs.numel()].view(outputs.shape)
            for rows in self._calls(outputs):
                derive(last.activation, outputs[rows], kept[rows], preimage[rows])
        else:
            loss, right = self.losses(outputs, inputs.targets, gradient=True, hits=hits)
        return self._backward(inputs, buffers, outputs), loss, right

    def _backward(self, inputs: Inputs, buffers: _Buffers, slope: Tensor) -> Tensor:
        R, layers = self.replicas, self.network.layers
        if not buffers.slopes:
            buffers.slopes = [torch.zeros_like(values) for values in buffers.values[:-1]]
        ends = [0]
        for layer in layers:
            ends.append(ends[-1] + layer.size)
        for depth in range(len(layers) - 1, -1, -1):
            layer = layers[depth]
            H, K = layer.outputs, layer.inputs
            target = self.gradient_buffer[:, ends[depth] : ends[depth + 1]]
            gradient = self._gradients[depth]
            if depth == 0:
                full = buffers.slopes[0] if len(layers) > 1 else buffers.values[0]
                torch.mm(full, inputs.x, out=gradient[:, : inputs.x.shape[1]])
                gradient = gradient[: R * H].view(R, H, -1)
                if layer.bias:
                    target[:, H * K :] = gradient[..., K]
            else:
                below = buffers.values[depth - 1]
                below = below[: R * K].view(R, K, -1)
                torch.bmm(below, slope.transpose(1, 2), out=gradient[..., :H])
                gradient = gradient.transpose(1, 2)
                if layer.bias:
                    torch.sum(slope, 2, out=target[:, H * K :])
                lower = buffers.slopes[depth - 1]
                lower = lower[: R * K].view(R, K, -1)
                torch.bmm(self._operands[depth][..., :K].transpose(1, 2), slope, out=lower)
                preimage = buffers.preimages[depth - 1]
                preimage = preimage[: R * K].view(R, K, -1)
                for rows in self._calls(lower):
                    derive(layers[depth - 1].activation, lower[rows], below[rows], preimage[rows])
                slope = lower
            target[:, : H * K].view(R, H, K).copy_(gradient[:, :H, :K])
        return self.gradient_buffer

    def _calls(self, values: Tensor) -> list[slice]:
        """Return the replicas each call of an elementwise function takes."""
        if torch.get_num_threads() == 1 or values.numel() < GRAIN:
            return [slice(None)]
        return [slice(r, r + 1) for r in range(len(values))]

    def _allocate(self, columns: int) -> _Buffers:
        buffers = _Buffers()
        for depth, layer in enumerate(self.network.layers):
            if depth == 0:
                shape: tuple[int, ...] = (len(self._operands[0]), columns)
            else:
                shape = (self.replicas, layer.outputs, columns)
            buffers.preimages.append(torch.zeros(shape, dtype=self.dtype))
            flat = (
                len(self._operands[0]) if depth == 0 else self.replicas * layer.outputs,
                columns,
            )
            values = buffers.preimages[-1].view(flat)
            if keeps_input(layer.activation):
                values = torch.zeros(flat, dtype=self.dtype)
            buffers.values.append(values)
        self._buffers[columns] = buffers
        return buffers
