"""Verdicts of the digits network against learning rate: the table of docs/questions/digits.md.

    python examples/verdicts.py                 ten seeds, six learning rates, some minutes
    python examples/verdicts.py --seeds 2 --lr 0.5,3 --steps 120

Each run is a reference with five replicas (epsilon 1e-8) over 400 steps of full-batch gradient
descent on 64-32-10, tanh. With rescaling every five steps growth can be followed to its end;
without it, it ends where deviations are no longer infinitesimal.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

import nndyn


def measure(lr, seed, rescale, steps, folder):
    """Record and analyze one run; gives its verdict, exponent, growth and final accuracy."""
    system = nndyn.Training("mlp:64-32-10", "digits", lr=lr, seed=seed)
    path = Path(folder) / "run.nc"
    with nndyn.record(
        system,
        path,
        steps=steps,
        rescale=rescale,
        seed=seed,
        store="distances",
        overwrite=True,
    ) as recording:
        result = nndyn.lyapunov(recording)
        reached = np.flatnonzero(recording["test_accuracy"].values[:, 0] >= 0.93)
    return (
        result.attrs["verdict"],
        float(result["lyapunov_max"]),
        float(result["growth"]),
        int(reached[0]) if reached.size else None,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", default="0.5,1,1.5,2,2.5,3")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=400)
    asked = parser.parse_args()
    print("| lr | plain | with `--rescale 5` | exponent | growth | steps to 0.93 |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for lr in (float(value) for value in asked.lr.split(",")):
            plain, rescaled = (
                [measure(lr, seed, rescale, asked.steps, folder) for seed in range(asked.seeds)]
                for rescale in (None, 5)
            )
            words = [
                ", ".join(f"{n} {verdict}" for verdict, n in Counter(r[0] for r in runs).items())
                for runs in (plain, rescaled)
            ]
            rate, growth = (np.median([r[k] for r in rescaled]) for k in (1, 2))
            # a run that never arrives counts as later than every other: half must arrive
            arrived = sorted(asked.steps + 1 if r[3] is None else r[3] for r in rescaled)
            median = arrived[(len(arrived) - 1) // 2]
            steps = "not reached" if median > asked.steps else str(median)
            print(
                f"| {lr:g} | {words[0]} | {words[1]} | {rate:.3f} | {growth:.1f} | {steps} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
