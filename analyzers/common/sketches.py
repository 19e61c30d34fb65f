"""Trajectories of a recording, from its states or from sketches of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from analyzers.common.states import weights
from nndyn.numerics.arrays import Array
from nndyn.numerics.series import t_quantile

#: Parts of a sketch that do not overlap, each a sketch of an eighth of its numbers.
FOLDS = 8
_SEED = 8
OVER = "folds of the sketch"


def is_sketched(recording: xr.Dataset) -> bool:
    """Whether sketches stand for states, which are not there."""
    return "state" not in recording and "sketch" in recording


def trajectories(recording: xr.Dataset, fold: int | None = None) -> xr.DataArray:
    """Return the states of a recording, or their sketches, lazily.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``state`` or ``sketch``.
    fold : int, optional
        Of a sketch this eighth of its numbers alone, drawn at random and scaled up so that lengths
        have the same mean. It changes nothing where states are kept.

    Returns
    -------
    xarray.DataArray
        (time or state_time, replica, component). Of a sketch the ways of all replicas from the
        first state of the reference, whose lengths and distances are those of the states to a
        standard deviation of 1 / √(2 K), K being the length of the last dimension.
    """
    if not is_sketched(recording):
        return weights(recording)
    sketch = recording["sketch"]
    axis = sketch.dims[0]
    lazily = indexing.LazilyIndexedArray(_Ways(sketch.variable, fold))
    found = xr.Variable((axis, "replica", "component"), lazily)
    return xr.DataArray(found, coords={axis: recording[axis]}, name="sketch")


def components(recording: xr.Dataset, states: xr.DataArray) -> int:
    """Return how many numbers a state has, of which there may be sketches alone."""
    if not is_sketched(recording):
        return int(states.shape[2])
    return int(recording["parameter_size"].values.sum())


class _Ways(BackendArray):
    """Sketches of the ways from the first state: of a replica its deviation is added."""

    def __init__(self, sketch: xr.Variable, fold: int | None) -> None:
        self._sketch = sketch
        size, self._scale = sketch.shape[2], 1.0
        self._columns: Any = slice(None)
        if fold is not None:
            drawn = np.random.default_rng([size, _SEED]).permutation(size)
            self._columns = np.sort(drawn[fold::FOLDS])
            size, self._scale = len(self._columns), FOLDS**0.5
        self.shape = (*sketch.shape[:2], size)
        self.dtype = np.dtype(np.float64)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Read what `key` says."""
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> Array:
        times, replicas, columns = key
        deviation = self._columned(times, replicas, columns)
        moved = np.asarray(np.arange(self.shape[1])[replicas] != 0)
        if not moved.any():
            return deviation
        way = self._columned(times, slice(0, 1) if moved.ndim else 0, columns)
        if moved.ndim and isinstance(columns, slice):
            moved = moved[:, None]
        return deviation + np.where(moved, way, 0.0)

    def _columned(self, times: Any, replicas: Any, columns: Any) -> Array:
        found = np.asarray(self._sketch[times, replicas].values, np.float64)
        scaled: Array = found[..., self._columns][..., columns] * self._scale
        return scaled


def half_width(whole: Any, folds: Any, confidence: float) -> Any:
    """Return the half-width of the interval of what a sketch gives, from what its folds give.

    Parameters
    ----------
    whole : float or (n,) float64
    folds : (8,) or (8, n) float64
        NaN of a fold that tells nothing: energy in a few weights need not reach all.
    confidence : float

    Returns
    -------
    float or (n,) float64
        Student's, over the folds, whose errors are √8 times as large, and with the bias of the
        whole, where that of the folds is √8 times as large too. (Where it is a curvature that makes
        it, it is 8 times as large; where sketches break lines, it is not.)
    """
    values = np.asarray(folds, np.float64)
    known = int(np.isfinite(values).reshape(FOLDS, -1).all(axis=1).sum())
    if known < 2:
        return np.full(values.shape[1:], np.nan)[()]
    mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0, ddof=1)
    error = t_quantile(confidence, known - 1) * spread / FOLDS**0.5
    return np.hypot(error, (mean - whole) / (FOLDS**0.5 - 1.0))
