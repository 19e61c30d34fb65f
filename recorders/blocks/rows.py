"""From the Blocks of a system to rows of a recording."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.finite import all_finite
from nndyn.systems.protocol import Block, System, first_step
from nndyn.systems.series.ensembles import Pairs, alignment


@dataclass
class Piece:
    """What a call of a system gave: the times ``start … stop - 1``.

    Attributes
    ----------
    start, stop : int
    kept, evaluated, floor : list of int
        Times of the states, or of their sketches, of the evaluations and of `rounding`.
    log_rescale : (R,) float64
        In force over these times.
    block : Block
    rounding : (len(floor),) float64
        Distance of the reference to its twin in another summation order.
    """

    start: int
    stop: int
    kept: list[int]
    evaluated: list[int]
    floor: list[int]
    log_rescale: Array
    block: Block
    rounding: Array = field(default_factory=lambda: np.zeros(0))


@dataclass
class Rows:
    """Rows of the variables on one growing dimension.

    Attributes
    ----------
    steps : (n,) int64
        Their times, counted in steps.
    values : dict of str to (n, …) array
    """

    steps: Array
    values: dict[str, Array] = field(default_factory=dict)

    def blank(self, replica: int, step: int) -> None:
        """Set the values of `replica` from `step` on to NaN."""
        for values in self.values.values():
            if values.ndim > 1:
                values[self.steps >= step, replica] = np.nan

    def cut(self, first: int, last: int) -> None:
        """Keep the rows of the steps from `first` to `last`."""
        if self.steps.size and (self.steps[0] < first or self.steps[-1] > last):
            chosen = (self.steps >= first) & (self.steps <= last)
            self.values = {name: values[chosen] for name, values in self.values.items()}
            self.steps = self.steps[chosen]


def widen(block: Block, rows: int) -> None:
    """Give a block of the reference alone `rows` rows, which all equal it."""
    n = len(block.gram)
    block.states = np.repeat(block.states, rows, axis=1)
    block.gram = np.zeros((n, rows, rows)) + block.gram  # NaN where the reference is not finite
    for name in ("distance_l1", "distance_linf", "squares"):
        if (values := getattr(block, name)) is not None:
            setattr(block, name, np.repeat(values, rows, axis=1))
    if block.sketches is not None:  # of the others that of their deviation
        found = np.repeat(block.sketches, rows, axis=1)
        found[:, 1:] *= 0
        block.sketches = found
    for named in (block.arrival, block.series, block.evaluations, block.batch):
        named.update({name: np.repeat(values, rows, axis=1) for name, values in named.items()})


def gather(
    pieces: Sequence[Piece],
    system: System,
    pairs: Pairs,
    arrived: dict[str, Array],
    names: Collection[str],
) -> dict[str, Rows]:
    """Join the pieces of a run into rows.

    Parameters
    ----------
    pieces : sequence of Piece
        One after the other in time, at least one.
    system : System
    pairs : Pairs
    arrived : dict of str to (R,) array
        Quantities of the step that led to the first time.
    names : collection of str
        Variables of the file; it may have no distances.

    Returns
    -------
    dict of str to Rows
        By growing dimension. An array belongs to the caller where there are several pieces, and
        may be a piece's own where there is one.
    """
    blocks = [piece.block for piece in pieces]
    steps = np.arange(pieces[0].start, pieces[-1].stop)
    gram = _join([b.gram for b in blocks])
    times = Rows(
        steps,
        {
            "log_rescale": np.repeat(
                [p.log_rescale for p in pieces], [p.stop - p.start for p in pieces], axis=0
            ),
        },
    )
    if "distance_l2" in names:
        times.values |= {
            "distance_l1": _join([b.distance_l1 for b in blocks]),
            "distance_l2": np.sqrt(np.einsum("nrr->nr", gram)),
            "distance_linf": _join([b.distance_linf for b in blocks]),
        }
    squares = [b.squares for b in blocks if b.squares is not None]
    if squares:
        times.values["distance_l2_parameter"] = np.sqrt(_join(squares))
    if system.steps_per_epoch:
        times.values["epoch"] = (first_step(system) + steps) / system.steps_per_epoch
    if pairs[0].size:
        times.values["deviation_alignment"] = alignment(gram, pairs)
    for name in system.series:
        times.values[name] = _join([b.series[name] for b in blocks])
    for name in system.arrival:
        lengths = [arrived[name][None], *(b.arrival[name] for b in blocks if b.arrival)]
        times.values[name] = _join(lengths)[: steps.size]
    evaluated = np.array([t for p in pieces for t in p.evaluated], dtype=np.int64)
    evaluations = Rows(evaluated)
    for name in system.evaluations:
        found = [p.block.evaluations[name] for p in pieces if p.evaluated]
        evaluations.values[name] = _join(found) if found else np.zeros((0, gram.shape[1]))
    kept = np.array([t for p in pieces for t in p.kept], dtype=np.int64)
    sketches = [b.sketches for b in blocks if b.sketches is not None]
    held = [b.states for b in blocks if len(b.states)] or [blocks[0].states]
    named = {"sketch": _join(sketches)} if sketches else {"state": _join(held)}
    states = Rows(kept, named)
    floor = np.array([t for p in pieces for t in p.floor], dtype=np.int64)
    rounding = Rows(floor, {"rounding_distance": _join([p.rounding for p in pieces])})
    return {
        "time": times,
        "evaluation_time": evaluations,
        "state_time": states,
        "floor_time": rounding,
        **({"batch_time": _of_batches(pieces)} if pieces[0].block.batch else {}),
    }


def _of_batches(pieces: Sequence[Piece]) -> Rows:
    """Return what was seen of batches, at the times from which a step was taken."""
    found = [piece for piece in pieces if piece.block.batch]
    stops = [piece.start + len(next(iter(piece.block.batch.values()))) for piece in found]
    steps = [np.arange(piece.start, stop) for piece, stop in zip(found, stops, strict=True)]
    rows = Rows(_join(steps))
    for name in found[0].block.batch:
        rows.values[name] = _join([piece.block.batch[name] for piece in found])
    return rows


def _join(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def is_finite(block: Block) -> bool:
    """Whether every number of a Block's distances and phase is finite."""
    return bool(
        np.isfinite(block.gram).all()
        and np.isfinite(block.distance_l1).all()
        and all_finite(block.phase)
        and all(np.isfinite(lengths).all() for lengths in block.arrival.values())
    )


def first_not_finite(block: Block) -> Array:
    """Find the first time of each row that is not finite.

    The phase reached counts as one time more. A distance or a step whose l2 length overflows
    counts as well: nothing can be measured from there on.

    Returns
    -------
    (R,) int64
        Index into the times of the block, -1 where all is finite.
    """
    square = np.einsum("nrr->nr", block.gram)
    good = np.vstack(
        [
            np.isfinite(block.distance_l1) & np.isfinite(square),
            np.isfinite(block.phase).all(axis=1, keepdims=True).T,
        ]
    )
    for lengths in block.arrival.values():
        good[1:] &= np.isfinite(lengths)
    first: Array = np.where(good.all(axis=0), -1, good.argmin(axis=0))
    return first
