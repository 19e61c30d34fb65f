"""What a recorded loop of one's own costs, against the plain loop: run by ``make bench``, one core.

A round takes some steps of AdamW (1.2 million weights, float32, batches of 256) with (a) seven
separate models, one after the other, (b) the seven rows of `nndyn.Loop`, without a file, and (c) a
recording of them with distances alone.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from measuring import in_turn, milliseconds, ratio
from torch import nn

import nndyn
from recorders.perturbations import ensemble
from recorders.request import make

ROWS, STEPS, ROUNDS = 7, 30, 5
WIDTHS = (784, 1024, 390, 10)

Step = Callable[[tuple[torch.Tensor, torch.Tensor]], torch.Tensor]


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return the batches of an epoch; what they show does not change what a step takes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(STEPS, 256, WIDTHS[0], generator=generator)
    y = torch.randint(WIDTHS[-1], (STEPS, 256), generator=generator)
    return list(zip(x, y, strict=True))


def trained() -> tuple[nn.Module, torch.optim.Optimizer, Step]:
    """Return a model, its optimizer, and a step of both."""
    torch.manual_seed(0)
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(WIDTHS)]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step(batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


def main() -> None:
    """Print the ratios."""
    torch.set_num_threads(1)
    data = batches()
    steps = [trained()[2] for _ in range(ROWS)]
    model, optimizer, step = trained()
    loop = nndyn.Loop(step, data, model=model, stateful={"optimizer": optimizer})
    options = {"steps": STEPS, "replicas": ROWS - 2, "epsilon": 1e-4, "store": "distances"}
    phase = ensemble(loop, make(loop, **options))

    def plain() -> None:
        for batch in data:
            for one in steps:
                one(batch)

    with tempfile.TemporaryDirectory() as folder:

        def record() -> None:
            path = Path(folder) / "loop.nc"
            nndyn.record(loop, path, overwrite=True, progress=False, **options).close()

        tasks = {
            "plain": plain,
            "advance": lambda: loop.advance(phase, 0, STEPS, ()),
            "record": record,
        }
        times = in_turn(tasks, ROUNDS)
    size = loop.components.stop
    print(f"loop of one's own, {size:,} weights, AdamW, float32, {ROWS} rows, {STEPS} steps")
    print(f"  plain torch: {milliseconds(times, 'plain', ROWS * STEPS)} a step")
    for name in ("advance", "record"):
        print(f"  {name} / plain: {ratio(times, name, 'plain')}")


if __name__ == "__main__":
    main()
