"""Eight runs as one batch, side by side with one by one: run by ``make bench``.

Each round records four seeds times two learning rates (a) one after the other with `nndyn.record`,
and (b) at once with `nndyn.record_batch`, each run to a file of its own. Digits with two workers,
from which the batch gains on two cores: a single run of this size uses one thread, whatever
torch is allowed. Iris with one worker: small steps, where calls shared by the runs are the gain.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from measuring import CLOCKS, in_turn, milliseconds, ratio

import nndyn

RUNS = [(seed, lr) for seed in range(4) for lr in (0.5, 2.0)]


def compare(
    name: str, model: str, data: str, steps: int, workers: int, rounds: int, **options: str
) -> None:
    """Print the ratio of one network."""
    systems = [nndyn.Training(model, data, lr=lr, seed=seed, **options) for seed, lr in RUNS]
    seeds = [seed for seed, _ in RUNS]

    def one_by_one(paths: list[Path]) -> None:
        for system, path, seed in zip(systems, paths, seeds, strict=True):
            nndyn.record(system, path, steps=steps, seed=seed).close()

    def at_once(paths: list[Path]) -> None:
        nndyn.record_batch(systems, paths, steps=steps, seeds=seeds, workers=workers)

    times = in_turn({"one by one": fresh(one_by_one), "batch": fresh(at_once)}, rounds)
    each = milliseconds(times, "one by one", len(RUNS))
    clocks = ("wall",) if options else CLOCKS
    print(f"{name}: {len(RUNS)} runs of {steps} steps, a single one takes {each}")
    print(f"  batch / one by one  {ratio(times, 'batch', 'one by one', clocks=clocks)}", flush=True)


def fresh(record: Callable[[list[Path]], None]) -> Callable[[], None]:
    """Return a function that calls `record` with names of files in a new folder."""

    def run() -> None:
        folder = Path(tempfile.mkdtemp())
        record([folder / f"{m}.nc" for m in range(len(RUNS))])
        shutil.rmtree(folder)

    return run


def main() -> None:
    """Run the comparison on both networks, and on a GPU where there is one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    digits = "digits 64-32-10, 2 workers (aim: at most 0.60, wall)"
    compare(digits, "mlp:64-32-10", "digits", 400, 2, rounds)
    compare("iris 4-16-3, 1 worker", "mlp:4-16-3", "iris", 400, 1, rounds)
    for dtype in ("float64", "float32") if torch.cuda.is_available() else ():
        name = f"digits 64-32-10, {dtype} on {torch.cuda.get_device_name()}"
        where = {"dtype": dtype, "device": "cuda"}
        compare(name, "mlp:64-32-10", "digits", 200, 1, rounds, **where)


if __name__ == "__main__":
    main()
