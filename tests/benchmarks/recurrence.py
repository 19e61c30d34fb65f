"""Recurrence, side by side with other programs: run by ``make bench``.

Each round takes all measures of a scalar series of 10,000 points and of 50,000 at a fixed radius,
by nndyn and by accrqa where that is installed in another environment, whose Python is given. Then
the recurrence of 400 and of 2000 states of 50,000 components at a rate of 5 %, beside all their
distances alone: by scipy's ``pdist`` in l1, by scikit-learn's ``pairwise_distances`` in l2. Last
the same work of one thread and of two, in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from measuring import Elsewhere, in_turn, milliseconds, ratio, with_peer

import nndyn

#: Distance within which points of the series recur: 5 % of the pairs, as by default.
RADIUS = 0.02

#: Makes the series of both programs: the logistic map at r = 4.
SERIES = """
import sys
import numpy as np
x = np.empty(int(sys.argv[1]))
x[0] = 0.3
for i in range(len(x) - 1):
    x[i + 1] = 4.0 * x[i] * (1.0 - x[i])
"""

#: What the peer runs: a line in makes one computation, a line out is its result.
PEER = f"""{SERIES}
import json
from accrqa import DET, LAM, accrqaCompPlatform, accrqaDistance
where = dict(comp_platform=accrqaCompPlatform("cpu"), tidy_data=False, calculate_ENTR=True)
for _ in sys.stdin:
    both = [f(x, 1, 1, 2, {RADIUS}, accrqaDistance("maximal"), **where) for f in (DET, LAM)]
    print(json.dumps([float(v) for values in both for v in values.ravel()]), flush=True)
"""

#: In the order of the peer's results; the rate is that of either half.
NAMES = (
    *("determinism", "mean_diagonal_length", "max_diagonal_length", "diagonal_entropy"),
    "recurrence_rate",
    *("laminarity", "trapping_time", "max_vertical_length", "vertical_entropy"),
    "recurrence_rate",
)

#: Prints by how many MB a series raises the peak memory of a process, imports made.
MEMORY = f"""{SERIES}
import nndyn
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1.024e-3 for line in status if line.startswith("VmHWM"))
recording, analyze, before = nndyn.from_array(x), nndyn.recurrence, peak()
analyze(recording, radius={RADIUS})
print(peak() - before)
"""

#: What one thread and two run, a line in and a line out: a series, or states of many components.
THREADS = f"""{SERIES}
import nndyn

from nndyn.numerics.arrays import Array
d = int(sys.argv[2])
if d > 1:
    x = np.cumsum(np.random.default_rng(0).standard_normal((len(x), d)), axis=0)
recording = nndyn.from_array(x if d == 1 else x[:, None])
options = dict(radius={RADIUS}) if d == 1 else dict(norm=sys.argv[3])
for _ in sys.stdin:
    print(float(nndyn.recurrence(recording, **options)["determinism"]), flush=True)
"""


def series(points: int, python: str | None, rounds: int) -> None:
    """Print the ratio of a scalar series, whether the numbers agree, and what memory it takes."""
    made: dict[str, Any] = {}
    exec(SERIES.replace("sys.argv[1]", str(points)), made)
    recording = nndyn.from_array(made["x"])
    tasks: dict[str, Callable[[], object]] = {
        "nndyn": lambda: nndyn.recurrence(recording, radius=RADIUS)
    }
    if python:
        peer = Elsewhere(python, PEER, points)
        tasks["peer"] = peer
    found = in_turn(tasks, rounds)
    print(f"{points} points of a series: nndyn takes {milliseconds(found, 'nndyn', 1)}")
    if python:
        print(f"  accrqa / nndyn           {ratio(found, 'peer', 'nndyn')}")
        print(f"  {agreement(recording, json.loads(peer()))}")
    words = [sys.executable, "-c", MEMORY, str(points)]
    more = float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    print(f"  peak memory beyond the interpreter with its imports: {more:.0f} MB")


def agreement(recording: Any, numbers: list[float]) -> str:
    """Return how far the peer's measures are from ours, and which are defined otherwise.

    The peer counts the main diagonal as one line of the plot, but not as its longest.
    """
    whole = nndyn.recurrence(recording, radius=RADIUS, theiler=0)
    mine = {name: float(whole[name]) for name in NAMES}
    mine["max_diagonal_length"] = float(
        nndyn.recurrence(recording, radius=RADIUS)["max_diagonal_length"]
    )
    away = {name: abs(value / mine[name] - 1.0) for name, value in zip(NAMES, numbers, strict=True)}
    worst = max(away, key=lambda name: away[name])
    return (
        f"with theiler=0 (it keeps the main diagonal) numbers differ by {away[worst]:.0e} ({worst})"
    )


def states(rounds: int, times: int, components: int, part: int) -> None:
    """Print the ratios of states of many components, to their distances alone."""
    from scipy.spatial.distance import pdist
    from sklearn.metrics import pairwise_distances

    x = np.cumsum(np.random.default_rng(0).standard_normal((times, components)), axis=0)
    recording = nndyn.from_array(x[:, None])  # of one replica: rows are times
    tasks = {
        "l1": lambda: nndyn.recurrence(recording, norm="l1"),
        "pdist": lambda: pdist(x[:part], "cityblock"),
        "l2": lambda: nndyn.recurrence(recording, norm="l2"),
        "sklearn": lambda: pairwise_distances(x),
    }
    found = in_turn(tasks, rounds)
    scale = (times / part) ** 2
    print(f"{times} states of {components} components, in memory, at a rate of 5 %")
    for norm in ("l1", "l2"):
        print(f"  nndyn in {norm} takes {milliseconds(found, norm, 1)}")
    print(f"  pdist / nndyn, l1        {ratio(found, 'pdist', 'l1', scale=scale)}")
    if part < times:
        print(f"    pdist timed with {part} states, times {scale:g}: true to 8 % of all {times}")
    print(f"  nndyn / sklearn, l2      {ratio(found, 'l2', 'sklearn')}")


def threads(rounds: int) -> None:
    """Print how much faster two threads are than one."""
    cases = {
        "50000 points of a series": (50_000, 1, "max"),
        "2000 states of 10000, l1": (2000, 10_000, "l1"),
        "2000 states of 10000, l2": (2000, 10_000, "l2"),
    }
    print("one thread / two threads")
    for name, words in cases.items():
        tasks = {}
        for n in ("1", "2"):
            kinds = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
            environment = dict.fromkeys(kinds, n)
            tasks[n] = Elsewhere(sys.executable, THREADS, *words, **environment)
        found = in_turn(tasks, rounds)
        print(f"  {name} {ratio(found, '1', '2', clocks=('wall',))}", flush=True)


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    asked = with_peer(parser, "accrqa")
    for points in (10_000, 50_000):
        series(points, asked.peer, asked.rounds)
    states(asked.rounds, 400, 50_000, 400)
    states(asked.rounds, 2000, 50_000, 500)
    threads(asked.rounds)


if __name__ == "__main__":
    main()
