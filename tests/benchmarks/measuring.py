"""How the benchmarks time: tasks in turn, round after round, and ratios within rounds."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

#: Of every round: processor and wall seconds of every task.
Times = list[dict[str, tuple[float, float]]]
CLOCKS = ("cpu", "wall")


def with_peer(parser: argparse.ArgumentParser, package: str) -> argparse.Namespace:
    """Return what a benchmark was asked for; where its peer is not installed, say how it would be.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        To which an option ``--peer`` is added.
    package : str
        The peer.

    Returns
    -------
    argparse.Namespace
    """
    parser.add_argument(
        "--peer",
        default=os.environ.get("PEERS"),
        help=f"Python of an environment with {package}; that of the variable PEERS by default.",
    )
    asked = parser.parse_args()
    if not asked.peer:
        print(
            f"{package} is not installed: pip install -r tests/benchmarks/requirements.txt in an "
            "environment of its own, and give its Python by --peer or by make bench PEERS=…"
        )
    return asked


class Elsewhere:
    """A computation in a process of its own: a line goes in, and its result comes out as a line.

    Parameters
    ----------
    python : str
        Python of an environment.
    program : str
    *words : object
        Its arguments.
    **environment : str
        Variables of its environment.
    """

    def __init__(self, python: str, program: str, *words: object, **environment: str) -> None:
        self._python = python
        self._process = subprocess.Popen(
            [python, "-c", program, *(str(word) for word in words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )

    def __call__(self) -> str:
        """Compute once, and return the line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._python} does not run its part")
        return line

    def seconds(self) -> float:
        """Return the processor seconds of its threads so far."""
        threads = Path(f"/proc/{self._process.pid}/task").iterdir()
        return sum(int((t / "schedstat").read_text().split()[0]) for t in threads) / 1e9


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Return processor and wall seconds of one call."""
    clock = function.seconds if isinstance(function, Elsewhere) else time.process_time
    cpu, wall = clock(), time.perf_counter()
    function()
    return clock() - cpu, time.perf_counter() - wall


def in_turn(tasks: Mapping[str, Callable[[], object]], rounds: int) -> Times:
    """Return the times of `rounds` rounds of `tasks`, one before them left out.

    That one compiles, and touches memory for the first time.
    """
    return [{key: timed(task) for key, task in tasks.items()} for _ in range(rounds + 1)][1:]


def ratio(times: Times, above: str, below: str, *, clocks=CLOCKS, scale: float = 1.0) -> str:
    """Return the median and the range of `scale` times the ratio of two tasks, by each clock."""
    texts = []
    for clock in clocks:
        index = CLOCKS.index(clock)
        ratios = [scale * t[above][index] / t[below][index] for t in times]
        low, high = min(ratios), max(ratios)
        texts.append(f"{clock} {statistics.median(ratios):.2f} [{low:.2f}, {high:.2f}]")
    return "  ".join(texts)


def milliseconds(times: Times, task: str, parts: int) -> str:
    """Return the median wall time of one of the equal `parts` of a task."""
    return f"{1000 * statistics.median(t[task][1] for t in times) / parts:.3g} ms"
