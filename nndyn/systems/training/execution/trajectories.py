"""Trajectories of the rows of several runs, with all that is recorded of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.separation import lengths, moves, separate_by_parameter
from nndyn.numerics.sketch import Sketch, Sketches
from nndyn.systems.protocol import Block
from nndyn.systems.training.execution.distances import separate
from nndyn.systems.training.execution.large import LARGE, Room
from nndyn.systems.training.execution.sketching import Sketching
from nndyn.systems.training.optimizers.base import Rule
from nndyn.systems.training.protocol import Engine, Numbers
from nndyn.systems.training.torch_state.device import Snapshots, on_host

Tensor = torch.Tensor

DISAGREEMENT = "prediction_disagreement"


class Trajectories:
    """M runs of R rows on their way, and the buffers this takes.

    Parameters
    ----------
    engine : Engine
    rule : Rule
        Of all rows.
    ends : sequence of int
        Where each parameter ends in a row of weights.
    counts : dict of str to int
        Samples of the training set, ``""``, and of the test set, ``"test_"``, where there is one.
    labelled : bool
        Whether there are class labels, hence accuracies.
    dtype : torch.dtype
    device : torch.device

    Notes
    -----
    A phase is the weights, the buffers of the rule, the statistics of the engine. Memory: what the
    engine keeps, and in a call one phase of all rows more than was given, two of several steps. Not
    for two threads at once. No step waits for a GPU: all that a run gives but the states comes to
    the host in one copy, at the end.
    """

    def __init__(
        self,
        engine: Engine,
        rule: Rule,
        *,
        ends: Sequence[int],
        counts: dict[str, int],
        labelled: bool,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.engine = engine
        self.rule = rule
        self._ends = np.array(ends, dtype=np.int64)
        self.counts = counts
        self.labelled = labelled
        self.device = device
        self._on_host = device.type == "cpu"
        self.dtype = dtype
        self._moved = engine.size * (1 + rule.buffers)
        self._room = Room()
        self._sketching: Sketching | None = None

    def bare(self, phases: Array, start: int, steps: int) -> Array:
        """Return the phases ``(M, R, P)`` after `steps` steps that record nothing, for timing."""
        with torch.no_grad():
            here, spare = self._given(phases), None
            for t in range(start, start + steps):
                self._enter(here)
                there = self._room.like(here) if spare is None else spare
                gradient, _, _ = self.engine.gradient(t)
                self._step(here, gradient, t, there)
                here, spare = there, here if t > start else None  # what was given stays
            end: Array = on_host(here)[0].reshape(phases.shape)
        return end

    def run(
        self,
        phases: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        evaluate: Sequence[int],
        part: slice,
        sketch: Sketches | None,
    ) -> list[Block]:
        """Advance ``(M, R, P)`` by `steps` steps and return a Block a run; 0 steps look only."""
        engine, D = self.engine, self.engine.size
        M, R = engine.runs, engine.replicas
        times = range(start, start + max(steps, 1))
        keep_at, evaluate_at = set(keep), set(evaluate)
        n = len(times)
        with torch.no_grad():
            here, spare = self._given(phases), None
            large = self._are_large(here)
            width = len(range(*part.indices(here.shape[1])))
            states = Snapshots(M, len(keep), R, width, here)
            sketched_at = set() if sketch is None else set(sketch.times)
            sketches: list[Tensor] = []
            l1, linf = self._zeros(2, M, n, R)
            norms, moved, losses = self._zeros(3, n, M, R)
            gram, squares = self._zeros(M, n, R, R), self._zeros(M, n, R, len(self._ends))
            apart = l1, linf, gram, squares
            names = evaluations(self.counts, labelled=self.labelled)
            evaluated = {name: self._zeros(len(evaluate), M, R) for name in names}
            seen = {name: self._written(values) for name, values in evaluated.items()}
            of_time = [self._written(values) for values in (norms, moved, losses)]
            of_run = [self._written(values) for values in apart]
            looked = 0
            for i, t in enumerate(times):
                asked = t in evaluate_at
                if t in keep_at:
                    states.keep(here[:, part])
                if sketch is not None and t in sketched_at:
                    sketches.append(self._sketched(sketch.map, here))
                self._separate(here, i, of_run)
                self._enter(here)
                if asked:
                    self._evaluate(seen, looked, of_run[1][:, i])
                wanted = asked and engine.whole
                there = here
                if steps or large:
                    there = self._room.like(here) if spare is None else spare
                gradient, loss, correct = engine.gradient(
                    t,
                    correct=wanted and self.labelled,
                    out=there[:, :D] if large else None,
                )
                length, move, of_batch = (values[i].reshape(-1) for values in of_time)
                self._lengths(gradient, length)
                of_batch[:] = loss
                if wanted:
                    _note(seen, looked, "", loss, correct)
                looked += asked
                if steps:
                    self._step(here, gradient, t, there)
                    self._moves(self._weights(there), self._weights(here), gradient, move)
                    here, spare = there, here if i else None  # what was given stays
            distances = tuple(torch.nan_to_num(v, *[torch.nan] * 3) for v in apart)
            for prefix, count in self.counts.items() if self.labelled else ():
                evaluated[prefix + "accuracy"] /= count
                if prefix:
                    evaluated[DISAGREEMENT] /= count
            series = {"gradient_norm": norms}
            arrival = {"step_length": moved} if steps else {}
            # of batches that are drawn nobody can tell the loss later
            batch = {"batch_loss": losses} if steps and "" not in self.counts else {}
            named = (arrival, series, evaluated, batch)
            some = torch.stack(sketches, 1) if sketches else None
            if sketch is not None and some is None:
                some = self._zeros(M, 0, R, sketch.map.size)
            return _blocks(here.view(M, R, -1), states.host(), distances, named, some)

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=torch.float64, device=self.device)

    def _written(self, values: Tensor) -> Any:
        """Return what is written to instead: on a CPU arrays, since torch's calls take long."""
        return values.numpy() if self._on_host else values

    def _given(self, phases: Array) -> Tensor:
        """Return phases ``(M, R, P)`` as rows on the device, on a CPU the very ones."""
        rows = phases.reshape(self.engine.runs * self.engine.replicas, -1)
        rows = rows if rows.flags.writeable else rows.copy()  # torch has no other
        return torch.from_numpy(rows).to(self.device, self.dtype)

    def _enter(self, here: Tensor) -> None:
        self.engine.load(self._weights(here), here[:, self._moved :])

    def _weights(self, here: Tensor) -> Tensor:
        size = self.engine.size
        return here if here.shape[1] == size else here[:, :size]  # a view takes some time

    def _are_large(self, here: Tensor) -> bool:
        return self.engine.runs == 1 and not here.is_cuda and here.nbytes >= LARGE

    def _step(self, here: Tensor, gradient: Tensor, t: int, there: Tensor) -> None:
        """Write the phases after a step; the gradient may lie where the weights go.

        Large rows take turns: some rules clip, or add up, a whole gradient at once.
        """
        moved = self._moved
        if self._are_large(here):
            for row, after, found in zip(here, there, gradient, strict=True):
                self.rule(row[None, :moved], found[None], t, after[None, :moved])
        elif moved == here.shape[1]:
            self.rule(here, gradient, t, there)
        else:
            self.rule(here[:, :moved], gradient, t, there[:, :moved])
        if moved < here.shape[1]:
            there[:, moved:] = self.engine.statistics

    def _lengths(self, rows: Tensor, out: Any) -> None:
        """Write the l2 lengths of rows ``(N, D)`` into ``(N,)``."""
        if self._on_host:
            lengths(rows.numpy(), out)
        else:
            torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64, out=out)

    def _moves(self, new: Tensor, before: Tensor, room: Tensor, out: Any) -> None:
        """Write how far rows ``(N, D)`` moved into ``(N,)``; on a GPU by way of some room."""
        if self._on_host:
            moves(new.numpy(), before.numpy(), out)
        else:
            self._lengths(torch.sub(new, before, out=room), out)

    def _separate(self, here: Tensor, i: int, out: Sequence[Any]) -> None:
        """Write l1, linf, inner products and squares by parameter of deviations from each first."""
        runs = here.view(self.engine.runs, self.engine.replicas, -1)
        if not self._on_host:
            separate(runs[..., : self.engine.size], self._ends.tolist(), i, out)
            return
        for rows, *written in zip(runs.numpy(), *out, strict=True):
            separate_by_parameter(rows, self._ends, i, *written)

    def _sketched(self, map: Sketch, here: Tensor) -> Tensor:
        """Return the sketches ``(M, R, K)`` of all rows."""
        if self._sketching is None or self._sketching.map != map:
            self._sketching = Sketching(map, self.device, on_host=self._on_host)
        runs = here.view(self.engine.runs, self.engine.replicas, -1)
        return torch.stack([self._sketching.of(rows) for rows in runs])

    def _evaluate(self, seen: dict[str, Any], place: int, linf: Any) -> None:
        """Note what the test set and, in minibatches, the training set say of the rows.

        Rows at the end whose weights are those of the first, as a control's are, are not computed
        again for the test set: they have its values. (Not on a GPU, which that would stop.)
        """
        if "test_" in self.counts:
            replicas = self.engine.replicas
            if self._on_host and not self.engine.statistics.shape[1]:
                farthest = linf.max(0)
                while replicas > 1 and farthest[replicas - 1] == 0.0:
                    replicas -= 1
            _note(seen, place, "test_", *self.engine.test(replicas, correct=self.labelled))
        if "" in self.counts and not self.engine.whole:
            _note(seen, place, "", *self.engine.evaluate(correct=self.labelled))


def _note(
    seen: dict[str, Any],
    place: int,
    prefix: str,
    loss: Numbers,
    correct: Numbers | None,
    distance: Numbers | None = None,
    differing: Numbers | None = None,
) -> None:
    """Write what was found of the first rows of every run; the others are like row 0."""
    named = {
        prefix + "loss": loss,
        prefix + "accuracy": correct,
        "distance_output": distance,
        DISAGREEMENT: differing,
    }
    for name, values in named.items():
        if values is not None:
            rows = seen[name][place]
            values = values.reshape(len(rows), -1)
            count = values.shape[1]
            rows[:, :count] = values
            if count < rows.shape[1]:
                rows[:, count:] = values[:, :1]


def check_times(start: int, steps: int, **asked: Sequence[int]) -> None:
    """Refuse times that do not ascend, or lie outside what is advanced.

    Parameters
    ----------
    start, steps : int
        The first time and the steps from there; with 0 steps it is the one time there is.
    **asked : sequence of int
        Times, by what messages call them.

    Raises
    ------
    UsageError
        If some do.
    """
    end = start + max(steps, 1)
    for what, times in asked.items():
        ascending = all(a < b for a, b in itertools.pairwise(times))
        if len(times) and not (ascending and start <= times[0] and times[-1] < end):
            raise UsageError(f"{what}: times must ascend within [{start}, {end})")


def evaluations(counts: Iterable[str], *, labelled: bool) -> tuple[str, ...]:
    """Return the names of what is evaluated on the training set, "", and the test set, "test_"."""
    names = ["loss", "accuracy"] if labelled else ["loss"]
    found = tuple(prefix + name for prefix in counts for name in names)
    if "test_" not in counts:
        return found
    return (*found, "distance_output", *([DISAGREEMENT] if labelled else []))


def _blocks(
    end: Tensor,
    states: Tensor,
    distances: tuple[Tensor, ...],
    named: tuple[dict[str, Tensor], ...],
    sketches: Tensor | None,
) -> list[Block]:
    """Return a Block a run of arrays over (time, run, …), or of distances (run, time, …)."""
    values = [value for kind in named for value in kind.values()]
    beside = () if sketches is None else (sketches,)
    phases, l1, linf, gram, squares, *rest = on_host(end, *distances, *values, *beside)
    arrays = iter(rest)
    kinds = [{name: next(arrays) for name in kind} for kind in named]
    sketched = next(arrays, None)
    of_run = [
        [{k: v[:, m].copy() for k, v in kind.items()} for kind in kinds] for m in range(len(end))
    ]
    return [
        Block(
            phases[m].copy() if len(phases) > 1 else phases[m],
            states[m].numpy(),
            l1[m],
            linf[m],
            gram[m],
            squares[m],
            arrival=of_run[m][0],
            series=of_run[m][1],
            evaluations=of_run[m][2],
            batch=of_run[m][3],
            sketches=None if sketched is None else sketched[m],
        )
        for m in range(len(end))
    ]
