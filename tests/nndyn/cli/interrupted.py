"""A command in a process of its own, to which Ctrl-C is sent, and what it leaves."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

#: Lines of Python that must not reach the user.
NOISE = ("Traceback", "Exception ignored", "KeyboardInterrupt", "internal error")


# What comes before this line is Python's own start, which nobody can make quiet.
_SCRIPT = "from nndyn.cli import main; open('started', 'w').close(); main()"


@dataclass
class Ended:
    """How a command ended; `seconds` after the signal, None of one that was there first."""

    code: int
    out: str
    err: str
    seconds: float | None

    @property
    def last(self):
        return self.err.splitlines()[-1] if self.err.strip() else ""


def start(folder, *arguments):
    """Start a command in `folder`, as a shell does: with a process group of its own."""
    started = folder / "started"
    started.unlink(missing_ok=True)
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
    )
    while not started.exists():
        time.sleep(0.002)
    return process


def press(process, *, group=False, twice_after=None):
    """Send Ctrl-C, to the command alone or, like a terminal, to all its processes; wait."""
    began, send = time.monotonic(), os.killpg if group else os.kill
    running = process.poll() is None
    for pause in (0.0, twice_after):
        if pause is None or process.poll() is not None:
            break
        time.sleep(pause)
        send(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    return Ended(process.returncode, out, err, time.monotonic() - began if running else None)


def leftovers(folder, session, patience=5.0):
    """Return locks, journals, parts and temporary files, and processes that did not end."""
    deadline = time.monotonic() + patience
    while (alive := _processes(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    hidden = [str(p.relative_to(folder)) for p in folder.rglob(".*")]
    # dask's own folder of all sessions, and matplotlib's cache, are not of one command
    own = [p.name for p in (folder / "tmp").iterdir() if p.name.startswith("nndyn")]
    return hidden + own + alive


def _processes(session):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(command)
    return found
