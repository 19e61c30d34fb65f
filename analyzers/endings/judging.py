"""What is to be made of the ends: a verdict, its reason, and what their reader has to know."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.manifest import system_of
from analyzers.common.predictions import last
from analyzers.endings.groups import Ends
from analyzers.endings.segments import Segments
from analyzers.growth.divergence import escape
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr

#: Relative difference between the barriers of N points and of twice as many that is a warning.
_AGREE = 0.05
#: Barrier of a loss, over the loss at the ends, below which it is none.
_NONE = 1e-6
#: Pairs of ends that a warning names.
_NAMED = 5


def judged(recording: xr.Dataset, ends: Ends) -> tuple[str, str]:
    """Return the verdict and its reason."""
    found = ends.segments
    if ended := escape(recording):
        return "diverged", f"{ended}: there is no end to compare"
    if _rescaled(recording):
        return "unresolved", (
            "replicas were rescaled, which keeps them near the reference, so that where they would "
            "have ended is not known; record without `rescale`, and with an `epsilon` of your own "
            "where that sets it"
        )
    if found is None:
        return "unresolved", ends.missing
    if ends.barriers is None:
        return "unresolved", (
            "there are no classes, and linearly connected is said of an error; the barriers of the "
            "loss say what is there"
        )
    there = np.isfinite(ends.group)
    if not there.any():
        return "unresolved", "no replica has lasted to the end"
    count, every = int(ends.group[there].max()), int(there.sum())
    reason = _reason(ends, found, count)
    if count == 1:
        return "connected", reason
    return ("not connected" if count == every else "in groups"), reason


def _reason(ends: Ends, found: Segments, count: int) -> str:
    """Say how far the ends are connected, and how far they are one function."""
    assert ends.barriers is not None  # the caller has looked
    what = "test error" if found.decides == "test_error" else "error on the training set"
    low, high = (100 * f(ends.barriers) for f in (np.nanmin, np.nanmax))
    errors = 100 * found.curves[found.decides][:, [0, -1]]
    limit = f"{100 * ends.connected:g} %"
    said = f"between any two ends the barrier of the {what} is "
    if count == 1:
        said += f"below {limit}: {high:.3g} % at most"
    elif count == int(np.isfinite(ends.group).sum()):
        said += f"{limit} or more: {low:.3g} % at least"
    else:
        said = (
            f"there are {count} groups of ends any two of which have a barrier of the {what} below "
            f"{limit}: {_members(ends)}"
        )
    said += (
        f", without alignment of units; at the ends it is {np.nanmin(errors):.3g} to "
        f"{np.nanmax(errors):.3g} %"
    )
    if found.disagreement is not None and np.isfinite(found.disagreement).any():
        differ = 100 * np.nanmax(found.disagreement)
        said += f"; between two ends at most {differ:.3g} % of predictions on the test set differ"
    return said


def _members(ends: Ends) -> str:
    """Name the ends of each group."""
    named = ["the reference", *(f"{r}" for r in range(1, len(ends.group)))]
    rows = [np.flatnonzero(ends.group == g) for g in range(1, int(np.nanmax(ends.group)) + 1)]
    return "; ".join(", ".join(named[r] for r in some) for some in rows)


def _rescaled(recording: xr.Dataset) -> bool:
    logs = last(recording, "log_rescale")
    return logs is not None and bool((np.nan_to_num(logs) != 0.0).any())


def warnings(recording: xr.Dataset, ends: Ends) -> list[str]:
    """Return what a reader has to know: where points are too few, or test samples."""
    found = ends.segments
    if found is None:
        return []
    said = [
        line for name in ("loss", "test_loss") if name in found.curves for line in _few(found, name)
    ]
    if ends.barriers is not None:
        coarse = found.barriers(found.decides, coarse=True) < ends.connected
        other = coarse != (ends.barriers < ends.connected)
        if other.any():
            said.append(
                f"whether two ends are connected is another thing at {found.points} points than at "
                f"twice as many, {_pairs(found, other)}; record with a larger `barrier`"
            )
        said += _near(found, ends, _test_samples(recording))
    return said


def _few(found: Segments, name: str) -> list[str]:
    """Say between which ends N points and twice as many give other barriers."""
    fine, coarse = found.barriers(name), found.barriers(name, coarse=True)
    scale = np.abs(found.curves[name][:, [0, -1]]).max(axis=1)
    other = (fine - coarse > _AGREE * fine) & (fine > _NONE * scale)
    if not other.any():
        return []
    return [
        f"{found.points} points and twice as many give barriers of the {name.replace('_', ' ')} "
        f"that differ by more than {100 * _AGREE:g} %, {_pairs(found, other)}; record with a "
        "larger `barrier`"
    ]


def _near(found: Segments, ends: Ends, samples: int) -> list[str]:
    """Say between which ends the sampling of a test set decides what is connected."""
    assert ends.barriers is not None  # the caller has looked
    if found.decides != "test_error" or not samples:
        return []
    highest = found.curves["test_error"].max(axis=1)
    sampling = np.sqrt(highest * (1.0 - highest) / samples)
    near = (ends.barriers > 0.0) & (np.abs(ends.barriers - ends.connected) < sampling)
    if not near.any():
        return []
    return [
        f"an error on {samples} test samples has a standard error of "
        f"{100 * sampling[near].max():.2g} %, and the barrier is that close to "
        f"{100 * ends.connected:g} % {_pairs(found, near)}"
    ]


def _pairs(found: Segments, which: Array) -> str:
    """Name pairs of ends."""
    named = [
        f"between {'the reference' if i == 0 else i} and {j}"
        for i, j in zip(found.first[which], found.second[which], strict=True)
    ]
    more = [f"and {len(named) - _NAMED} pairs more"] if len(named) > _NAMED else []
    return ", ".join([*named[:_NAMED], *more])


def _test_samples(recording: xr.Dataset) -> int:
    """Return how many labels the test set has, 0 where nobody says."""
    test = system_of(recording).get("test")
    shape = test.get("y") if isinstance(test, dict) else None
    whole = isinstance(shape, list) and all(isinstance(n, int) for n in shape)
    return prod(shape) if whole and isinstance(shape, list) else 0
