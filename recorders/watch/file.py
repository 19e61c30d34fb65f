"""The file of a training that is watched: rows as they come, committed in blocks."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any, Self

import numpy as np

from nndyn.errors import NndynError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.runtime.interrupts import shielded
from nndyn.runtime.provenance import new_id
from nndyn.store import Writer, vacant
from nndyn.store.widening import beside, widened
from nndyn.systems.protocol import Parameter
from recorders.watch.layout import check_same, header, manifest, waiting
from recorders.watch.numbers import BATCH, EVALUATION, SETS, Numbers

#: Seconds after which what waits is committed, however little it is.
_PATIENCE = 10.0


class File:
    """The recording of one trajectory, of which some rows may wait in memory.

    Parameters
    ----------
    writer : Writer
    parameters : list of Parameter
    dtype : numpy.dtype
    every : int
        Steps between two times.

    Attributes
    ----------
    step : int or None
        Steps made so far; None where a training that goes on has not said it.
    numbers : Numbers
        Logged beside it.
    """

    def __init__(
        self, writer: Writer, parameters: list[Parameter], dtype: np.dtype[Any], every: int
    ) -> None:
        self._writer, self._parameters, self._every = writer, parameters, every
        self.path, self.identity = writer.path, str(writer.attrs["recording_id"])
        named = {n for n in writer.names if n.startswith(("batch_", "metric_"))}
        self.numbers = Numbers((named | writer.names & set(SETS.values())) - {BATCH})
        self.step: int | None = None
        size = sum(p.size for p in parameters)
        self._rows = np.empty((waiting(parameters, dtype), size), dtype)
        self._times: list[int] = []
        self._lengths: list[float] = []
        self._flushed, self._process = time.monotonic(), os.getpid()

    @classmethod
    def new(
        cls,
        path: Path,
        parameters: list[Parameter],
        dtype: np.dtype[Any],
        every: int,
        system: dict[str, Any],
    ) -> Self:
        """Make a file without rows; raises as `nndyn.store.Writer.create` does."""
        if path.exists():
            raise UsageError(
                f"{path} exists; choose another name, or go on with it (`resume=True`)"
            )
        vacant(path, overwrite=False)
        said = json.dumps(manifest(parameters, system, every))
        made = header(parameters, {"recording_id": new_id(), "manifest": said}, dtype.name, set())
        return cls(Writer.create(path, made), parameters, dtype, every)

    @classmethod
    def old(
        cls,
        path: Path,
        parameters: list[Parameter],
        dtype: np.dtype[Any],
        every: int,
        system: dict[str, Any],
    ) -> Self:
        """Open a file to go on with; raises as `Writer.resume` and `layout.check_same` do."""
        writer = Writer.resume(path)
        try:
            check_same(writer, manifest(parameters, system, every))
            beside(path).unlink(missing_ok=True)
        except BaseException:
            writer.close()
            raise
        return cls(writer, parameters, dtype, every)

    @property
    def is_new(self) -> bool:
        """Whether it has no row."""
        return not (self._times or self._writer.n_committed)

    @property
    def is_mine(self) -> bool:
        """Whether this is the process that opened it, and not one that was forked from that."""
        return os.getpid() == self._process

    @property
    def row(self) -> Array:
        """The next row ``(D,)``, to be filled."""
        row: Array = self._rows[len(self._times)]
        return row

    @property
    def last(self) -> int:
        """The last time, written or waiting; -1 before there is one."""
        if self._times:
            return self._times[-1]
        found = self._writer.read("time", last=1)
        return int(found[0]) if found.size else -1

    @property
    def last_state(self) -> Array:
        """The state at the last time, ``(D,)``."""
        if self._times:
            waits: Array = self._rows[len(self._times) - 1]
            return waits
        state: Array = self._writer.read("state", last=1)[0, 0]
        return state

    @property
    def first_state(self) -> Array:
        """The state at time 0, ``(D,)``."""
        if not self._writer.n_committed:
            waits: Array = self._rows[0]
            return waits
        state: Array = self._writer.read("state", slice(0, 1))[0, 0]
        return state

    def begin(self) -> None:
        """Commit the row that was filled as the initial state."""
        self.step = 0
        self.add(0, 0.0)
        self.flush()

    def keep_alive(self) -> None:
        """Say, at most once a minute, that this process is at work on it."""
        self._writer.keep_alive()

    def add(self, step: int, length: float) -> None:
        """Take the row that was filled as the state after `step` steps, the last of that length."""
        self._times.append(step)
        self._lengths.append(length)
        full = len(self._times) == len(self._rows)
        if full or time.monotonic() > self._flushed + _PATIENCE:
            self.flush()

    def flush(self, *, closing: bool = False) -> None:
        """Commit all that waits; numbers as far as there are times."""
        if self.step is None:
            return
        n = len(self._times)
        found = self.numbers.take(self.last, self.step, closing=closing)
        if not (n or found):
            return
        if found and not found.keys() <= self._writer.names:
            self._widen()
        if n:
            found["time"] = np.array(self._times, dtype=np.float64)
            found["state"] = self._rows[:n, None]
            found["step_length"] = np.array(self._lengths)[:, None]
            found["log_rescale"] = np.zeros((n, 1))
        self._writer.append(found)
        self._writer.commit()
        self._times.clear()
        self._lengths.clear()
        self._flushed = time.monotonic()

    def _widen(self) -> None:
        """Give the file the variables of all numbers that were logged."""
        dtype, attrs = self._rows.dtype.name, self._writer.attrs
        wider = header(self._parameters, attrs, dtype, self.numbers.names)
        self._writer = widened(self._writer, wider)

    def find(self, row: Array) -> int | None:
        """Return the last time at which the state was this one, None if it never was."""
        times = self._writer.read("time")
        for i in reversed(range(len(times))):
            if np.array_equal(self._writer.read("state", slice(i, i + 1))[0, 0], row):
                return int(times[i])
        return None

    def go_back(self, step: int, rest: dict[str, Any]) -> Array | None:
        """Cut the recording to what it was after `step` steps, and let it go on from there.

        Parameters
        ----------
        step : int
        rest : dict
            Numbers that waited then, as of `Numbers.waiting`.

        Returns
        -------
        (D,) array or None
            The state after that step where it is off the grid, and was recorded last for that.

        Raises
        ------
        UsageError
            If it does not reach as far.
        """
        writer, grid = self._writer, step // self._every * self._every
        times = writer.read("time")
        stays = int(np.searchsorted(times, grid, side="right"))
        if not stays or times[stays - 1] != grid:
            reach = f"ends at step {times[-1]:g}" if times.size else "has no states"
            raise UsageError(
                f"{self.path} {reach} and cannot be taken back to step {step}; take an earlier "
                "checkpoint, or record to another name"
            )
        off = times[stays : stays + 1] == step
        state = writer.read("state", slice(stays, stays + 1))[0, 0] if off.any() else None
        kept, rows = {}, {}
        for dim in (BATCH, EVALUATION):
            if dim in writer.committed:
                at = writer.read(dim)
                rows[dim] = Numbers.staying(dim, at, grid, step)
                kept[dim] = at[: rows[dim]]
                rest = {**rest, dim: {**self._beyond(dim, at, rows[dim]), **rest.get(dim, {})}}
        if writer.attrs["status"] != "recording":
            writer.finish("recording")
        if writer.read("diverged_at")[0] >= 0:
            writer.set("diverged_at", np.array([-1]))
            writer.commit()
        writer.cut(stays, rows)
        self.numbers.go_back(step, kept, rest)
        self.step = step
        return state

    def _beyond(self, dim: str, at: Array, stays: int) -> dict[str, dict[str, float]]:
        """Return the numbers of a dimension after those that stay, by step and variable."""
        here = [n for n in self._writer.names if n != dim and self._on(n, dim)]
        columns = {name: self._writer.read(name, slice(stays, None))[:, 0] for name in here}
        return {
            str(int(t)): {n: float(v[i]) for n, v in columns.items() if not np.isnan(v[i])}
            for i, t in enumerate(at[stays:])
        }

    def _on(self, name: str, dim: str) -> bool:
        return name in self.numbers.names and name.startswith("batch_") == (dim == BATCH)

    def diverge(self, step: int) -> None:
        """End the recording: the weights were seen not to be finite after `step` steps."""
        last = self.last
        self.flush()
        self._writer.set("diverged_at", np.array([step]))
        self._writer.commit()
        reason = f"the reference is not finite at step {step}; the recording ends at step {last}"
        self._writer.finish("stopped", reason)

    def abandon(self) -> None:
        """Close after a failure; what was committed stays."""
        with contextlib.suppress(NndynError, OSError):
            self._writer.close()

    @shielded()
    def end(self, *, complete: bool) -> None:
        """Commit all that waits and close; nothing is done in a process that was forked.

        Parameters
        ----------
        complete : bool
            Whether the run has come to its end.
        """
        if not self.is_mine:
            return
        try:
            self.flush(closing=complete)
            if complete and self.step is not None and self._writer.attrs["status"] == "recording":
                self._writer.finish("complete")
        finally:
            with contextlib.suppress(OSError):
                self._writer.close()
