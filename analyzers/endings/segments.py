"""Segments between the ends of a recording's replicas, as they were recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.barrier import height
from nndyn.recording import ALONG, CONTROL

if TYPE_CHECKING:
    import xarray as xr

#: Errors, of which the first that is known decides what is connected.
ERRORS = ("test_error", "error")


@dataclass(frozen=True)
class Segments:
    """S segments between R rows at the end of a run.

    Attributes
    ----------
    time : float
        At which the run ended.
    first, second : (S,) int
        Rows at both ends of each.
    positions : (n,) float64
        Points on each: N, and those halfway between them.
    curves : dict of str to (S, n) float64
        ``loss``, ``test_loss``, ``error``, ``test_error``, as far as they are known; NaN where an
        end is not finite.
    disagreement, outputs : (S,) float64 or None
        Share of the test set that its ends class otherwise; distance of their outputs.
    lengths : (S,) float64
    norms : (R,) float64
        l2 norms of the weights, of rows that are no control's.
    """

    time: float
    first: Array
    second: Array
    positions: Array
    curves: dict[str, Array]
    disagreement: Array | None
    outputs: Array | None
    lengths: Array
    norms: Array

    @property
    def points(self) -> int:
        """N."""
        return len(self.positions) // 2 + 1

    @property
    def decides(self) -> str:
        """The error that says what is connected, empty without classes."""
        return next((name for name in ERRORS if name in self.curves), "")

    def barriers(self, name: str, *, coarse: bool = False) -> Array:
        """Return the barriers (S,) of a quantity, or those that its N points alone show."""
        every = slice(None, None, 2 if coarse else 1)
        return height(self.curves[name][:, every], self.positions[every])

    def matrix(self, values: Array) -> Array:
        """Return values of segments as a matrix (R, R) of their ends, 0 on its diagonal."""
        found = np.zeros((len(self.norms), len(self.norms)))
        found[self.first, self.second] = found[self.second, self.first] = values
        return found


def segments(recording: xr.Dataset) -> tuple[Segments | None, str]:
    """Return the segments at the end of a recording, or why there are none.

    Parameters
    ----------
    recording : xarray.Dataset

    Returns
    -------
    segments : Segments or None
    why : str
        What is missing and how to get it.
    """
    if "barrier_loss" not in recording:
        return None, (
            "nothing was recorded of what lies between the ends; record a training with "
            "`barrier=9`, or give two rows of weights to nndyn.barrier"
        )
    time, last = recording["barrier_time"].values, float(recording["time"].values[-1])
    unit = recording["time"].attrs.get("units", "step")
    if recording.attrs.get("status") == "stopped" and not len(time):
        return None, f"the run stopped at {unit} {last:g}, and barriers are of what came to its end"
    if len(time) and float(time[-1]) > last:
        return None, "times were selected, and segments are of the last; give the whole recording"
    if not len(time) or float(time[-1]) != last:
        return None, (
            f"the run stands at {unit} {last:g} and has not come to its end, at which barriers are "
            "recorded; finish it (`resume`)"
        )
    first, second = (recording[f"barrier_{name}"].values for name in ("from", "to"))
    rows = np.flatnonzero(recording["role"].values != CONTROL)
    if not np.array_equal(np.union1d(first, second), rows):
        return None, "replicas were selected, and segments are of all; give the whole recording"
    curves = {}
    for name in ALONG:
        if f"barrier_{name}" in recording:
            values = _at_end(recording, f"barrier_{name}")
            error = name.endswith("accuracy")
            curves[name.replace("accuracy", "error")] = 1.0 - values if error else values
    disagreement, outputs = (
        _at_end(recording, f"barrier_{name}") if f"barrier_{name}" in recording else None
        for name in ("disagreement", "distance_output")
    )
    return Segments(
        time=last,
        first=first,
        second=second,
        positions=recording["barrier_position"].values,
        curves=curves,
        disagreement=disagreement,
        outputs=outputs,
        lengths=_at_end(recording, "barrier_distance_l2"),
        norms=_at_end(recording, "barrier_norm")[rows],
    ), ""


def _at_end(recording: xr.Dataset, name: str) -> Array:
    return np.asarray(recording[name].variable[-1].values, np.float64)
