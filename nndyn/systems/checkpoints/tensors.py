"""A stored state: tensors by name, of which parts are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.words.text import escaped


@dataclass(frozen=True)
class Entry:
    """A tensor of floating-point numbers.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
        As the file has it.
    """

    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Number of components."""
        return int(np.prod(self.shape, dtype=np.int64))


class Stored(Protocol):
    """A state in a file that is open."""

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The tensors of floating-point numbers, in the order of the file."""

    @property
    def left_out(self) -> Sequence[str]:
        """Names of what is none, or the same memory as another."""

    @property
    def held(self) -> bool:
        """Whether reading a part brings more of it into memory, until it is closed."""

    def read(self, name: str, first: int, last: int) -> Array:
        """Return numbers of a tensor in C order, (last - first,) float64 or float32."""

    def close(self) -> None:
        """Let go of the file."""


def chosen(names: Sequence[str], key: str | None, path: Path) -> dict[str, str]:
    """Return which tensors of a file without levels belong to a key, by the names they get.

    Parameters
    ----------
    names : sequence of str
    key : str or None
        What names begin with, a point or slash after it; all if None.
    path : Path
        What messages call the file.

    Returns
    -------
    dict of str to str

    Raises
    ------
    DataError
        If there are none.
    """
    if key is None:
        return {name: name for name in names}
    found = {
        name[len(key) + 1 :]: name
        for name in names
        if name.startswith(key) and name[len(key) : len(key) + 1] in {".", "/"}
    }
    if not found:
        raise DataError(f"{path} has no names that begin with {key!r}; {listed(names)}")
    return found


def listed(names: Sequence[str]) -> str:
    """Return what a file has, for messages."""
    shown = [escaped(name) for name in names[:6]] + ["…"] * (len(names) > 6)
    return f"it has {', '.join(shown) or 'nothing'}"


def check_any(entries: Mapping[str, Entry], path: Path, others: Sequence[str]) -> None:
    """Check that a file has a state.

    Raises
    ------
    DataError
        If none of its tensors has floating-point numbers.
    """
    if not sum(entry.size for entry in entries.values()):
        raise DataError(f"{path} has no tensor of floating-point numbers; {listed(others)}")
