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
        n = len(times)
        keep_at = {t: k for k, t in enumerate(keep)}
        evaluate_at = {t: e for e, t in enumerate(evaluate)}
        with torch.inference_mode():
            here, there = self._phases
            here.copy_(torch.from_numpy(phase))
            states = torch.empty((len(keep), *here[:, part].shape), dtype=here.dtype)
            l1, linf, norms, lengths = torch.empty((4, n, R), dtype=torch.float64)
            gram = torch.empty((n, R, R), dtype=torch.float64)
            evaluations = {
                name: torch.empty((len(evaluate), R), dtype=torch.float64)
                for name in self.evaluations
            }
            for i, t in enumerate(times):
                weights = here[:, :D]
                if t in keep_at:
                    states[keep_at[t]] = here[:, part]
                self._separate(weights, l1[i], linf[i], gram[i])
                self.engine.load(weights)
                values: dict[str, Tensor] = {}
                whole = self.feed.batch_size is None
                if t in evaluate_at:
                    if self.test is not None:
                        values.update(self._evaluate_test(self.test, linf[i]))
                    if not whole:
                        values.update(self._named("", *self._evaluate_training()))
                gradient, loss, hits = self.engine.gradient(
                    self.feed.batch(t), hits=whole and t in evaluate_at
                )
                torch.linalg.vector_norm(gradient, dim=1, out=norms[i])
                if t in evaluate_at:
                    if whole:
                        values.update(self._named("", loss, hits))
                    for name, value in values.items():
                        evaluations[name][evaluate_at[t]] = value
                if steps:
                    self.rule(here, gradient, t, there)
                    torch.sub(there[:, :D], weights, out=gradient)
                    torch.linalg.vector_norm(gradient, dim=1, out=lengths[i])
                    here, there = there, here
            end = here.numpy().copy()
        l1, linf, gram = _finite_or_nan(l1), _finite_or_nan(linf), _finite_or_nan(gram)
        return Block(
            end,
            states.numpy(),
            l1.numpy(),
            linf.numpy(),
            gram.numpy(),
            {"step_length": lengths.numpy()} if steps else {},
            {"gradient_norm": norms.numpy()},
            {name: value.numpy() for name, value in evaluations.items()},
        )

    @property
    def evaluations(self) -> tuple[str, ...]:
        """Names of what is evaluated."""
        names = ["loss", "accuracy"] if self.labelled else ["loss"]
        if self.test is not None:
            names += [f"test_{name}" for name in names] + ["distance_output"]
        return tuple(names)

    def _separate(self, weights: Tensor, l1: Tensor, linf: Tensor, gram: Tensor) -> None:
        """Write the distances to row 0 and the inner products of the deviations."""
        deviation = self._deviation
        torch.sub(weights, weights[0], out=deviation)
        torch.mm(deviation, deviation.t(), out=gram)
        deviation.abs_()
        torch.sum(deviation, 1, out=l1)
        torch.amax(deviation, 1, out=linf)

    def _evaluate_training(self) -> tuple[Tensor, Tensor | None]:
        """Return loss and hits of the loaded weights over the whole training set."""
        whole = self.feed.whole
        outputs = self.engine.outputs(whole)
        return self.engine.losses(outputs, whole.targets, gradient=False, hits=self.labelled)

    def _evaluate_test(self, test: Inputs, linf: Tensor) -> dict[str, Tensor]:
        """Return what the test set says of the loaded weights.

        Rows at the end whose weights are those of row 0, as a control's are, are not computed
        again: they have its values.

        Returns
        -------
        dict of (R,)
        """
        rows = len(linf)
        equal = linf.tolist()
        while rows > 1 and equal[rows - 1] == 0.0:
            rows -= 1
        outputs = self.engine.outputs(test, rows)
        count = test.targets.count
        difference = (outputs - outputs[0])[..., :count]
        distance = torch.linalg.vector_norm(difference, dim=(1, 2), dtype=torch.float64)
        loss, hits = self.engine.losses(outputs, test.targets, gradient=False, hits=self.labelled)
        values = self._named("test_", loss, hits, count)
        values["distance_output"] = distance
        copies = len(linf) - rows
        if copies:
            values = {
                name: torch.cat([value, value[:1].expand(copies)]) for name, value in values.items()
            }
        return values

    def _named(
        self, prefix: str, loss: Tensor, hits: Tensor | None, count: int | None = None
    ) -> dict[str, Tensor]:
        values = {f"{prefix}loss": loss}
        if hits is not None and self.labelled:
            count = self.feed.whole.targets.count if count is None else count
            values[f"{prefix}accuracy"] = hits.double() / count
        return values


def _finite_or_nan(values: Tensor) -> Tensor:
    return torch.nan_to_num(values, torch.nan, torch.nan, torch.nan)
