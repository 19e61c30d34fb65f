"""Plan of a study as the text of ``study.json``, written and read."""

from __future__ import annotations

from math import prod
from typing import Any

from nndyn.errors import RecordingError
from nndyn.kinds import TEXT, Kind, Parts, by_name, check, items, shown, table, whole
from nndyn.store import sealed
from nndyn.studies.design import SCHEMA, Batch, Cell, Design
from nndyn.studies.request import LABEL, can_be_swept

#: Combinations that a grid may have, if not the runs are so many.
_GRID = 10**6
_CURE = "restore it from a copy, or sweep into another folder"

_AXIS = Kind(
    "a list of different values",
    lambda v: isinstance(v, list) and bool(v),
    items(LABEL).parts,
)


#: As an option it may have been given as 1e3.
_STEPS = Kind(
    "a whole number, 1 or more",
    lambda v: whole(1, 2**53).fits(int(v) if isinstance(v, float) and v.is_integer() else v),
)


def _axes(value: dict[str, Any]) -> Parts:
    counts = {"seed": whole(), "steps": _STEPS}
    for name, labels in value.items():
        yield f" {shown(name)}", name, _NAME
        yield f".{name}", labels, _AXIS
        if name in counts:
            yield f".{name}", labels, items(counts[name])


_NAME = Kind("the name of an option that can be swept", can_be_swept)
_LONGEST = 240  # bytes of a file's name: those of its lock and journal have fifteen more
_MOST_AXES = 60  # numpy's arrays have at most 64
_FILE = Kind(
    "the name of a file in cells/",
    lambda v: (
        isinstance(v, str)
        and v.isprintable()
        and "/" not in v
        and v[:1] not in ("", ".")
        and len(v.encode()) <= _LONGEST
    ),
)
_PLAN = table(
    {
        "nndyn_study": whole(1),
        "id": Kind("a text of one line", lambda v: isinstance(v, str) and v.isprintable()),
        "system": TEXT,
        "options": table({}, {"steps": _STEPS, "tangent_start": TEXT}),
        "axes": Kind(
            "an object, seed the last in it",
            lambda v: isinstance(v, dict) and [*v][-1:] == ["seed"],
            _axes,
        ),
        "batches": items(
            table({"steps": whole(1), "cells": items(table({"file": _FILE, "at": by_name(LABEL)}))})
        ),
    }
)


def text(planned: Design) -> str:
    """Return the text of ``study.json``, with its checksum."""
    return sealed.written(
        {
            "nndyn_study": SCHEMA,
            "id": planned.id,
            "system": planned.system,
            "options": planned.options,
            "axes": planned.axes,
            "batches": [
                {"steps": batch.steps, "cells": [{"file": c.file, "at": c.at} for c in batch.cells]}
                for batch in planned.batches
            ],
        }
    )


def parse(content: str, where: str) -> Design:
    """Read the text of ``study.json``.

    Parameters
    ----------
    content : str
    where : str
        What messages call it.

    Returns
    -------
    Design

    Raises
    ------
    RecordingError
        If it is none, was changed, or is of a newer schema.
    """
    says = f"{where} is no plan of a study"
    tree = sealed.read(content, says=where, cure=_CURE)
    if isinstance(tree, dict) and whole(SCHEMA + 1).fits(tree.get("nndyn_study")):
        raise RecordingError(
            f"{where} has schema {tree['nndyn_study']}, this nndyn knows {SCHEMA}; use a newer "
            "nndyn"
        )
    check(tree, _PLAN, says=says, cure=_CURE)
    planned = Design(
        id=tree["id"],
        system=tree["system"],
        options=tree["options"],
        axes=tree["axes"],
        batches=tuple(
            Batch(tuple(Cell(c["at"], c["file"]) for c in batch["cells"]), batch["steps"])
            for batch in tree["batches"]
        ),
    )
    fault = _fault(planned)
    if fault:
        raise RecordingError(f"{says}: {fault}; {_CURE}")
    return planned


def _fault(planned: Design) -> str:
    """Say where runs do not lie on the axes, each once; empty where they do."""
    if len(planned.axes) > _MOST_AXES:
        return f"it has {len(planned.axes)} axes"
    for name, labels in planned.axes.items():
        if len(set(labels)) < len(labels):
            return f"axes.{name} has a value twice"
    if not all(batch.cells for batch in planned.batches) or not planned.batches:
        return "it has no runs, or none in a batch"
    cells, many = planned.cells, prod(map(len, planned.axes.values()))
    if many > max(_GRID, 100 * len(cells)):
        return f"its axes have {shown(many)} combinations, for {len(cells)} runs"
    files, taken = set(), set()
    for cell in cells:
        said = f"run {shown(cell.file)} is at {shown(cell.at)}"
        if cell.at.keys() != planned.axes.keys():
            return f"{said}, expected one of each of {', '.join(planned.axes)}"
        for key, places in planned.places.items():
            if cell.at[key] not in places:
                return f"{said}, which is not among axes.{key}"
        place = tuple(cell.at[key] for key in planned.axes)
        if cell.file in files or place in taken:
            return f"{said}, and so is another, or another has its file"
        files.add(cell.file)
        taken.add(place)
    return ""
