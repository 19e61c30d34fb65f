"""Hessian-vector products of a perceptron's loss, many at once.

The derivative of one forward and one backward pass along a vector, written out by hand: what
differentiation calls the R-operator. All vectors share the passes of the weights themselves; their
own are, as in `nndyn.systems.training.perceptron.engine`, feature-major: the first layer of all k
vectors is one matrix product, ``[k·H, features] @ X``.

References
----------
Pearlmutter, Neural Computation 6 (1994) 147, doi:10.1162/neco.1994.6.1.147.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from nndyn.systems.training.data.order import Order
from nndyn.systems.training.perceptron.activations import ACTIVATIONS
from nndyn.systems.training.perceptron.inputs import Feed, Inputs, tiles
from nndyn.systems.training.perceptron.losses import Loss
from nndyn.systems.training.perceptron.network import Layer, Network
from nndyn.systems.training.perceptron.operands import operand
from nndyn.systems.training.protocol import Point

Tensor = torch.Tensor

#: Samples taken at once.
TILE = 2048
#: Bytes of a buffer, of which there are three a layer: as many vectors at once as it holds.
BUDGET = 16 * 2**20


@dataclass
class _Level:
    """One layer at the weights.

    Attributes
    ----------
    layer : Layer
    weight : (outputs, inputs)
        A copy: where a row of weights lies is nobody's choice.
    start : int
        Of its numbers in a row of weights.
    below : (inputs, columns)
        What it takes.
    delta : (outputs, columns)
        Gradient of the loss at its preactivations.
    first, second : (outputs, columns), or None
        The derivatives of its activation; the second one times the gradient at its values. None
        for the identity.
    """

    layer: Layer
    weight: Tensor
    start: int
    below: Tensor
    delta: Tensor
    first: Tensor | None = None
    second: Tensor | None = None


@dataclass
class _Pass:
    """Some samples at the weights.

    Attributes
    ----------
    samples : Inputs
    share : float
        Of all samples.
    levels : list of _Level
    gradient : (outputs, columns)
        Of the loss at the outputs.
    loss : float
        Their share in it.
    """

    samples: Inputs
    share: float
    levels: list[_Level]
    gradient: Tensor
    loss: float


class PerceptronCurvature:
    """Gradient and Hessian of a perceptron's loss at one row of weights; see `Curvature`.

    Parameters
    ----------
    network : Network
    loss : Loss
    training : Inputs
    order : Order
    dtype : torch.dtype

    Notes
    -----
    About two passes forward and back a vector, of which the first layer is most. Memory: three
    buffers of `BUDGET` a layer, and four of ``width x TILE``.
    """

    def __init__(
        self, network: Network, loss: Loss, training: Inputs, order: Order, dtype: torch.dtype
    ) -> None:
        self._layers = network.layers
        self._loss = loss
        self._training = training
        self._feed = Feed(training, [order])
        self._dtype = dtype
        self.size = network.size
        self._buffers: dict[tuple[str, int, int], Tensor] = {}

    def loss(self, weights: Tensor, statistics: Tensor, t: int | None) -> float:
        """Return the loss at `weights`; see `Curvature.loss`."""
        count, pieces = self._pieces(t)
        total = 0.0
        for piece in pieces:
            _, value = self._forward(weights, piece)
            top = self._buffer("top", 0, *value.shape).copy_(value)
            found, _ = self._loss(top[None].numpy(), piece.targets, gradient=False, correct=False)
            total += float(found[0]) * piece.targets.count / count
        return total

    def _pieces(self, t: int | None) -> tuple[int, list[Inputs]]:
        """Return how many samples the step from `t` sees, and them in parts."""
        whole = self._training if t is None else self._feed.at(t)[0]
        count = whole.targets.count
        return count, tiles(whole, TILE) if count > TILE else [whole]

    def at(self, weights: Tensor, statistics: Tensor, t: int | None) -> Point:
        """Return gradient and Hessian at `weights`; see `Curvature.at`."""
        count, pieces = self._pieces(t)
        make = partial(self._forward_and_back, weights, count=count)
        kept = [make(pieces[0])] if len(pieces) == 1 else None

        def passes() -> Iterable[_Pass]:
            return kept or map(make, pieces)  # of several, made one by one in every round

        seen: list[float] = []

        def gradient() -> Tensor:
            out = torch.zeros(self.size, dtype=self._dtype)
            total = 0.0
            for one in passes():
                total += one.loss
                for level in one.levels:
                    self._gather(out, level, one.share)
            seen[:] = [total]
            return out

        def loss() -> float:
            return seen[0] if seen else sum(one.loss for one in passes())

        def hvp(vectors: Tensor) -> Tensor:
            out = self._buffer("hvp", 0, len(vectors), self.size).zero_()
            for one in passes():
                for rows in self._groups(len(vectors), one.gradient.shape[1]):
                    self._add(vectors[rows], out[rows], one)
            return out

        return Point(gradient, hvp, loss)

    def _forward(self, weights: Tensor, piece: Inputs) -> tuple[list[_Level], Tensor]:
        """Return the layers and the outputs."""
        levels: list[_Level] = []
        below, start = piece.x, 0
        for layer in self._layers:
            H, K = layer.outputs, layer.inputs
            bias = weights[start + H * K : start + layer.size, None]
            value, first, second, delta = self._buffers_of(layer, start, below.shape[1])
            taken = self._buffer("weight", start, H, len(below))
            taken[:, :K] = weights[start : start + H * K].view(H, K)
            if len(below) > K:  # a column of ones is among the samples
                taken[:, K:] = bias
            torch.mm(taken, below, out=value)
            if layer.bias and len(below) == K:
                value.add_(bias)
            weight = taken[:, :K]
            expand = ACTIVATIONS[layer.activation].expand
            if expand is not None and first is not None and second is not None:
                expand(value.numpy(), first.numpy(), second.numpy())
            levels.append(_Level(layer, weight, start, below, delta, first, second))
            below = value
            start += layer.size
        return levels, below

    def _forward_and_back(self, weights: Tensor, piece: Inputs, count: int) -> _Pass:
        levels, below = self._forward(weights, piece)
        gradient = self._buffer("top", 0, *below.shape).copy_(below)
        loss, _ = self._loss(gradient[None].numpy(), piece.targets, gradient=True, correct=False)
        share = piece.targets.count / count
        done = _Pass(piece, share, levels, gradient, share * float(loss[0]))
        for level in reversed(levels):
            if level.first is not None and level.second is not None:
                level.second.mul_(gradient)
                torch.mul(gradient, level.first, out=level.delta)
            else:
                level.delta.copy_(gradient)
            if level is not levels[0]:
                gradient = torch.mm(
                    level.weight.t(),
                    level.delta,
                    out=self._buffer("value gradient", 0, *level.below.shape),
                )
        return done

    def _gather(self, gradient: Tensor, level: _Level, share: float) -> None:
        """Add the gradient of a layer's numbers."""
        layer = level.layer
        H, K = layer.outputs, layer.inputs
        place = gradient[level.start : level.start + layer.size]
        product = self._buffer("gradient", level.start, H, len(level.below))
        torch.mm(level.delta, level.below.t(), out=product)
        place[: H * K].view(H, K).add_(product[:, :K], alpha=share)
        if layer.bias:
            bias = product[:, K] if product.shape[1] > K else level.delta.sum(1)
            place[H * K :].add_(bias, alpha=share)

    def _groups(self, count: int, columns: int) -> Iterator[slice]:
        widest = max(layer.outputs for layer in self._layers)
        size = max(1, BUDGET // (widest * columns * self._dtype.itemsize))
        for start in range(0, count, size):
            yield slice(start, min(start + size, count))

    def _buffers_of(
        self, layer: Layer, start: int, columns: int
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor]:
        """Return where a layer's value, its derivatives and delta go."""
        H = layer.outputs
        value, delta = (self._buffer(use, start, H, columns) for use in ("value", "delta"))
        if ACTIVATIONS[layer.activation].expand is None:
            return value, None, None, delta
        first, second = (self._buffer(use, start, H, columns) for use in ("first", "second"))
        return value, first, second, delta

    def _buffer(self, use: str, place: int, rows: int, columns: int) -> Tensor:
        """Return a buffer ``(rows, columns)``, kept: fresh memory costs more than to fill it."""
        key = use, place, columns
        found = self._buffers.get(key)
        if found is None or len(found) < rows:
            found = self._buffers[key] = operand(rows, columns, dtype=self._dtype)
        return found[:rows]

    def _add(self, vectors: Tensor, out: Tensor, done: _Pass) -> None:
        """Add to `out` (k, D) the share of some samples in the products with `vectors` (k, D)."""
        ahead, values = self._ahead(vectors, done)
        k, columns = len(vectors), done.gradient.shape[1]
        back = values[-1]
        self._loss.hvp(back, done.gradient, done.samples.targets)
        for depth in range(len(done.levels) - 1, -1, -1):
            level, share = done.levels[depth], done.share
            layer, H, K = level.layer, level.layer.outputs, level.layer.inputs
            if level.first is not None and level.second is not None:
                back.mul_(level.first).addcmul_(ahead[depth], level.second)
            target = out[:, level.start : level.start + layer.size]
            product = self._buffer("product", 0, k * H, len(level.below))
            torch.mm(back.view(k * H, columns), level.below.t(), out=product)
            product = product.view(k, H, -1)
            target[:, : H * K].view(k, H, K).add_(product[..., :K], alpha=share)
            if layer.bias:
                bias = product[..., K] if depth == 0 else back.sum(2)
                target[:, H * K :].add_(bias, alpha=share)
            if depth == 0:
                break
            crossed = self._buffer("crossed", 0, k * K, H)
            torch.mm(values[depth - 1].view(k * K, columns), level.delta.t(), out=crossed)
            crossed = crossed.view(k, K, H).transpose(1, 2)
            target[:, : H * K].view(k, H, K).add_(crossed, alpha=share)
            lower = self._buffer("back", depth, k * K, columns)
            turned = self._buffer("turned", 0, k * K, H)
            part = vectors[:, level.start : level.start + H * K].view(k, H, K)
            turned.view(k, K, H).copy_(part.transpose(1, 2))
            torch.mm(turned, level.delta, out=lower)
            lower = lower.view(k, K, columns)
            back = lower.baddbmm_(level.weight.t().expand(k, K, H), back)

    def _ahead(self, vectors: Tensor, done: _Pass) -> tuple[list[Tensor], list[Tensor]]:
        """Return, layer by layer, the derivative of what an activation takes and of its value."""
        k, columns = len(vectors), done.gradient.shape[1]
        ahead: list[Tensor] = []
        values: list[Tensor] = []
        for depth, level in enumerate(done.levels):
            layer, H, K = level.layer, level.layer.outputs, level.layer.inputs
            part = vectors[:, level.start : level.start + layer.size]
            weight, bias = part[:, : H * K].view(k, H, K), part[:, H * K :, None]
            inner = len(level.below)  # the bias of the first layer belongs to a column of ones
            flat = self._buffer("weights", 0, k * H, inner)
            flat.view(k, H, inner)[..., :K] = weight
            if inner > K:
                flat.view(k, H, inner)[..., K:] = bias
            new = self._buffer("ahead", depth, k * H, columns)
            torch.mm(flat, level.below, out=new)
            new = new.view(k, H, columns)
            if depth > 0:
                new.baddbmm_(level.weight.expand(k, H, K), values[-1])
                if layer.bias:
                    new.add_(bias)
            ahead.append(new)
            if level.first is not None:
                value = self._buffer("values", depth, k * H, columns).view(k, H, columns)
                new = torch.mul(new, level.first, out=value)
            values.append(new)
        return ahead, values
