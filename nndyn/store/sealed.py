"""Sealed JSON: plans and notes with a checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from nndyn.errors import RecordingError
from nndyn.kinds import parsed

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


def _checksum(tree: Mapping[str, Any]) -> str:
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
