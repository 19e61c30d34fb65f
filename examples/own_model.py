r"""A network of your own: a small transformer that reads a digit row by row.

    python examples/own_model.py                      about a minute
    python examples/own_model.py --steps 20 --output run.nc

The same network from the command line, in the folder of this file:

    nndyn record training --data digits --model own_model:Net --optimizer adam --lr 0.01 \
        --steps 150 --output run.nc
    nndyn analyze lyapunov run.nc
"""

import argparse

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import nndyn


class Net(nn.Module):
    """One block of attention over the eight rows of an image of 8 x 8."""

    def __init__(self, width=16, heads=2):
        super().__init__()
        self.embed = nn.Linear(8, width)
        self.place = nn.Parameter(0.1 * torch.randn(8, width))
        self.block = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True
        )
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        tokens = self.embed(x.reshape(-1, 8, 8)) + self.place
        return self.head(self.block(tokens).mean(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--output", default="own_model.nc")
    asked = parser.parse_args()

    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(images / 16, labels, test_size=0.2, random_state=0)
    torch.manual_seed(0)

    system = nndyn.Training(Net(), (x, y), test=(x_test, y_test), optimizer="adam", lr=asked.lr)
    run = nndyn.record(system, asked.output, steps=asked.steps)

    result = nndyn.lyapunov(run)
    print(f"test accuracy {float(run['test_accuracy'][-1, 0]):.2f}")
    print(f"lyapunov_max  {float(result['lyapunov_max']):.3f} per step")
    print(f"{result.attrs['verdict']}: {result.attrs['reason']}")


if __name__ == "__main__":
    main()
