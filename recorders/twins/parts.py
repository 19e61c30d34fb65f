"""Runs of an ensemble, each in a file of its own, until they are joined: what a kill leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nndyn.errors import NndynError, RecordingError, StoreError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.store import open_recording
from nndyn.store.files import write_whole
from nndyn.store.locks import WriterLock
from nndyn.systems.training.loop.rest import decode, encode
from nndyn.systems.training.torch_state.streams import kept

CONTROL, REFERENCE = "control", "reference"
_START = "start.json"


@dataclass(frozen=True)
class Made:
    """What is known of a finished run beside its file.

    Attributes
    ----------
    steps : int
    work : list of (int, int)
        As of `recorders.twins.run.Run`.
    optimizers, groups : list
        As of `recorders.twins.run.Optimizers`.
    """

    steps: int
    work: list[tuple[int, int]]
    optimizers: list[str]
    groups: list[Any]


class Parts:
    """The folder ``.NAME.parts`` of a recording, whose runs one process makes.

    Parameters
    ----------
    path : Path
        The recording.

    Attributes
    ----------
    folder : Path

    Raises
    ------
    UsageError
        If something else has that name.
    BusyError
        If another process makes them.
    StoreError
        If there cannot be such a folder.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.folder = path, folder(path)
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            raise UsageError(f"{self.folder} is no folder; move it away, runs are to be kept there")
        self._replaces = False
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot make {self.folder}: {error.strerror}; check the permissions of its folder"
            ) from error
        self._lock = WriterLock(self.folder / "runs")

    def close(self) -> None:
        """Let others make them; a folder goes that has no runs, and says nothing else."""
        if not (self.has_runs or self._replaces):
            self.remove()
        self._lock.release()
        with suppress(OSError):  # there is something in it
            self.folder.rmdir()

    def file(self, run: str) -> Path:
        """Return where a run is recorded."""
        return self.folder / f"{run.replace(' ', '')}.nc"

    def _note(self, run: str) -> Path:
        return self.file(run).with_suffix(".json")

    def begin(self, settings: Mapping[str, Any], random: Any, *, replaces: bool) -> None:
        """Begin anew: whatever there is goes.

        Parameters
        ----------
        settings : mapping
            What must agree for runs to be of one ensemble, as JSON values.
        random : tree
            Of the generators, before every run.
        replaces : bool
            Whether a file at `path` is to be replaced.
        """
        self.remove()
        self._replaces = replaces
        start = {"settings": dict(settings), "replaces": replaces}
        start["random"] = json.loads(encode(random, "the random state"))
        write_whole(self.folder / _START, json.dumps(start).encode())

    def begun(self, settings: Mapping[str, Any]) -> tuple[Any, bool] | None:
        """Return how the runs there began, None where none did.

        Parameters
        ----------
        settings : mapping
            Of those that are asked for.

        Returns
        -------
        random : tree
        replaces : bool
            As of `begin`.

        Raises
        ------
        UsageError
            If they were made with other settings, which are named with both values.
        RecordingError
            If the folder is damaged.
        """
        if not (self.folder / _START).exists():
            return None
        start = self._read(self.folder / _START)
        try:
            made, replaces = dict(start["settings"]), bool(start["replaces"])
            random = decode(json.dumps(start["random"]).encode())
            good = [type(one) for one in random] == [type(one) for one in kept()]
        except (KeyError, TypeError, ValueError):
            good = False
        if not good:
            raise self._damaged(self.folder / _START)
        check_same(f"the runs in {self.folder}", made, settings)
        self._replaces = replaces
        return random, replaces

    @property
    def has_runs(self) -> bool:
        """Whether a run is finished."""
        return any(path.name != _START for path in self.folder.glob("*.json"))

    def made(self, run: str) -> Made | None:
        """Return what is known of a run.

        Returns
        -------
        Made or None
            None unless it is finished.

        Raises
        ------
        RecordingError
            If that is damaged.
        """
        if not (self._note(run).exists() and self.file(run).exists()):
            return None
        found = self._read(self._note(run))
        try:
            work = [(p, o) for n, p, o in found["work"] for _ in range(n)]
            return Made(len(work), work, list(found["optimizers"]), list(found["groups"]))
        except (KeyError, TypeError, ValueError):
            raise self._damaged(self._note(run)) from None

    def finish(self, run: str, made: Made) -> None:
        """Note that a run is finished."""
        packed: list[list[int]] = []
        for passes, others in made.work:
            if packed and packed[-1][1:] == [passes, others]:
                packed[-1][0] += 1
            else:
                packed.append([1, passes, others])
        note = {"work": packed, "optimizers": made.optimizers, "groups": made.groups}
        write_whole(self._note(run), json.dumps(note).encode())

    def discard(self, run: str) -> None:
        """Remove what there is of a run; the note first, without which it is not finished."""
        self._note(run).unlink(missing_ok=True)
        for path in self.folder.iterdir():
            if path.name.startswith((f"{self.file(run).name}", f".{self.file(run).name}")):
                path.unlink(missing_ok=True)

    def first_state(self, run: str) -> Array:
        """Return the weights that a run began with, (D,)."""
        with open_recording(self.file(run)) as found:
            state: Array = found["state"][0, 0].values
        return state

    def remove(self) -> None:
        """Remove all runs."""
        for run in {*self.folder.glob("*.nc"), *self.folder.glob("*.json")}:
            self.discard(run.stem)
        (self.folder / _START).unlink(missing_ok=True)
        self._replaces = False

    def _read(self, path: Path) -> Any:
        try:
            return json.loads(path.read_bytes())
        except (OSError, ValueError):
            raise self._damaged(path) from None

    def _damaged(self, path: Path) -> NndynError:
        return RecordingError(
            f"{path} is damaged: it is not what nndyn writes; begin anew with `overwrite=True`"
        )


def folder(path: Path) -> Path:
    """Return where the runs of a recording are kept."""
    return path.with_name(f".{path.name}.parts")


def check_same(what: str, kept: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Check that runs were made with the settings that are asked for.

    Raises
    ------
    UsageError
        If not: what differs is named with both values.
    """
    differences = [
        f"{key} was {kept.get(key, 'not there')}, {value} asked"
        for key, value in json.loads(json.dumps(asked)).items()
        if kept.get(key) != value
    ]
    if differences:
        raise UsageError(f"{what} cannot be gone on with: {'; '.join(differences)}")
