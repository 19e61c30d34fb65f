"""Every number of a Block against plain loops of separate modules and torch.optim."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from nndyn.systems.training import Training
from nndyn.systems.training.perceptron.activations import Sin

ACTIVATIONS = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "sin": Sin,
    "silu": nn.SiLU,
    "identity": nn.Identity,
}


def module(widths, activation):
    parts = []
    for inputs, outputs in itertools.pairwise(widths):
        parts += [nn.Linear(inputs, outputs, dtype=torch.float64), ACTIVATIONS[activation]()]
    return nn.Sequential(*parts[:-1])


def vector(net):
    return nn.utils.parameters_to_vector(net.parameters()).detach().numpy().copy()


def optimizer_of(net, system):
    d = system.describe()
    if d["optimizer"] == "adam":
        return torch.optim.Adam(net.parameters(), lr=d["lr"], betas=tuple(d["betas"]))
    return torch.optim.SGD(net.parameters(), lr=d["lr"], momentum=d["momentum"])


def criterion(system, z, y):
    if system.describe()["loss"] == "cross-entropy":
        return nn.functional.cross_entropy(z, y)
    if y.dtype == torch.int64:
        y = nn.functional.one_hot(y, z.shape[1]).to(z.dtype)
    return nn.functional.mse_loss(z, y)


def sequential(system, net, weights, steps, train, test):
    """Train one replica at a time; returns arrays over (time, replica, …)."""
    (x, y), (xt, yt) = [tuple(map(torch.as_tensor, pair)) for pair in (train, test)]
    out = {k: [] for k in ("weights", "loss", "accuracy", "test_loss", "test_accuracy")}
    out |= {"gradient_norm": [], "outputs": []}
    for row in weights:
        nn.utils.vector_to_parameters(torch.as_tensor(row), net.parameters())
        optimizer = optimizer_of(net, system)
        rows = {k: [] for k in out}
        for t in range(steps):
            rows["weights"].append(vector(net))
            with torch.no_grad():
                z, zt = net(x), net(xt)
                rows["loss"].append(criterion(system, z, y).item())
                rows["test_loss"].append(criterion(system, zt, yt).item())
                rows["outputs"].append(zt.numpy().copy())
                if y.dtype == torch.int64:
                    rows["accuracy"].append((z.argmax(1) == y).double().mean().item())
                    rows["test_accuracy"].append((zt.argmax(1) == yt).double().mean().item())
            index = system.order.rows(t)
            optimizer.zero_grad()
            criterion(system, net(x[index]), y[index]).backward()
            gradient = torch.cat([p.grad.reshape(-1) for p in net.parameters()])
            rows["gradient_norm"].append(gradient.norm().item())
            optimizer.step()
        for k, v in rows.items():
            out[k].append(v)
    return {k: np.swapaxes(np.array(v), 0, 1) for k, v in out.items() if len(v[0])}


def compare(system, net, train, test, *, steps, scale=1e-8, replicas=4, rtol=1e-7):
    rng = np.random.default_rng(1)
    phase = np.stack([system.initial(0)] * replicas)
    size = system.components.stop
    phase[1:-1, :size] += rng.uniform(-scale, scale, (replicas - 2, size))
    block = system.advance(phase, 0, steps, range(steps), evaluate=range(steps))
    plain = sequential(system, net, phase[:, :size], steps, train, test)
    w = plain["weights"]
    dev = w - w[:, :1]
    l1 = np.abs(dev).sum(2)
    assert l1.max() < 1
    np.testing.assert_array_equal(block.distance_l1[:, -1], 0)
    np.testing.assert_array_equal(block.evaluations["distance_output"][:, -1], 0)
    inner = slice(1, -1)
    np.testing.assert_allclose(block.distance_l1[:, inner], l1[:, inner], rtol=rtol)
    np.testing.assert_allclose(
        block.distance_linf[:, inner], np.abs(dev).max(2)[:, inner], rtol=rtol
    )
    l2 = np.sqrt(np.einsum("trr->tr", block.gram))
    np.testing.assert_allclose(l2[:, inner], np.linalg.norm(dev, axis=2)[:, inner], rtol=rtol)
    np.testing.assert_allclose(
        block.gram, np.einsum("trd,tsd->trs", dev, dev), rtol=0, atol=rtol * l2.max() ** 2
    )
    outputs = plain["outputs"]
    np.testing.assert_allclose(
        block.evaluations["distance_output"][:, inner],
        np.sqrt(((outputs - outputs[:, :1]) ** 2).sum((2, 3)))[:, inner],
        rtol=max(rtol, 1e-6),
    )
    close = dict(rtol=1e-11 if rtol <= 1e-7 else 1e-8)
    for name in ("loss", "test_loss"):
        np.testing.assert_allclose(block.evaluations[name], plain[name], **close)
    for name in ("accuracy", "test_accuracy"):
        if name in plain:
            np.testing.assert_allclose(block.evaluations[name], plain[name], rtol=1e-14)
    np.testing.assert_allclose(block.series["gradient_norm"], plain["gradient_norm"], rtol=1e-8)
    np.testing.assert_allclose(block.states, w, rtol=1e-8, atol=1e-9)
    steps_taken = np.linalg.norm(np.diff(w, axis=0), axis=2)
    np.testing.assert_allclose(block.arrival["step_length"][:-1], steps_taken, rtol=1e-8)


def arrays(n, features, classes, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, features)), rng.integers(0, classes, n)


@pytest.mark.parametrize("widths", [(4, 9, 3), (4, 7, 6, 3)])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize(
    "optimizer",
    [
        {"lr": 0.05},
        {"lr": 0.05, "momentum": 0.9},
        {"optimizer": "adam", "lr": 0.01},
    ],
    ids=["sgd", "momentum", "adam"],
)
def test_every_distance_equals_sequential_loops(widths, activation, batch_size, optimizer):
    train, test = arrays(24, 4, 3), arrays(9, 4, 3, seed=1)
    net = module(widths, activation)
    spec = "mlp:" + "-".join(map(str, widths))
    system = Training(
        spec, train, test=test, activation=activation, batch_size=batch_size, **optimizer
    )
    # near g = 0 Adam's first steps are nearly singular: rounding of g moves them
    compare(system, net, train, test, steps=12, rtol=1e-5 if "optimizer" in optimizer else 1e-7)


@pytest.mark.parametrize("activation", ["gelu", "sin", "silu", "identity"])
def test_other_activations_equal_sequential_loops(activation):
    train, test = arrays(24, 4, 3), arrays(9, 4, 3, seed=1)
    system = Training(
        "mlp:4-7-6-3", train, test=test, activation=activation, lr=0.05, init="xavier"
    )
    compare(system, module((4, 7, 6, 3), activation), train, test, steps=12)


@pytest.mark.parametrize("real", [False, True], ids=["one-hot", "real-valued"])
@pytest.mark.parametrize("batch_size", [None, 7])
def test_mean_square_equals_sequential_loops(real, batch_size):
    train, test = arrays(24, 4, 3), arrays(9, 4, 3, seed=1)
    if real:
        rng = np.random.default_rng(2)
        train = train[0], rng.standard_normal((24, 3))
        test = test[0], rng.standard_normal((9, 3))
    system = Training(
        "mlp:4-9-3", train, test=test, loss="mse", lr=0.1, batch_size=batch_size, init="xavier"
    )
    assert ("accuracy" in system.evaluations) is not real
    compare(system, module((4, 9, 3), "tanh"), train, test, steps=15)


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Linear(4, 7, bias=False), nn.Tanh(), nn.Linear(7, 3, bias=False)),
        nn.Sequential(nn.Linear(4, 3)),
        nn.Sequential(nn.Linear(4, 3), nn.Sigmoid()),
        nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 3, bias=False), nn.GELU()),
        nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)),
        nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(4, 5), nn.Identity()), nn.Linear(5, 3)),
    ],
    ids=["no-bias", "one-layer", "output-sigmoid", "output-gelu", "linear", "nested"],
)
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_modules_equal_sequential_loops_and_stay_untouched(net, loss):
    train, test = arrays(24, 4, 3), arrays(9, 4, 3, seed=1)
    before = [p.detach().clone() for p in net.parameters()]
    system = Training(net, train, test=test, loss=loss, lr=0.1)
    expected = nn.utils.parameters_to_vector(net.parameters()).detach().double().numpy()
    np.testing.assert_array_equal(system.initial(0), expected)
    names = [(p.name, p.shape) for p in system.parameters]
    assert names == [(n, tuple(p.shape)) for n, p in net.named_parameters()]
    compare(system, copy.deepcopy(net).double(), train, test, steps=10)
    for p, old in zip(net.parameters(), before, strict=True):
        assert p.dtype == torch.float32
        assert torch.equal(p, old)


def split(system):
    return [(s.x, s.y) for s in (system.task.training, system.task.test)]


@pytest.mark.parametrize(
    ("lr", "steps", "rtol"), [(1.0, 12, 1e-7), (3.0, 8, 1e-5)], ids=["calm", "growing"]
)
def test_digits_equal_sequential_loops(lr, steps, rtol):
    system = Training("mlp:64-32-10", "digits", lr=lr)
    assert system.name == "digits mlp:64-32-10"
    compare(system, module((64, 32, 10), "tanh"), *split(system), steps=steps, rtol=rtol)


@pytest.mark.parametrize(
    "optimizer", [{"lr": 0.2, "momentum": 0.9}, {"optimizer": "adam", "lr": 1e-3}]
)
def test_digits_minibatches_equal_sequential_loops(optimizer):
    system = Training("mlp:64-16-16-10", "digits", batch_size=100, activation="relu", **optimizer)
    net = module((64, 16, 16, 10), "relu")
    compare(system, net, *split(system), steps=8, rtol=1e-5)
