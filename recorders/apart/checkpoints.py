"""Folders of checkpoints as a recording."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.recording import PERTURBED
from nndyn.runtime.paths import located
from nndyn.runtime.progress import Progress
from nndyn.store import vacant
from nndyn.systems.checkpoints import names
from nndyn.systems.checkpoints.files import opened
from nndyn.systems.checkpoints.names import Checkpoint
from nndyn.systems.checkpoints.tensors import Entry, Stored
from nndyn.systems.protocol import Parameter
from nndyn.words.text import escaped
from recorders.apart.together import write
from recorders.apart.trajectories import NO_CONTROL, Ensemble, Quantity, roles, several

if TYPE_CHECKING:
    import xarray as xr

#: Bytes of a state up to which its files stay open, mapped, for what is read of them next.
_SMALL = 4 * 2**20
#: Names in a note.
_SHOWN = 6


def from_checkpoints(
    reference: Any,
    copies: Any,
    path: str | Path,
    *,
    control: Any = None,
    key: str | None = None,
    steps: Sequence[float] | int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Make a recording of the checkpoints of runs that began a little off from each other.

    Parameters
    ----------
    reference : path-like or sequence of path-like
        Checkpoints of the reference: a folder, whose files (or folders, as the Hugging Face
        Trainer makes them) are put in natural order, or a list of files. ``.pt``, ``.pth``,
        ``.bin`` and ``.ckpt`` of `torch.save`, ``.safetensors``, the ``*.index.json`` of one in
        several files, or ``.npz``.
    copies : sequence of these
        Of each perturbed run, at least one.
    path : path-like
        The netCDF file to write; its folder must exist.
    control : path-like or sequence of path-like, optional
        Of a run that is to equal the reference.
    key : str, optional
        Where in a checkpoint the state is, levels separated by points: ``model``,
        ``trainer.state_dict``. Needed where there are tensors on several levels.
    steps : sequence of number, or int, optional
        The step of each checkpoint; or the steps between two, from 0 on. From the names of files
        unless given: the number after ``step``, or the only one in which they differ.
    overwrite : bool, default False
        Replace an existing file.
    progress : bool or callable, optional
        As of `nndyn.record`; counts checkpoints.

    Returns
    -------
    xarray.Dataset
        The recording, opened lazily. ``state`` holds all tensors of floating-point numbers, the
        parameters are their names. ``time`` is in steps. Where checkpoints are several steps
        apart, ``step_length`` is the distance between them over these steps, a lower bound of the
        mean length of a step, which its attributes say.

    Raises
    ------
    UsageError
        If a file is missing, names do not say steps, there is no copy, or `path` exists and
        `overwrite` is not given.
    DataError
        If a file cannot be read, or only by running what it holds; tensors differ in name, shape
        or type, the first difference is named; steps differ; there are fewer than two checkpoints.
    InstallationError
        If there are ``.safetensors`` and the package is not installed.
    StoreError
        If the recording cannot be written.

    Warns
    -----
    UserWarning
        Without a control; of what was left out, such as integer tensors. The manifest has the same
        under ``notes``.

    Notes
    -----
    Files of torch are loaded with ``weights_only=True``: nothing in them is run. All are looked at
    before the first is read; then each is read once, or in parts three times where the states of
    one step take more than 16 MiB: never more than two blocks of 16 MiB are held.
    """
    path = located(path)
    copies = several(copies, "copies", "folders of checkpoints")
    given = [reference, *copies, *([] if control is None else [control])]
    called = ["reference", *[f"copies[{i}]" for i in range(len(copies))]]
    called += [] if control is None else ["control"]
    found = [names.files(one, name) for one, name in zip(given, called, strict=True)]
    labels = [
        str(one) if isinstance(one, str | os.PathLike) else name
        for one, name in zip(given, called, strict=True)
    ]
    vacant(path, overwrite=overwrite, inputs=[one.path for each in found for one in each])
    members = [Folder(each, label, key, steps) for each, label in zip(found, labels, strict=True)]
    first = members[0]
    for member in members:
        _check_steps(member, first)
    notes: list[str] = [] if control is not None else [NO_CONTROL]
    left_out = first.check_alike(members)
    if left_out:
        more = f" and {len(left_out) - _SHOWN} others" if len(left_out) > _SHOWN else ""
        notes.append(
            "left out, as no tensors of floating-point numbers or the same as others: "
            f"{', '.join(map(escaped, left_out[:_SHOWN]))}{more}"
        )
    role = roles(len(members), control=control is not None)
    ensemble = Ensemble(
        members=members,
        role=role,
        times=first.times,
        unit="step",
        stationary=False,
        manifest={
            "system": {
                "kind": "checkpoints",
                "name": _name(reference, found[0]),
                "files": [[one.name for one in each] for each in found],
                "dtypes": sorted({entry.dtype for entry in first.entries.values()}),
                **({"key": key} if key is not None else {}),
                "left_out": list(left_out),
            },
            "recording": {
                "replicas": int((role == PERTURBED).sum()),
                "control": control is not None,
            },
        },
        notes=notes,
    )
    try:
        return write(ensemble, path, overwrite=overwrite, progress=progress)
    finally:
        for member in members:
            member.close()


def _name(reference: Any, found: Sequence[Checkpoint]) -> str:
    is_list = hasattr(reference, "__iter__") and not isinstance(reference, str)
    return found[0].path.parent.name if is_list else Path(reference).name


class Folder:
    """Checkpoints as a trajectory; a `recorders.apart.trajectories.Trajectory`.

    Parameters
    ----------
    checkpoints : sequence of Checkpoint
    label : str
    key : str or None
    steps : sequence of number, int or None
        As of `from_checkpoints`.

    Attributes
    ----------
    entries : dict of str to Entry
        After `check_alike`: in the order of the reference.
    """

    def __init__(
        self,
        checkpoints: Sequence[Checkpoint],
        label: str,
        key: str | None,
        steps: Sequence[float] | int | None,
    ) -> None:
        at = names.steps(checkpoints, label, steps)
        order = sorted(range(len(at)), key=at.__getitem__)
        self.label, self._key = label, key
        self.files = [checkpoints[i] for i in order]
        self.times = np.array([at[i] for i in order], dtype=np.float64)
        self.quantities: dict[str, Quantity] = {}
        self.entries: dict[str, Entry] = {}
        self.layout: list[Parameter] = []
        self._open: OrderedDict[int, Stored] = OrderedDict()

    @property
    def width(self) -> int:
        """Components of a state."""
        return sum(entry.size for entry in self.entries.values())

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the states: float64 if a tensor is, else float32, which holds shorter ones exactly."""
        double = any(entry.dtype == "float64" for entry in self.entries.values())
        return np.dtype(np.float64 if double else np.float32)

    def check_alike(self, members: Sequence[Folder]) -> list[str]:
        """Look at every checkpoint of every member: all must have the tensors of its first.

        Parameters
        ----------
        members : sequence of Folder
            Itself among them.

        Returns
        -------
        list of str
            What is left out of the first.

        Raises
        ------
        DataError
            If one has others, or none.
        """
        expected, left_out = self._look(0)
        start, layout = 0, []
        for name, entry in expected.items():
            layout.append(Parameter(name, start, entry.shape))
            start += entry.size
        for member in members:
            for i, file in enumerate(member.files):
                found, _ = member._look(i)
                _compare(found, expected, str(file.path), str(self.files[0].path))
            member.entries, member.layout = expected, layout
        return left_out

    def _look(self, i: int) -> tuple[dict[str, Entry], list[str]]:
        stored = opened(self.files[i].path, self._key)
        try:
            return dict(stored.entries), list(stored.left_out)
        finally:
            stored.close()

    def read(self, start: int, stop: int, first: int, last: int) -> Array:
        """Return components ``first … last - 1`` of the states ``start … stop - 1``."""
        found = np.empty((stop - start, last - first), self.dtype)
        for i in range(start, stop):
            stored = self._at(i)
            for parameter in self.layout:
                low = max(first, parameter.start)
                high = min(last, parameter.start + parameter.size)
                if low < high:
                    values = stored.read(
                        parameter.name, low - parameter.start, high - parameter.start
                    )
                    found[i - start, low - first : high - first] = values
            if stored.held and self.width * self.dtype.itemsize > _SMALL:
                self._open.pop(i).close()
        return found

    def _at(self, i: int) -> Stored:
        """Return a checkpoint, open; the last two stay so."""
        if i not in self._open:
            self._open[i] = opened(self.files[i].path, self._key)
            while len(self._open) > 2:
                self._open.popitem(last=False)[1].close()
        return self._open[i]

    def close(self) -> None:
        """Close all files."""
        while self._open:
            self._open.popitem()[1].close()


def _check_steps(member: Folder, reference: Folder) -> None:
    count = min(len(member.times), len(reference.times))
    off = np.flatnonzero(member.times[:count] != reference.times[:count])
    if off.size:
        i = int(off[0])
        raise DataError(
            f"{member.label}: {escaped(member.files[i].name)} is of step {member.times[i]:g}, "
            f"{escaped(reference.files[i].name)} of the reference of {reference.times[i]:g}; give "
            "lists of files of the same steps"
        )
    if len(member.times) != len(reference.times):
        raise DataError(
            f"{member.label} has {len(member.times)} checkpoints, the reference "
            f"{len(reference.times)}; give lists of files of the same steps"
        )


def _compare(
    found: dict[str, Entry], expected: dict[str, Entry], path: str, reference: str
) -> None:
    """Check that a state has the tensors of another, in any order."""
    for name, entry in expected.items():
        if name not in found:
            raise DataError(f"{path} has no {escaped(name)}, which {reference} has")
        if found[name] != entry:
            raise DataError(
                f"{path}: {escaped(name)} is {found[name].dtype} {found[name].shape}, "
                f"{entry.dtype} {entry.shape} in {reference}"
            )
    more = [name for name in found if name not in expected]
    if more:
        raise DataError(f"{path} has {escaped(more[0])}, which {reference} has not")
