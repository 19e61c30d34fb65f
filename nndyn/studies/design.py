"""Design of a study: its runs, their files, and the batches they form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

from nndyn.errors import UsageError
from nndyn.runtime import provenance
from nndyn.studies.request import Label, Point, Request, file_name
from nndyn.systems.recipe import recorded

if TYPE_CHECKING:
    from nndyn.systems.protocol import System
    from recorders.plan import Plan

SCHEMA = 1
#: Most bytes of a batch in memory, and runs in one: of runs of little work it has more.
_BYTES, _FEWEST, _MOST, _WORK = 2**30, 8, 64, 1e10


@dataclass(frozen=True)
class Cell:
    """One run: where on the grid it lies, and its file."""

    at: Point
    file: str


@dataclass(frozen=True)
class Batch:
    """Runs that one process records at once, of so many steps.

    `name` is that of what is known of them when they are done: another set of runs, or more steps,
    has another.
    """

    cells: tuple[Cell, ...]
    steps: int

    @property
    def name(self) -> str:
        """Sixteen hexadecimal digits."""
        text = json.dumps([[cell.file for cell in self.cells], self.steps])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Design:
    """A study as its folder knows it.

    Attributes
    ----------
    id : str
    system : str
    options : dict
        Fixed options, as JSON values.
    axes : dict of str to list of Label
        ``seed`` comes last.
    batches : tuple of Batch
    """

    id: str
    system: str
    options: dict[str, Any]
    axes: dict[str, list[Label]]
    batches: tuple[Batch, ...]

    @property
    def cells(self) -> list[Cell]:
        """All runs, batch by batch."""
        return [cell for batch in self.batches for cell in batch.cells]

    def only(self, points: Sequence[Point]) -> Design:
        """Return the design of those of its runs alone that lie at some points."""
        axes = {
            key: [label for label in labels if any(at[key] == label for at in points)]
            for key, labels in self.axes.items()
        }
        batches = with_cells(self.batches, lambda cell: cell.at in points)
        return replace(self, axes=axes, batches=batches)

    @cached_property
    def places(self) -> dict[str, dict[Label, int]]:
        """Where each label lies on its axis, by axis."""
        return {
            key: {label: i for i, label in enumerate(labels)} for key, labels in self.axes.items()
        }


def with_cells(batches: Iterable[Batch], wanted: Callable[[Cell], bool]) -> tuple[Batch, ...]:
    """Return batches with those of their runs alone that are wanted, and none without any."""
    left = (Batch(tuple(filter(wanted, batch.cells)), batch.steps) for batch in batches)
    return tuple(batch for batch in left if batch.cells)


def design(
    request: Request, *, points: Iterable[Point] | None = None, before: Design | None = None
) -> Design:
    """Plan a study.

    Parameters
    ----------
    request : Request
    points : iterable of Point, optional
        Its runs; the whole grid unless given.
    before : Design, optional
        The one that this goes on with: its runs keep their files.

    Returns
    -------
    Design

    Raises
    ------
    UsageError
        If options do not fit each other. A system is made for every value of every option, and of
        every combination of those that change its shape a recording is planned.
    """
    files = {} if before is None else {_key(cell.at): cell.file for cell in before.cells}
    taken = set(files.values())
    groups: dict[str, list[Cell]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    seen: set[tuple[str, Label]] = set()
    batches: list[Batch] = []
    with request.reading_once():
        for at in request.points() if points is None else points:
            name = files.get(_key(at))
            if name is None:
                name = file_name(at, taken)
                taken.add(name)
            cell, shape = Cell(at, name), request.shape(at)
            values = {(key, label) for key, label in at.items() if key != "seed"}
            if shape not in groups:
                sizes[shape] = _size(request, cell)
            elif not values <= seen:
                _system(request, at)
            seen |= values
            groups.setdefault(shape, []).append(cell)
        for shape, cells in groups.items():
            size, steps = sizes[shape]
            for first in range(0, len(cells), size):
                batches.append(Batch(tuple(cells[first : first + size]), steps))
    described = request.describe()
    return Design(
        id=provenance.new_id() if before is None else before.id,
        system=described["system"],
        options=described["options"],
        axes=described["axes"],
        batches=tuple(batches),
    )


def differences(old: Design, new: Mapping[str, Any], *, grow: bool) -> list[str]:
    """Return in what a request is not that of a study, each with both values.

    Parameters
    ----------
    old : Design
    new : mapping
        What `Request.describe` gives.
    grow : bool
        Whether further values of an axis, and more steps, are no difference.

    Returns
    -------
    list of str
    """
    found = []
    if old.system != new["system"]:
        found.append(f"system is {old.system} in the folder, {new['system']} asked")
    swept = old.axes.keys() | new["axes"].keys()
    for key in sorted((old.options.keys() | new["options"].keys()) - swept):
        a, b = old.options.get(key), new["options"].get(key)
        more = grow and key == "steps" and a is not None and b is not None and b >= a
        if a != b and not more:
            found.append(f"{key} is {_said(a)} in the folder, {_said(b)} asked")
    for key in [*old.axes, *(k for k in new["axes"] if k not in old.axes)]:
        values, asked = old.axes.get(key), new["axes"].get(key)
        if values is None or asked is None:
            ways = ("fixed", "swept") if values is None else ("swept", "fixed")
            found.append(f"{key} is {ways[0]} in the folder, {ways[1]} asked")
        elif values != asked and not (grow and set(values) <= set(asked)):
            found.append(f"{key} has {_span(values)} in the folder, {_span(asked)} asked")
    return found


def _key(at: Point) -> str:
    """Return a text that is the same for equal points: 1 and 1.0 are."""
    same = {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in at.items()}
    return json.dumps(same, sort_keys=True)


def fitting(request: Request, at: Point) -> tuple[System, Plan, int]:
    """Return the system of a run, its plan, and how many like it fit into memory.

    Parameters
    ----------
    request : Request
    at : Point

    Returns
    -------
    System, Plan, int

    Raises
    ------
    UsageError
        If its options do not fit each other.
    """
    from recorders.request import make

    system = _system(request, at)
    with _said_where(at):
        plan = make(system, seed=int(at["seed"]), **recorded(request.options(at)))
    blocks = min(2.0 * plan.block / (plan.steps + 1), 1.0)
    each = plan.bytes(system) * blocks + _data_bytes(system.describe())
    return system, plan, int(_BYTES / each)


def _size(request: Request, cell: Cell) -> tuple[int, int]:
    """Return how many runs like this one form a batch, and how many steps they take."""
    system, plan, fits = fitting(request, cell.at)
    few = max(_FEWEST, min(_MOST, int(_WORK / (plan.work(system) * plan.steps))))
    return max(1, min(few, fits)), plan.steps


def _system(request: Request, at: Point) -> System:
    with _said_where(at):
        return request.system(at)


@contextmanager
def _said_where(at: Point) -> Iterator[None]:
    """Let errors say of which run they are."""
    try:
        yield
    except UsageError as error:
        chosen = ", ".join(f"{k}={v}" for k, v in at.items() if k != "seed")
        raise UsageError(f"{chosen}: {error}" if chosen else str(error)) from error


def _data_bytes(description: Mapping[str, Any]) -> int:
    """Return the bytes of the samples that a training holds."""
    sets = [description.get("train"), description.get("test")]
    return sum(8 * prod(s["x"]) for s in sets if s)


def _said(value: Any) -> str:
    return "not there" if value is None else str(value)


def _span(values: list[Label]) -> str:
    shown = [f"{v:.6g}" if isinstance(v, float) else str(v) for v in values]
    some = ", ".join(shown) if len(shown) <= 6 else f"{shown[0]} to {shown[-1]}"
    return f"{len(values)} values ({some})"
