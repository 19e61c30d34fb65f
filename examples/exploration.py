"""Exploration of the digits network at four learning rates: the table of docs/questions/digits.md.

    python examples/exploration.py                 ten seeds, four learning rates, a minute
    python examples/exploration.py --seeds 2 --lr 0.5,3 --steps 120

Full-batch gradient descent on 64-32-10, tanh, 400 steps. Tortuosity is the length of the path over
the distance it covers; the loss-rise fraction is the share of steps that raise the loss; progress
is the cosine between a step and the way left to the end, 1 for a straight line, here its mean over
the first hundred steps. Every cell is the median over the seeds, with the quartiles in brackets.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import nndyn


def measure(path):
    """Analyze one run; gives tortuosity, loss-rise fraction, progress and training time."""
    with nndyn.open(path) as recording:
        moved, learned = nndyn.exploration(recording), nndyn.learning(recording)
        return (
            float(moved["tortuosity"]),
            float(moved["loss_rise_fraction"]),
            float(moved["progress"][1:101, 0].mean()),
            float(learned["replica_training_time"][0]),
        )


def cell(values, digits):
    """Give the median and the quartiles; what was never reached counts as later than all else."""
    ordered = np.nan_to_num(values, nan=np.inf)
    low, middle, high = np.quantile(ordered, [0.25, 0.5, 0.75], method="closest_observation")
    words = [
        "not reached" if np.isinf(value) else f"{value:.{digits}f}" for value in (middle, low, high)
    ]
    return f"{words[0]} ({words[1]}, {words[2]})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", default="0.5,1,2,3")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=400)
    asked = parser.parse_args()
    names = "lr", "tortuosity", "loss-rise fraction", "progress", "training time"
    print(f"| {' | '.join(names)} | training time times lr |")
    print("|---|---|---|---|---|---|")
    for lr in (float(value) for value in asked.lr.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            seeds = range(asked.seeds)
            paths = nndyn.record_batch(
                [nndyn.Training("mlp:64-32-10", "digits", lr=lr, seed=seed) for seed in seeds],
                [Path(folder) / f"{seed}.nc" for seed in seeds],
                steps=asked.steps,
                seeds=seeds,
                replicas=1,
                control=False,
            )
            tortuosity, rises, progress, time = np.array([measure(path) for path in paths]).T
        row = [cell(tortuosity, 1), cell(rises, 2), cell(progress, 2)]
        row += [cell(time, 0), cell(time * lr, 0)]
        print(f"| {lr:g} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
