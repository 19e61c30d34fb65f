"""What watching a loop of one's own costs, against the plain loop: run by ``make bench``, one core.

A round takes some steps of AdamW (1.2 million weights, float32, batches of 256) plain, watched at
every tenth step, the same with a logger, and watched at every step. Each recording is under way:
what beginning and ending one takes is said beside.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import torch
from measuring import Times, milliseconds, ratio, timed
from torch import nn

import nndyn

STEPS, ROUNDS = 260, 7
WIDTHS = (784, 1024, 390, 10)
WATCHED: dict[str, dict[str, Any]] = {
    "every=10": {"every": 10},
    "every=10, logger": {"every": 10, "logger": lambda numbers, step: None},
    "every=1": {"every": 1},
}


def main() -> None:
    """Print the ratios."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(10, 256, WIDTHS[0], generator=generator)
    y = torch.randint(WIDTHS[-1], (10, 256), generator=generator)
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(WIDTHS)]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def loop(handle: Any = None) -> None:
        """Take the steps; what they show the network does not change what they take."""
        for t in range(STEPS):
            loss = nn.functional.cross_entropy(model(x[t % 10]), y[t % 10])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if handle is not None:
                handle.log(loss=loss)

    def watched(options: dict[str, Any]) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return what the loop takes, and what beginning and ending a recording does."""
        with tempfile.TemporaryDirectory() as folder:
            handle: list[Any] = []

            def begin() -> None:
                handle.append(nndyn.watch(model, optimizer, Path(folder) / "run.nc", **options))
                handle[0].log(loss=0.0)
                optimizer.step()
                optimizer.step()
                handle[0].state_dict()  # the file has the names of numbers from here on

            begun = timed(begin)
            between = timed(lambda: loop(handle[0]))
            ended = timed(handle[0].remove)
        return between, (begun[0] + ended[0], begun[1] + ended[1])

    times: Times = []
    for _ in range(ROUNDS + 1):
        times.append({"plain": timed(loop)})
        for name, options in WATCHED.items():
            times[-1][name], times[-1]["begin and end"] = watched(options)
    times = times[1:]  # the first touches memory, and warms caches
    size = sum(p.numel() for p in model.parameters())
    print(f"watched loop, {size:,} weights, AdamW, float32, {STEPS} steps")
    print(f"  plain: {milliseconds(times, 'plain', STEPS)} a step")
    for name in WATCHED:
        print(f"  {name} / plain: {ratio(times, name, 'plain')}")
    print(f"  begin and end: {milliseconds(times, 'begin and end', 1)}")


if __name__ == "__main__":
    main()
