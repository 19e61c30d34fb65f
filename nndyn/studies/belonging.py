"""Membership of a recording in a study: whether it is the run in whose place it lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nndyn.kinds import shown
from nndyn.options import RECORDING
from nndyn.store import Facts
from nndyn.studies.design import Cell, Design
from nndyn.systems.catalogue import CATALOGUE

#: Texts that a manifest repeats as they were given; others it puts in a form of its own.
_REPEATED = {"optimizer", "activation", "init", "loss", "dtype", "method"}
_REPEATED |= {"perturb", "state", "tangent_start"}
#: Models that a manifest repeats; of a module it has the name alone, not whence it came.
_SPECS = ("mlp:", "cnn:")
#: Runs may have gone on; seeds stand elsewhere; what a system or a run lacks is asked in vain.
_APART = ("steps", "seed", "evaluate", "control")


def foreign(file: Path, planned: Design, cell: Cell, known: Mapping[str, Any], found: Facts) -> str:
    """Say that a recording is not of the run that it should be; nothing where it is.

    Parameters
    ----------
    file : Path
        Its file.
    planned : Design
    cell : Cell
        The run.
    known : mapping of str to value
        What a note says of it.
    found : Facts
        What the file says of itself.

    Returns
    -------
    str
        One line: which file, what is different, and the cure.
    """
    wrong = ["another program wrote it anew"] if found.copied else []
    if known.get("id") and found.id != known["id"]:
        wrong.append(f"its recording_id is {shown(found.id)}, {known['id']} was noted")
    wrong += _differences(planned, cell, found.manifest)
    return refusal(file, "; ".join(wrong)) if wrong else ""


def refusal(file: str | Path, why: str) -> str:
    """Return what is said of a file that is not the recording of its run."""
    return (
        f"{file} is not the recording of its run: {why}; put the right one in its place, or move "
        "it away and sweep again"
    )


def _differences(planned: Design, cell: Cell, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Compare what a plan and a manifest both say."""
    system, recording = manifest.get("system", {}), manifest.get("recording", {})
    seeds = {"seed": recording.get("seed")}
    own: dict[str, Any] = {}
    if planned.system == "training":
        yield from _unlike("system", planned.system, system.get("kind"))
        own, seeds = system, seeds | {"seed of the system": system.get("seed")}
    elif planned.system in CATALOGUE:
        yield from _unlike("system", planned.system, system.get("name"))
        given = system.get("parameters")
        own = system | (given if isinstance(given, dict) else {})
    for name, seed in seeds.items():
        yield from _unlike(name, cell.at["seed"], seed)
    for name, value in {**planned.options, **cell.at}.items():
        stated = (recording if name in RECORDING else own).get(name)
        both = (value, stated)
        numbers = all(isinstance(v, int | float) for v in both)
        specs = name == "model" and all(str(v).startswith(_SPECS) for v in both)
        texts = specs or (name in _REPEATED and isinstance(stated, str))
        if name not in _APART and (numbers or texts):
            yield from _unlike(name, value, stated)


def _unlike(name: str, planned: Any, stated: Any) -> Iterator[str]:
    if stated != planned:
        yield f"{name} is {shown(stated)} in the file, {shown(planned)} in the plan"
