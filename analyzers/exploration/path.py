"""Path of one replica's trajectory, followed in a single pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.ahead import read_ahead
from analyzers.common.progress import part
from analyzers.exploration.diffusion import Exponent, decades, exponent, shrinks
from analyzers.exploration.displacements import block_rows, displacements
from analyzers.exploration.kernels import follow
from nndyn.errors import DataError
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Explored:
    """What one trajectory of T states shows.

    Attributes
    ----------
    lengths, turns, progress : (T,) float64
        See `analyzers.exploration.kernels.follow`; NaN at the first state. `turns` belongs to the
        state at which it happens, and is NaN at the last, too.
    displacement : float
        From the first state to the last.
    gyration : float
        Root of the mean squared distance to the mean state.
    participation_ratio : float
        NaN where the states do not vary.
    msd : (L + 1,) float64
    first, last : Exponent
        Of the first and the last decade of lags.
    shrinks : str
        How much shorter the steps become, empty where they do not.
    """

    lengths: Array
    turns: Array
    progress: Array
    displacement: float
    gyration: float
    participation_ratio: float
    msd: Array
    first: Exponent
    last: Exponent
    shrinks: str


def explore(
    state: xr.DataArray, name: str, held: Array, *, longest: int, confidence: float
) -> Explored:
    """Follow a trajectory from its first state to its last.

    Parameters
    ----------
    state : xarray.DataArray, (T, D)
        At least two states; lazy and dask-backed ones are read block by block.
    name : str
        What messages call it.
    held : (h, D) float64
        Room for as many states as `displacements.panel_rows` says; overwritten.
    longest : int
        Longest lag of the mean-squared displacement, below T.
    confidence : float

    Returns
    -------
    Explored

    Raises
    ------
    DataError
        If a state is not finite.
    """
    T, D = state.shape

    def read(first: int, last: int) -> Array:
        return np.ascontiguousarray(state[first:last].values, np.float64)

    def keep(first: int, last: int) -> Array:
        block = read(first, last)
        held[first:last] = block[: max(0, len(held) - first)]
        return block

    end, before = read(T - 1, T)[0], read(0, 1)[0].copy()
    displacement = float(np.linalg.norm(end - before))
    lengths, turns, progress = np.empty(T), np.empty(T), np.empty(T)
    step, total = np.zeros(D), np.zeros(D)
    with part(0, 2, "path"):
        for a, block in read_ahead(keep, 0, T, block_rows(D)):
            where = slice(a, a + len(block))
            follow(block, end, before, step, total, lengths[where], turns[where], progress[where])
    if not np.isfinite(lengths).all():
        at = int(np.argmin(np.isfinite(lengths)))
        time = float(state[state.dims[0]][at])
        raise DataError(f"the state of {name} is not finite at time {time:g}; cut the recording")
    lengths[0] = progress[0] = np.nan
    turns[:-1], turns[-1] = turns[1:].copy(), np.nan  # of the state between the two steps

    cuts = decades(T, longest)
    with part(1, 2, "displacements"):
        found = displacements(read, T, total / T, longest, cuts, held)
    extent = float(np.nanmax(found.msd, initial=found.variance))
    short = Exponent(None, None, None, "too few states for an exponent; record at least 40 steps")
    first, last = [
        exponent(found.msd, within, cut, extent, confidence)
        for cut, within in zip(cuts, found.within, strict=True)
    ] or [short, short]
    return Explored(
        lengths=lengths,
        turns=turns,
        progress=progress,
        displacement=displacement,
        gyration=found.variance**0.5,
        participation_ratio=found.participation_ratio,
        msd=found.msd,
        first=first,
        last=last,
        shrinks=shrinks(lengths[1:], confidence),
    )
