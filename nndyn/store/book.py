"""Values of a recording under way: read with their digests, written with new ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.store import digests
from nndyn.store.checks import Checks
from nndyn.store.digests import DIM, NAME, Ledger
from nndyn.store.library import reading
from nndyn.store.rows import InParts

if TYPE_CHECKING:
    import netCDF4

#: Bytes from which on rows are written one by one: the library makes copies.
_IN_TURN = 32 * 2**20
#: Bytes that each of them then has, at least.
_LARGE = 2**20


class Book:
    """Reads, writes and counts, in a file that is open as it is said each time.

    Parameters
    ----------
    path : Path
    checks : Checks or None
        Its digests; none where this process has written all there is.
    ledger : Ledger or None
        Of digests to be written; none in a file that has none, as earlier versions wrote it.
    """

    def __init__(self, path: Path, checks: Checks | None, ledger: Ledger | None) -> None:
        self._path, self._checks, self._ledger = path, checks, ledger
        self._grids = {} if ledger is None else ledger.grids
        self._described: bytes | None = None  # nobody changes variables of an open file

    @classmethod
    def of(cls, path: Path, checks: Checks | None) -> Book:
        """Return the book of a file that was there before, which has digests or not."""
        return cls(path, checks, None if checks is None else checks.ledger())

    def read(self, nc: netCDF4.Dataset, name: str, where: slice) -> Array:
        """Return rows of a variable, checked unless this process wrote some."""
        variable = nc.variables[name]
        variable.set_auto_chartostring(False)
        with reading(self._path):
            if self._checks is None:
                return np.asarray(variable[where])
            key = (where, *[slice(None)] * (variable.ndim - 1))
            return self._checks.read(name, key, variable.__getitem__, variable.shape[0])

    def write(self, nc: netCDF4.Dataset, name: str, values: Any, start: int) -> None:
        """Write rows of a variable from `start` on."""
        variable = nc.variables[name]

        def before(first: int, stop: int) -> Array:
            return self.read(nc, name, slice(first, stop))

        if isinstance(values, InParts) and self._ledger is not None:
            # the ledger takes one chunk after the other: each is written as it is taken
            taken = _Taken(variable, start, values, slice(0, len(values)))
            self._ledger.add(name, start, taken, before)
            self._trust(name)
            return
        values = values.whole() if isinstance(values, InParts) else values
        values = np.asarray(values, dtype=variable.dtype)
        if self._ledger is None:
            variable[start : start + len(values)] = values
            return
        self._ledger.add(name, start, values, before)
        alone = self._grids[name].chunk[0] == 1 and values.ndim > 2
        # short rows, as of tangent vectors, are many: each write takes some tenths of a ms
        if alone and values.nbytes >= _IN_TURN and values[0, 0].nbytes >= _LARGE:
            for i, r in np.ndindex(values.shape[:2]):
                variable[start + i, r] = values[i, r]
        else:
            variable[start : start + len(values)] = values
        self._trust(name)

    def _trust(self, name: str) -> None:
        """Check no more of a variable that this process writes."""
        if self._checks is not None:
            self._checks.trust(name)

    def cut(self, nc: netCDF4.Dataset, kept: Mapping[str, int]) -> None:
        """Make digests of what stays of chunks that are cut through, to be counted.

        Parameters
        ----------
        nc : netCDF4.Dataset
        kept : mapping of str to int
            Rows of each growing dimension that stay; none of them may wait to be counted.
        """
        if self._ledger is None:
            return
        ledger = self._ledger.emptied()
        for name, grid in self._grids.items():
            rows = _begun(nc, name, grid.chunk[0], kept)
            if rows:
                stop = kept[nc.variables[name].dimensions[0]]
                ledger.add(name, stop - rows, self.read(nc, name, slice(stop - rows, stop)))
        self._ledger = ledger

    def anew(self, nc: netCDF4.Dataset, counts: Mapping[str, int]) -> Book:
        """Return a book of the file as it is now, with so many rows of each growing dimension."""
        checks = None if self._ledger is None else Checks(self._path, nc, counts)
        return Book.of(self._path, checks)

    @property
    def new(self) -> int:
        """Digests of what was written and does not count yet."""
        return 0 if self._ledger is None else self._ledger.count

    def count(self, nc: netCDF4.Dataset, ends: dict[str, int]) -> None:
        """Let what was written count: data first, then the counters, since a reader may be looking.

        Parameters
        ----------
        nc : netCDF4.Dataset
        ends : dict of str to int
            Rows of each growing dimension; those of the digests are added.
        """
        if self._ledger is not None:
            start, stop = ends[DIM], ends[DIM] + self._ledger.count
            nc.variables[NAME][start:stop] = self._ledger.entries()
            ends[DIM] = stop
        nc.sync()
        nc.setncattr("n_committed", np.int64(ends["time"]))
        if self._ledger is not None:
            digests.set_counts(nc, ends)
        self.seal(nc)
        nc.sync()

    def seal(self, nc: netCDF4.Dataset, new: Iterable[str] = ()) -> None:
        """Store the digest of the header, which covers the attributes `new` from now on."""
        if self._ledger is None:
            return
        if self._described is None:
            self._described = digests.description(nc)
        digests.seal(nc, new, self._described)


def _begun(nc: netCDF4.Dataset, name: str, chunk: int, kept: Mapping[str, int]) -> int:
    """Return the rows of the last chunk along the first axis that stay, 0 if it stays whole."""
    return kept.get(nc.variables[name].dimensions[0], 0) % chunk


class _Taken:
    """Rows that are on their way into a file: a part that is taken is also written.

    Parameters
    ----------
    variable : netCDF4.Variable
    start : int
        Its first row that is written.
    values : InParts
    rows : slice
        Of `values`.
    """

    def __init__(self, variable: Any, start: int, values: InParts, rows: slice):
        self._variable, self._start, self._values, self._rows = variable, start, values, rows

    def __len__(self) -> int:
        return int(self._rows.stop - self._rows.start)

    def __getitem__(self, key: Any) -> Any:
        first = self._rows.start
        if isinstance(key, slice):
            rows = slice(first + key.start, first + key.stop)
            return _Taken(self._variable, self._start, self._values, rows)
        rest = tuple(
            slice(*part.indices(n)) for part, n in zip(key[1:], self._values.shape[1:], strict=True)
        )
        part = np.asarray(self._values.part((self._rows, *rest)), dtype=self._variable.dtype)
        at = self._start + first
        self._variable[(slice(at, at + len(part)), *rest)] = part
        return part
