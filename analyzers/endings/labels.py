"""Labels of what is known of the ends: of all, of every copy, of every pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.predictions import last
from analyzers.endings.groups import Ends
from nndyn.numerics.arrays import Array
from nndyn.numerics.barrier import excess
from nndyn.results import Quantity

if TYPE_CHECKING:
    import xarray as xr

_NO_CLASSES = "the recording has no accuracies, so that no error says what is connected"
_NO_TEST = "the recording has no predictions on a test set"
_NO_WEIGHTS = "the recording keeps no weights of its end"
#: What barriers are of.
_RECORDED = {
    "loss": "loss over the training set",
    "test_loss": "loss over the test set",
    "error": "error on the training set",
    "test_error": "error on the test set",
}


def numbers(ends: Ends) -> dict[str, Quantity]:
    """Return how many groups there are, and the largest differences between any two ends."""
    found, missing = ends.segments, ends.missing
    disagreement = None if found is None else found.disagreement
    what = _RECORDED[found.decides] if found and found.decides else "error"
    return {
        "groups": _count(ends.group, "linearly connected", missing or _NO_CLASSES),
        "output_groups": _count(ends.output_group, "one function", missing or _NO_TEST),
        "largest_barrier": _largest(
            ends.barriers, f"largest barrier of the {what} between two ends", missing or _NO_CLASSES
        ),
        "largest_disagreement": _largest(
            disagreement,
            "largest share of the test set that two ends class otherwise",
            missing or _NO_TEST,
        ),
    }


def _count(groups: Array, which: str, missing: str) -> Quantity:
    there = np.isfinite(groups)
    text = f"groups of ends any two of which are {which}"
    if not there.any():
        return Quantity(None, "1", text, note=missing)
    gone = "of the ends that are finite" if not there.all() else None
    return Quantity(int(groups[there].max()), "1", text, note=gone)


def _largest(values: Array | None, text: str, missing: str) -> Quantity:
    if values is None or not np.isfinite(values).any():
        return Quantity(None, "1", text, note=missing)
    gone = None if np.isfinite(values).all() else "of the ends that are finite"
    return Quantity(float(np.nanmax(values)), "1", text, note=gone)


def copies(recording: xr.Dataset, ends: Ends, perturbed: Array) -> dict[str, Quantity]:
    """Return what is known of every copy with the reference, null where nothing is.

    Parameters
    ----------
    recording : xarray.Dataset
    ends : Ends
    perturbed : (R,) int
        The copies.

    Returns
    -------
    dict of str to Quantity
        Each over ``copy``, with a note where a value is null.
    """
    found, missing, R = ends.segments, ends.missing, len(perturbed)
    known = _recorded(recording, perturbed) if found is None else _measured(ends, R)
    texts = {
        "distance": ("l2 distance to the reference", "distances were not recorded"),
        "relative_distance": ("that distance over the norm of its weights", _NO_WEIGHTS),
        "distance_output": ("l2 distance of the outputs on the test set", _NO_TEST),
        "disagreement": ("share of the test set classed otherwise", _NO_TEST),
        **{
            f"{kind}_barrier": (f"barrier of the {text}", missing or f"there is no {text}")
            for kind, text in _RECORDED.items()
        },
        "connected": ("linearly connected with the reference: 1, or 0", missing or _NO_CLASSES),
        "group": ("group of linearly connected ends; 1 has the reference", missing or _NO_CLASSES),
        "output_group": ("group of ends that are one function", missing or _NO_TEST),
    }
    gone = _gone(recording, perturbed)
    out = {}
    for name, (text, lacking) in texts.items():
        values = known.get(name)
        if values is None or not np.isfinite(values).any():
            lacking = lacking if values is None else gone
            out[name] = Quantity(np.full(R, np.nan), "1", text, ("copy",), note=lacking)
        else:
            note = None if np.isfinite(values).all() else gone
            out[name] = Quantity(values, "1", text, ("copy",), note=note)
    return out


def _measured(ends: Ends, R: int) -> dict[str, Array]:
    """Return what segments say of the first R, which are those of the reference and its copies."""
    found = ends.segments
    assert found is not None  # the caller has looked
    known = {"distance": found.lengths, "relative_distance": found.lengths / found.norms[0]}
    known |= {f"{kind}_barrier": found.barriers(kind) for kind in found.curves}
    if found.outputs is not None:
        known["distance_output"] = found.outputs
    if found.disagreement is not None:
        known["disagreement"] = found.disagreement
        known["output_group"] = ends.output_group[1:]
    if ends.barriers is not None:
        there = np.isfinite(ends.barriers)
        known["connected"] = np.where(there, ends.barriers < ends.connected, np.nan)
        known["group"] = ends.group[1:]
    return {name: values[:R] for name, values in known.items()}


def _recorded(recording: xr.Dataset, perturbed: Array) -> dict[str, Array]:
    """Return what a recording says of its last time where nothing lies between the ends."""
    known = {}
    for name, variable in (
        ("distance", "distance_l2"),
        ("distance_output", "distance_output"),
        ("disagreement", "prediction_disagreement"),
    ):
        values = last(recording, variable)
        if values is not None:
            known[name] = values[perturbed]
    if "state" in recording and recording["state"].shape[0] and "distance" in known:
        state = np.asarray(recording["state"].variable[-1, 0].values, np.float64)
        known["relative_distance"] = known["distance"] / np.linalg.norm(state)
    return known


def _gone(recording: xr.Dataset, perturbed: Array) -> str:
    """Return which copies have no end, and since when."""
    steps = recording["diverged_at"].values if "diverged_at" in recording else ()
    gone = [
        f"replica {r} from step {steps[r]} on" for r in perturbed if len(steps) and steps[r] >= 0
    ]
    return f"not finite: {', '.join(gone)}" if gone else "not finite there"


def pairs(ends: Ends) -> dict[str, Quantity]:
    """Return barriers and disagreement of every pair of ends, and the loss between them."""
    found = ends.segments
    if found is None:
        return {}
    note = None if np.isfinite(found.lengths).all() else "NaN where an end is not finite"
    rows = {
        "pair_from": (found.first, "replica at position 0"),
        "pair_to": (found.second, "replica at position 1"),
        "pair_loss_barrier": (found.barriers("loss"), f"barrier of the {_RECORDED['loss']}"),
    }
    if ends.barriers is not None:
        rows["pair_barrier"] = ends.barriers, f"barrier of the {_RECORDED[found.decides]}"
    if found.disagreement is not None:
        rows["pair_disagreement"] = found.disagreement, "share of the test set classed otherwise"
    out = {
        name: Quantity(values, "1", text, ("pair",), note=note)
        for name, (values, text) in rows.items()
    }
    curve = "test_loss" if "test_loss" in found.curves else "loss"
    out["pair_excess"] = Quantity(
        excess(found.curves[curve], found.positions),
        "1",
        f"excess of the {_RECORDED[curve]} over the straight line between the ends",
        ("pair", "position"),
        note=note,
    )
    return out
