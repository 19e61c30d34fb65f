"""Recordings put together by hand: checked in words, and completed with what can be told."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn import recording as contract
from nndyn import validity
from nndyn.errors import RecordingError, UsageError
from nndyn.header import CURE, SCHEMA
from nndyn.numerics.arrays import Array
from nndyn.recording import ANALYZED, CONTROL, CONVENTIONS, PERTURBED, REFERENCE, VARIABLES
from nndyn.runtime.provenance import new_id
from nndyn.systems.series.labelling import as_steps
from nndyn.words.names import did_you_mean

if TYPE_CHECKING:
    import xarray as xr

_SAYS = "the Dataset"
_PAGE = "docs/file_format.md says what a recording has"
#: What analyzers can go without, and what is then taken.
_ATTRIBUTES: dict[str, Any] = {
    "Conventions": CONVENTIONS,
    "nndyn_schema": SCHEMA,
    "status": "complete",
    "stop_reason": "",
    "redrawn": "[]",
}


def validate(recording: xr.Dataset) -> xr.Dataset:
    """Check a Dataset put together by hand against the contract of recordings.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``time`` and either ``state`` (time, replica, component) or ``distance_l2`` (time,
        replica), replica 0 being the reference, which alone may have ``tangent_log_stretch`` in
        their place; what else there is keeps ``docs/file_format.md``.

    Returns
    -------
    xarray.Dataset
        What was given, where it is complete. Else a copy, which shares its data, with what is
        missing and can be told: ``role`` (all but the first are perturbed), ``perturbation``,
        ``pair``, ``diverged_at``, ``log_rescale`` (no rescaling), and the global attributes.

    Raises
    ------
    UsageError
        If it is no Dataset.
    RecordingError
        With the first thing that is wrong, what is expected and what to do.

    Warns
    -----
    UserWarning
        Of steps that are not known, without which deviations are compared with less; and of a name
        that is close to one that analyzers read.

    Notes
    -----
    Reads times, what lies along replicas, distances, and the first state; no pass over states.

    Examples
    --------
    >>> ds = xr.Dataset({"state": (("time", "replica", "component"), states)})
    >>> nndyn.lyapunov(nndyn.validate(ds.assign_coords(time=np.arange(len(states)))))
    """
    if not hasattr(recording, "data_vars"):
        raise UsageError(f"expected an xarray.Dataset, got {type(recording).__name__}")
    _check_times(recording)
    _check_variables(recording)
    if not {*ANALYZED} & {*recording.variables}:
        names = [str(name) for name in recording.variables]
        meant = next((m for n in names if (m := did_you_mean(n, ["state", "distance_l2"]))), "")
        _refuse(
            f"has neither state (time, replica, component) nor distance_l2 (time, replica), but "
            f"{', '.join(names) or 'nothing'}{meant}"
        )
    count = recording.sizes.get("replica", 0)
    if count < 1 or recording.sizes["time"] < 1:
        _refuse("is empty: it has no time, or no replica")
    _check_roles(recording)
    _check_parameters(recording)
    complete = _completed(recording)
    _warn(complete)
    try:
        validity.validate(complete, _SAYS)
    except RecordingError as error:
        said = str(error).replace("is damaged", "does not keep the contract")
        raise RecordingError(said.replace(CURE, _PAGE)) from None
    return complete


def _refuse(what: str) -> None:
    raise RecordingError(f"{_SAYS} {what}; {_PAGE}")


def _check_times(recording: xr.Dataset) -> None:
    """Check the coordinate of each growing dimension."""
    if "time" not in recording.dims:
        known = ", ".join(f"{name} {n}" for name, n in recording.sizes.items())
        _refuse(f"has no dimension time, but {known or 'none'}: rename the one that is")
    for dim in contract.GROWING:
        if dim not in recording.dims:
            continue
        if dim not in recording.coords:
            _refuse(
                f"has a dimension {dim} without its coordinate: give the times, with "
                f"assign_coords({dim}=…)"
            )
        found = recording[dim]
        if found.dtype.kind not in "fiu":
            _refuse(f"has {dim} of type {found.dtype}, expected numbers: steps, or time units")
        values = np.asarray(found.values, np.float64)
        bad = np.flatnonzero(~(np.diff(values) > 0) | ~np.isfinite(values[1:]))
        if bad.size or not np.isfinite(values).all():
            at = int(bad[0]) if bad.size else 0
            _refuse(f"has {dim} that does not increase after {values[at]:g}: sort it")


def _check_variables(recording: xr.Dataset) -> None:
    """Check dimensions and types of what analyzers read."""
    for name, found in recording.variables.items():
        known = contract.variable(str(name))
        if known is None:
            continue
        dims = tuple(map(str, found.dims))
        allowed = [known.dims, *(known.on(d).dims for d in contract.GROWING if d != "time")]
        if dims not in allowed:
            cure = "rename or add dimensions"
            if sorted(dims) in [sorted(one) for one in allowed]:
                cure = f"transpose it: ds[{str(name)!r}].transpose{known.dims}"
            elif set(known.dims) - set(dims) == {"replica"} and name != "role":
                cure = "the replica is missing: expand_dims(replica=1, axis=1) makes it one"
            _refuse(f"has {name} over {_over(dims)}, expected {_over(known.dims)}: {cure}")
        kinds = {"f": "f", "i": "iu", "u": "u", "s": "OSU"}[known.dtype[0]]
        if name != "time" and not str(name).endswith("_time") and found.dtype.kind not in kinds:
            _refuse(
                f"has {name} of type {found.dtype}, expected {known.dtype.replace('str', 'text')}: "
                "convert it with astype"
            )


def _over(dims: tuple[str, ...]) -> str:
    return f"({', '.join(dims)})"


def _check_roles(recording: xr.Dataset) -> None:
    count = recording.sizes["replica"]
    if "role" in recording.variables:
        roles = recording["role"].values.tolist()
        wrong = [role for role in roles if role not in (REFERENCE, PERTURBED, CONTROL)]
        if wrong:
            _refuse(f"has a role {wrong[0]}, expected 0 (reference), 1 (perturbed) or 2 (control)")
        if roles[0] != REFERENCE or roles.count(REFERENCE) > 1:
            _refuse(f"has roles {roles}, expected the first and no other to be 0, the reference")
    if "pair" in recording.variables:
        pair = recording["pair"].values
        for r, partner in enumerate(pair.tolist()):
            if partner != -1 and not (0 <= partner < count and pair[partner] == r != partner):
                _refuse(
                    f"has pair {partner} at replica {r}, expected -1, or a replica whose pair is "
                    f"{r}"
                )
    if "log_rescale" in recording.variables and not np.isfinite(recording["log_rescale"][0]).all():
        _refuse("has a log_rescale that is not finite: it is 0 where nothing was rescaled")


def _check_parameters(recording: xr.Dataset) -> None:
    """Check that parameters follow each other within the components."""
    names = [f"parameter_{what}" for what in ("name", "start", "size")]
    there = [name for name in names if name in recording.variables]
    if not there:
        return
    if len(there) < len(names):
        lacking = next(name for name in names if name not in there)
        _refuse(f"has {there[0]} and no {lacking}: give all three, or none")
    start, size = (recording[name].values for name in names[1:])
    ends = np.concatenate([[0], start + size])[:-1]
    if (size < 1).any() or (start != ends).any():
        _refuse("has parameters that do not follow each other: each starts where the last ended")
    if "component" in recording.sizes and start[-1] + size[-1] > recording.sizes["component"]:
        _refuse(
            f"has parameters of {start[-1] + size[-1]} components together, and "
            f"{recording.sizes['component']} components"
        )


def _completed(recording: xr.Dataset) -> xr.Dataset:
    """Return a recording with what is missing and can be told; itself where nothing is."""
    given = recording
    count, times = recording.sizes["replica"], recording.sizes["time"]
    whole = [
        d for d in contract.GROWING if d in recording.coords and recording[d].dtype.kind != "f"
    ]
    recording = recording.assign_coords({d: recording[d].astype(np.float64) for d in whole})
    role = np.array([REFERENCE, *[PERTURBED] * (count - 1)], np.int8)
    values: dict[str, Array] = {}
    if "role" in recording.variables:
        role = np.asarray(recording["role"].values)
    else:
        values["role"] = role
    if not {"perturbation", "pair"} <= set(recording.variables):
        values |= _at_start(recording, role)
    if "log_rescale" not in recording.variables:
        values["log_rescale"] = np.zeros((times, count))
    if "diverged_at" not in recording.variables:
        values["diverged_at"] = _diverged(recording)
    new = {
        name: (VARIABLES[name].dims, found, _labels(name))
        for name, found in values.items()
        if name not in recording.variables
    }
    attrs = _attributes(recording)
    if not new and not whole and attrs == recording.attrs:
        return given
    return recording.assign(new).assign_attrs(attrs)


def _labels(name: str) -> dict[str, Any]:
    known = VARIABLES[name]
    return {"long_name": known.long_name, "units": known.units, **known.attrs}


def _at_start(recording: xr.Dataset, role: Array) -> dict[str, Array]:
    """Return the size of the first deviations, and which mirror each other, where states tell."""
    size, alone = np.zeros(len(role)), np.full(len(role), -1, dtype=np.int32)
    if "state" in recording.variables:
        from nndyn.systems.series.ensembles import Sums, partners

        sums = Sums(1, len(role))
        sums.add(np.asarray(recording["state"][:1].values, np.float64), None)
        return {"perturbation": sums.linf[0], "pair": partners(role, sums.gram[0])}
    if "distance_linf" in recording.variables:
        size = np.asarray(recording["distance_linf"][0].values, np.float64)
    return {"perturbation": size, "pair": alone}


def _diverged(recording: xr.Dataset) -> Array:
    """Return the time from which on the distance of each replica is not finite, -1 if it stays."""
    count = recording.sizes["replica"]
    if "distance_l2" not in recording.variables:
        return np.full(count, -1, np.int64)
    gone = ~np.isfinite(np.asarray(recording["distance_l2"].values, np.float64))
    first = np.where(gone.any(axis=0), gone.argmax(axis=0), -1).astype(np.int64)
    time = recording["time"]
    return as_steps(first, time.values, str(time.attrs.get("units", "step")))


def _attributes(recording: xr.Dataset) -> dict[str, Any]:
    given = dict(recording.attrs)
    attrs = {**_ATTRIBUTES, **given}
    attrs.setdefault("n_committed", recording.sizes["time"])
    attrs.setdefault("stationary", int(recording.sizes["replica"] == 1))
    if isinstance(attrs["stationary"], bool | np.bool_):
        attrs["stationary"] = int(attrs["stationary"])
    if "recording_id" not in attrs:
        attrs["recording_id"] = new_id()
    manifest = attrs.get("manifest")
    if manifest is None:
        made = {"system": {"kind": "by hand"}, "recording": {}}
        attrs["manifest"] = json.dumps({**made, "steps": recording.sizes["time"] - 1})
    elif isinstance(manifest, Mapping):
        attrs["manifest"] = json.dumps(manifest)
    return attrs


def _warn(recording: xr.Dataset) -> None:
    """Warn of what analyzers would read, were it there or called so."""
    several = bool((recording["role"].values == PERTURBED).any())
    if several and not recording.attrs["stationary"] and "step_length" not in recording.variables:
        warnings.warn(
            "step_length is missing: lyapunov compares deviations with the length of the state "
            "instead, and may find another window or verdict; nndyn.from_array(ds['state']) makes "
            "a recording with it",
            stacklevel=3,
        )
    for name in map(str, recording.data_vars):
        if contract.variable(name) is None and (meant := did_you_mean(name, VARIABLES)):
            warnings.warn(f"{name} is no variable that analyzers read{meant}", stacklevel=3)
