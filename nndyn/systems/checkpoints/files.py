"""Open a checkpoint, whatever its format, in one file or several."""

from __future__ import annotations

from pathlib import Path

from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.systems.checkpoints.arrays import Npz
from nndyn.systems.checkpoints.names import INDEX, TORCH, shards
from nndyn.systems.checkpoints.tensors import Entry, Stored, check_any
from nndyn.words.text import escaped


def opened(path: Path, key: str | None = None) -> Stored:
    """Open a checkpoint.

    Parameters
    ----------
    path : Path
        One of `nndyn.systems.checkpoints.names.SUFFIXES`, or an index of several.
    key : str, optional
        Where in it the state is, levels separated by points.

    Returns
    -------
    Stored

    Raises
    ------
    DataError
        If it cannot be read, or has no state.
    InstallationError
        If reading it needs a package that is not installed.
    """
    name = path.name.lower()
    if name.endswith(INDEX):
        return Shards(path, key)
    if name.endswith(".npz"):
        return Npz(path, key)
    from nndyn.systems.training.checkpoints import Pickled, Safetensors

    return Pickled(path, key) if name.endswith(TORCH) else Safetensors(path, key)


class Shards:
    """A state in several files; a `nndyn.systems.checkpoints.tensors.Stored`.

    Parameters
    ----------
    index : Path
    key : str, optional

    Raises
    ------
    DataError
        If a file or a tensor is missing.
    """

    def __init__(self, index: Path, key: str | None = None) -> None:
        self.entries: dict[str, Entry] = {}
        self.left_out: list[str] = []
        self._of: dict[str, Stored] = {}
        self._files: list[Stored] = []
        try:
            for path, names in shards(index).items():
                self._add(index, path, names, key)
            check_any(self.entries, index, list(self.left_out))
        except BaseException:
            self.close()
            raise

    def _add(self, index: Path, path: Path, names: list[str], key: str | None) -> None:
        if not path.is_file():
            raise DataError(f"{index}: its file {escaped(path.name)} is missing")
        if key is not None and not any(name.startswith(f"{key}.") for name in names):
            return
        one = opened(path, key)
        self._files.append(one)
        lacking = {n for n in names if key is None} - {*one.entries, *one.left_out}
        if lacking:
            raise DataError(f"{path} has no {escaped(min(lacking))}, which {index} says it has")
        for name, entry in one.entries.items():
            self.entries[name], self._of[name] = entry, one
        self.left_out += one.left_out

    @property
    def held(self) -> bool:
        """Whether reading a part brings more of it into memory."""
        return any(one.held for one in self._files)

    def read(self, name: str, first: int, last: int) -> Array:
        """Return numbers of a tensor in C order."""
        return self._of[name].read(name, first, last)

    def close(self) -> None:
        """Let go of the files."""
        for one in self._files:
            one.close()
