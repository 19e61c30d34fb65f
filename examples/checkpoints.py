r"""Checkpoints of trainings that ran elsewhere: three plain torch loops, then one recording.

    python examples/checkpoints.py                      a few seconds
    python examples/checkpoints.py --steps 20 --folder runs --output run.nc

The same of folders that are there, from the command line:

    nndyn record checkpoints runs/reference runs/copy1 runs/copy2 --control runs/control -o run.nc
    nndyn analyze lyapunov run.nc
"""

import argparse
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

import nndyn


def train(model, folder, steps, lr):
    """Save the state of a model at every step; nothing here knows of nndyn."""
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images / 16), torch.tensor(labels)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    folder.mkdir(parents=True, exist_ok=True)
    for step in range(steps + 1):
        torch.save(model.state_dict(), folder / f"step{step}.pt")
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def started(noise, seed):
    """Make the network of all runs, its weights off by up to `noise`."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)).double()
    torch.manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.copy_(3 * weights + noise * (2 * torch.rand_like(weights) - 1))
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--lr", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, default=Path("checkpoints"))
    parser.add_argument("--output", default="checkpoints.nc")
    asked = parser.parse_args()

    runs = {"reference": 0.0, "copy1": 1e-8, "copy2": 1e-8, "control": 0.0}
    for seed, (name, noise) in enumerate(runs.items()):
        train(started(noise, seed), asked.folder / name, asked.steps, asked.lr)

    reference, *copies, control = (asked.folder / name for name in runs)
    run = nndyn.from_checkpoints(reference, copies, asked.output, control=control)

    result = nndyn.lyapunov(run)
    print(f"{run.sizes['time']} checkpoints of {run.sizes['replica']} runs")
    print(f"lyapunov_max  {float(result['lyapunov_max']):.3f} per step")
    print(f"{result.attrs['verdict']}: {result.attrs['reason']}")


if __name__ == "__main__":
    main()
