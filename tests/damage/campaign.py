"""Damages by the thousand: every answer is a refusal or right, whatever happened to the files.

``python -m tests.damage.campaign COUNT`` prints the table of docs/reliability.md.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import json
import os
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.damage.damages import OF_FILES, OF_STUDIES, OF_TEXTS
from tests.damage.subjects import SUBJECTS

#: Seconds after which an answer counts as a hang.
PATIENCE = 30.0


@dataclass(frozen=True)
class Case:
    """One damage to come: of what, which, and the seed of its randomness."""

    subject: str
    damage: str
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes
    ----------
    case : Case
    done : str
        What the damage did.
    right, refused : int
        Answers.
    faults : list of str
        Answers that are neither; each says the question and what came.
    """

    case: Case
    done: str
    right: int
    refused: int
    faults: list[str]


def drawn(count: int, seed: int) -> list[Case]:
    """Return cases: every subject has its share, every damage of it comes round."""
    rng = np.random.default_rng(seed)
    kinds = {
        name: [*OF_FILES, *OF_TEXTS, *OF_STUDIES] if name == "study" else list(OF_FILES)
        for name in SUBJECTS
    }
    decks: dict[str, list[str]] = {name: [] for name in SUBJECTS}
    cases = []
    for i in range(count):
        name = list(SUBJECTS)[i % len(SUBJECTS)]
        if not decks[name]:
            decks[name] = [str(k) for k in rng.permutation(kinds[name])]
        cases.append(Case(name, decks[name].pop(), int(rng.integers(2**31))))
    return cases


class _Worker:
    """A process that damages and asks; a new one where it ended or hung."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, case: Case, patience: float) -> Outcome:
        if self._process is None:
            self._start()
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([case.subject, case.damage, case.seed]) + "\n")
        self._process.stdin.flush()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            line = pool.submit(self._process.stdout.readline)
            try:
                said = line.result(timeout=patience)
            except TimeoutError:
                self._process.kill()
                said = ""
                line.result()
                self.end()
                return Outcome(case, "", 0, 0, [f"no answer within {patience:.0f} s"])
        if not said:
            code = self._process.wait()
            self.end()
            return Outcome(case, "", 0, 0, [f"the process ended with {code}"])
        return Outcome(case, **json.loads(said))

    def _start(self) -> None:
        one = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.damage.worker", str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **one},
            cwd=Path(__file__).parents[2],
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def end(self) -> None:
        if self._process is not None:
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()
        self._process = None


def outcomes(
    cases: Sequence[Case], folder: Path, *, workers: int = 1, patience: float = PATIENCE
) -> Iterator[Outcome]:
    """Yield what came of each case, as they end.

    Parameters
    ----------
    cases : sequence of Case
    folder : Path
        Where `subjects.make` made the subjects.
    workers : int
        Processes.
    patience : float
        s.
    """
    idle: queue.Queue[_Worker] = queue.Queue()
    for _ in range(workers):
        idle.put(_Worker(folder))

    def tried(case: Case) -> Outcome:
        worker = idle.get()
        try:
            return worker(case, patience)
        finally:
            idle.put(worker)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for future in concurrent.futures.as_completed([pool.submit(tried, c) for c in cases]):
            yield future.result()
    while not idle.empty():
        idle.get().end()


def table(found: Sequence[Outcome]) -> str:
    """Counts by damage, as a table in Markdown."""
    lines = [
        "| damage | tried | answers right | answers refused | faults |",
        "|---|---|---|---|---|",
    ]
    by_damage: dict[str, list[Outcome]] = collections.defaultdict(list)
    for one in found:
        by_damage[one.case.damage].append(one)
    rows = [(name, by_damage[name]) for name in (*OF_FILES, *OF_TEXTS, *OF_STUDIES)]
    for name, of in [*rows, ("all", list(found))]:
        right, refused = sum(o.right for o in of), sum(o.refused for o in of)
        faults = sum(bool(o.faults) for o in of)
        lines.append(f"| {name} | {len(of)} | {right} | {refused} | {faults} |")
    return "\n".join(lines)


def main() -> None:
    """Run a campaign and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, help="damages")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    begun = time.monotonic()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "tests.damage.worker", folder, "--make"], check=True)
        cases = drawn(options.count, options.seed)
        for one in outcomes(cases, Path(folder), workers=options.workers):
            found.append(one)
            for fault in one.faults:
                print(f"{one.case}: {one.done}: {fault}", flush=True)
            if len(found) % 50 == 0:
                sys.stderr.write(f"{len(found)} of {len(cases)}\n")
    print(table(found))
    print(f"\nSeed {options.seed}, {time.monotonic() - begun:.0f} s.")
    sys.exit(any(o.faults for o in found))


if __name__ == "__main__":
    main()
