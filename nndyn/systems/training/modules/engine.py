"""Engine for rows of weights of any module, and the task of training one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import partial

import torch

from nndyn.systems.training import task
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.modules.curvature import ModuleCurvature
from nndyn.systems.training.modules.layout import vector
from nndyn.systems.training.modules.modes import plain
from nndyn.systems.training.modules.module import Module, not_batched
from nndyn.systems.training.modules.passes import Batch, Batched, Evaluation, Pass, RowByRow
from nndyn.systems.training.modules.trial import elsewhere
from nndyn.systems.training.torch_state.randomness import evaluation_key, step_key

Tensor = torch.Tensor

#: Bytes that the samples taken at once may keep for the backward pass. On a CPU few, so that they
#: stay in its cache: images of 28 x 28 take half the time.
BUDGET = {"cpu": 8 * 2**20, "cuda": 1024 * 2**20}


class Modules:
    """M runs of R replicas of a module; see `nndyn.systems.training.protocol.Engine`.

    Parameters
    ----------
    module : Module
    train : Batch
        The training set, as ``module.batch`` gives it.
    orders : sequence of Order
        One a run.
    replicas : int
        R.
    test : Batch, optional
    kept : bool, default True
        Whether `train` is the whole training set; else batches are drawn, and it is one of them.
    batched : bool, optional
        Whether the rows are one call, by vmap; what ``module.batched`` says unless given.

    Attributes
    ----------
    reason : str or None
        Why rows are one call each, where they are.

    Warns
    -----
    UserWarning
        If equal rows come out otherwise in other places of a call: then they are one call each.

    Notes
    -----
    On a GPU, in full batch, and where nothing is random, the rows of all runs are one call.
    Otherwise every run makes exactly the calls it would make alone.

    Memory: gradients ``M R x D`` and what is loaded for a call, and the activations of as many
    samples as `BUDGET` allows; of all samples of a step where the gradient cannot be taken in
    parts: with normalisations over the batch, what is random, and losses of the user's.
    """

    def __init__(
        self,
        module: Module,
        train: Batch,
        orders: Sequence[Order],
        *,
        replicas: int,
        test: Batch | None = None,
        kept: bool = True,
        batched: bool | None = None,
    ) -> None:
        self.module = module
        self.runs = len(orders)
        self.replicas = replicas
        self.size = module.size
        full = orders[0].batch_size is None
        self.whole = module.tells_loss(orders[0].batch_size)
        self._orders = orders
        self._full = full
        self._kept = kept
        self._test = test
        self._batched = module.batched if batched is None else batched
        self.reason = module.reason
        self._pass = self._made()
        device = train.x.device
        self._together = device.type == "cuda" and full and not module.random
        rows = self.runs * replicas
        with torch.inference_mode(False):
            self._train = train
            reverse = full and orders[0].reverse
            self._first = train.take(self._rows(orders[0], 0)) if reverse else train
            zeros = partial(torch.zeros, dtype=module.dtype, device=device)
            self._weights = zeros((0, module.size))
            self._gradient = zeros((0, module.size))
            self.statistics = zeros((rows, len(module.initial_statistics)))
        several = batched is None and self._batched and replicas > 1  # one is alike anywhere
        if several and device.type == "cpu" and not self._same_everywhere():
            self.reason = (
                "copies of a replica come out otherwise in other places of a batch on this "
                "processor"
            )
            warnings.warn(not_batched(module.label, self.reason), stacklevel=2)
            self._batched = False
            self._pass = self._made()

    def _made(self) -> Pass:
        module = self.module
        known = module.module, module.layout, module.criterion, module.counts
        return Batched(*known) if self._batched else RowByRow(*known, graph=module.graph)

    def load(self, weights: Tensor, statistics: Tensor) -> None:
        """Take the weights ``(M·R, D)`` and statistics ``(M·R, B)`` for the calls that follow."""
        with plain():
            self._weights = weights
            self.statistics.copy_(statistics)

    def gradient(
        self, t: int, *, correct: bool = False, out: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return gradient, loss and correct samples of a step; see `Engine.gradient`."""
        with plain():
            if out is None:
                if not len(self._gradient):
                    self._gradient = torch.zeros_like(self._weights)
                out = self._gradient
            found = [
                self._pass.gradient(
                    self._weights[rows],
                    self.statistics[rows],
                    batch := self.samples(order, t),
                    t=t,
                    key=step_key(order.seed, t),
                    parts=self._parts(
                        len(batch),
                        rows,
                        self.module.independent and self.module.criterion.adds,
                    ),
                    out=out[rows],
                )
                for rows, order in self._calls()
            ]
            loss = torch.cat([loss for loss, _ in found])
            right = torch.cat([right for _, right in found])
        return out, loss, right if correct and self._train.labels is not None else None

    def evaluate(self, *, correct: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return loss and correct samples over the training set; see `Engine.evaluate`."""
        _, loss, right, _ = self._evaluate(self._first if self._full else self._train, None)
        return loss, right if correct else None

    def test(
        self, replicas: int, *, correct: bool = False
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        """Return what the test set says of the first `replicas` rows; see `Engine.test`.

        Returns
        -------
        loss : (M, replicas)
        correct : (M, replicas) or None
        distance : (M, replicas) float64
        differing : (M, replicas) float64 or None

        Raises
        ------
        RuntimeError
            If the engine has no test set.
        """
        if self._test is None:
            raise RuntimeError("this engine was made without a test set")
        distance, loss, right, other = self._evaluate(self._test, replicas)
        shape = (self.runs, replicas)
        if right is None or other is None or not correct:
            return loss.view(shape), None, distance.view(shape), None
        return loss.view(shape), right.view(shape), distance.view(shape), other.view(shape)

    def _evaluate(
        self, batch: Batch, replicas: int | None
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Return distance, loss, correct and differing samples of the first rows of every run."""
        count = self.replicas if replicas is None else replicas
        found: list[Evaluation] = []
        distances = []
        with plain():
            for m, order in enumerate(self._orders):
                rows = slice(m * self.replicas, m * self.replicas + count)
                here = self.evaluation(self._weights[rows], self.statistics[rows], batch, order)
                found.append(here)
                distances.append(_distance(here.outputs))
        loss = torch.cat([here.loss for here in found])
        if batch.labels is None:
            return torch.cat(distances), loss, None, None
        right = torch.cat([here.correct for here in found])
        other = torch.cat([_differing(here.outputs[0], batch.labels) for here in found])
        return torch.cat(distances), loss, right, other

    def evaluation(
        self, weights: Tensor, statistics: Tensor, batch: Batch, order: Order
    ) -> Evaluation:
        """Return what an evaluation of samples gives for rows of weights and statistics."""
        apart = self.module.independent_evaluation and not self.module.graph
        return self._pass.evaluate(
            weights,
            statistics,
            batch,
            key=evaluation_key(order.seed),
            parts=self._parts(len(batch), slice(0, len(weights)), apart),
        )

    def _same_everywhere(self) -> bool:
        """Whether equal rows give equal bits in all places of every call that is made.

        Where vmap puts the operands of products is its own affair, and so is their alignment.

        Returns
        -------
        bool
        """
        module, order, R = self.module, self._orders[0], self.replicas
        moved = elsewhere(module.module)  # at weights of 0 all places are alike
        weights = vector(moved, module.parameters).expand(R, -1)
        statistics = vector(moved, module.statistics).to(weights).expand(R, -1)
        rows = slice(0, R)
        with plain():
            for t in sorted(order.probes):
                batch = self.samples(order, t)
                running, out = statistics.clone(), torch.zeros(weights.shape).to(weights)
                parts = self._parts(len(batch), rows, module.independent and module.criterion.adds)
                key = step_key(order.seed, t)
                loss, _ = self._pass.gradient(
                    weights, running, batch, t=t, key=key, parts=parts, out=out
                )
                if not (_alike(loss) and _alike(running) and _alike(out)):
                    return False
            for batch, count in self._evaluated():
                here = self.evaluation(weights[:count], statistics[:count], batch, order)
                if not all(map(_alike, (*here.outputs, here.loss))):
                    return False
        return True

    def _evaluated(self) -> Iterator[tuple[Batch, int]]:
        """Yield the samples of evaluations, and how many rows of a run they may be of."""
        if self._kept and not self.whole:
            yield self._train, self.replicas
        if self._test is not None:
            yield self._test, self.replicas
            if self.replicas > 1:  # a control that is the reference is not computed
                yield self._test, self.replicas - 1

    def _calls(self) -> list[tuple[slice, Order]]:
        """Return the rows of every call, and the order of their samples."""
        if self._together:
            return [(slice(0, self.runs * self.replicas), self._orders[0])]
        R = self.replicas
        return [(slice(m * R, (m + 1) * R), order) for m, order in enumerate(self._orders)]

    def samples(self, order: Order, t: int) -> Batch:
        """Return the samples of the step from time `t`."""
        if self._full:
            return self._first
        drawn = order.drawn(t)
        if drawn is not None:
            return self.module.batch(drawn.x, drawn.y, f"the batch of step {t}")
        return self._train.take(self._rows(order, t))

    def _rows(self, order: Order, t: int) -> Tensor:
        return torch.from_numpy(order.rows(t)).to(self._train.x.device)

    def _parts(self, count: int, rows: slice, apart: bool) -> list[slice]:
        """Return parts of `count` samples, about equal, that keep to the budget."""
        if not apart:
            return [slice(0, count)]
        at_once = rows.stop - rows.start if self._batched else 1
        # each part reads all weights, and adds a gradient as large
        weights = at_once * self.size * self.module.dtype.itemsize
        budget = max(BUDGET[self._train.x.device.type], weights)
        most = budget // (self.module.saved_bytes * at_once)
        parts = -(-count // max(int(most), 1))
        size = -(-count // parts)
        return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _alike(rows: Tensor) -> bool:
    """Whether all rows have the same bits, NaN counting as zero."""
    first = torch.nan_to_num(rows[0])
    return all(torch.equal(torch.nan_to_num(row), first) for row in rows[1:])


def _distance(outputs: Sequence[Tensor]) -> Tensor:
    """Return the l2 distance (G,) float64 of the outputs of every row to those of the first."""
    norms = [
        torch.linalg.vector_norm(
            (rows - rows[0]).reshape(len(rows), -1), dim=1, dtype=torch.float64
        )
        for rows in outputs
    ]
    whole: Tensor = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    return norms[0] if len(norms) == 1 else whole


def _differing(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the labels that count whose prediction is another than in the first row.

    Parameters
    ----------
    outputs : (G, samples, classes, ...)
    labels : (samples, ...)

    Returns
    -------
    (G,) float64
    """
    predicted = outputs.argmax(2)
    other = (predicted != predicted[:1]) & (labels >= 0)
    return other.flatten(1).sum(1, dtype=torch.float64)


class ModuleTask(task.Task):
    """A torch module, its samples, and a loss by name or of the user's; see `Task`.

    Not concurrent: torch's random state and some of its switches, which belong to the whole
    process, are set for it.
    """

    network: Module

    @property
    def random(self) -> bool:
        """Whether a step draws random numbers."""
        return self.network.random

    @property
    def labelled(self) -> bool:
        """Whether there are class labels, hence accuracies."""
        return self.training.labelled and self.network.classes is not None

    def counted(self, samples: Samples) -> int:
        """Return how many labels of a set count."""
        return self.network.counted(samples.y)

    def laid_out(self, samples: Samples, what: str) -> Batch:
        """Return a set as the module takes it."""
        return self.network.batch(samples.x, samples.y, what)

    def one_by_one(self, order: Order, replicas: int) -> str | None:
        """Return why `replicas` rows are computed one after the other, None where they are not."""
        if self.network.reason is not None or self.device.type != "cpu":
            return self.network.reason
        return self.engine([order], replicas).reason  # which tries all places of a batch

    def engine(self, orders: Sequence[Order], replicas: int) -> Modules:
        """Return what computes runs whose samples come in `orders`, with `replicas` rows each."""
        training, test = self.inputs
        return Modules(self.network, training, orders, replicas=replicas, test=test, kept=self.kept)

    def curvature(self, order: Order, *, forward: bool = True) -> ModuleCurvature:
        """Return what gives second derivatives of a run; see `ModuleCurvature` for `forward`."""
        return ModuleCurvature(self.network, self.inputs[0], order, forward=forward)

    def shares(self, order: Order, replicas: int) -> int:
        """Return how many runs of `replicas` rows are best computed by the same calls."""
        # on a CPU each run has calls of its own
        return 1 if self.device.type == "cpu" else task.SHARED_VALUES
