"""What is damaged: five recordings, a kept result and a study; and what each is asked."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_TRAINING = (
    "record training --data iris --model mlp:4-6-3 --batch-size 30 --momentum 0.9 --lr 0.05 "
    "--replicas 3 --tangents 2 --sharpness every:20 --steps {} -o training.nc"
)
_MAP = "record map henon --steps {} --replicas 3 --tangents 2 -o map.nc"
_KILLED = "record training --data iris --model mlp:4-16-3 --lr 0.5 --steps 900 -o killed.nc"

#: Commands that make the subjects, in a folder.
_MAKING = (
    _TRAINING.format(120),
    _MAP.format(400),
    "record flow lorenz63 --steps 400 --replicas 3 -o flow.nc",
    "record series x.csv -o series.nc",
    "analyze recurrence series.nc -o result.nc",
    "sweep map logistic --param r=3.6,3.9 --seeds 2 --steps 300 --replicas 3 -o study",
    "analyze lyapunov study",
)

_JOURNAL_DIGEST = 32  # its last bytes

# Ends the process in the middle of its third block of 304 steps, its journal beside it.
_KILL = """
import os
from nndyn.cli import main
from nndyn.store import Writer
from recorders import request
request._BLOCK_STEPS = 304
commit, seen = Writer.commit, []
def die(self, *arguments):
    seen.append(1)
    os._exit(9) if len(seen) == 3 else commit(self, *arguments)
Writer.commit = die
main()
"""


@dataclass(frozen=True)
class Answer:
    """What came of one question.

    Attributes
    ----------
    code : int
        Exit code; of a Python call 0, or 4 for an error of nndyn's.
    said : str
        What it printed, or returned, with the folder's name taken out.
    error : str
        What it said on standard error, in its error, or in its warnings.
    """

    code: int
    said: str
    error: str


@dataclass(frozen=True)
class Subject:
    """Files that belong together, and the questions about them.

    Attributes
    ----------
    name : str
    files : tuple of str
        Files, or folders, in the folder of all.
    questions : dict of str to callable
        Each takes the folder.
    """

    name: str
    files: tuple[str, ...]
    questions: dict[str, Callable[[Path], Answer]]

    def ask(self, folder: Path) -> Iterator[tuple[str, Answer]]:
        """Yield each question's name and its answer."""
        for name, question in self.questions.items():
            yield name, question(folder)

    def copied(self, source: Path, folder: Path) -> None:
        """Copy the files into an empty folder."""
        for name in self.files:
            if (source / name).is_dir():
                shutil.copytree(source / name, folder / name)
            else:
                shutil.copy2(source / name, folder / name)
        for name in self.files:
            if name.endswith(".journal"):
                _move_journal(folder / name, folder / self.files[0])


def make(folder: Path) -> None:
    """Make all subjects in an empty folder."""
    rng = np.random.default_rng(0)
    np.savetxt(folder / "x.csv", np.cumsum(rng.normal(size=600)), header="x", comments="")
    with contextlib.chdir(folder):
        for line in _MAKING:
            answer = _command(line)(folder)
            assert answer.code == 0, answer.error
    killed = subprocess.run([sys.executable, "-c", _KILL, *shlex.split(_KILLED)], cwd=folder)
    assert killed.returncode == 9
    assert (folder / ".killed.nc.journal").stat().st_size


def _move_journal(journal: Path, recording: Path) -> None:
    """Let a copied journal be that of the copied recording: it names the file by its inode."""
    raw = journal.read_bytes()
    inode = recording.stat().st_ino.to_bytes(8, "little")
    body = raw[:16] + inode + raw[24:-_JOURNAL_DIGEST]
    digest = hashlib.blake2b(body, digest_size=_JOURNAL_DIGEST).digest()
    journal.write_bytes(body + digest)


def _command(line: str) -> Callable[[Path], Answer]:
    """Return a question that a line of the command line asks."""

    def asked(folder: Path) -> Answer:
        from nndyn.cli import nndyn
        from nndyn.cli.lazy import run

        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            try:
                code = run(nndyn, shlex.split(line))
            except Exception:  # what a user would be told is an internal error
                return Answer(1, "", traceback.format_exc())
        return Answer(code, _stable(out.getvalue()), err.getvalue() + _warnings(out.getvalue()))

    return asked


def _warnings(text: str) -> str:
    """Return the warnings of a result, a line each."""
    try:
        return "".join(f"{line}\n" for line in json.loads(text).get("warnings", ()))
    except (ValueError, AttributeError):
        return ""


def _stable(text: str) -> str:
    """Return what was printed; of results the numbers, of a description all but sizes."""
    try:
        found = json.loads(text)
    except ValueError:
        return re.sub(r", [0-9.]+ [kM]?B,", ",", text)
    if "results" in found:
        found = {key: found[key] for key in ("results", "verdict")}
    found.pop("bytes", None)
    for part in found.values():  # what another program added is there, and no harm
        if isinstance(part, dict):
            part.pop("of_another", None)
    return json.dumps(found, sort_keys=True)


def _reading(read: Callable[[Path], str]) -> Callable[[Path], Answer]:
    """Return a question that a Python function asks."""

    def asked(folder: Path) -> Answer:
        from nndyn.errors import NndynError

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return Answer(0, read(folder), "")
        except NndynError as error:
            return Answer(4, "", f"nndyn: {error}\n")
        except Exception:
            return Answer(1, "", traceback.format_exc())

    return asked


def _values(name: str) -> Callable[[Path], str]:
    """Read all values of a recording, each variable by itself."""

    def read(folder: Path) -> str:
        import nndyn
        from nndyn.recording import VARIABLES

        with nndyn.open(folder / name) as recording:
            known = [str(v) for v in recording.variables if v in VARIABLES]
            return _digest({name: recording[name].values for name in known})

    return read


def _result(folder: Path) -> str:
    from nndyn.store import load_result

    result = load_result(folder / "result.nc")
    return _digest({str(v): result[v].values for v in result.variables})


def _digest(values: dict[str, Any]) -> str:
    known = hashlib.sha256()
    for name in sorted(values):
        array = np.asarray(values[name])
        known.update(f"{name} {array.dtype} {array.shape}".encode())
        known.update(array.tobytes() if array.dtype != object else repr(array.tolist()).encode())
    return known.hexdigest()


def _resumed(line: str, name: str) -> Callable[[Path], Answer]:
    """Return a question that goes on with a recording, and then reads it: the last of all."""
    command, reading = _command(f"{line} --resume"), _reading(_values(name))

    def asked(folder: Path) -> Answer:
        answer = command(folder)
        return reading(folder) if answer.code == 0 else answer

    return asked


def _recording(name: str, resume: str = "", *analyzers: str, beside: str = "") -> Subject:
    file = f"{name}.nc"
    lines = {"info": f"info {file} --json", "verify": f"verify {file}"}
    lines |= {a: f"analyze {a} {file} --json" for a in analyzers}
    questions = {key: _command(line) for key, line in lines.items()}
    questions["values"] = _reading(_values(file))
    if resume:
        questions["resume"] = _resumed(resume, file)
    return Subject(name, (file, beside) if beside else (file,), questions)


_STUDY = {
    "info": "info study",
    "verify": "verify study",
    "lyapunov": "analyze lyapunov study --json",
    "exploration": "analyze exploration study --json",
    "resume": "sweep map logistic --param r=3.6,3.9 --seeds 2 --steps 300 --replicas 3 "
    "-o study --resume",
}

SUBJECTS = {
    subject.name: subject
    for subject in (
        _recording("training", _TRAINING.format(160), "lyapunov", "spectrum", "learning"),
        _recording("map", _MAP.format(500), "spectrum", "exploration"),
        _recording("flow", "", "lyapunov", "recurrence"),
        _recording("series", "", "recurrence", "exploration"),
        _recording("killed", _KILLED, "lyapunov", beside=".killed.nc.journal"),
        Subject("result", ("result.nc",), {"load": _reading(_result)}),
        Subject("study", ("study",), {key: _command(line) for key, line in _STUDY.items()}),
    )
}
