"""JSON with a checksum of its own, of plans and notes; and the checksum of kept results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import RecordingError
from nndyn.kinds import parsed

if TYPE_CHECKING:
    import xarray as xr

#: The key of the checksum: of the other keys, as JSON without blanks, keys in order.
KEY = "sha256"


def written(tree: Mapping[str, Any]) -> str:
    """Return an object as JSON, with its checksum."""
    return json.dumps({**tree, KEY: _checksum(tree)}, indent=1)


def read(text: str, *, says: str, cure: str) -> Any:
    """Return what `written` was given; or other JSON, as earlier versions wrote it.

    Parameters
    ----------
    text : str
    says, cure : str
        How a message begins and ends: see `nndyn.kinds.parsed`.

    Returns
    -------
    value

    Raises
    ------
    RecordingError
        If it is no JSON, or not what the checksum is of.
    """
    tree = parsed(text, says=says, cure=cure)
    if isinstance(tree, dict) and KEY in tree:
        checksum = tree.pop(KEY)
        if checksum != _checksum(tree):
            raise RecordingError(f"{says} is not what was written: its checksum differs; {cure}")
    return tree


def checksum_of(results: xr.Dataset) -> str:
    """Return the checksum of a Dataset of numbers and texts, the same when it was saved and read.

    Parameters
    ----------
    results : xarray.Dataset

    Returns
    -------
    str
        Of names, dimensions, values and attributes of the variables; 64 hexadecimal digits.
    """
    known = hashlib.sha256()
    for name in sorted(map(str, results.variables)):
        variable = results.variables[name]
        attrs = {key: np.ravel(value).tolist() for key, value in sorted(variable.attrs.items())}
        text = variable.dtype.kind in "OSU"
        known.update(json.dumps([name, variable.dims, variable.shape, text, attrs]).encode())
        if text:
            known.update(json.dumps([str(v) for v in variable.values.ravel()]).encode())
        else:
            known.update(np.ascontiguousarray(variable.values, "<f8").tobytes())
    return known.hexdigest()


def _checksum(tree: Mapping[str, Any]) -> str:
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
