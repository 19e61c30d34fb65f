"""What is made of a model and samples: form of the input, weights, engine, description."""

import copy
import functools
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from nndyn.systems.training.models.build import build
from nndyn.systems.training.modules.fingerprint import (
    attributes_digest,
    code_digest,
    function_digest,
)
from tests.nndyn.systems.training.networks import Transformer, network, smooth


def test_long_steps_are_not_batched_on_a_cpu_and_it_is_said():
    x, y = np.random.default_rng(0).random((200, 1, 28, 28)), np.arange(200) % 10
    with pytest.warns(UserWarning, match="cnn:8-16 is not batched: a step of 200 samples keeps"):
        long = build("cnn:8-16", x, y)
    short = build("cnn:8-16", x, y, batch_size=5)
    assert not long.batched
    assert (short.batched, short.reason) == (True, None)
    assert long.saved_bytes * 200 > 2**21 > short.saved_bytes * 5


def test_images_in_rows_enter_as_the_module_takes_them():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 17, (30, 64)), np.arange(30) % 10
    image = (1, 8, 8)
    convolution = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))
    forms = {
        "rows": build(Transformer(), x / 16, y, image=image).form.describe(),
        "images": build(convolution, x / 16, y, image=image).form.describe(),
        "integer images": build(convolution, x, y, image=image).form.describe(),
        "tokens": build(network("embedding")[0], x[:, :7], y).form.describe(),
    }
    assert forms == {
        "rows": {"shape": None, "dtype": "float64"},
        "images": {"shape": [1, 8, 8], "dtype": "float64"},
        "integer images": {"shape": [1, 8, 8], "dtype": "float64"},
        "tokens": {"shape": None, "dtype": "int64"},
    }


def test_a_description_is_the_same_for_equal_modules_only():
    (module, x, y), (twin, _, _) = network("batch norm"), network("batch norm")
    assert build(module, x, y).describe() == build(twin, x, y).describe()
    changes = {
        "statistics": lambda net: net[1].running_mean.fill_(0.5),
        "mode": lambda net: net[1].eval(),
        "counter": lambda net: net[1].num_batches_tracked.fill_(3),
        "repr": lambda net: setattr(net[1], "eps", 0.1),
        "attribute": lambda net: setattr(net[2], "slope", 2.0),
        "hook": lambda net: net[2].register_forward_hook(lambda part, x, y: 2 * y),
    }
    for change in changes.values():
        other = copy.deepcopy(module)
        change(other)
        assert build(other, x, y).describe() != build(module, x, y).describe()


def named(code):
    """Return a module of class Net whose forward pass is `code`."""
    scope = {"nn": nn, "torch": torch, "__name__": "own"}
    lines = [
        "class Net(nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        "        self.linear = nn.Linear(6, 3)",
        "    def forward(self, x):",
        f"        return {code}",
    ]
    exec("SCALE = 2\ndef twice(x):\n    return 2 * x\n" + "\n".join(lines), scope)
    torch.manual_seed(0)
    return scope["Net"](), scope


def test_a_description_tells_networks_of_equal_shape_apart_by_their_code():
    x, y = np.random.default_rng(0).random((12, 6)), np.arange(12) % 3
    codes = ["self.linear(x)", "SCALE * self.linear(x)", "twice(self.linear(x))"]
    found = [build(named(code)[0], x, y).describe()["code_sha256"] for code in codes]
    assert found == [build(named(code)[0], x, y).describe()["code_sha256"] for code in codes]
    assert len(set(found)) == len(codes)
    module, scope = named(codes[1])
    scope["SCALE"] = 3
    assert build(module, x, y).describe()["code_sha256"] not in found
    heads = [nn.MultiheadAttention(4, heads) for heads in (2, 4)]
    assert attributes_digest(heads[0], set()) != attributes_digest(heads[1], set())
    assert code_digest(heads[0]) == code_digest(heads[1])


def weighted(weight):
    return lambda output, target: weight * (output - target).square().mean()


def test_losses_are_told_apart_by_what_they_compute():
    def mean(output, target):
        return (output - target).abs().mean()

    losses = {
        "bound": (weighted(1.0), weighted(2.0)),
        "code": (mean, lambda output, target: (output - target).abs().sum()),
        "settings": (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1)),
        "arguments": (functools.partial(mean, target=0), functools.partial(mean, target=1)),
        "names": (torch.nn.functional.l1_loss, torch.nn.functional.mse_loss),
    }
    for one, other in losses.values():
        assert function_digest(one) == function_digest(one)
        assert function_digest(one) != function_digest(other)
    assert function_digest(weighted(1.0)) == function_digest(weighted(1.0))


def test_digests_are_the_same_in_every_process():
    code = (
        "from nndyn.systems.training.modules.fingerprint import function_digest as d\n"
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    kinds = {'a', 'b', 'c'}\n"
        "    def forward(self, x): return x if 'a' in {'a', 'b', 'c', 'd'} else self\n"
        "net = Net(); net.held = [object(), {1.5, 'x', None}]\n"
        "net.register_forward_hook(lambda *some: None)\n"
        "print(d(net), d(lambda x: x in {'p', 'q', 'r'}))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_weights_move_by_init_in_linear_maps_and_convolutions_only():
    module, x, y = network("transformer")
    kept = build(module, x, y)
    drawn = build(module, x, y, init="normal:0.3", seed=5)
    changed = {
        place.name
        for place in kept.parameters
        if not np.array_equal(
            kept.initial[place.start : place.start + place.size],
            drawn.initial[place.start : place.start + place.size],
        )
    }
    assert changed == {
        *(f"{name}.{kind}" for name in ("embed", "head") for kind in ("weight", "bias")),
        *(f"block.linear{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")),
        "block.self_attn.out_proj.weight",
    }
    scales = {
        "normal:0.3": 0.3,
        "kaiming": math.sqrt(2 / 72),
        "xavier": math.sqrt(2 / (72 + 144)),
        "default": math.sqrt(1 / 72 / 3),
    }
    images = x.reshape(-1, 1, 8, 8)
    for init, scale in scales.items():
        found = build("cnn:8-16", images, y, init=init, seed=5)
        place = next(p for p in found.parameters if p.name == "3.weight")
        values = found.initial[place.start : place.start + place.size]
        assert values.std() == pytest.approx(scale, rel=0.1)
        again = build("cnn:8-16", images, y, init=init, seed=5)
        other = build("cnn:8-16", images, y, init=init, seed=6)
        assert np.array_equal(found.initial, again.initial)
        assert not np.array_equal(found.initial, other.initial)


def test_a_perceptron_has_one_engine_and_a_seed_draws_the_same_weights_for_both():
    _, x, y = network("layer norm")
    by_hand = build("mlp:64-7-10", x, y, seed=4)
    by_autograd = build("mlp:64-7-10", x, y, seed=4, loss=smooth)
    assert (by_hand.engine, by_autograd.engine) == ("perceptron", "modules")
    assert by_hand.label == by_autograd.label == "mlp:64-7-10"
    np.testing.assert_array_equal(by_hand.initial, by_autograd.initial)
    assert by_hand.parameters == by_autograd.parameters
    assert by_hand.initial_statistics.shape == by_autograd.initial_statistics.shape == (0,)
    hooked = nn.Sequential(nn.Linear(64, 10))
    assert build(hooked, x, y).engine == "perceptron"
    hooked[0].register_forward_hook(lambda module, args, output: 2 * output)
    assert build(hooked, x, y).engine == "modules"
