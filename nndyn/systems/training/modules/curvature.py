"""Hessian-vector products of any module's loss."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch.func import functional_call, grad, jvp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from nndyn.systems.protocol import Parameter
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.several import arguments
from nndyn.systems.training.modules.modes import plain, recurrent_in_full
from nndyn.systems.training.modules.module import Module
from nndyn.systems.training.modules.passes import Batch, entering
from nndyn.systems.training.protocol import Point
from nndyn.systems.training.torch_state.randomness import seeded, step_key

Tensor = torch.Tensor
Named = dict[str, Tensor]

#: Bytes that the samples and vectors taken at once may keep. On a CPU few, to stay in its cache.
BUDGET = {"cpu": 8 * 2**20, "cuda": 1024 * 2**20}
#: Vectors taken at once at least.
TOGETHER = 8


class ModuleCurvature:
    """Gradient and Hessian of a module's loss at one row of weights; see `Curvature`.

    Parameters
    ----------
    module : Module
    training : Batch
        The training set, as ``module.batch`` gives it.
    order : Order
    forward : bool, default True
        Whether the gradient is differentiated along several vectors in one call, forward; where
        torch cannot do that with the module, the gradient's own backward pass is, for one vector
        after the other. An attribute, too, which a product that fails turns off.

    Notes
    -----
    Running statistics are read and not moved on. Where samples do not depend on one another they
    are taken in parts of `BUDGET`.
    """

    def __init__(
        self, module: Module, training: Batch, order: Order, *, forward: bool = True
    ) -> None:
        # of its own: hooks of pruning, say, leave what they compute in a module
        self._module = replace(module, module=copy.deepcopy(module.module))
        self._training = training
        self._order = order
        self.size = module.size
        self.forward = forward
        with warnings.catch_warnings():  # torch, of itself, where it first differentiates forward
            warnings.filterwarnings("ignore", message=".*torch.jit.script", category=Warning)
            jvp(torch.sin, (torch.zeros(1),), (torch.ones(1),))

    def loss(self, weights: Tensor, statistics: Tensor, t: int | None) -> float:
        """Return the loss at `weights`; see `Curvature.loss`."""
        here = self._here(weights, statistics, t)
        count = len(here.batch)
        size, _ = self._sizes(count)
        return sum(here.loss(slice(start, start + size)) for start in range(0, count, size))

    def _here(self, weights: Tensor, statistics: Tensor, t: int | None) -> _Here:
        """Return the samples of the step from `t`, or all, at some weights."""
        batch = self._training
        drawn = None if t is None else self._order.drawn(t)
        if drawn is not None:
            batch = self._module.batch(drawn.x, drawn.y)
        elif t is not None and (self._order.batch_size is not None or self._order.reverse):
            batch = batch.take(torch.from_numpy(self._order.rows(t)).to(weights.device))
        return _Here(self._module, weights, statistics, batch, t or 0, self._order.seed)

    def at(self, weights: Tensor, statistics: Tensor, t: int | None) -> Point:
        """Return gradient and Hessian at `weights`; see `Curvature.at`."""
        here = self._here(weights, statistics, t)
        known: list[Tensor] = []

        def gradient() -> Tensor:
            return known[0] if known else self._sum(here, weights[None, :0])[0]

        def loss() -> float:
            return here.seen or self.loss(weights, statistics, t)

        def hvp(vectors: Tensor) -> Tensor:
            total, out = self._sum(here, vectors)
            known[:] = [total]
            return out

        return Point(gradient, hvp, loss)

    def _sum(self, here: _Here, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient (D,) and the products (k, D)."""
        count, k = len(here.batch), len(vectors) if vectors.shape[1] else 0
        size, group = self._sizes(count)
        total, out = torch.zeros_like(here.weights), torch.zeros_like(vectors)
        for start in range(0, count, size):
            part = slice(start, start + size)
            if k == 0:
                total += here.gradient(part)
            for first in range(0, k, group):
                rows = slice(first, first + group)
                gradient, hvp = self._part(here, part, vectors[rows])
                out[rows] += hvp
                total += gradient if first == 0 else 0
        return total, out

    def _part(self, here: _Here, part: slice, vectors: Tensor) -> tuple[Tensor, Tensor]:
        if self.forward:
            try:
                return here.forward(part, vectors)
            except Exception:  # torch's, or of the module under its transforms; it has another way
                self.forward = False
        return here.backward(part, vectors)

    def _sizes(self, count: int) -> tuple[int, int]:
        """Return how many samples and how many vectors are taken at once."""
        module, budget = self._module, BUDGET[self._training.x.device.type]
        each = max(module.saved_bytes, 1)
        size = count
        if module.independent and module.criterion.adds and not module.random:
            parts = -(-count * each * (TOGETHER + 1) // budget)
            size = -(-count // parts)
        return size, max(TOGETHER, budget // (each * size))


class _Here:
    """Some samples at some weights."""

    def __init__(
        self,
        module: Module,
        weights: Tensor,
        statistics: Tensor,
        batch: Batch,
        t: int,
        seed: int,
    ) -> None:
        self.module, self.weights, self.batch = module, weights, batch
        #: The loss, summed over the parts whose gradient alone was taken.
        self.seen = 0.0
        self._key = step_key(seed, t)
        self._statistics = statistics
        self._counters = {
            name: torch.tensor(start + stride * t, device=weights.device)
            for name, (start, stride) in zip(module.layout.counters, module.counts, strict=True)
        }

    def _loss(self, weights: Named, part: slice) -> Tensor:
        """Return the share of a part of the samples in the loss."""
        few = self.batch.take(part)
        running = _split(self._statistics, self.module.statistics)
        taken = (weights, running, self._counters)
        x = entering(few.x, self.module.criterion, graph=self.module.graph)
        output = functional_call(self.module.module, taken, *arguments(x))
        return self.module.criterion(output, few.target, x, len(self.batch))

    def _leaves(self) -> Named:
        pieces = _split(self.weights, self.module.parameters)
        return {name: piece.requires_grad_() for name, piece in pieces.items()}

    def loss(self, part: slice) -> float:
        """Return the share of a part of the samples in the loss."""
        with self._recorded(), torch.set_grad_enabled(self.module.graph):
            return float(self._loss(_split(self.weights, self.module.parameters), part))

    def gradient(self, part: slice) -> Tensor:
        """Return the gradient (D,)."""
        with self._recorded():
            leaves = self._leaves()
            loss = self._loss(leaves, part)
            found = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        self.seen += float(loss.detach())
        return _row(found)

    def forward(self, part: slice, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient (D,) and the products (k, D), all vectors in one call."""
        with self._recorded():
            weights = _split(self.weights, self.module.parameters)
            gradient = grad(lambda named: self._loss(named, part))

            def along(vector: Named) -> Any:
                return jvp(gradient, (weights,), (vector,))

            both: Any = (None, 0)  # the gradient is the same for all vectors
            several = vmap(along, out_dims=both, randomness="same")
            first, found = several(_split(vectors, self.module.parameters))
        return _row(list(first.values())), torch.cat([v.flatten(1) for v in found.values()], 1)

    def backward(self, part: slice, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient (D,) and the products (k, D), one vector after the other."""
        out = torch.zeros_like(vectors)
        with self._recorded():
            leaves = self._leaves()
            weights = list(leaves.values())
            gradients = torch.autograd.grad(
                self._loss(leaves, part), weights, create_graph=True, materialize_grads=True
            )
            moving = [i for i, one in enumerate(gradients) if one.requires_grad]
            for row, vector in zip(out, vectors, strict=True):
                pieces = list(_split(vector, self.module.parameters).values())
                if moving:
                    found = torch.autograd.grad(
                        [gradients[i] for i in moving],
                        weights,
                        [pieces[i] for i in moving],
                        retain_graph=True,
                        materialize_grads=True,
                    )
                    row.copy_(_row(found))
        return _row([one.detach() for one in gradients]), out

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """Record what can be differentiated twice, with the random numbers of a step."""
        with (
            plain(),
            seeded(self._key, self.weights.device),
            torch.enable_grad(),
            sdpa_kernel(SDPBackend.MATH),
            recurrent_in_full(self.module.module),
        ):
            yield


def _split(rows: Tensor, places: Sequence[Parameter]) -> Named:
    """Return the parts of rows by name, each in memory of its own, wherever the rows lie."""
    return {
        place.name: rows[..., place.start : place.start + place.size]
        .clone(memory_format=torch.contiguous_format)
        .view(*rows.shape[:-1], *place.shape)
        for place in places
    }


def _row(pieces: Sequence[Tensor]) -> Tensor:
    return torch.cat([piece.reshape(-1) for piece in pieces])
