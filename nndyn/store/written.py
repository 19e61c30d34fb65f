"""What a writer has committed, as it reads it back."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nndyn.errors import RecordingError, StoreError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.store import layout
from nndyn.store.committed import behind, newest
from nndyn.store.digests import DIM, NAME
from nndyn.store.library import exclusive
from nndyn.store.session import Session


@dataclass(frozen=True)
class Left:
    """A recording as its Writer left it.

    Attributes
    ----------
    id, status, stop_reason : str
    committed : int
        Times.
    file : os.stat_result
    """

    id: str
    status: str
    stop_reason: str
    committed: int
    file: os.stat_result

    def stands(self, path: Path) -> bool:
        """Whether the file of that name is still this one, and nothing was written since."""
        try:
            now = path.stat()
        except OSError:
            return False
        same = (now.st_size, now.st_mtime_ns) == (self.file.st_size, self.file.st_mtime_ns)
        return same and os.path.samestat(now, self.file)


class Written:
    """The committed part of a recording that this process may change.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def path(self) -> Path:
        """Where the recording is."""
        return self._session.path

    @property
    def attrs(self) -> dict[str, Any]:
        """Global attributes as stored."""
        return self._session.attrs

    @property
    def names(self) -> frozenset[str]:
        """Names of the variables there are."""
        return frozenset(self._session.dims) - {NAME}

    @property
    def n_committed(self) -> int:
        """Number of committed times."""
        return self._session.n_committed

    @property
    def committed(self) -> dict[str, int]:
        """Committed rows of each growing dimension."""
        return {d: n for d, n in self._session.committed.items() if d != DIM}

    @property
    def left(self) -> Left | None:
        """The recording as it is since it was closed; None before, and where that failed."""
        attrs, file = self.attrs, self._session.left
        if file is None:
            return None
        return Left(
            id=str(attrs["recording_id"]),
            status=str(attrs["status"]),
            stop_reason=str(attrs["stop_reason"]),
            committed=self.n_committed,
            file=file,
        )

    @exclusive
    def checkpoint(self) -> tuple[Array, int]:
        """Phase ``(R, P)`` and step of the last checkpoint: of the last commit, or of one before.

        Returns
        -------
        tuple of array and int

        Raises
        ------
        RecordingError
            If nothing was committed, or there is none where one ought to be.
        """
        phase, slot = self.checkpoint_of("checkpoint"), self._slot()
        return phase, int(self._session.values("checkpoint_step")[slot or 0])

    @property
    @exclusive
    def unstarted(self) -> bool:
        """Whether a run goes on from its start: nothing is committed, or no checkpoint yet."""
        return self._slot() is None and self.n_committed <= self._behind

    @exclusive
    def checkpoint_of(self, name: str) -> Array:
        """Return what the last checkpoint has in the variable `name`.

        Parameters
        ----------
        name : str
            One of `nndyn.recording.CHECKPOINTS`.

        Returns
        -------
        array

        Raises
        ------
        RecordingError
            If nothing was committed, or there is none where one ought to be.
        """
        slot = self._slot()
        if slot is None:
            raise RecordingError(
                f"{self.path} has no checkpoint of its last commit ({self.n_committed} times); "
                "record it again"
            )
        values: Array = self._usable().values(name, slice(slot, slot + 1))[0]
        return values

    @exclusive
    def read(self, name: str, where: slice = slice(None), *, last: int | None = None) -> Array:
        """Return the committed values of a variable.

        Parameters
        ----------
        name : str
        where : slice
            Which rows of a growing variable, one after the other.
        last : int, optional
            Only that many rows at the end of a growing variable.

        Returns
        -------
        array

        Raises
        ------
        UsageError
            If there is no such variable.
        RecordingError
            If its values are damaged.
        """
        session = self._usable()
        if name not in session.dims:
            raise UsageError(f"{self.path} has no variable {name!r}; it has {sorted(session.dims)}")
        dim = layout.growing(session.dims[name])
        if dim is None:
            return session.values(name)
        count = self.committed[dim]
        start, stop, _ = where.indices(count)
        if last is not None:
            start, stop = max(0, count - last), count
        return session.values(name, slice(start, max(start, stop)))

    def _slot(self) -> int | None:
        steps = self._session.values("checkpoint_step")
        return newest(steps, self.n_committed, self._behind)

    @property
    def _behind(self) -> int:
        return behind(self._session.attrs)

    def _usable(self) -> Session:
        if not self._session.is_open:
            raise StoreError(f"{self.path} is closed; resume it to write more")
        return self._session
