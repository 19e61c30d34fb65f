"""How the benchmarks time: tasks in turn, round after round, and ratios within rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

#: Of every round: processor and wall seconds of every task.
Times = list[dict[str, tuple[float, float]]]
CLOCKS = ("cpu", "wall")


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Return processor and wall seconds of one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    function()
    return time.process_time() - cpu, time.perf_counter() - wall


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
