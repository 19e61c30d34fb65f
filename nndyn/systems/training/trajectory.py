"""R replicas of one training run, advanced together, with all that is recorded on the way."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nndyn.systems.protocol import Array, Block
from nndyn.systems.training.batches import Feed
from nndyn.systems.training.losses import Loss
from nndyn.systems.training.mlp import Inputs, Perceptrons
from nndyn.systems.training.models import Network
from nndyn.systems.training.updates import Rule

Tensor = torch.Tensor


class Trajectories:
    """A batch of rows on their way, and the buffers this takes.

    Parameters
    ----------
    network : Network
    loss : Loss
    rule : Rule
    feed : Feed
    test : Inputs or None
    replicas : int
        R.
    labelled : bool
        Whether there are class labels, hence accuracies.
    dtype : torch.dtype

    Notes
    -----
    Buffers: five phases and what `Perceptrons` keeps. Not for two threads at once.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        rule: Rule,
        feed: Feed,
        test: Inputs | None,
        *,
        replicas: int,
        labelled: bool,
        dtype: torch.dtype,
    ) -> None:
        self.engine = Perceptrons(network, loss, replicas, dtype)
        self.rule = rule
        self.feed = feed
        self.test = test
        self.labelled = labelled
        shape = (replicas, network.size * (1 + rule.buffers))
        self._phases = torch.zeros((2, *shape), dtype=dtype)
        self._difference: Tensor | None = None
        self._deviation = torch.zeros((replicas, network.size), dtype=torch.float64)

    def bare(self, phase: Array, start: int, steps: int) -> Array:
        """Return the phase after `steps` steps and record nothing: what recording is timed by."""
        D = self.engine.network.size
        with torch.inference_mode():
            here, there = self._phases
            here.copy_(torch.from_numpy(phase))
            for t in range(start, start + steps):
                self.engine.load(here[:, :D])
                gradient, _, _ = self.engine.gradient(self.feed.batch(t))
                self.rule(here, gradient, t, there)
                here, there = there, here
            end: Array = here.numpy().copy()
        return end

    def run(
        self,
        phase: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        evaluate: Sequence[int],
        part: slice,
    ) -> Block:
        """Advance by `steps` steps and return their Block; with 0 steps look at `start` only."""
        R, D = self.engine.replicas, self.engine.network.size
        times = range(start, start + max(steps, 1))
        n, whole = len(times), self.feed.batch_size is None
        keep_at = {t: k for k, t in enumerate(keep)}
        evaluate_at = {t: e for e, t in enumerate(evaluate)}
        with torch.inference_mode():
            here, there = self._phases
            here.copy_(torch.from_numpy(phase))
            states = torch.empty((len(keep), *here[:, part].shape), dtype=here.dtype)
            l1, linf, norms, lengths = torch.zeros((4, n, R), dtype=torch.float64)
            gram = torch.empty((n, R, R), dtype=torch.float64)
            evaluated = {
                name: torch.zeros((len(evaluate), R), dtype=torch.float64)
                for name in self.evaluations
            }
            for i, t in enumerate(times):
                weights = here[:, :D]
                k, e = keep_at.get(t), evaluate_at.get(t)
                if k is not None:
                    states[k] = here[:, part]
                self._separate(weights, l1[i], linf[i], gram[i])
                self.engine.load(weights)
                if e is not None:
                    if self.test is not None:
                        self._test(self.test, linf[i], evaluated, e)
                    if not whole:
                        loss, hits = self.engine.evaluate(self.feed.whole, hits=self.labelled)
                        self._enter(evaluated, "", e, loss, hits, R)
                gradient, loss, hits = self.engine.gradient(
                    self.feed.batch(t), hits=whole and e is not None and self.labelled
                )
                torch.linalg.vector_norm(gradient, dim=1, dtype=torch.float64, out=norms[i])
                if whole and e is not None:
                    self._enter(evaluated, "", e, loss, hits, R)
                if steps:
                    self.rule(here, gradient, t, there)
                    torch.sub(there[:, :D], weights, out=gradient)
                    torch.linalg.vector_norm(gradient, dim=1, dtype=torch.float64, out=lengths[i])
                    here, there = there, here
            end = here.numpy().copy()
            for name, count in self._counts.items():
                evaluated[name] /= count
        return Block(
            end,
            states.numpy(),
            _finite_or_nan(l1),
            _finite_or_nan(linf),
            _finite_or_nan(gram),
            {"step_length": lengths.numpy()} if steps else {},
            {"gradient_norm": norms.numpy()},
            {name: value.numpy() for name, value in evaluated.items()},
        )

    @property
    def evaluations(self) -> tuple[str, ...]:
        """Names of what is evaluated."""
        names = ["loss", "accuracy"] if self.labelled else ["loss"]
        if self.test is not None:
            names += [f"test_{name}" for name in names] + ["distance_output"]
        return tuple(names)

    @property
    def _counts(self) -> dict[str, int]:
        """What the numbers of hits are divided by."""
        if not self.labelled:
            return {}
        counts = {"accuracy": self.feed.whole.targets.count}
        if self.test is not None:
            counts["test_accuracy"] = self.test.targets.count
        return counts

    def _separate(self, weights: Tensor, l1: Tensor, linf: Tensor, gram: Tensor) -> None:
        """Write the distances to row 0 and the inner products of the deviations."""
        deviation = self._deviation
        torch.sub(weights, weights[0], out=deviation)
        torch.mm(deviation, deviation.t(), out=gram)
        deviation.abs_()
        torch.sum(deviation, 1, out=l1)
        torch.amax(deviation, 1, out=linf)

    def _test(self, test: Inputs, linf: Tensor, evaluated: dict[str, Tensor], e: int) -> None:
        """Enter what the test set says of the loaded weights.

        Rows at the end whose weights are those of row 0, as a control's are, are not computed
        again: they have its values.
        """
        rows = len(linf)
        equal = linf.tolist()
        while rows > 1 and equal[rows - 1] == 0.0:
            rows -= 1
        outputs = self.engine.outputs(test, rows)
        if self._difference is None:
            self._difference = torch.empty((len(linf), *outputs.shape[1:]), dtype=outputs.dtype)
        difference = self._difference[:rows]
        torch.sub(outputs, outputs[0], out=difference)
        difference[..., test.targets.count :] = 0.0
        out = evaluated["distance_output"][e]
        flat = difference.view(rows, -1)
        torch.linalg.vector_norm(flat, dim=1, dtype=torch.float64, out=out[:rows])
        loss, hits = self.engine.losses(outputs, test.targets, gradient=False, hits=self.labelled)
        self._enter(evaluated, "test_", e, loss, hits, rows)

    def _enter(
        self,
        evaluated: dict[str, Tensor],
        prefix: str,
        e: int,
        loss: Tensor,
        hits: Tensor | None,
        rows: int,
    ) -> None:
        """Enter losses and hits of the first `rows` rows; the rest has the values of row 0."""
        for name, values in (("loss", loss), ("accuracy", hits)):
            if values is not None:
                target = evaluated[prefix + name][e]
                target[:rows] = values
                if rows < len(target):
                    target[rows:] = values[0]


def _finite_or_nan(values: Tensor) -> Array:
    finite: Array = torch.nan_to_num(values, torch.nan, torch.nan, torch.nan).numpy()
    return finite
