"""Validity of a recording: whether a Dataset is one, as `nndyn.recording` has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nndyn.errors import RecordingError
from nndyn.header import CURE, read
from nndyn.kinds import shown
from nndyn.recording import ANALYZED, REFERENCE, REQUIRED, Variable, variable

if TYPE_CHECKING:
    import xarray as xr

#: Dimensions on which what is not taken at every time may lie.
_OTHER_TIMES = ("state_time", "evaluation_time", "tangent_time")


def validate(recording: xr.Dataset, source: str = "the recording") -> xr.Dataset:
    """Return `recording` if it keeps the contract; raise with the first thing that breaks it.

    Parameters
    ----------
    recording : xarray.Dataset
    source : str
        What messages call it: a path, usually.

    Returns
    -------
    xarray.Dataset
        The same object.

    Raises
    ------
    RecordingError
        If an attribute or variable is missing or of another kind, a dimension is not the schema's,
        the schema is newer than this version reads, or the reference is not replica 0.

    Notes
    -----
    Reads coordinates and per-replica variables only: no pass over the data.
    """
    read(recording.attrs, source)
    missing = [name for name in REQUIRED if name not in recording.variables]
    if missing:
        raise RecordingError(f"{source} is incomplete: variable {missing[0]!r} is missing")
    if not {*ANALYZED} & {*recording.variables}:
        raise RecordingError(
            f"{source} has no state, no distances and no tangents: nothing to analyze"
        )
    for name in map(str, recording.variables):
        known = variable(name)
        if known is None:
            continue
        allowed = [known.dims] + [known.on(d).dims for d in _OTHER_TIMES]
        found = recording.variables[name]
        if found.dims not in allowed:
            raise RecordingError(
                f"{source}: {name} has dimensions {found.dims}, the schema has {known.dims}"
            )
        _check_kind(known, found, source)
    roles = recording["role"].values
    if roles.size == 0 or roles[0] != REFERENCE or (roles[1:] == REFERENCE).any():
        raise RecordingError(
            f"{source}: replica 0 and no other must be the reference, roles are {roles.tolist()}"
        )
    return recording


def _check_kind(variable: Variable, found: xr.Variable, source: str) -> None:
    """Check of which type values are, and that what labels them is text."""
    kinds = {"f": "f", "i": "iu", "u": "u", "s": "OSU"}[variable.dtype[0]]
    if found.dtype.kind not in kinds:
        raise RecordingError(
            f"{source} is damaged: {variable.name} is of type {found.dtype}, expected "
            f"{variable.dtype}; {CURE}"
        )
    for name in ("units", "long_name"):
        label = found.attrs.get(name, "")
        if not isinstance(label, str):
            raise RecordingError(
                f"{source} is damaged: {name} of {variable.name} is {shown(label)}, expected a "
                f"text; {CURE}"
            )
