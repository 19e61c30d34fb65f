"""Networks of several kinds with data they fit, and the gradient a plain torch loop gives."""

import copy

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn


class Transformer(nn.Module):
    """One block on the eight rows of a digit."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.embed = nn.Linear(8, 12)
        self.position = nn.Parameter(0.1 * torch.randn(8, 12))
        self.block = nn.TransformerEncoderLayer(12, 3, 20, dropout=dropout, batch_first=True)
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        tokens = self.embed(x.view(-1, 8, 8)) + self.position
        return self.head(self.block(tokens).mean(1))


def digits(count=60):
    x, y = load_digits(return_X_y=True)
    return x[:count] / 16, y[:count].astype(np.int64)


def network(kind):
    """Return a module and x, y."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x, y = digits()
        if kind == "layer norm":
            module = nn.Sequential(
                nn.Linear(64, 13), nn.LayerNorm(13), nn.Tanh(), nn.Linear(13, 10)
            )
        elif kind == "cnn":
            module, x = "cnn:8-16", x.reshape(-1, 1, 8, 8)
        elif kind == "transformer":
            module = Transformer()
        elif kind == "embedding":
            rng = np.random.default_rng(0)
            x = rng.integers(0, 30, (60, 7))
            module = nn.Sequential(
                nn.Embedding(30, 5), nn.Flatten(), nn.Linear(35, 9), nn.GELU(), nn.Linear(9, 10)
            )
        elif kind == "batch norm":
            module = nn.Sequential(
                nn.Linear(64, 11), nn.BatchNorm1d(11), nn.Tanh(), nn.Linear(11, 10)
            )
        elif kind == "dropout":
            module = nn.Sequential(nn.Linear(64, 14), nn.Tanh(), nn.Dropout(0.4), nn.Linear(14, 10))
        elif kind == "dropout and attention":
            module = Transformer(dropout=0.2)
        elif kind == "recurrent":  # for which there is no batching rule
            module = Recurrent()
        else:
            raise KeyError(kind)
    return module, x, y


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Linear(6, 10)

    def forward(self, x):
        return self.head(self.lstm(x.view(-1, 8, 8))[0][:, -1])


KINDS = [
    "layer norm",
    "cnn",
    "transformer",
    "embedding",
    "batch norm",
    "dropout",
    "dropout and attention",
    "recurrent",
]


def plain_gradient(module, row, x, y, loss=nn.functional.cross_entropy):
    """Return gradient and loss of a copy of `module`, as it is, with the weights of `row`."""
    own = copy.deepcopy(module)
    nn.utils.vector_to_parameters(row.clone(), own.parameters())
    value = loss(own(x), y)
    value.backward()
    return torch.cat([p.grad.reshape(-1) for p in own.parameters()]), value.detach()


def smooth(output, target):
    """A loss of a user's."""
    return nn.functional.cross_entropy(output, target, label_smoothing=0.1)
