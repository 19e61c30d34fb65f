"""Request for a sweep: fixed options, and swept ones with their values."""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nndyn import kinds
from nndyn.checks import whole
from nndyn.errors import UsageError, is_number, is_whole
from nndyn.header import own_tangent_start, tangent_start
from nndyn.kinds import Kind, shown
from nndyn.systems.recipe import Recipe
from nndyn.systems.spelling import canonical

if TYPE_CHECKING:
    from nndyn.systems.protocol import System

#: What stands for a value in files and coordinates.
Label: TypeAlias = float | int | str | bool
#: Which run of a study: a label of every axis, ``seed`` among them.
Point: TypeAlias = dict[str, Label]
#: Names that the index of a study, and results over it, have beside the swept options.
_TAKEN = (
    "path",
    "steps_recorded",
    "combination",
    "status",
    "id",
    "reason",
    "verdict",
    "failure",
    "stationary",
    "file",
    "cell",
)


def can_be_swept(name: Any) -> bool:
    """Whether an option of that name can be an axis: studies have something of some names."""
    return isinstance(name, str) and name.isidentifier() and name not in (*_TAKEN, "bound")


def _is_label(value: Any) -> bool:
    number = kinds.number() if isinstance(value, float) else kinds.whole(-(2**63))
    return isinstance(value, bool) or number.fits(value)


#: What can stand for a value on an axis.
LABEL = Kind(
    "a finite number, true, false or a printable text",
    lambda v: v.isprintable() if isinstance(v, str) else _is_label(v),
)


@dataclass(frozen=True)
class Request:
    """A sweep, checked.

    Attributes
    ----------
    recipe : Recipe
    fixed : mapping of str to value
        Options that are the same in all runs.
    axes : mapping of str to mapping of Label to value
        Swept options, numbers in ascending order; ``seed`` comes last.
    mix : bool
        Whether runs may go on that a version with another arithmetic began.
    take_over : bool
        Whether batches and runs are taken over that processes of other hosts have, as it seems.
    """

    recipe: Recipe
    fixed: Mapping[str, Any]
    axes: Mapping[str, Mapping[Label, Any]]
    mix: bool = False
    take_over: bool = False

    def points(self) -> Iterator[Point]:
        """Yield every run, the last axis fastest.

        Yields
        ------
        Point
        """
        for labels in product(*self.axes.values()):
            yield dict(zip(self.axes, labels, strict=True))

    def shape(self, at: Point) -> str:
        """Return a text that is equal for runs that one batch may have."""
        swept = {key: None for key in self.axes if key != "seed"}
        return json.dumps([at[key] for key in self.recipe.apart(swept)])

    def options(self, at: Point) -> dict[str, Any]:
        """Return all options of a run but its seed."""
        swept = {k: self.axes[k][label] for k, label in at.items() if k != "seed"}
        return {**self.fixed, **swept}

    def system(self, at: Point) -> System:
        """Return the system of a run."""
        return self.recipe.make(self.options(at), int(at["seed"]))

    def systems(self, points: Sequence[Point]) -> list[System]:
        """Return the systems of several runs, which share the samples that they name."""
        with self.reading_once():
            return [self.system(at) for at in points]

    def reading_once(self) -> AbstractContextManager[None]:
        """Let runs that name the same samples, one after the other, have them read once."""
        if self.recipe.name != "training" or callable(self.recipe.system):
            return nullcontext()
        from nndyn.systems.training.data.loading import read_once

        return read_once()

    def files(self) -> list[Path]:
        """Return the files of the user's that the runs read their data from."""
        if self.recipe.name != "training" or callable(self.recipe.system):
            return []
        from nndyn.systems.training.data.loading import files

        given = self.axes.get("data") or {"": self.fixed.get("data")}
        return [path for data in given.values() for path in files(data, self.fixed.get("data_dir"))]

    def settled(self, before: Mapping[str, Any] | None) -> Request:
        """Return the same request, which says where tangent vectors begin.

        Parameters
        ----------
        before : mapping of str to value or None
            Options of the study that this goes on with: one of before trainings had a start of
            their own does not say it, and its further runs begin as those it has.

        Returns
        -------
        Request
        """
        given = {**self.fixed, **self.axes}
        if not given.get("tangents") or given.get("tangent_start") is not None:
            return self
        if before is not None and "tangent_start" not in before:
            start = tangent_start(before)
        else:
            own = self.recipe.system
            kind = own if isinstance(own, str) else self.system(next(self.points())).kind
            start = own_tangent_start(kind)
        return replace(self, fixed={**self.fixed, "tangent_start": start})

    def describe(self) -> dict[str, Any]:
        """Return system, fixed options other than the defaults, and axes, as JSON values."""
        usual = {k: _plain(v) for k, v in _defaults(self.recipe).items()}
        usual["tangent_start"] = tangent_start({})
        given = {k: _plain(v) for k, v in self.fixed.items()}
        return {
            "system": self.recipe.name,
            "options": {
                k: v
                for k, v in given.items()
                if v is not None and (k not in usual or v != usual[k])
            },
            "axes": {k: list(values) for k, values in self.axes.items()},
        }


def _defaults(recipe: Recipe) -> dict[str, Any]:
    """Return the options that have a default, of the system and of the recording."""
    from recorders.ensemble import record

    functions: list[Callable[..., Any]] = [record, recipe.factory()]
    return {
        p.name: p.default
        for function in functions
        for p in inspect.signature(function).parameters.values()
        if p.default is not p.empty
    }


def request(
    system: str | Callable[..., System],
    options: Mapping[str, Any],
    *,
    seeds: int | Sequence[int] = 1,
    seed: int = 0,
) -> Request:
    """Check what a sweep is asked for.

    Parameters
    ----------
    system : str or callable
        See `Recipe`.
    options : mapping of str to value
        Of the system and of `nndyn.record`; a list, range or one-dimensional array is a grid.
    seeds : int or sequence of int
        How many, or which.
    seed : int
        The first one, where `seeds` says how many.

    Returns
    -------
    Request

    Raises
    ------
    UsageError
        If there is no such system or option, or a grid is empty, has a value twice, or a name
        that the index of a study has itself.
    """
    recipe = Recipe(system)
    options = {key.replace("-", "_"): value for key, value in options.items()}
    for key in ("seed", "path", "resume", "mix", "overwrite", "take_over", "progress"):
        if key in options:
            raise UsageError(f"{key} is no option of single runs of a sweep")
    recipe.check(options)
    options = recipe.spelled(options)
    # now, while there are no locks and files yet: Ctrl-C cannot end the import of torch in order
    recipe.factory()
    grids = {k: v for k, v in options.items() if _is_grid(v)}
    for key in grids:
        if not can_be_swept(key):
            raise UsageError(
                f"{key} cannot be swept: every study has something of that name, or it is no name"
            )
    axes = {k: _axis(k, list(v)) for k, v in grids.items()}
    axes["seed"] = _axis("seed", _seeds(seeds, seed))
    fixed = {k: v for k, v in options.items() if k not in grids}
    for key, value in fixed.items():
        numbers = [v for v in np.ravel(np.asarray(_plain(value), object)) if isinstance(v, float)]
        if not np.isfinite(numbers).all():
            raise UsageError(f"{key} is {shown(value)}, expected finite numbers, as JSON has them")
    return Request(recipe, fixed, axes)


def file_name(at: Point, taken: set[str]) -> str:
    """Return a name for the recording of a run that is not taken yet: ``lr=0.5_seed=3.nc``."""
    parts = [f"{key}={_short(label)}" for key, label in at.items()]
    stem = "_".join(parts)[:120]
    name, n = f"{stem}.nc", 1
    while name in taken:
        n += 1
        name = f"{stem}-{n}.nc"
    return name


def _is_grid(value: Any) -> bool:
    """Whether a value is a list, a range, or a one-dimensional array of any library."""
    return isinstance(value, list | range) or getattr(value, "ndim", 0) == 1


def _seeds(seeds: Any, first: Any) -> list[int]:
    first = whole("seed", first, 0)
    if not isinstance(seeds, Sequence | np.ndarray):
        return list(range(first, first + whole("seeds", seeds, 1)))
    if isinstance(seeds, str | bytes) or not all(
        is_whole(s) and s >= 0 for s in np.atleast_1d(np.asarray(seeds, dtype=object))
    ):
        raise UsageError(f"seeds is {seeds!r}, expected how many, or whole numbers")
    return [int(s) for s in seeds]


def _axis(name: str, values: Sequence[Any]) -> dict[Label, Any]:
    """Return the values of an axis by label, numbers in ascending order."""
    if not values:
        raise UsageError(f"{name} is an empty grid; give at least one value")
    found: dict[Label, Any] = {}
    for i, value in enumerate(values):
        value = value.item() if hasattr(value, "item") else value  # of numpy or torch
        label = _plain(value)
        if isinstance(label, list):
            label = ",".join(map(str, label))
        if label is None or isinstance(label, dict):
            label = str(label)
        if not isinstance(value, str | int | float | bool | tuple | os.PathLike | type(None)):
            label = f"{label}-{i}"
        if not LABEL.fits(label):
            raise UsageError(f"{name} has the value {shown(label)}, expected {LABEL.said}")
        if label in found:
            raise UsageError(f"{name} has the value {label} twice")
        found[label] = value
    numeric = all(is_number(v) for v in found)
    if not numeric:
        return found
    if any(isinstance(v, float) for v in found):  # a coordinate has one kind
        found = {float(label): value for label, value in found.items()}
    return dict(sorted(found.items()))


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; of what it has not, a name."""
    if isinstance(value, np.generic):
        return value.item()
    value = value if isinstance(value, str) else canonical(value)
    if isinstance(value, str | int | float | bool | type(None)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple) and all(isinstance(v, int | float | str) for v in value):
        return list(value)
    if isinstance(value, np.ndarray) and value.size <= 64:
        return value.tolist()
    return str(getattr(value, "__name__", type(value).__name__))


def _short(label: Label) -> str:
    if isinstance(label, int | float):  # the sign of a number stays
        return f"{label:.6g}" if isinstance(label, float) else str(label)
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", label).strip("-") or "x"
