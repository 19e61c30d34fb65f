"""Files of checkpoints: in natural order, and the steps that their names say."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nndyn.checks import number, whole
from nndyn.errors import DataError, UsageError
from nndyn.runtime.paths import located
from nndyn.words.text import escaped

#: Endings of files that hold a state; an index names the files of one in several.
TORCH = (".pt", ".pth", ".bin", ".ckpt")
SUFFIXES = (*TORCH, ".safetensors", ".npz")
INDEX = ".index.json"
#: What a folder that is one checkpoint calls the state, among files of optimizer and trainer.
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.pt", "pytorch_model.pt", "model.npz")
#: Names listed in a message.
_SHOWN = 4

_DIGITS = re.compile(r"([0-9]+)")
#: Before the number of a step, where names have several.
_STEP = re.compile(r"(?:^|[^a-z])(?:global_?)?(?:step|iter|iteration|it)s?[-_=]?$", re.IGNORECASE)


@dataclass(frozen=True)
class Checkpoint:
    """A state at some step.

    Attributes
    ----------
    name : str
        Of the file or folder, as the user knows it.
    path : Path
        Of the file with the state, or of an index of files.
    """

    name: str
    path: Path


def natural(name: str) -> tuple[tuple[str | int, ...], str]:
    """Return what puts names in the order people count in: step2 before step10.

    Parameters
    ----------
    name : str

    Returns
    -------
    tuple
        Text and numbers in turn; the name itself decides between 2 and 02.
    """
    parts = _DIGITS.split(name)
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts)), name


def is_state(path: Path) -> bool:
    """Whether the name of a file says that it holds a state, or which files do."""
    name = path.name.lower()
    return name.endswith((*SUFFIXES, INDEX)) and not name.startswith(".")


def files(
    given: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], name: str
) -> list[Checkpoint]:
    """Return the checkpoints of a trajectory.

    Parameters
    ----------
    given : path-like or iterable of path-like
        A folder, whose files and folders are put in natural order, or the files themselves, in
        the order given.
    name : str
        What messages call it.

    Returns
    -------
    list of Checkpoint

    Raises
    ------
    UsageError
        If there is none, or one is missing.
    DataError
        If there is only one.
    """
    if isinstance(given, str | os.PathLike):
        folder = located(given, name)
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "does not exist"
            raise UsageError(
                f"{name}: {folder} {what}; give the folder of its checkpoints, or a list of them"
            )
        found = _in_folder(folder)
    elif hasattr(given, "__iter__"):
        found = [located(one, f"{name}[{i}]") for i, one in enumerate(given)]
    else:
        raise UsageError(f"{name} is {given!r}, expected a folder or a list of files")
    if len(found) < 2:
        raise DataError(
            f"{name} has {len(found)} checkpoint{'s' * (len(found) != 1)}, expected at least 2"
        )
    return [_state_in(path) for path in found]


def _in_folder(folder: Path) -> list[Path]:
    entries = sorted(folder.iterdir(), key=lambda path: natural(path.name))
    states = [path for path in entries if path.is_file() and is_state(path)]
    parts = {part for path in states if path.name.endswith(INDEX) for part in shards(path)}
    states = [path for path in states if path not in parts]
    states += [path for path in entries if path.is_dir() and _candidates(path)]
    if not states:
        names = [escaped(path.name) for path in entries]
        held = ", ".join([*names[:_SHOWN], "…"] if len(names) > _SHOWN else names) or "nothing"
        raise UsageError(
            f"{folder} has no checkpoints, {', '.join(SUFFIXES)} or *{INDEX}; it has {held}"
        )
    return sorted(states, key=lambda path: natural(path.name))


def _candidates(folder: Path) -> list[Path]:
    """Return which files of a folder that is one checkpoint may hold the state."""
    found = [path for path in folder.iterdir() if path.is_file() and is_state(path)]
    known = {path.name: path for path in found}
    for name in _WEIGHTS:
        for one in (name, name + INDEX):
            if one in known:
                return [known[one]]
    parts = {part for path in found if path.name.endswith(INDEX) for part in shards(path)}
    return sorted(set(found) - parts, key=lambda path: natural(path.name))


def _state_in(path: Path) -> Checkpoint:
    """Return a checkpoint that may be a folder, after checking that its state is there."""
    if path.is_dir():
        found = _candidates(path)
        if len(found) != 1:
            names = ", ".join(escaped(one.name) for one in found) or "none"
            raise UsageError(f"{path} has {len(found)} states ({names}); give the files as a list")
        return Checkpoint(path.name, found[0])
    if not path.exists():
        raise UsageError(f"{path} does not exist; check the name")
    if not is_state(path):
        raise UsageError(f"{path} is none of {', '.join(SUFFIXES)} or *{INDEX}")
    always = path.name.removesuffix(INDEX) in _WEIGHTS  # then the folder says the step
    return Checkpoint(path.parent.name if always else path.name, path)


def shards(index: Path) -> dict[Path, list[str]]:
    """Return the files of a state in several, and the tensors in each.

    Parameters
    ----------
    index : Path

    Returns
    -------
    dict of Path to list of str

    Raises
    ------
    DataError
        If it is no index, or names files elsewhere.
    """
    try:
        said = json.loads(index.read_text(encoding="utf-8"))
        named = said["weight_map"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{index} is no index of a state in several files: it has no weight_map"
        ) from error
    found: dict[Path, list[str]] = {}
    for key, file in named:
        if not isinstance(file, str) or Path(file).name != file or not is_state(Path(file)):
            raise DataError(
                f"{index}: {escaped(key)} is in {file!r}, expected the name of a file beside it"
            )
        found.setdefault(index.parent / file, []).append(key)
    return found


def steps(
    checkpoints: Sequence[Checkpoint], label: str, given: Sequence[float] | int | None = None
) -> list[float]:
    """Return the step of each checkpoint.

    Parameters
    ----------
    checkpoints : sequence of Checkpoint
    label : str
        What messages call their trajectory.
    given : sequence of number, or int, optional
        The steps; or how many there are between two, from 0 on. From the names unless given.

    Returns
    -------
    list of float

    Raises
    ------
    UsageError
        If they do not increase, there is not one a file, or names do not say them.
    """
    if given is not None:
        found = _given(given, len(checkpoints), label)
    else:
        found = [float(step) for step in of_names([one.name for one in checkpoints], label)]
    order = sorted(range(len(found)), key=found.__getitem__)
    for i, j in itertools.pairwise(order):
        if found[i] == found[j]:
            raise UsageError(
                f"{label}: {escaped(checkpoints[i].name)} and {escaped(checkpoints[j].name)} are "
                f"both of step {found[i]:g}; give a list of files, or `steps`"
            )
    return found


def _given(given: Sequence[float] | int, count: int, label: str) -> list[float]:
    if not isinstance(given, Iterable):
        every = whole("steps", given, 1, what="steps between two checkpoints, or a list of steps")
        return [float(every * i) for i in range(count)]
    found = [number(f"steps[{i}]", step) for i, step in enumerate(given)]
    if len(found) != count:
        raise UsageError(f"steps has {len(found)} entries, {label} has {count} checkpoints")
    for i, (a, b) in enumerate(itertools.pairwise(found)):
        if not a < b:
            raise UsageError(f"steps[{i + 1}] is {b:g} after {a:g}, expected steps to increase")
    return found


def of_names(names: Sequence[str], label: str) -> list[int]:
    """Return the number in each name that is its step.

    Parameters
    ----------
    names : sequence of str
        Two or more.
    label : str
        What messages call their trajectory.

    Returns
    -------
    list of int
        The only number in which names differ, or that which follows ``step`` or ``iter``.

    Raises
    ------
    UsageError
        If there is none, or several.
    """
    cure = "give `steps`, or a list of the files that are meant"
    parts = [_DIGITS.split(name) for name in names]
    for name, found in zip(names, parts, strict=True):
        if len(found) < 2:
            raise UsageError(f"{label}: {escaped(name)} has no number, expected its step; {cure}")
    called = [[i for i in range(1, len(one), 2) if _STEP.search(one[i - 1])] for one in parts]
    if all(len(one) == 1 for one in called):
        return [int(one[at[0]]) for one, at in zip(parts, called, strict=True)]
    lengths = {len(one) for one in parts}
    if len(lengths) > 1:
        odd = next(n for n, one in zip(names, parts, strict=True) if len(one) != len(parts[0]))
        raise UsageError(
            f"{label}: {escaped(names[0])} and {escaped(odd)} have different numbers of numbers, "
            f"and which is the step is not clear; {cure}"
        )
    differing = [i for i in range(1, lengths.pop(), 2) if len({int(one[i]) for one in parts}) > 1]
    if len(differing) != 1:
        why = "several numbers" if differing else "no number"
        raise UsageError(
            f"{label}: {escaped(names[0])} and {escaped(names[1])} differ in {why}, expected one "
            f"that is the step; {cure}"
        )
    return [int(one[differing[0]]) for one in parts]
