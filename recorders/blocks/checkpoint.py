"""Checkpoint of a run, and the state beside a phase in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nndyn.errors import RecordingError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.store import Writer
from nndyn.systems.protocol import System, WithRest
from recorders.blocks.rows import Rows

_REST = "checkpoint_rest"


@dataclass
class Checkpoint:
    """The last time of a block, and what a run needs to go on from there.

    Attributes
    ----------
    phase : (R, P), or (1, P) where only the reference was computed, or None
        None where a block ends without a checkpoint.
    beside : dict of str to array
        Of the followers and of the rest, by variable.
    t : int
    """

    phase: Array | None
    beside: dict[str, Array]
    t: int

    def of(self, rows: int) -> tuple[Array | None, int, dict[str, Array]]:
        """Return phase, time and what is beside, for so many rows that equal the reference."""
        if self.phase is None:
            return None, self.t, {}
        if len(self.phase) == rows:
            return self.phase, self.t, self.beside
        rest = {k: np.repeat(v, rows, axis=0) for k, v in self.beside.items() if k == _REST}
        phase = np.broadcast_to(self.phase, (rows, self.phase.shape[1]))
        return phase, self.t, {**self.beside, **rest}


def rest(system: System, writer: Writer, t: int, rows: int) -> Any:
    """Return the rest of the first rows from where a run goes on."""
    if not isinstance(system, WithRest):
        return None
    try:
        return system.decode_rest(writer.checkpoint_of(_REST)[:rows], t)
    except UsageError:
        raise
    except ValueError as error:
        raise RecordingError(f"{writer.path} is damaged: {_REST} is {error}") from None


def encoded(system: System, rest: Any, t: int) -> dict[str, Array]:
    """Return the rest of rows at time `t` as a variable of the file."""
    if not isinstance(system, WithRest):
        return {}
    return {_REST: system.encode_rest(rest, t)}


def compare(
    writer: Writer, dim: str, rows: Rows, committed: int, first: int, interval: float = 1.0
) -> None:
    """Check rows that came out again against those that are committed.

    Parameters
    ----------
    writer : Writer
    dim : str
        The growing dimension they are of.
    rows : Rows
    committed : int
        Times that are.
    first : int
        Step of the first time.
    interval : float
        Between two steps.

    Raises
    ------
    RecordingError
        If they differ.
    """
    again = np.flatnonzero(rows.steps < committed)
    if not again.size:
        return
    known = np.rint(writer.read(dim if dim in writer.committed else "time") / interval)
    begin = int(np.searchsorted(known, rows.steps[0] + first))
    for name in sorted(rows.values.keys() & writer.names):
        there = writer.read(name, slice(begin, begin + again.size))
        if not np.array_equal(there, rows.values[name][again], equal_nan=True):
            raise RecordingError(
                f"{writer.path} cannot be gone on with: {name} comes out otherwise than it is in "
                f"the file, from step {first + int(rows.steps[0])} on, after its last checkpoint; "
                "resume it where it was recorded, with the same versions and as many threads, "
                "record it again, or go on with `mix=True`, which is noted in the file"
            )
