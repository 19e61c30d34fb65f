"""Comparison of what is read of a recording with the digests in it: see `nndyn.store.digests`.

A chunk is checked when it is first read, on the values that the library gives: whatever went wrong
between the disk and them is noticed, a wrong place in a chunk index among it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import RecordingError
from nndyn.kinds import shown
from nndyn.numerics.arrays import Array
from nndyn.store import digests
from nndyn.store.committed import own
from nndyn.store.digests import Grid, Ledger

if TYPE_CHECKING:
    import netCDF4

Key = tuple[Any, ...]  # of an int, a slice or an array of ints for each axis
Index = range | Array  # indices along an axis: one may have millions, nearly always in a row

_PIECE = 8 * 1024 * 1024  # bytes read at once
_CURE = "restore it from a copy"
# Chunks of a variable that may wait for their first commit: a slot of a checkpoint.
_UNWRITTEN = 1 << 20


class DigestError(RecordingError):
    """Values that are not what was written.

    Attributes
    ----------
    what : str
        Which rows, without the names of file and variable.
    """

    def __init__(self, path: Path, name: str, first: int, stop: int) -> None:
        which = f"row {first} is" if stop == first + 1 else f"rows {first} to {stop - 1} are"
        self.what = f"{which} not what was written"
        super().__init__(f"{path} is damaged: {name}: {self.what}; {_CURE}")


@dataclass
class _Table:
    """The digests of one variable, and which chunks were found to have them."""

    grid: Grid
    dtype: np.dtype[Any]
    rows: int  # that count
    grows: bool
    entry_rows: Array
    words: Array
    good: Array = field(init=False)

    def __post_init__(self) -> None:
        self.good = np.zeros(len(self.entry_rows), dtype=bool)


class Checks:
    """The digests of a recording that is open.

    Parameters
    ----------
    path : Path
    nc : netCDF4.Dataset
        The same file, whose header was checked.
    counts : mapping of str to int
        Committed rows of each growing dimension.

    Attributes
    ----------
    others_write : bool
        Whether a Writer may overwrite what does not grow while the recording is open.

    Raises
    ------
    RecordingError
        If the list of digests is damaged, or of a hash that is not known.
    """

    def __init__(self, path: Path, nc: netCDF4.Dataset, counts: Mapping[str, int]) -> None:
        self.path = path
        self.others_write = False
        self._opened: Any = None
        self._seen = path.stat().st_mtime_ns
        names = str(nc.getncattr(digests.VARIABLES)).split()
        there = own(nc).keys() - {digests.NAME}
        if there != set(names) or len(there) < len(names):
            odd = min(there ^ set(names), default="one of them twice")
            raise RecordingError(
                f"{path} is damaged: {digests.VARIABLES} are not the variables of the schema that "
                f"it has, {odd}; {_CURE}"
            )
        self._identity, self._hash = str(nc.getncattr("recording_id")), digests.hash_of(nc)
        if self._hash not in digests.HASHES:
            raise RecordingError(
                f"{path} has digests by {shown(self._hash)}, this version of nndyn knows "
                f"{' and '.join(digests.HASHES)}: it is of a later version, or damaged; update "
                f"nndyn, or {_CURE}"
            )
        size = 8 * digests.WORDS * counts[digests.DIM]
        if size > path.stat().st_size:
            raise RecordingError(
                f"{path} is damaged: its digests would take {size} bytes, it has "
                f"{path.stat().st_size}; {_CURE}"
            )
        entries = np.asarray(nc.variables[digests.NAME][: counts[digests.DIM]])
        if entries.dtype != np.int64 or entries.shape[1:] != (digests.WORDS,):
            raise RecordingError(f"{path} is damaged: its digests are not a list; {_CURE}")
        listed = len(entries)
        # by variable and chunk; of the entries of a chunk the last holds
        entries = entries[np.lexsort((entries[:, 1], entries[:, 0]))]
        later = (entries[1:, :2] == entries[:-1, :2]).all(axis=1)
        entries = entries[np.append(~later, True)[:listed]]
        bounds = np.searchsorted(entries[:, 0], np.arange(len(names) + 1))
        known = bounds[0] == 0 and bounds[-1] == len(entries)
        self._tables: dict[str, _Table] = {}
        lengths = digests.lengths(nc)
        for name, grid in digests.grids(nc, names).items():
            variable = nc.variables[name]
            dim = variable.dimensions[0]
            rows = counts.get(dim, lengths[dim])
            size = -(-rows // grid.chunk[0]) * grid.width
            mine = entries[bounds[grid.number] : bounds[grid.number + 1]]
            known = known and bool((mine[:, 1] >= 0).all())
            mine = mine[mine[:, 1] < size]  # others are of chunks that counted before a cut
            known = known and size <= listed + _UNWRITTEN
            if not known:
                raise RecordingError(f"{path} is damaged: its digests are not a list; {_CURE}")
            table = _Table(
                grid,
                variable.dtype,
                rows,
                dim in counts,
                np.zeros(size, dtype=np.int64),
                np.zeros((size, 2), dtype=np.int64),
            )
            table.entry_rows[mine[:, 1]] = mine[:, 2]
            table.words[mine[:, 1]] = mine[:, 3:]
            self._tables[name] = table

    def __getstate__(self) -> dict[str, Any]:
        """Return what goes to another process, which opens the file anew."""
        return {**self.__dict__, "_opened": None}

    def begin(self, opened: Any) -> None:
        """Forget which chunks were found to be good if the file was opened again since.

        Parameters
        ----------
        opened : object
            What the library gave for the file: another one every time that it is opened.
        """
        if opened is not self._opened:
            self._opened = opened
            for table in self._tables.values():
                table.good[:] = False

    @property
    def grids(self) -> dict[str, Grid]:
        """How each variable with digests is cut into chunks."""
        return {name: table.grid for name, table in self._tables.items()}

    def ledger(self) -> Ledger:
        """Return a ledger of what is to be written into the file."""
        return Ledger(self._hash, self._identity, self.grids)

    def trust(self, name: str) -> None:
        """Check no more of a variable: this process writes it."""
        self._tables.pop(name, None)

    def read(self, name: str, key: Key, get: Callable[[Key], Array], length: int) -> Array:
        """Read values, and check each chunk they come from unless that was done.

        Parameters
        ----------
        name : str
        key : tuple of int, slice or (n,) int array
            One for each axis.
        get : callable
            Gives the values of such a key, as the library reads them.
        length : int
            Rows that the file has, committed or not.

        Returns
        -------
        array

        Raises
        ------
        RecordingError
            If a chunk is not what was written.

        Notes
        -----
        Chunks that were not checked are read whole, some 8 MB (or a line of chunks) at a time.
        """
        table = self._tables.get(name)
        if table is None or table.good.all():
            return get(key)
        grid, sizes = table.grid, (length, *table.grid.shape)
        wanted = [_indices(k, size) for k, size in zip(key, sizes, strict=True)]
        touched = [_touched(index, c) for index, c in zip(wanted, grid.chunk, strict=True)]
        if not all(len(index) for index in wanted) or table.good[_numbers(table, touched)].all():
            return get(key)
        # in each piece: which chunks there are, which indices they have, and where the wanted are
        places = grid.places(touched[1:])
        whole = [_whole(*of) for of in zip(touched[1:], grid.chunk[1:], grid.shape, strict=True)]
        inside = [_inside(w, i) for w, i in zip(whole, wanted[1:], strict=True)]
        line = table.dtype.itemsize * grid.chunk[0] * math.prod(len(w) for w in whole)
        order, rows = _ordered(wanted[0])
        out = np.empty([len(index) for index in wanted], dtype=table.dtype)
        axes = tuple(i for i, k in enumerate(key) if not isinstance(k, slice) and np.ndim(k) == 0)
        read = len(touched[0]) * line // table.dtype.itemsize
        nearly_all = out.size > 0.9 * read
        if line > _PIECE and not nearly_all and len(key) > 2 and len(touched[1]) > 1:
            # one replica after the other: a whole line would be held beside what is wanted of it
            second = np.asarray(wanted[1])
            for number in touched[1]:
                mine = np.flatnonzero(second // grid.chunk[1] == number)
                part_of = (wanted[0], second[mine], *wanted[2:])
                out[:, mine] = self.read(name, tuple(map(_key, part_of)), get, length)
            return out.squeeze(axes)
        # where nearly all that is read is wanted, in one piece: it need not be copied
        most = len(touched[0]) if nearly_all else max(1, _PIECE // line)
        for lines in _runs(touched[0], most):
            start = int(lines[0]) * grid.chunk[0]
            stop = min(length, (int(lines[-1]) + 1) * grid.chunk[0])
            values = get((slice(start, stop), *map(_key, whole)))
            self._check(name, table, start, values, places)
            low, high = bisect_left(rows, start), bisect_left(rows, stop)
            part = _taken(values, [_inside(range(start, stop), rows[low:high]), *inside])
            if part.size == out.size and order is None:
                out = part if 2 * part.size > values.size else part.copy()
            else:
                out[slice(low, high) if order is None else order[low:high]] = part
        return out.squeeze(axes)

    def _check(
        self,
        name: str,
        table: _Table,
        start: int,
        values: Array,
        places: Sequence[tuple[int, tuple[slice, ...]]],
    ) -> None:
        """Compare the chunks of a block of rows; rows that are not committed are left out."""
        grid, begun = table.grid, digests.begun(self._hash, self._identity, name)
        for line, first, stop in grid.lines(start, min(start + len(values), table.rows)):
            rows = values[first - start : stop - start]
            for offset, where in places:
                chunk = line * grid.width + offset
                if table.good[chunk]:
                    continue
                known = digests.fresh(begun, chunk)
                digests.feed(known, rows[where])
                same = digests.digest(known) == table.words[chunk].tobytes()
                if not same or table.entry_rows[chunk] != stop - first:
                    raise self._fault(name, table, first, stop)
                table.good[chunk] = True

    def _fault(self, name: str, table: _Table, first: int, stop: int) -> RecordingError:
        overwritten = self.others_write and not table.grows
        if overwritten and self.path.stat().st_mtime_ns != self._seen:
            return RecordingError(
                f"{name} of {self.path} was written anew since the recording was opened; "
                "open it again"
            )
        return DigestError(self.path, name, first, stop)


def check_header(path: Path, nc: netCDF4.Dataset) -> bool:
    """Compare the header of an open file with its digest.

    Parameters
    ----------
    path : Path
    nc : netCDF4.Dataset

    Returns
    -------
    bool
        False for a file without digests, as earlier versions wrote them.

    Raises
    ------
    RecordingError
        If it is not what was written.
    """
    if digests.NAME not in nc.variables and digests.HEADER not in nc.ncattrs():
        return False
    try:
        same = digests.header_digest(nc) == nc.getncattr(digests.HEADER)
    except (AttributeError, IndexError, KeyError, ValueError, RuntimeError) as error:
        raise RecordingError(f"{path} is damaged: its header lacks {error}; {_CURE}") from error
    if not same:
        raise RecordingError(
            f"{path} is damaged, or was changed by another program: its header is not what was "
            f"written; {_CURE}"
        )
    return True


def _numbers(table: _Table, touched: Sequence[Array]) -> Array:
    """Numbers of the chunks in question that are committed."""
    lines, *across = touched
    found = lines[lines * table.grid.width < len(table.good)]
    for numbers, n in zip(across, table.grid.across, strict=True):
        found = (found[:, None] * n + numbers).reshape(-1)
    return found


def _indices(key: Any, size: int) -> Index:
    if isinstance(key, slice):
        found = range(*key.indices(size))
        return found if key.step is None or key.step > 0 else np.array(found, dtype=np.int64)
    index = np.atleast_1d(np.asarray(key, dtype=np.int64))
    return np.where(index < 0, index + size, index)


def _touched(index: Index, chunk: int) -> Array:
    """Numbers of the chunks, of that length, in which there are indices."""
    if isinstance(index, range) and index.step <= chunk:
        return np.arange(index[0] // chunk, index[-1] // chunk + 1) if index else np.arange(0)
    return np.unique(np.asarray(index) // chunk)


def _whole(touched: Array, chunk: int, size: int) -> Index:
    """All indices of the chunks touched."""
    if len(touched) and touched[-1] - touched[0] == len(touched) - 1:
        return range(int(touched[0]) * chunk, min((int(touched[-1]) + 1) * chunk, size))
    index = (touched[:, None] * chunk + np.arange(chunk)).reshape(-1)
    return index[index < size]


def _key(index: Index) -> Any:
    """`index` as a slice where it is one."""
    return slice(index.start, index.stop, index.step) if isinstance(index, range) else index


def _inside(whole: Index, wanted: Index) -> Any:
    """Where in `whole`, which is sorted, the indices lie that are wanted of it."""
    if isinstance(whole, range) and isinstance(wanted, range):
        first = whole.start
        return slice(wanted[0] - first, wanted[-1] - first + 1, wanted.step) if wanted else slice(0)
    index = np.searchsorted(np.asarray(whole), np.asarray(wanted))
    steps = np.diff(index)
    if not len(steps) or (steps[0] > 0 and (steps == steps[0]).all()):
        step = int(steps[0]) if len(steps) else 1
        return slice(int(index[0]), int(index[-1]) + 1, step) if len(index) else slice(0, 0)
    return index


def _taken(values: Array, inside: Sequence[Any]) -> Array:
    """Take of each axis what is asked for."""
    for axis, where in enumerate(inside):
        values = values[(slice(None),) * axis + (where,)]
    return values


def _ordered(index: Index) -> tuple[Array | None, Index]:
    """Return how to sort `index`, None if it is sorted, and it sorted."""
    if isinstance(index, range) or (np.diff(index) >= 0).all():
        return None, index
    order = np.argsort(index, kind="stable")
    return order, index[order]


def _runs(lines: Array, most: int) -> Iterator[Array]:
    """Cut `lines` where one is missing, and after so many."""
    gaps = np.flatnonzero(np.diff(lines) != 1) + 1
    for run in np.split(lines, gaps) if len(gaps) else [lines]:
        for at in range(0, len(run), most):
            yield run[at : at + most]
