"""States in ``.npz`` files, read a part at a time."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.systems.checkpoints.tensors import Entry, check_any, chosen
from nndyn.words.text import escaped

_FLAWS = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
_LONGEST_HEADER = 10_000  # as numpy allows


class Npz:
    """The arrays of a ``.npz`` file; a `nndyn.systems.checkpoints.tensors.Stored`.

    Parameters
    ----------
    path : Path
    key : str, optional
        What the names begin with, a point or slash after it.

    Raises
    ------
    DataError
        If it is no such file, holds objects, or has no array of floating-point numbers.
    """

    held = False

    def __init__(self, path: Path, key: str | None = None) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except _FLAWS as error:
            raise DataError(f"{path} is no .npz file; save arrays with numpy.savez") from error
        self._open: dict[str, tuple[IO[bytes], int]] = {}
        self._whole: tuple[str, Array] | None = None
        self.entries: dict[str, Entry] = {}
        self.left_out: list[str] = []
        try:
            self._look(key)
        except BaseException:
            self.close()
            raise

    def _look(self, key: str | None) -> None:
        members = {n.removesuffix(".npy"): n for n in self._zip.namelist() if n.endswith(".npy")}
        self._members: dict[str, tuple[str, np.dtype[Any], bool]] = {}
        for name, stored in chosen(list(members), key, self._path).items():
            shape, fortran, dtype = self._header(members[stored], name)
            if dtype.kind == "f" and dtype.itemsize <= 8:
                self.entries[name] = Entry(shape, dtype.name)
                flat = fortran and sum(n > 1 for n in shape) > 1
                self._members[name] = members[stored], dtype, flat
            elif dtype.kind in "iub":
                self.left_out.append(name)
            else:
                raise DataError(f"{self._path}: {escaped(name)} has {dtype}, expected numbers")
        check_any(self.entries, self._path, list(members))

    def _header(self, member: str, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        """Return shape, order and type of an array, after checking that the file has all of it."""
        try:
            with self._zip.open(member) as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0
                if version != (1, 0):
                    read = np.lib.format.read_array_header_2_0
                shape, fortran, dtype = read(file, max_header_size=_LONGEST_HEADER)
                begins = file.tell()
        except _FLAWS as error:
            raise DataError(
                f"{self._path}: {escaped(name)} is no array that numpy saved"
            ) from error
        if dtype.hasobject:
            raise DataError(
                f"{self._path}: {escaped(name)} has objects, which only a pickle holds; save "
                "arrays of numbers"
            )
        size = self._zip.getinfo(member).file_size - begins
        if size != dtype.itemsize * int(np.prod(shape, dtype=object)):
            raise DataError(f"{self._path}: {escaped(name)} is not as long as it says: damaged")
        return tuple(int(n) for n in shape), bool(fortran), dtype

    def read(self, name: str, first: int, last: int) -> Array:
        """Return numbers of an array in C order, (last - first,) float64 or float32.

        Parameters
        ----------
        name : str
        first, last : int

        Returns
        -------
        array

        Raises
        ------
        DataError
            If the file is damaged there.
        """
        member, dtype, fortran = self._members[name]
        try:
            if fortran:  # its numbers do not lie in C order: read as a whole
                values = self._all(member, name)[first:last]
            else:
                values = self._some(member, dtype, first, last)
        except _FLAWS as error:
            raise DataError(f"{self._path}: {escaped(name)} cannot be read: damaged") from error
        kind = np.float64 if dtype.itemsize == 8 else np.float32
        return np.asarray(values, kind)

    def _some(self, member: str, dtype: np.dtype[Any], first: int, last: int) -> Array:
        if member not in self._open:
            file = self._zip.open(member)
            np.lib.format.read_magic(file)
            begins = self._zip.getinfo(member).file_size - self._length(member)
            self._open[member] = file, begins
        file, begins = self._open[member]
        at = begins + first * dtype.itemsize
        if file.tell() != at:
            file.seek(at)
        count = (last - first) * dtype.itemsize
        raw = file.read(count)
        if len(raw) != count:
            raise EOFError
        return np.frombuffer(raw, dtype)

    def _length(self, member: str) -> int:
        """Return the bytes of the numbers of an array."""
        name = next(name for name, held in self._members.items() if held[0] == member)
        return self.entries[name].size * self._members[name][1].itemsize

    def _all(self, member: str, name: str) -> Array:
        if self._whole is None or self._whole[0] != name:
            with self._zip.open(member) as file:
                self._whole = name, np.lib.format.read_array(file, allow_pickle=False).reshape(-1)
        return self._whole[1]

    def close(self) -> None:
        """Let go of the file."""
        for file, _ in self._open.values():
            file.close()
        self._open.clear()
        self._whole = None
        self._zip.close()
