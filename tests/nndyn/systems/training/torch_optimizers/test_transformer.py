"""A small transformer, trained as they are: recorded from its own optimizer's function."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import nndyn
from nndyn.errors import UsageError

VOCABULARY, CONTEXT, STEPS = 17, 8, 20


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, length, width = x.shape
        q, k, v = (
            part.view(n, length, self.heads, -1).transpose(1, 2)
            for part in self.attention(self.norm_1(x)).split(width, 2)
        )
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(n, length, width))
        return x + self.down(functional.gelu(self.up(self.norm_2(x))))


class Transformer(nn.Module):
    """Two layers of width 16, whose head is its embedding."""

    def __init__(self, width=16, layers=2, heads=2):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.places = nn.Embedding(CONTEXT, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, VOCABULARY, bias=False)
        self.head.weight = self.tokens.weight
        for name, p in self.named_parameters():
            if p.dim() > 1:
                nn.init.normal_(p, 0.0, 0.1 / math.sqrt(4) if "down" in name else 0.1)

    def forward(self, x):
        x = self.tokens(x) + self.places(torch.arange(x.shape[1], device=x.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)).transpose(1, 2)


def optimizer(model):
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": 0.1},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95))


def warm_up_and_cosine(t):
    if t < 5:
        return (t + 1) / 5
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (t - 5) / (STEPS - 5)))


def schedule(optimizer):
    return torch.optim.lr_scheduler.LambdaLR(optimizer, warm_up_and_cosine)


def tokens():
    """Windows of a text that repeats itself, with some chance."""
    generator = torch.Generator().manual_seed(0)
    text = torch.arange(400) * 3 % VOCABULARY
    odd = torch.rand(400, generator=generator) < 0.1
    text = torch.where(odd, torch.randint(VOCABULARY, (400,), generator=generator), text)
    starts = torch.arange(0, 400 - CONTEXT - 1, 8)
    x = torch.stack([text[i : i + CONTEXT] for i in starts])
    y = torch.stack([text[i + 1 : i + 1 + CONTEXT] for i in starts])
    return x, y


def training(**options):
    torch.manual_seed(0)
    given = {"optimizer": optimizer, "schedule": schedule, "clip_norm": 1.0, "batch_size": 16}
    return nndyn.Training(Transformer(), tokens(), **{**given, "dtype": "float32", **options})


def test_it_is_recorded_from_a_function_that_makes_its_optimizer(tmp_path):
    system = training()
    assert system.describe()["groups"] == [
        {
            "names": [p.name for p in system.parameters if len(p.shape) < 2],
            "options": {"weight_decay": 0.0},
        }
    ]
    # the gradient of the biases of keys is 0, and Adam's steps on them are of rounding alone
    with pytest.raises(UsageError, match=r"most of it in blocks.\d.attention.bias .*tangents=1"):
        nndyn.record(system, tmp_path / "r.nc", steps=STEPS, replicas=3, progress=False)
    with pytest.warns(UserWarning, match="leaves deviations little room to grow"):
        run = nndyn.record(
            system, tmp_path / "r.nc", steps=STEPS, replicas=2, tangents=1, progress=False
        )
    assert run.nndyn.lyapunov().attrs["verdict"] in ("regular", "growing", "unresolved")


def test_it_is_the_plain_loop():
    system = training(dtype="float64")
    torch.manual_seed(0)
    model, (x, y) = Transformer().double(), tokens()
    own = optimizer(model)
    rates = schedule(own)
    for t in range(STEPS):
        rows = torch.from_numpy(system.order.rows(t))
        own.zero_grad()
        functional.cross_entropy(model(x[rows]), y[rows]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        own.step()
        rates.step()
    expected = nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
    last = system.advance(system.initial()[None], 0, STEPS, ()).phase[0, : len(expected)]
    np.testing.assert_allclose(last, expected, rtol=0, atol=1e-9)
