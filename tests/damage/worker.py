"""A process that damages what it is told to and asks: ``python -m tests.damage.worker FOLDER``.

It reads lines ``[subject, damage, seed]`` and answers each with a line; an answer that does not
come, or a process that ends, is a fault that the campaign counts.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from tests.damage.damages import OF_FILES, OF_STUDIES, OF_TEXTS
from tests.damage.subjects import SUBJECTS, Answer, Subject, make

#: What is said of a cell that a study goes on without.
_SPARED = ("damaged", "missing", "foreign", "not recorded")


def main() -> None:
    """Make the subjects in a folder, or damage copies of them as told."""
    folder = Path(sys.argv[1])
    if sys.argv[2:] == ["--make"]:
        make(folder)
        return
    answers, sys.stdout = sys.stdout, sys.stderr  # nothing else may be said there
    right = {name: _right(subject, folder) for name, subject in SUBJECTS.items()}
    print("ready", file=answers, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for line in sys.stdin:
            name, damage, seed = json.loads(line)
            rng = np.random.default_rng(seed)
            place = Path(tempfile.mkdtemp(dir=scratch))
            outcome = _tried(SUBJECTS[name], folder, place, damage, rng, right[name])
            _say(outcome, answers)
            _empty(place)


def _empty(folder: Path) -> None:
    """Give back the space of files, but not their inodes, by which the library knows them.

    It may hold on to a damaged file for as long as the process lives, and would take a new one of
    the same inode for that.
    """
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.truncate(path, 0)


def _say(outcome: dict[str, Any], answers: TextIO) -> None:
    print(json.dumps(outcome), file=answers, flush=True)


def _right(subject: Subject, source: Path) -> dict[str, list[Answer]]:
    """Return the right answers: the first of what is not damaged, the others without a cell."""
    right = [_asked(subject, source)]
    assert not any(answer.code for answer in right[0].values()), right
    cells = Path(subject.files[0]) / "cells"
    for path in sorted((source / cells).glob("*")):
        right += [_asked(subject, source, cells / path.name, gone=gone) for gone in (False, True)]
    return {question: [answers[question] for answers in right] for question in right[0]}


def _asked(
    subject: Subject, source: Path, without: Path | None = None, *, gone: bool = False
) -> dict[str, Answer]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subject.copied(source, folder)
        if without is not None:
            (folder / without).unlink() if gone else (folder / without).write_bytes(b"")
        return dict(subject.ask(folder))


def _tried(
    subject: Subject,
    source: Path,
    folder: Path,
    damage: str,
    rng: np.random.Generator,
    right: dict[str, list[Answer]],
) -> dict[str, Any]:
    subject.copied(source, folder)
    done = _damaged(subject, folder, source, damage, rng)
    outcome: dict[str, Any] = {"done": done, "right": 0, "refused": 0, "faults": []}
    for question, answer in subject.ask(folder):
        fault = _fault(answer, right[question])
        if fault:
            outcome["faults"].append(f"{question}: {fault}")
        elif answer.code:
            outcome["refused"] += 1
        else:
            outcome["right"] += 1
    return outcome


def _damaged(
    subject: Subject, folder: Path, source: Path, damage: str, rng: np.random.Generator
) -> str:
    if damage in OF_STUDIES:
        (folder / "other.nc").write_bytes((source / "map.nc").read_bytes())
        return OF_STUDIES[damage](folder / subject.files[0], rng)
    of_text = damage in OF_TEXTS
    files = [
        path
        for top in subject.files
        for path in [folder / top, *sorted((folder / top).rglob("*"))]
        if path.is_file() and (path.suffix == ".json") == of_text
    ]
    path = files[int(rng.integers(len(files)))]
    change = OF_TEXTS[damage] if of_text else OF_FILES[damage]
    return f"{path.relative_to(folder)}: {change(path, rng)}"


def _fault(answer: Answer, right: list[Answer]) -> str:
    """Say what is wrong with an answer: neither a refusal nor right; empty if nothing is."""
    if answer.code:
        refused = answer.code in (1, 2, 4) and _is_refusal(answer)
        return (
            "" if refused else f"exit {answer.code}: {answer.error[-600:] or answer.said[-600:]!r}"
        )
    if answer.said == right[0].said:
        return ""
    names_it = any(word in answer.said + answer.error for word in _SPARED)
    numbers = answer.said.startswith("{")  # else a description, of which that is all
    if names_it and (not numbers or any(answer.said == one.said for one in right[1:])):
        return ""
    return f"another answer: {_difference(answer.said, right[0].said)}"


def _is_refusal(answer: Answer) -> bool:
    whole = answer.error + answer.said
    return bool(whole) and "internal error" not in whole and "Traceback" not in whole


def _difference(one: str, two: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
    return f"{one[max(0, at - 60) : at + 60]!r}, expected {two[max(0, at - 60) : at + 60]!r}"


if __name__ == "__main__":
    main()
