"""What tangent vectors of a training cost, against plain torch: run by ``make bench``, one core.

A round takes (a) some plain full-batch steps with ``torch.optim.SGD``, (b) as many steps of eight
tangent vectors along a given orbit, orthonormalized at every step, and (c) the orthonormalization
alone. Printed is the time of (b) against (a), and of (c) against (b).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from measuring import in_turn, milliseconds, ratio
from modules import Data, digits, large, small
from torch import nn

import nndyn
from nndyn.systems.training.models.spec import from_spec
from nndyn.systems.training.perceptron.network import Network
from nndyn.systems.training.second_order.tangents import orthonormal

VECTORS = 8


def images() -> Data:
    """Return 6000 rows of 784 features; what they show does not change what a step takes."""
    rng = np.random.default_rng(0)
    return rng.random((6000, 784)), rng.integers(0, 10, 6000)


def plain(system: nndyn.Training, spec: str, steps: int) -> Callable[[], None]:
    """Return a function that trains one separate module with ``torch.optim.SGD``."""
    network, samples = system.task.network, system.task.training
    x, y = torch.from_numpy(np.asarray(samples.x, np.float64)), torch.from_numpy(samples.y)
    if isinstance(network, Network):
        net = from_spec(spec, "tanh").to_empty(device="cpu").double()
        nn.utils.vector_to_parameters(torch.from_numpy(network.initial), net.parameters())
    else:
        net = network.module
        x = network.batch(samples.x, samples.y).x
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    def run() -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()

    return run


def compare(spec: str, name: str, data: Data, steps: int, rounds: int) -> None:
    """Print the ratios of one network."""
    system = nndyn.Training(spec, data, lr=0.01)
    start: Any = system.initial()
    times = range(1, steps + 1)
    block = system.advance(start[None], 0, steps, range(steps), part=slice(None))
    orbit = block.states[:, 0]
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(rng.standard_normal((system.dimension, VECTORS)))[0]
    rows = torch.from_numpy(np.ascontiguousarray(vectors.T))

    def alone() -> None:
        for _ in range(steps):
            orthonormal(rows)

    tasks = {
        "plain": plain(system, spec, steps),
        "tangents": lambda: system.push(start, vectors, 0, steps, times, orbit),
        "qr": alone,
    }
    found = in_turn(tasks, rounds)
    print(f"{name}: a plain step takes {milliseconds(found, 'plain', steps)}")
    print(f"  eight tangent vectors / plain step  {ratio(found, 'tangents', 'plain')}")
    print(f"  orthonormalization / tangents       {ratio(found, 'qr', 'tangents')}", flush=True)


def main() -> None:
    """Run the comparison on perceptrons and on convolutional networks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    compare("mlp:64-32-10", "64-32-10, N = 1437", digits(), 40, rounds)
    compare("mlp:784-64-10", "784-64-10, N = 6000", images(), 4, rounds)
    compare("cnn:8-16", "cnn:8-16, 8 x 8, N = 1437", small(), 3, rounds)
    compare("cnn:8-16", "cnn:8-16, 28 x 28, N = 1000", large(), 1, rounds)


if __name__ == "__main__":
    main()
