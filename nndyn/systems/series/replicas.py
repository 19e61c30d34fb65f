"""Trajectories side by side in memory: a reference, perturbed replicas and controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.checks import choice, whole
from nndyn.errors import DataError, UsageError, is_whole
from nndyn.numerics.arrays import Array
from nndyn.recording import CONTROL, PERTURBED, REFERENCE
from nndyn.systems.series import labelling
from nndyn.systems.series.measured import named
from nndyn.systems.series.sampling import at_even_times

if TYPE_CHECKING:
    import xarray as xr

#: What trajectories are called by name, in the order of their numbers.
ROLES = ("reference", "perturbed", "control")


def are(states: Any, *, labelled: bool) -> bool:
    """Whether states have three dimensions, those of a DataArray one of replicas."""
    if labelled:
        return states.ndim == 3 and "replica" in states.dims
    try:
        return np.ndim(states) == 3
    except (ValueError, TypeError, RuntimeError):  # no array: who reads it as a series says so
        return False


def as_recording(
    states: Any,
    *,
    interval: float | None,
    names: Sequence[str] | Mapping[str, int] | None,
    roles: Sequence[str | int] | None,
    loss: Any,
    stationary: bool | None,
    time: str | None,
    labelled: bool,
) -> xr.Dataset:
    """Return trajectories side by side as a recording; see `nndyn.from_array`."""
    from nndyn.systems.series.ensembles import Sums, independent, partners

    if labelled:
        series, rows = _of_dataarray(states, interval, time)
    else:
        if time is not None:
            raise UsageError(f"time is {time!r}; it is of DataArrays and DataFrames, leave it out")
        rows = _checked(states)
        columns = named(None, rows.shape[2])
        series = at_even_times(rows[:, 0], columns, None, source="states", interval=interval)
    T, R, D = rows.shape
    if names is not None:
        found, sizes = parameters(names, D)
        series = replace(series, names=found, sizes=sizes)
    role = check_roles(roles, R)
    more = losses(loss, T, R)
    sums = Sums(T, R, np.cumsum(series.sizes).tolist() if len(series.sizes) > 1 and R > 1 else ())
    sums.add(rows, None)
    diverged = _diverged(rows)
    pair = partners(role, sums.gram[0])
    more |= {**sums.rows(independent(role, pair)), "step_length": sums.steps}
    for r in np.flatnonzero(diverged >= 0):
        for name, values in more.items():
            if name.startswith("distance_") or name == "step_length":
                values[diverged[r] :, r] = np.nan
    more |= {
        "role": role,
        "perturbation": sums.linf[0],
        "pair": pair,
        "diverged_at": labelling.as_steps(
            diverged, np.arange(T) * series.interval, series.time_unit
        ),
    }
    return labelling.as_recording(
        series,
        states=rows,
        more=more,
        stationary=R == 1 if stationary is None else stationary,
    )


def _checked(states: Any) -> Array:
    """Return states (T, R, D) as float64, or float32 where they are, after checking them."""
    given = np.asanyarray(states)
    if given.dtype.kind not in "fiub":
        raise UsageError(
            f"states is an array of {given.dtype} with shape {given.shape}, expected real numbers "
            "(T, R, D)"
        )
    if isinstance(given, np.ma.MaskedArray):
        if np.ma.getmaskarray(given).any():
            raise DataError("states has masked numbers; cut them, or fill the gaps")
        given = given.data
    if not given.size:
        raise DataError(f"states is empty: its shape is {given.shape}")
    kind = np.float32 if given.dtype == np.float32 else np.float64
    return np.ascontiguousarray(given, kind)


def _of_dataarray(given: xr.DataArray, interval: float | None, time: str | None) -> Any:
    """Return the reference as a series with its labels, and all states (T, R, D)."""
    from nndyn.systems.series.labelled import from_dataarray, time_dim

    reference = given.isel(replica=0, drop=True)
    series = from_dataarray(reference, interval=interval, time=time)
    along = time_dim(reference, time, "states")
    (across,) = (d for d in reference.dims if d != along)
    return series, _checked(given.transpose(along, "replica", across).values)


def _diverged(states: Array) -> Array:
    """Find from which row on each trajectory is not finite.

    Returns
    -------
    (R,) int64
        -1 where it is finite throughout.

    Raises
    ------
    DataError
        If the reference is not, or a trajectory is finite again later.
    """
    bad = np.asarray(~np.isfinite(states).all(axis=2))
    first: Array = np.where(bad.any(axis=0), bad.argmax(axis=0), -1)
    for r, start in enumerate(first):
        if start >= 0 and (r == 0 or start == 0):
            who = "the reference" if r == 0 else f"replica {r}"
            raise DataError(f"{who} is not finite in row {start}; cut states before it")
        if start >= 0 and not bad[start:, r].all():
            again = start + int(np.argmin(bad[start:, r]))
            raise DataError(
                f"replica {r} is not finite in row {start} and finite again in row {again}; fill "
                "the gap, or leave it out: what diverged does not come back"
            )
    return first.astype(np.int64)


def check_roles(roles: Sequence[str | int] | None, count: int) -> Array:
    """Return the roles of trajectories as numbers, (R,) int8.

    Parameters
    ----------
    roles : sequence of str or int, or None
        All but the first are perturbed if None.
    count : int
        R.

    Returns
    -------
    array

    Raises
    ------
    UsageError
        If there is not one a trajectory, one is not known, or the reference is not the first.
    """
    if roles is None:
        return np.array([REFERENCE, *[PERTURBED] * (count - 1)], np.int8)
    given = [roles] if isinstance(roles, str) else list(roles)
    if len(given) != count:
        plural = "ies" if count != 1 else "y"
        raise UsageError(
            f"roles has {len(given)} entries, expected {count}: one for each trajector{plural}; "
            "several need states with three dimensions (T, R, D)"
        )
    found = [
        whole(f"roles[{r}]", role, REFERENCE, CONTROL)
        if is_whole(role)
        else ROLES.index(choice(f"roles[{r}]", role, ROLES))
        for r, role in enumerate(given)
    ]
    if found[0] != REFERENCE or found.count(REFERENCE) > 1:
        raise UsageError(f"roles are {given!r}, expected the first and no other to be reference")
    return np.array(found, np.int8)


def parameters(
    names: Sequence[str] | Mapping[str, int], count: int
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return names, and how many of `count` components each is of; none where it is one each.

    Parameters
    ----------
    names : sequence of str, or mapping of str to int
    count : int

    Returns
    -------
    names : tuple of str
    sizes : tuple of int

    Raises
    ------
    UsageError
        If they are not of so many components, or a name is there twice.
    """
    if not isinstance(names, Mapping):
        return named(names, count), ()
    sizes = tuple(whole(f"names[{name!r}]", size, 1) for name, size in names.items())
    if sum(sizes) != count:
        raise UsageError(f"names have {sum(sizes)} components together, expected {count}")
    return tuple(map(str, names)), sizes


def losses(loss: Any, times: int, count: int) -> dict[str, Array]:
    """Return the loss of every state as a variable (T, R) float64, none where it is not given.

    Parameters
    ----------
    loss : array_like or None
        (T,) or (T, R).
    times, count : int
        T and R.

    Returns
    -------
    dict of str to array

    Raises
    ------
    UsageError
        If it has another shape, or is no array of real numbers.
    """
    if loss is None:
        return {}
    try:
        given = np.asarray(loss)
    except (ValueError, TypeError, RuntimeError):
        raise UsageError(f"loss is no array, expected real numbers ({times}, {count})") from None
    if given.dtype.kind not in "fiu" or given.shape not in ((times,), (times, count)):
        raise UsageError(
            f"loss is an array of {given.dtype} with shape {given.shape}, expected real numbers "
            f"({times},) or ({times}, {count}): one a state"
        )
    found = np.full((times, count), np.nan)
    if given.ndim == 1:
        found[:, 0] = given
    else:
        found[:] = given
    return {"loss": found}
