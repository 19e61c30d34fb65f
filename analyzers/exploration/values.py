"""Values of one quantity along a run: what the runs of a study are laid beside each other by."""

from __future__ import annotations

import re
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from analyzers.growth.separation import require_dataset
from nndyn.checks import number, whole
from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.recording import GROWING
from nndyn.results import Quantity, result
from nndyn.words.names import did_you_mean

if TYPE_CHECKING:
    import xarray as xr

_COMPONENT = re.compile(r"component:(\d+)")


def values(
    recording: xr.Dataset,
    *,
    quantity: str | None = None,
    last: float | None = None,
    replica: int = 0,
) -> xr.Dataset:
    """Values of one quantity along a run, all or the last ones.

    Parameters
    ----------
    recording : xarray.Dataset
    quantity : str, optional
        Such as loss, test_accuracy, sharpness, or component:K, a number of the state; loss by
        default, of what has none component:0.
    last : float, optional
        How many, the last ones; below 1 the share of them; all by default.
    replica : int, default 0
        Of which replica; the reference by default.

    Returns
    -------
    xarray.Dataset
        ``value`` (time), NaN from where the run diverged, which ``diverged`` says. Of a run that
        ended earlier than it was asked to they are the last of those that there are.

    Raises
    ------
    UnknownNameError
        If there is no such quantity; lists those there are.
    UsageError
        If an option is out of range, or a number of the state is asked for where there are none.
    DataError
        If the recording has no value of it.

    Notes
    -----
    One pass over one variable; of states, those that are asked for.
    """
    require_dataset(recording)
    replica = whole("replica", replica, 0)
    count = recording.sizes.get("replica", 1)
    if replica >= count:
        raise UsageError(f"replica is {replica}, expected 0 to {count - 1}")
    if last is not None:
        last = _checked(last)
    name = quantity or ("loss" if "loss" in recording else "component:0")
    series = _series(recording, name if name in recording else name.replace("-", "_"), replica)
    axis = recording[series.dims[0]]
    diverged = "diverged_at" in recording and int(recording["diverged_at"].values[replica]) >= 0
    known = _taken(series, diverged=diverged)
    if not len(known):
        raise DataError(f"the recording has no value of {name}: it ended before the first")
    start = 0
    if last is not None:
        start = max(0, len(known) - (int(last) if last >= 1 else ceil(last * len(known))))
    found = np.asarray(series.variable[int(known[start]) : int(known[-1]) + 1].values, np.float64)
    found = found[known[start:] - known[start]]
    text = str(series.attrs.get("long_name", name)) if ":" not in name else name.replace(":", " ")
    return result(
        {
            "value": Quantity(
                found,
                str(series.attrs.get("units", "1")),
                text,
                ("time",),
                note=_note(found),
                attrs={"of_state": int(series.name == "state")},
            ),
            "diverged": Quantity(diverged, "1", "whether the run diverged"),
        },
        analyzer="values",
        recording=recording,
        parameters={"quantity": name, "last": last, "replica": replica},
        summary=(),
        coords={
            "time": (
                "time",
                np.asarray(axis.values[known[start:]], np.float64),
                {"units": str(axis.attrs.get("units", "step")), "long_name": "time of the value"},
            )
        },
    )


def _checked(last: float) -> float:
    """Return how many values, or which share of them."""
    given = number("last", last, least=0.0, what="how many values, or below 1 which share of them")
    if given == 0.0 or (given > 1.0 and not given.is_integer()):
        raise UsageError(
            f"last is {last}, expected a whole number of values, or below 1 which share of them"
        )
    return given


def _note(found: Array) -> str | None:
    return None if np.isfinite(found).all() else "not finite where the run diverged"


def _taken(series: xr.DataArray, *, diverged: bool) -> Array:
    """Return at which times there is a value: at others something else was evaluated."""
    if str(series.name) == "state":
        return np.arange(series.shape[0])
    found = np.asarray(series.values, np.float64)
    known = np.isfinite(found)
    if diverged and known.any():
        known[np.flatnonzero(known)[-1] :] = True
    return np.flatnonzero(known)


def _series(recording: xr.Dataset, name: str, replica: int) -> xr.DataArray:
    """Return a quantity over one of the times of a recording."""
    there = {
        str(key): one
        for key, one in recording.data_vars.items()
        if one.dtype.kind == "f"
        and one.dims[:1] in [(growing,) for growing in GROWING]
        and one.dims[1:] in [(), ("replica",)]
    }
    match = _COMPONENT.fullmatch(name)
    if match and "state" in recording:
        state = recording["state"]
        components, k = state.shape[2], int(match[1])
        if k >= components:
            raise UsageError(f"component is {k}, expected 0 to {components - 1}")
        found = state[:, replica, k]
    elif name in there:
        found = there[name]
        if found.ndim == 2:
            found = found[:, replica]
    elif match:
        raise UsageError(
            f"there is no {name}: the recording keeps no states; record with `store='full'` or "
            "'every:K'"
        )
    else:
        states = ["component:K"] if "state" in recording else []
        raise UnknownNameError(
            f"no quantity {name!r} in the recording; known: {', '.join([*there, *states])}"
            f"{did_you_mean(name, there)}"
        )
    return found
