"""States of a recording in blocks of bounded size, for any number of weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.finite import all_finite

if TYPE_CHECKING:
    import xarray as xr

#: Bytes of states held at once: half of 64 MiB, as the library that reads them holds chunks too.
BLOCK_BYTES = 32 * 2**20


def weights(recording: xr.Dataset) -> xr.DataArray:
    """Return ``state`` without the optimizer's buffers, which the distances leave out too."""
    state = recording["state"]
    if "parameter_start" not in recording or "parameter_size" not in recording:
        return state
    stop = int(recording["parameter_start"][-1]) + int(recording["parameter_size"][-1])
    return state[..., :stop] if state.shape[-1] > stop else state


def extent(recording: xr.Dataset) -> float:
    """Return the l2 norm of the reference's first state, NaN where no state is recorded."""
    if "state" not in recording or not recording["state"].shape[0]:
        return float("nan")
    first = weights(recording).variable[0, 0]
    parts = (np.asarray(first[p].values, np.float64) for p in pieces(first.size, 2))
    return float(np.sqrt(sum(float(x @ x) for x in parts)))


def pieces(components: int, together: int) -> list[slice]:
    """Return slices of the components, of which `together` in float64 fit into a block."""
    most = max(1, BLOCK_BYTES // (8 * together))
    length = 1 << (most.bit_length() - 1)
    return [slice(c, min(c + length, components)) for c in range(0, components, length)]


def scan(
    recording: xr.Dataset, replicas: Array, pair: Array
) -> Iterator[tuple[slice, dict[str, Array], Array]]:
    """Compute distances and the asymmetry of mirrored pairs from ``state``, block by block.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``state`` (time or state_time, replica, component).
    replicas, pair : (R,) int64
        Perturbed replicas, and for each the position of its partner among them, -1 for none.

    Yields
    ------
    part : slice
        Of the times of the states.
    distances : dict of str to (n, replica) float64
        l1, l2 and linf.
    asymmetry : (n,) float64

    Notes
    -----
    One pass; a block is as many times as fit into `BLOCK_BYTES`. Where one time does not, it is
    read in pieces, whose sums are added.
    """
    from analyzers.common.kernels import scan_block

    state = weights(recording).variable
    T, R, D = state.shape
    ahead = np.flatnonzero(pair > np.arange(pair.size))
    pairs = replicas[ahead].astype(np.int64), replicas[pair[ahead]].astype(np.int64)
    length = BLOCK_BYTES // max(1, R * D * state.dtype.itemsize)
    for start in range(0, T, max(length, 1)):
        part = slice(start, min(start + max(length, 1), T))
        n = part.stop - part.start
        out = {name: np.empty((n, R)) for name in ("l1", "l2", "linf")}
        asymmetry = np.empty(n)
        if length:
            block = np.ascontiguousarray(state[part].values)
            scan_block(block, *pairs, out["l1"], out["l2"], out["linf"], asymmetry)
            del block  # before the next is read
        else:
            asymmetry[0] = _scan_pieces(state[start], *pairs, out)
        yield part, out, asymmetry


def _scan_pieces(rows: xr.Variable, first: Array, second: Array, out: dict[str, Array]) -> float:
    """Do the same for one time (R, D) in pieces; return the asymmetry."""
    from analyzers.common.kernels import asymmetry_of
    from nndyn.numerics.separation import separate

    R, D = rows.shape
    l1, linf, gram = np.empty((1, R)), np.empty((1, R)), np.empty((1, R, R))
    total = np.zeros((R, R))
    out["l1"][:], out["linf"][:] = 0.0, 0.0
    for piece in pieces(D, R):
        block = np.ascontiguousarray(rows[:, piece].values)
        separate(block, block.shape[1], 0, l1, linf, gram)
        del block  # before the next is read
        out["l1"] += l1
        np.maximum(out["linf"], linf, out=out["linf"])
        total += gram[0]
    return float(asymmetry_of(total, first, second, out["l2"][0]))


class Tail:
    """The finite ones of some states of one replica, and the distances between them.

    Attributes
    ----------
    rows : (n,) int64
        Indices of the states that are finite.
    steps : (n - 1,) float64
        l2 distance of each to the one before.
    largest : float
        Largest absolute value in any.
    """

    def __init__(self, states: xr.DataArray) -> None:
        self._states = states.variable
        T, D = self._states.shape
        # held at a time: a piece of two states, of the last one, and a difference
        self._pieces = pieces(D, 4)
        if len(self._pieces) == 1 and 8 * T * D <= BLOCK_BYTES // 2:
            self._states = self._states.load()
        self._look(np.arange(T))
        if len(self.rows) < T:  # now without those that are not finite
            self._look(self.rows)

    def distances(self, pairs: Array) -> Array:
        """Return the l2 distances of pairs (m, 2) of rows, one of the pairs after the other."""
        n = len(self.rows)
        return np.array(
            [self._to_last[j] if i == n - 1 else self._distance(int(i), int(j)) for i, j in pairs]
        )

    def _look(self, rows: Array) -> None:
        n = len(rows)
        finite, steps, to_last = np.ones(n, dtype=bool), np.zeros(n), np.zeros(n)
        self.largest = 0.0
        for piece in self._pieces if n else []:
            last = self._read(rows[-1], piece)
            ends, before = all_finite(last), None
            for i, row in enumerate(rows):
                x = self._read(row, piece) if i < n - 1 else last
                if not all_finite(x):
                    finite[i], before = False, None
                    continue
                self.largest = max(self.largest, float(x.max()), -float(x.min()))
                if before is not None:
                    steps[i] += _square(x, before)
                if ends:
                    to_last[i] += _square(last, x)
                before = x
        self.rows = rows[finite]
        self.steps, self._to_last = np.sqrt(steps[1:]), np.sqrt(to_last)

    def _distance(self, i: int, j: int) -> float:
        rows = self.rows[[i, j]]
        parts = (_square(*(self._read(row, p) for row in rows)) for p in self._pieces)
        return float(np.sqrt(sum(parts)))

    def _read(self, row: int, piece: slice) -> Array:
        return np.asarray(self._states[int(row), piece].values, dtype=np.float64)


def _square(a: Array, b: Array) -> float:
    difference = a - b
    difference *= difference
    return float(difference.sum())
