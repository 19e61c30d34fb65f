"""Another recording beside: how far apart the ends of two seeds are, say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.endings.segments import ERRORS, segments
from analyzers.growth.separation import require_dataset
from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.results import Quantity

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Other:
    """What another recording says of its ends.

    Attributes
    ----------
    quantities : dict of str to Quantity
    said : str
    """

    quantities: dict[str, Quantity]
    said: str


def other(recording: Any) -> Other:
    """Return the smallest barriers between two ends of another recording.

    Parameters
    ----------
    recording : xarray.Dataset
        A recording, or what nndyn.barrier returned.

    Returns
    -------
    Other

    Raises
    ------
    DataError
        If it has no barriers.
    """
    require_dataset(recording)
    if "loss_barrier" in recording:
        found = _of_a_segment(recording)
    else:
        ends, missing = segments(recording)
        if ends is None:
            raise DataError(f"beside: {missing}")
        found = {"loss": ends.barriers("loss")}
        if ends.decides:
            found["error"] = ends.barriers(ends.decides)
        if ends.disagreement is not None:
            found["disagreement"] = ends.disagreement
    quantities, said = {}, []
    for key, name, text in (
        ("error", "beside_barrier", "barrier of the error"),
        ("loss", "beside_loss_barrier", "barrier of the loss over the training set"),
        ("disagreement", "beside_disagreement", "share of the test set classed otherwise"),
    ):
        values = found.get(key, np.zeros(0))
        values = values[np.isfinite(values)]
        what = f"smallest {text} between two ends beside"
        if values.size:
            quantities[name] = Quantity(float(values.min()), "1", what)
            said.append(f"{text} {values.min():.2g}")
        else:
            quantities[name] = Quantity(None, "1", what, note="the recording beside has none")
    return Other(quantities, f"beside, between two ends at least: {', '.join(said)}")


def _of_a_segment(dataset: xr.Dataset) -> dict[str, Array]:
    names = [f"{name}_barrier" for name in ERRORS if f"{name}_barrier" in dataset]
    found = {"loss": "loss_barrier", **({"error": names[0]} if names else {})}
    if "barrier_disagreement" in dataset:
        found["disagreement"] = "barrier_disagreement"
    return {key: np.atleast_1d(dataset[name].values) for key, name in found.items()}
