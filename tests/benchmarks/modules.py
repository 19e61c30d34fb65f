"""What a replica of any module costs, against plain torch: run by ``make bench``, one core.

A round takes some steps of (a) one separate module with ``torch.optim.SGD``, full batch, (b) seven
rows of it computed together by vmap, (c) the seven one after the other, and of the perceptron (d)
the seven on the engine written for it. Printed is the time of one row against (a); a star marks
what a recording uses. Where there is a GPU, figures of it follow.
"""

from __future__ import annotations

import argparse
import copy
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from measuring import CLOCKS, in_turn, milliseconds, ratio
from sklearn.datasets import load_digits
from torch import nn

import nndyn
from nndyn.systems.training.perceptron.network import Network
from recorders.perturbations import ensemble
from recorders.request import make

REPLICAS = 5  # and a reference, and a control: seven rows
ROWS = REPLICAS + 2
OWN_MODEL = Path(__file__).parents[2] / "examples" / "own_model.py"

Data = tuple[np.ndarray, np.ndarray]


class Perceptron(nn.Module):
    """64-32-10, in a class of its own: run as any module is."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs ``(N, 10)``."""
        return self.layers(x)


def digits() -> Data:
    """Return as many digits as ``digits`` has to train on."""
    x, y = load_digits(return_X_y=True)
    return x[:1437] / 16, y[:1437]


def small() -> Data:
    """Return them as images."""
    x, y = digits()
    return x.reshape(-1, 1, 8, 8), y


def large() -> Data:
    """Return 1000 images of 28 x 28; what they show does not change what a step takes."""
    rng = np.random.default_rng(0)
    return rng.random((1000, 1, 28, 28)), rng.integers(0, 10, 1000)


def plain(system: nndyn.Training, steps: int) -> Callable[[], None]:
    """Return a function that trains one separate module with ``torch.optim.SGD``."""
    module, samples = system.task.network, system.task.training
    inputs = module.batch(samples.x, samples.y)
    net = copy.deepcopy(module.module)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def run() -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(inputs.x), inputs.target).backward()
            optimizer.step()
        if inputs.x.is_cuda:
            torch.cuda.synchronize()

    return run


def bare(system: nndyn.Training, steps: int) -> Callable[[], object]:
    """Return a function that trains seven rows and records nothing."""
    start = ensemble(system, make(system, steps=steps, replicas=REPLICAS))
    return lambda: system.bare(start, 0, steps)


def compare(
    name: str, model: str | nn.Module, data: Data, steps: int, rounds: int, **options: str
) -> None:
    """Print the ratios of one network."""

    def system(batched: bool | None = None) -> nndyn.Training:
        made = nndyn.Training(model, data, lr=0.1, **options)
        if batched is not None:
            reason = None if batched else "asked for one after the other"
            network = replace(made.task.network, reason=reason)
            made.task = replace(made.task, network=network)
        return made

    chosen = system()
    tasks = {"plain": plain(chosen, steps)}
    marks = {}
    for way, batched in (("together", True), ("one after the other", False)):
        tasks[way] = bare(system(batched), steps)
        marks[way] = "*" if chosen.task.network.batched is batched else " "
    if isinstance(model, Perceptron) and chosen.device.type == "cpu":
        own = nndyn.Training(model.layers, data, lr=0.1, **options)
        assert isinstance(own.task.network, Network)
        tasks["together, own engine"] = bare(own, steps)
        marks = dict.fromkeys(marks, " ") | {"together, own engine": "*"}
    times = in_turn(tasks, rounds)
    clocks = CLOCKS if chosen.device.type == "cpu" else ("wall",)
    print(f"{name}: {ROWS} rows; a plain step takes {milliseconds(times, 'plain', steps)}")
    for way, mark in marks.items():
        numbers = ratio(times, way, "plain", clocks=clocks, scale=1 / ROWS)
        print(f"  step of a row / plain step, {way:22} {mark} {numbers}", flush=True)


def main() -> None:
    """Run the comparison on every network, on the CPU and on a GPU where there is one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    torch.manual_seed(0)
    perceptron, transformer = Perceptron(), runpy.run_path(str(OWN_MODEL))["Net"]()
    compare("64-32-10, N = 1437", perceptron, digits(), 150, rounds)
    compare("cnn:8-16, 8 x 8, N = 1437", "cnn:8-16", small(), 6, rounds)
    compare("cnn:8-16, 28 x 28, N = 1000", "cnn:8-16", large(), 1, rounds)
    compare("a block of a transformer, N = 1437", transformer, digits(), 6, rounds)
    for dtype in ("float64", "float32") if torch.cuda.is_available() else ():
        where = {"dtype": dtype, "device": "cuda"}
        print(f"on {torch.cuda.get_device_name()}, {dtype}:")
        compare("64-32-10, N = 1437", perceptron, digits(), 300, rounds, **where)
        compare("cnn:8-16, 8 x 8, N = 1437", "cnn:8-16", small(), 100, rounds, **where)
        compare("cnn:8-16, 28 x 28, N = 1000", "cnn:8-16", large(), 50, rounds, **where)


if __name__ == "__main__":
    main()
