"""Networks, losses and labels as people have them, with samples they fit."""

import dataclasses
from collections import namedtuple

import numpy as np
import torch
from torch import nn

F = nn.functional


class Autoencoder(nn.Module):
    """A variational one: gives a tuple, and draws in its forward pass."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 4)
        self.decoder = nn.Linear(2, 6)

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(z), mean, log_variance


def evidence(output, target):
    rebuilt, mean, log_variance = output
    apart = (mean**2 + log_variance.exp() - log_variance - 1).mean()
    return F.mse_loss(rebuilt, target) + 0.1 * apart


class Language(nn.Module):
    """Next tokens: the head is tied to the embedding, positions are frozen."""

    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(11, 8)
        self.position = nn.Embedding(5, 8)
        self.position.weight.requires_grad_(False)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0, batch_first=True)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.token.weight

    def forward(self, x):
        h = self.token(x) + self.position.weight
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1]).to(h)
        return self.head(self.block(h, src_mask=mask, is_causal=True)).movedim(-1, 1)


class Physics(nn.Module):
    """A solution of u' = -u, and its derivative in the way asked for."""

    def __init__(self, way):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        self.way = way

    def forward(self, x):
        if self.way == "jvp":
            return torch.func.jvp(self.net, (x,), (torch.ones_like(x),))
        if self.way == "grad":
            x = x.requires_grad_()
            u = self.net(x)
            return u, torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        return self.net(x)


def residual(output, target, x=None):
    u, slope = output
    return ((slope + u) ** 2).mean() + (u[0] - 1).square().sum()


def residual_of_input(u, target, x):
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    return residual((u, slope), target)


@dataclasses.dataclass(frozen=True)
class Normal:
    mean: torch.Tensor
    variance: torch.Tensor
    name: str = "normal"


Pair = namedtuple("Pair", "mean variance")
FORMS = {
    "tuple": lambda mean, variance: (mean, variance),
    "list": lambda mean, variance: [mean, [variance, None]],
    "dict": lambda mean, variance: {"mean": mean, "extra": {"variance": variance}},
    "dataclass": Normal,
    "named tuple": Pair,
}


class Heteroscedastic(nn.Module):
    """A mean and a variance, in one of `FORMS`."""

    def __init__(self, form):
        super().__init__()
        self.hidden, self.mean, self.spread = nn.Linear(6, 8), nn.Linear(8, 2), nn.Linear(8, 2)
        self.form = form

    def forward(self, x):
        h = torch.tanh(self.hidden(x))
        return FORMS[self.form](self.mean(h), F.softplus(self.spread(h)) + 1e-3)


def likelihood(output, target):
    """Return the mean negative logarithm of a normal density."""
    if isinstance(output, dict):
        mean, variance = output["mean"], output["extra"]["variance"]
    elif isinstance(output, Normal):
        mean, variance = output.mean, output.variance
    else:
        mean, variance = output
        variance = variance[0] if isinstance(variance, list) else variance
    return 0.5 * (variance.log() + (target - mean) ** 2 / variance).mean()


def contrastive(z, labels):
    """Return the loss of pairs of a class, which is not a number without such pairs."""
    z = F.normalize(z, dim=1)
    itself = torch.eye(len(z), dtype=torch.bool)
    near = (z @ z.T / 0.5).masked_fill(itself, -1e9)
    pairs = (labels[:, None] == labels) & ~itself
    return -(F.log_softmax(near, 1) * pairs).sum() / pairs.sum()


class Weighed(nn.Module):
    """A loss that holds the weights of classes, in single precision, and a temperature."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weights", torch.tensor([1.0, 2.0, 0.5]))
        self.temperature = nn.Parameter(torch.tensor(2.0), requires_grad=False)

    def forward(self, output, target):
        return F.cross_entropy(output * self.temperature, target, weight=self.weights)


def penalized(output, target, *, input):
    return F.cross_entropy(output, target) + 0.1 * (input[:, :3] * output).mean()


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.layer = kind(2, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.layer(x.reshape(len(x), 3, 2))[0][:, -1])


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x):
        twice = {name: 2 * value for name, value in self.layer.named_parameters()}
        return torch.func.functional_call(self.layer, twice, (x,))


def perceptron(*between):
    return nn.Sequential(nn.Linear(6, 8), *between, nn.Tanh(), nn.Linear(8, 3))


def frozen(layer):
    net = perceptron()
    net[layer].requires_grad_(False)
    return net


def changed(change):
    net = perceptron()
    change(net[0])
    return net


def convolutions():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 1))


def vectors():
    x = np.random.default_rng(0).standard_normal((24, 6))
    return x, np.arange(24) % 3


def tokens(left_out=None):
    rng = np.random.default_rng(1)
    text = rng.integers(0, 11, (24, 6))
    y = text[:, 1:].copy()
    if left_out is not None:
        y[rng.random(y.shape) < 0.3] = left_out
        y[:5] = left_out
    return text[:, :-1], y


def maps():
    rng = np.random.default_rng(2)
    return rng.standard_normal((16, 1, 5, 5)), rng.integers(0, 3, (16, 5, 5))


def times():
    return np.linspace(0, 1, 16)[:, None], np.zeros((16, 1))


def targets():
    return vectors()[0], np.random.default_rng(3).standard_normal((24, 2))


class Tripled(torch.autograd.Function):
    """An operation with a wrong batching rule."""

    generate_vmap_rule = False

    @staticmethod
    def forward(x):
        return 2 * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, slope):
        return 2 * slope

    @staticmethod
    def vmap(info, in_dims, x):
        return 3 * x, in_dims[0]
