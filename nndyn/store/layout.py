"""Layout of a recording: what is decided before the first row is written."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import RecordingError, UsageError
from nndyn.header import CURE, SCHEMA, of_status
from nndyn.numerics.arrays import Array
from nndyn.recording import CHECKPOINTS, CONVENTIONS, GROWING, Variable
from nndyn.store import digests

if TYPE_CHECKING:
    import netCDF4

#: Global attribute with the metadata the journal saves: pairs (start, stop), byte, zeros after.
EXTENTS = "metadata_extents"
_EXTENTS_LENGTH = 128

_CHUNK_BYTES = 64 * 1024
_STATE_BYTES = 256 * 1024
_CHUNK_COMPONENTS = 2**20  # to read a part of a state, the library holds whole chunks of it
_HEADER_BYTES = 64 * 1024
_TEXT = "text"  # prefix of the dimensions that hold the characters of text variables


@dataclass(frozen=True)
class Header:
    """Everything about a recording that is known before its first row.

    Attributes
    ----------
    sizes : dict of str to int
        Lengths, at least 1, of the fixed dimensions: replica, component, parameter, slot, phase,
        vector.
    variables : tuple of Variable
        All variables with their final dimensions, coordinates of the growing ones included.
    fixed : dict of str to array
        Values of the variables without a growing dimension, except checkpoints and their
        ``checkpoint_step``.
    block : int
        K, the number of times appended at once.
    attrs : dict of str to str, int or float
        Further global attributes: recording_id (drawn if it is not there), stationary, manifest.
    time_unit : str
        What ``"time"`` in the units of a Variable stands for.
    dtype : str
        What dtype ``"float"`` stands for: float64 or float32.
    expected_bytes : int
        Size of the finished file, compared with the free space before the start; byte.
    """

    sizes: dict[str, int]
    variables: tuple[Variable, ...]
    fixed: dict[str, Array]
    block: int
    attrs: dict[str, str | int | float]
    time_unit: str
    dtype: str
    expected_bytes: int = 0

    def check(self) -> None:
        """Check all of it before any work.

        Raises
        ------
        UsageError
            With the first thing that does not fit.
        """
        if self.block < 1:
            raise UsageError(f"block is {self.block}, expected at least 1 time per block")
        if self.dtype not in ("float64", "float32"):
            raise UsageError(f"dtype is {self.dtype!r}, expected 'float64' or 'float32'")
        names = [v.name for v in self.variables]
        if len(set(names)) < len(names):
            raise UsageError(f"a variable is named twice in {names}")
        for variable in self.variables:
            for dim in variable.dims:
                if dim in GROWING and dim not in names:
                    raise UsageError(
                        f"{variable.name} lies on {dim}, which has no coordinate variable"
                    )
                if dim not in GROWING and self.sizes.get(dim, 0) < 1:
                    raise UsageError(
                        f"{variable.name} lies on {dim}, whose size is {self.sizes.get(dim)}; "
                        "expected at least 1"
                    )
            known = variable.name in {*self.fixed, *CHECKPOINTS, "checkpoint_step"}
            if growing(variable.dims) is None and not known:
                raise UsageError(f"{variable.name} does not grow and is not in fixed")
        extra = [name for name in self.fixed if name not in names]
        if extra:
            raise UsageError(f"fixed has {extra[0]!r}, which is not among the variables")

    def chunk(self, variable: Variable) -> tuple[int, ...]:
        """Return the shape of the chunks of `variable`.

        Parameters
        ----------
        variable : Variable

        Returns
        -------
        tuple of int
            Rows that are written and read together share a chunk; a state is a chunk of its own
            (measured: fastest to write and read) unless it is small, or longer than 2²⁰ components.
        """
        item = np.dtype(self._dtype(variable)).itemsize
        rest = tuple(self.sizes[d] for d in variable.dims[1:])
        dim = growing(variable.dims)
        if dim is None:
            sizes = tuple(self.sizes[d] for d in variable.dims)
            if variable.name == "checkpoint":
                return (1, 1, sizes[-1])
            return (1, *sizes[1:]) if variable.name in CHECKPOINTS else sizes
        if dim == "barrier_time":  # a row a run
            return (1, *rest)
        if variable.dims[-1] == "parameter":
            return (self._rows(item * int(np.prod(rest, dtype=np.int64)), _CHUNK_BYTES), *rest)
        if len(variable.dims) == 3:
            pieces = -(-rest[-1] // _CHUNK_COMPONENTS)  # of one length: chunks are stored whole
            return (self._rows(rest[-1] * item, _STATE_BYTES), 1, -(-rest[-1] // pieces))
        if dim == "time":
            return (self.block, *rest)
        # These come in an unknown number a block: a short chunk keeps rewriting its rest cheap.
        row = item * int(np.prod(rest, dtype=np.int64))
        return (max(1, min(self.block, _CHUNK_BYTES // 2 // row)), *rest)

    @property
    def fixed_bytes(self) -> int:
        """Bytes of a file without rows, about."""
        return _HEADER_BYTES + sum(np.asarray(values).nbytes for values in self.fixed.values())

    def _rows(self, row: int, size: int) -> int:
        """Return how many rows, of so many bytes, share a chunk of `size` bytes at most."""
        most = max(1, min(self.block, size // row))
        whole = max(k for k in range(1, most + 1) if self.block % k == 0)
        return whole if 4 * whole >= most else most

    def _dtype(self, variable: Variable) -> str:
        if variable.dtype == "str":
            return "S1"
        return self.dtype if variable.dtype == "float" else variable.dtype

    def globals(self) -> dict[str, Any]:
        """All global attributes of a new file."""
        attrs: dict[str, Any] = {
            "Conventions": CONVENTIONS,
            "nndyn_schema": SCHEMA,
            "recording_id": uuid.uuid4().hex,
            **of_status("recording"),
            "stop_reason": "",
            "stationary": 0,
            "n_committed": 0,
            "block": self.block,
            "manifest": "{}",
        }
        attrs.update(self.attrs)
        return {name: attribute(value) for name, value in attrs.items()}


def growing(dims: tuple[str, ...]) -> str | None:
    """Return the growing dimension among `dims`, always the first."""
    return dims[0] if dims and dims[0] in GROWING else None


def attribute(value: Any) -> Any:
    """`value` as stored: integers with 64 bits, whatever the platform."""
    if isinstance(value, bool | int | np.integer):
        return np.int64(value)
    return value


def extents_value(ranges: list[tuple[int, int]], place: int = 0) -> Array | None:
    """`ranges` as the attribute of fixed length, or None if they are too many for it.

    Parameters
    ----------
    ranges : list of (start, stop)
    place : int
        Where in the file the attribute lies, byte; 0 if that is not known yet. It comes last.

    Returns
    -------
    (128,) int64 or None
    """
    value = np.zeros(_EXTENTS_LENGTH, dtype=np.int64)
    if 2 * len(ranges) > _EXTENTS_LENGTH - 2:
        return None
    value[: 2 * len(ranges)] = np.ravel(ranges)
    value[-2] = place
    return value


def is_copy(path: Path, attrs: Mapping[str, Any]) -> bool:
    """Whether a file was written by another program, from a recording or a piece of one.

    Parameters
    ----------
    path : Path
    attrs : mapping of str to value
        Its global attributes. A copy has them too, but `EXTENTS` not at the place that it names.

    Returns
    -------
    bool
        False of files of versions that did not write the place.
    """
    value = np.asarray(attrs.get(EXTENTS))
    if value.dtype != np.int64 or value.shape != (_EXTENTS_LENGTH,):
        return True
    if not 0 <= value[-2] < path.stat().st_size:
        return True
    with path.open("rb") as file:
        file.seek(int(value[-2]))
        return bool(value[-2]) and file.read(value.nbytes) != value.tobytes()


def extents_of(path: Path, value: Array) -> list[tuple[int, int]]:
    """Return what `extents_value` was given, but the place.

    Parameters
    ----------
    path : Path
    value : array
        The attribute of a file that is no copy.

    Returns
    -------
    list of (start, stop)

    Raises
    ------
    RecordingError
        If these are no parts of the file, one after the other.
    """
    pairs = np.reshape(value, (-1, 2))[:-1].tolist()
    found = [(start, stop) for start, stop in pairs if stop > start]
    edges = [edge for pair in found for edge in pair]
    if edges and not (edges[0] >= 0 and edges[-1] <= path.stat().st_size + _HEADER_BYTES):
        edges = [1, 0]
    if edges != sorted(edges):
        raise RecordingError(f"{path} is damaged: {EXTENTS} are no parts of it; {CURE}")
    return found


def define(nc: netCDF4.Dataset, header: Header, attrs: Mapping[str, Any]) -> digests.Ledger:
    """Write dimensions, variables and fixed values of a header into an empty file.

    Parameters
    ----------
    nc : netCDF4.Dataset
    header : Header
    attrs : mapping of str to value
        Its global attributes.

    Returns
    -------
    Ledger
        In which all that was written counts.
    """
    dims = dict.fromkeys(d for v in header.variables for d in v.dims)
    for dim in dims:
        nc.createDimension(dim, None if dim in GROWING else header.sizes[dim])
    nc.setncatts({**attrs, EXTENTS: extents_value([])})
    text = {v.name: _encoded(header.fixed[v.name]) for v in header.variables if v.dtype == "str"}
    for variable in header.variables:
        dim_names, chunk = variable.dims, header.chunk(variable)
        if variable.name in text:
            # Variable-length strings cannot carry a checksum; characters can.
            width = text[variable.name].dtype.itemsize
            dim_names, chunk = (*dim_names, f"{_TEXT}_{variable.name}"), (*chunk, width)
            nc.createDimension(dim_names[-1], width)
        target = nc.createVariable(
            variable.name,
            header._dtype(variable),
            dim_names,
            chunksizes=chunk,
            fletcher32=True,
            fill_value=False,
        )
        target.set_auto_chartostring(False)
        target.setncatts(_attributes(variable, header))
    names = [v.name for v in header.variables]
    digests.define(nc, names, [d for d in dims if d in GROWING])
    nc.set_auto_maskandscale(False)
    identity = str(attrs["recording_id"])
    ledger = digests.Ledger(digests.hash_of(nc), identity, digests.grids(nc, names))
    for name, values in _initial(header).items():
        stored, target = text.get(name), nc.variables[name]
        if stored is not None:
            values = stored.view("S1").reshape(*stored.shape, -1)
        values = np.broadcast_to(np.asarray(values, dtype=target.dtype), target.shape)
        target[...] = values
        ledger.add(name, 0, values)
    count = ledger.count
    nc.variables[digests.NAME][:count] = ledger.entries()
    digests.set_counts(nc, {**dict.fromkeys(dims, 0), digests.DIM: count})
    return ledger


def _attributes(variable: Variable, header: Header) -> dict[str, Any]:
    units = header.time_unit if variable.units == "time" else variable.units
    attrs: dict[str, Any] = {"long_name": variable.long_name, "units": units, **variable.attrs}
    if variable.dtype == "str":
        attrs["_Encoding"] = "utf-8"
    if "flag_values" in attrs:
        attrs["flag_values"] = np.asarray(attrs["flag_values"], dtype=variable.dtype)
    return attrs


def _initial(header: Header) -> Mapping[str, Array]:
    names = {v.name for v in header.variables}
    values = dict(header.fixed)
    if "checkpoint_step" in names:
        values["checkpoint_step"] = np.full(header.sizes["slot"], -1, dtype=np.int64)
    return values


def _encoded(text: Array) -> Array:
    return np.char.encode(np.asarray(text, dtype=str), "utf-8")
