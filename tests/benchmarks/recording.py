"""What recording costs, side by side: run by ``make bench``, one core.

Each round runs, one after the other, (a) the bare batched training of seven rows, (b) a whole
recording of the same seven with full trajectories, diagnostics and file, (c) the same with
``evaluate="auto"``, (d) as (b) where it may write on a second core, (e) seven plain torch loops,
(f) the matrix products of (a) alone. Printed are medians of ratios taken within rounds, with their
range; absolute times depend on the machine and its other users.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import in_turn, ratio

import nndyn
from recorders.perturbations import ensemble
from recorders.request import make

REPLICAS = 5  # and a reference, and a control: seven rows


def digits() -> nndyn.Training:
    """Return 64-32-10 on the digits of scikit-learn, with their test set."""
    return nndyn.Training("mlp:64-32-10", "digits", lr=0.5)


def wide() -> nndyn.Training:
    """Return 784-64-10 on 6000 synthetic samples, with a sixth as many to test."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7000, 784)), rng.integers(0, 10, 7000)
    return nndyn.Training("mlp:784-64-10", (x[:6000], y[:6000]), test=(x[6000:], y[6000:]), lr=0.1)


def plain_loops(system: nndyn.Training, widths: list[int], steps: int) -> Callable[[], None]:
    """Return a function that trains seven separate modules with ``torch.optim.SGD``."""
    x, y = system.task.training.x, system.task.training.y  # the same data, whatever their source
    x, y = torch.as_tensor(np.asarray(x)).double(), torch.as_tensor(np.asarray(y)).long()

    def run() -> None:
        for _ in range(REPLICAS + 2):
            layers: list[torch.nn.Module] = []
            for inputs, outputs in pairwise(widths):
                layers += [torch.nn.Linear(inputs, outputs), torch.nn.Tanh()]
            net = torch.nn.Sequential(*layers[:-1]).double()
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            for _ in range(steps):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(net(x), y).backward()
                optimizer.step()

    return run


def products(widths: list[int], samples: int, steps: int) -> Callable[[], None]:
    """Return a function that does the matrix products of seven rows' steps and nothing else."""
    R = REPLICAS + 2
    (D, H, C), options = widths, {"dtype": torch.float64}
    xt, w1 = torch.randn(D, samples, **options), torch.randn(R * H, D, **options)
    x, h = xt.T, torch.randn(R, H, samples, **options)
    w2, dz = torch.randn(R, C, H, **options), torch.randn(R, C, samples, **options)

    def run() -> None:
        for _ in range(steps):
            hidden = w1 @ xt
            w2 @ h
            dz @ h.transpose(1, 2)
            w2.transpose(1, 2) @ dz
            hidden @ x

    return run


def compare(name: str, system: nndyn.Training, widths: list[int], steps: int, rounds: int) -> None:
    """Print the ratios of one network."""
    start = ensemble(system, make(system, steps=steps, replicas=REPLICAS))
    path = Path(tempfile.mkdtemp()) / "r.nc"

    def recording(**options: Any) -> None:
        path.unlink(missing_ok=True)
        nndyn.record(system, path, steps=steps, replicas=REPLICAS, **options).close()

    def alone(**options: Any) -> None:
        every = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(every)})
        try:
            recording(**options)
        finally:
            os.sched_setaffinity(0, every)

    tasks = {
        "bare": lambda: system.bare(start, 0, steps),
        "recording": alone,
        "seldom": partial(alone, evaluate="auto"),
        "beside": recording,
        "loops": plain_loops(system, widths, steps),
        "products": products(widths, len(system.task.training), steps),
    }
    times = in_turn(tasks, rounds)
    size = path.stat().st_size
    shutil.rmtree(path.parent)
    print(f"{name}: {REPLICAS + 2} rows, {steps} steps, file of {size / 1e6:.0f} MB")
    for label, above, below in (
        ("recording / bare training      (aim: cpu at most 1.15)", "recording", "bare"),
        ('the same with evaluate="auto"', "seldom", "bare"),
        ("recording on two cores / bare  (aim: wall at most 1.08)", "beside", "bare"),
        ("plain loops / recording        (aim on AVX2: digits 1.9, 784 1.5)", "loops", "recording"),
        ("plain loops / matrix products  (the most any batching gains here)", "loops", "products"),
        ("bare training / its products   (1 is the limit)", "bare", "products"),
    ):
        print(f"  {label:76}  {ratio(times, above, below)}", flush=True)


def main() -> None:
    """Run the comparison on both networks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    compare("digits 64-32-10, N = 1437", digits(), [64, 32, 10], 500, rounds)
    compare("784-64-10, N = 6000", wide(), [784, 64, 10], 60, rounds)


if __name__ == "__main__":
    main()
