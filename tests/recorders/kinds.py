"""Networks of every kind with samples and a loss they fit."""

import numpy as np
import torch
from torch import nn

from nndyn.systems.training.data.loading import load

F = nn.functional


def perceptron():
    return nn.Sequential(nn.Linear(64, 12), nn.Tanh(), nn.Linear(12, 10))


def convolutions():
    """What ``cnn:4-8`` stands for on digits."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


class Transformer(nn.Module):
    """One block on the eight rows of a digit."""

    def __init__(self, heads, dropout=0.0):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, heads, 16, dropout=dropout, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.block(x.view(-1, 8, 8)).mean(1))


class Memory(nn.Module):
    """A recurrent net on the rows of a digit, which has no batching rule."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Linear(6, 10)

    def forward(self, x):
        return self.head(self.lstm(x.view(-1, 8, 8))[0][:, -1])


class Tied(nn.Module):
    """Encodes and decodes with the same weights; its output has the shape of its input."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(5, 4))
        self.shift = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        return torch.tanh(x @ self.weight.T) @ self.weight + self.shift


def digits():
    """Training and test set, as ``data='digits', samples=100`` gives them."""
    found = load("digits", samples=100)
    return (found.training.x, found.training.y), (found.test.x, found.test.y)


def as_images(pair):
    return pair[0].reshape(-1, 1, 8, 8), pair[1]


def tokens():
    rng = np.random.default_rng(5)
    x = rng.integers(0, 20, (80, 6))
    y = x.sum(1) % 4
    return (x[:60], y[:60]), (x[60:], y[60:])


def curves(outputs):
    """Real targets, (N,) where `outputs` is 0."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((60, 4))
    y = np.sin(x @ rng.standard_normal((4, outputs or 1)))
    y = y if outputs else y[:, 0]
    return (x[:45], y[:45]), (x[45:], y[45:])


def itself():
    x = np.random.default_rng(7).standard_normal((50, 4))
    return (x[:40], x[:40]), (x[40:], x[40:])


def layer_norm():
    return nn.Sequential(nn.Linear(64, 13), nn.LayerNorm(13), nn.Tanh(), nn.Linear(13, 10))


def batch_norm():
    # without the bias that it takes out: its gradient is 0 but for rounding, which RMSprop enlarges
    return nn.Sequential(
        nn.Linear(64, 11, bias=False), nn.BatchNorm1d(11), nn.Tanh(), nn.Linear(11, 10)
    )


def images_with_batch_norm():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, bias=False),
        nn.BatchNorm2d(4, momentum=0.3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(36, 10),
    )


def dropout():
    return nn.Sequential(nn.Linear(64, 14), nn.Tanh(), nn.Dropout(0.3), nn.Linear(14, 10))


def embedding():
    return nn.Sequential(
        nn.Embedding(20, 4), nn.Flatten(), nn.Linear(24, 9), nn.GELU(), nn.Linear(9, 4)
    )


def regression(outputs):
    tail = [nn.Flatten(0)] if outputs == 0 else []
    return lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, outputs or 1), *tail)


def smooth_l1(output, target):
    return F.smooth_l1_loss(output, target, beta=0.2)


def smoothed(output, target):
    return F.cross_entropy(output, target, label_smoothing=0.1)


def image_digits():
    train_set, test_set = digits()
    return as_images(train_set), as_images(test_set)


#: Module, samples, loss.
MODELS = {
    "cnn": (convolutions, image_digits, "cross-entropy"),
    "layer norm": (layer_norm, digits, "cross-entropy"),
    "transformer": (lambda: Transformer(1), digits, "cross-entropy"),
    "embedding": (embedding, tokens, "cross-entropy"),
    "batch norm": (batch_norm, digits, "cross-entropy"),
    "batch norm of images": (images_with_batch_norm, image_digits, "cross-entropy"),
    "dropout": (dropout, digits, "cross-entropy"),
    "dropout and attention": (lambda: Transformer(2, dropout=0.2), digits, "cross-entropy"),
    "recurrent": (Memory, digits, "cross-entropy"),
    "real targets": (regression(0), lambda: curves(0), smooth_l1),
    "two real targets": (regression(2), lambda: curves(2), smooth_l1),
    "labels with a loss of one's own": (perceptron, digits, smoothed),
    "tied weights": (Tied, itself, "mse"),
}


def criterion(loss):
    return {"cross-entropy": F.cross_entropy, "mse": F.mse_loss}.get(loss, loss)
