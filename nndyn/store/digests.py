"""Digests of the chunks and the header, as they were when written.

The fletcher32 of each chunk is HDF5's and stays, for readers that are not nndyn. It does not know
where its chunk belongs, that of zeros is zero, and it takes 0000 for FFFF. So a recording has
beside it:

- the variable ``digest`` (digest_entry, digest_word): a list to which every commit adds an entry
  for each chunk it wrote. The words of an entry are the number of the variable, that of the chunk
  in it (C order of the grid of chunks), the rows of the chunk that count, and 128 bits of digest.
  The last entry of a chunk holds. Since rows are only appended, an earlier one of fewer rows stays
  true of these. Where a recording is cut back, what stays of a chunk that is cut through gets an
  entry; those of the chunks after it stand for nothing until these are written anew.
- ``digest_variables``: the variables by number, separated by spaces.
- ``digest_hash``: the hash of the chunks, ``XXH3-128`` in new files. A file keeps its own: one of
  an earlier version, which has no such attribute, is read and gone on with by SHA-256.
- ``digest_header``: the digest of the header, in hexadecimal. It covers the global attributes named
  in ``digest_attributes``, and of each variable its name, dimensions, their fixed sizes, type,
  chunk and the attributes that say what it means. What others add to the file it leaves out.
- ``committed_counts``: the committed rows of the dimensions in ``committed_dimensions``, the list
  of digests among them.

The digest of a chunk is the hash of a line ``RECORDING_ID VARIABLE``, the number of the chunk (64
bits, little-endian), and the values of its rows as stored, in C order, without what a chunk at the
edge has beyond the variable. Its 16 bytes are those of XXH3-128 without a seed in canonical form,
the most significant first, or the first of SHA-256; eight are a word, little-endian. Entries are
written and flushed with the data, before the counters and the header's digest: see
`nndyn.store.journal`. The digest of the header is SHA-256 cut to 128 bits in every file.

Notes
-----
Digests find accidents and not forgery, so a cryptographic hash is not needed. XXH3-128 takes 8 MB
that are not in cache at 33 GB/s (AMD EPYC), SHA-256 at 1.8, and at 0.5 where the processor has no
instructions for it.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import netCDF4

Hash = Any  # hashlib's, of which each interpreter has its own types, or xxhash's

#: The variable, its dimensions, and the rows of its chunks: short, the last is rewritten each time.
NAME, DIM, WORD = "digest", "digest_entry", "digest_word"
CHUNK_ROWS = 256
LONG_NAME = "digests of the chunks: number of variable, chunk, rows, 128 bits"

VARIABLES, ATTRIBUTES, HEADER = "digest_variables", "digest_attributes", "digest_header"
DIMENSIONS, COUNTS = "committed_dimensions", "committed_counts"
HASH = "digest_hash"

#: Global attributes that belong to a file and not to what is in it.
OF_THE_FILE = (VARIABLES, ATTRIBUTES, HEADER, DIMENSIONS, COUNTS, HASH)

#: How a hash begins, by the name that files have for it.
HASHES: Mapping[str, Callable[[bytes], Hash]] = {
    "XXH3-128": xxhash.xxh3_128,
    "SHA-256": functools.partial(hashlib.sha256, usedforsecurity=False),
}
#: The hash of new files, and that of files which name none.
NEW, UNNAMED = "XXH3-128", "SHA-256"

WORDS = 5
_BYTES = 16
_MEANING = ("units", "long_name", "axis", "flag_values", "flag_meanings", "_Encoding")


@dataclass(frozen=True)
class Grid:
    """How a variable is cut into chunks.

    Attributes
    ----------
    number : int
        Of the variable.
    shape : tuple of int
        Lengths of its axes after the first.
    chunk : tuple of int
        Shape of a chunk.
    """

    number: int
    shape: tuple[int, ...]
    chunk: tuple[int, ...]

    @functools.cached_property
    def across(self) -> tuple[int, ...]:
        """Chunks along the axes after the first."""
        return tuple(-(-s // c) for s, c in zip(self.shape, self.chunk[1:], strict=True))

    @functools.cached_property
    def width(self) -> int:
        """Chunks that share their rows: a line of chunks."""
        return math.prod(self.across)

    def lines(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield each line of chunks that has some of the rows [start, stop), and which."""
        rows = self.chunk[0]
        for line in range(start // rows, -(-stop // rows)):
            yield line, max(start, line * rows), min(stop, (line + 1) * rows)

    def places(self, touched: Sequence[Array] | None = None) -> list[tuple[int, tuple[slice, ...]]]:
        """Return where the chunks of a line lie in an array of its rows.

        Parameters
        ----------
        touched : sequence of increasing int arrays, optional
            The chunks along each axis after the first that the array has; all unless given.

        Returns
        -------
        list of (int, tuple of slice)
            Number of a chunk in its line, and its place.
        """
        across = self.across
        if touched is None:
            touched = [np.arange(n) for n in across]
        steps = [math.prod(across[i + 1 :]) for i in range(len(across))]
        axes = [
            [(int(n) * step, slice(i * c, (i + 1) * c)) for i, n in enumerate(numbers)]
            for numbers, step, c in zip(touched, steps, self.chunk[1:], strict=True)
        ]
        return [
            (sum(n for n, _ in place), (slice(None), *(inside for _, inside in place)))
            for place in itertools.product(*axes)
        ]


def grids(nc: netCDF4.Dataset, names: Iterable[str]) -> dict[str, Grid]:
    """Return the grids of variables, numbered as they come."""
    found, sizes = {}, lengths(nc)
    for number, name in enumerate(names):
        variable = nc.variables[name]
        chunk = tuple(int(c) for c in variable.chunking())
        found[name] = Grid(number, tuple(sizes[d] for d in variable.dimensions[1:]), chunk)
    return found


def lengths(nc: netCDF4.Dataset) -> dict[str, int]:
    """Return the lengths of dimensions, which the library looks up anew for every shape."""
    return {name: len(dimension) for name, dimension in nc.dimensions.items()}


def hash_of(nc: netCDF4.Dataset) -> str:
    """Return the name of the hash that an open file has its digests of."""
    return str(nc.getncattr(HASH)) if HASH in nc.ncattrs() else UNNAMED


def begun(hash_name: str, identity: str, name: str) -> Hash:
    """Return a hash, one of `HASHES`, that knows the recording and the variable."""
    return HASHES[hash_name](f"{identity} {name}\n".encode())


def fresh(begin: Hash, chunk: int) -> Hash:
    """Return a hash that knows the number of the chunk too."""
    known = begin.copy()
    known.update(chunk.to_bytes(8, "little"))
    return known


def feed(known: Hash, values: Array) -> None:
    """Add the bytes of `values`."""
    known.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8))


def digest(known: Hash) -> bytes:
    """Return the digest, whose hash can be fed further."""
    return bytes(known.digest()[:_BYTES])


class Ledger:
    """Digests of what a Writer writes, chunk by chunk as it comes.

    Parameters
    ----------
    hash_name : str
        One of `HASHES`: that of the file.
    identity : str
        The ``recording_id``.
    cut : mapping of str to Grid
    """

    def __init__(self, hash_name: str, identity: str, cut: Mapping[str, Grid]) -> None:
        self._hash_name, self._identity, self._grids = hash_name, identity, dict(cut)
        self._begun = {name: begun(hash_name, identity, name) for name in cut}
        self._places = {name: grid.places() for name, grid in cut.items()}
        self._open: dict[tuple[str, int], Hash] = {}  # chunks with room for further rows
        self._new: dict[tuple[int, int], tuple[int, Hash]] = {}

    def add(
        self,
        name: str,
        start: int,
        values: Any,
        before: Callable[[int, int], Array] | None = None,
    ) -> None:
        """Take note of rows that are written.

        Parameters
        ----------
        name : str
        start : int
            The first row.
        values : array
            Of the type of the variable; or what has a length and gives such arrays of its parts.
        before : callable, optional
            Gives the rows (start, stop) of the variable that are there already.
        """
        grid = self._grids[name]
        rows = grid.chunk[0]
        for line, first, stop in grid.lines(start, start + len(values)):
            above = line * rows
            if first > above and before is not None and (name, line * grid.width) not in self._open:
                self._feed(name, line, first - above, before(above, first))
            self._feed(name, line, stop - above, values[first - start : stop - start])
            if stop == above + rows:
                for chunk in range(line * grid.width, (line + 1) * grid.width):
                    self._open.pop((name, chunk), None)

    def _feed(self, name: str, line: int, rows: int, values: Any) -> None:
        grid, begin = self._grids[name], self._begun[name]
        for offset, where in self._places[name]:
            chunk = line * grid.width + offset
            known = self._open.get((name, chunk))
            if known is None:
                known = self._open[name, chunk] = fresh(begin, chunk)
            feed(known, values[where])
            self._new[grid.number, chunk] = rows, known

    def emptied(self) -> Ledger:
        """Return a ledger of the same file in which nothing is noted."""
        return Ledger(self._hash_name, self._identity, self._grids)

    @property
    def grids(self) -> dict[str, Grid]:
        """How each variable is cut into chunks."""
        return self._grids

    @property
    def count(self) -> int:
        """Entries that `entries` will return."""
        return len(self._new)

    def entries(self) -> Array:
        """Return the entries of all that was added since the last call: (n, 5) int64."""
        new, self._new = self._new, {}
        found = np.zeros((len(new), WORDS), dtype=np.int64)
        found[:, :2] = np.array(list(new), dtype=np.int64).reshape(-1, 2)
        found[:, 2] = [rows for rows, _ in new.values()]
        raw = b"".join(digest(known) for _, known in new.values())
        found[:, 3:] = np.frombuffer(raw, dtype="<i8").reshape(-1, 2)
        return found


def define(nc: netCDF4.Dataset, names: Sequence[str], dims: Sequence[str]) -> None:
    """Make the variable and the attributes in a new file, whose attributes are all set.

    Parameters
    ----------
    nc : netCDF4.Dataset
    names : sequence of str
        Variables that have digests.
    dims : sequence of str
        Growing dimensions.
    """
    nc.createDimension(DIM, None)
    nc.createDimension(WORD, WORDS)
    variable = nc.createVariable(
        NAME, "i8", (DIM, WORD), chunksizes=(CHUNK_ROWS, WORDS), fletcher32=True, fill_value=False
    )
    variable.setncatts({"long_name": LONG_NAME, "units": "1"})
    dims = [*dims, DIM]
    covered = [*nc.ncattrs(), HASH, DIMENSIONS, COUNTS]
    nc.setncatts(
        {
            HASH: NEW,
            DIMENSIONS: " ".join(dims),
            COUNTS: np.zeros(len(dims), dtype=np.int64),
            VARIABLES: " ".join(names),
            ATTRIBUTES: " ".join(covered),
            HEADER: "0" * 2 * _BYTES,
        }
    )


def set_counts(nc: netCDF4.Dataset, counts: Mapping[str, int]) -> None:
    """Store the committed rows of every growing dimension."""
    dims = str(nc.getncattr(DIMENSIONS)).split()
    nc.setncattr(COUNTS, np.array([counts[d] for d in dims], dtype=np.int64))


def seal(nc: netCDF4.Dataset, new: Iterable[str] = (), described: bytes | None = None) -> None:
    """Store the digest of the header, as it is now.

    Parameters
    ----------
    nc : netCDF4.Dataset
    new : iterable of str
        Global attributes that are to be covered from now on.
    described : bytes, optional
        As of `header_digest`.
    """
    covered = str(nc.getncattr(ATTRIBUTES)).split()
    more = [name for name in new if name not in covered]
    if more:
        nc.setncattr(ATTRIBUTES, " ".join([*covered, *more]))
    nc.setncattr(HEADER, header_digest(nc, described))


def header_digest(nc: netCDF4.Dataset, described: bytes | None = None) -> str:
    """Return the digest of the header of an open file, in hexadecimal.

    Parameters
    ----------
    nc : netCDF4.Dataset
    described : bytes, optional
        What `description` gave, for who knows that variables are as they were.

    Returns
    -------
    str

    Raises
    ------
    AttributeError
        If an attribute that it covers is missing.
    KeyError
        If a variable is.
    """
    known = hashlib.sha256(usedforsecurity=False)
    covered = nc.getncattr(ATTRIBUTES)
    for attribute in (VARIABLES, ATTRIBUTES, *str(covered).split()):
        known.update(_told(attribute, nc.getncattr(attribute)))
    known.update(description(nc) if described is None else described)
    return known.hexdigest()[: 2 * _BYTES]


def description(nc: netCDF4.Dataset) -> bytes:
    """Return what the digest of the header covers of the variables of an open file.

    Returns
    -------
    bytes

    Raises
    ------
    KeyError
        If one is missing.
    """
    parts = []
    fixed = {d: 0 if size.isunlimited() else len(size) for d, size in nc.dimensions.items()}
    for name in (*str(nc.getncattr(VARIABLES)).split(), NAME):
        variable = nc.variables[name]
        sizes = [(d, fixed[d]) for d in variable.dimensions]
        parts.append(_told(name, [variable.dtype.str, sizes, variable.chunking()]))
        for attribute in variable.ncattrs():
            if attribute in _MEANING:
                parts.append(_told(attribute, variable.getncattr(attribute)))
    return b"".join(parts)


def _told(name: str, value: Any) -> bytes:
    """Name, type and value without ambiguity."""
    kind = ""
    if isinstance(value, np.ndarray | np.generic):
        kind, value = value.dtype.str, np.asarray(value).ravel().tolist()
    return f"{name!r} {kind} {value!r}\n".encode()
