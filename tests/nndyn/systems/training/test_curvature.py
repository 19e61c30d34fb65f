"""Products with a Hessian against torch's own differentiation, its ends against dense ones."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

import nndyn
from nndyn.systems.training.modules import curvature as module_curvature
from nndyn.systems.training.perceptron import curvature as perceptron_curvature
from nndyn.systems.training.perceptron.activations import ACTIVATIONS
from nndyn.systems.training.torch_state.randomness import seeded, step_key


def near(one, other, tolerance=1e-12):
    return float((one - other).abs().max()) <= tolerance * max(1.0, float(other.abs().max()))


def curvature(system):
    return system.task.curvature(system.order)


def dense(module, weights, x, y, loss):
    """Return gradient and Hessian of a module's loss, by torch alone."""
    names = {name: p.shape for name, p in module.named_parameters()}

    row = weights.clone().requires_grad_()
    parts = row.split([shape.numel() for shape in names.values()])
    named = {n: part.view(s) for (n, s), part in zip(names.items(), parts, strict=True)}
    output = functional_call(module, named, (x,))
    if loss == "mse":
        y_hot = nn.functional.one_hot(y, output.shape[1]).to(output.dtype)
        value = nn.functional.mse_loss(output, y_hot)
    else:
        value = nn.functional.cross_entropy(output, y)
    (gradient,) = torch.autograd.grad(value, row, create_graph=True)
    matrix = [torch.autograd.grad(g, row, retain_graph=True)[0] for g in gradient]
    return gradient.detach(), torch.stack(matrix)


def data(count=30, features=4, classes=3):
    rng = np.random.default_rng(0)
    return rng.standard_normal((count, features)), np.arange(count) % classes


@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("bias", [True, False])
def test_the_product_of_a_perceptron_is_that_of_double_backward(name, loss, bias):
    torch.manual_seed(0)
    activation = ACTIVATIONS[name].module
    layers = [nn.Linear(4, 6, bias=bias), activation(), nn.Linear(6, 5, bias=bias), activation()]
    module = nn.Sequential(*layers, nn.Linear(5, 3, bias=bias)).double()
    x, y = data()
    system = nndyn.Training(module, (x, y), lr=0.1, loss=loss)
    weights = torch.from_numpy(system.initial())
    point = curvature(system).at(weights, torch.zeros(0), None)
    gradient, matrix = dense(module, weights, torch.from_numpy(x), torch.from_numpy(y), loss)
    assert near(point.hvp(torch.eye(len(weights)).double()), matrix)
    assert near(point.gradient(), gradient)


def test_an_activation_at_the_output_is_differentiated_too():
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 3), nn.Tanh()).double()
    x, y = data()
    system = nndyn.Training(module, (x, y), lr=0.1)
    weights = torch.from_numpy(system.initial())
    found = curvature(system).at(weights, torch.zeros(0), None)
    gradient, matrix = dense(module, weights, torch.from_numpy(x), torch.from_numpy(y), "c")
    assert near(found.hvp(torch.eye(len(weights)).double()), matrix)
    assert near(found.gradient(), gradient)


def test_tiles_of_samples_and_groups_of_vectors_change_nothing(monkeypatch):
    system = nndyn.Training("mlp:64-9-10", "digits", lr=0.1)
    weights = torch.from_numpy(system.initial())
    vectors = torch.from_numpy(np.random.default_rng(0).standard_normal((5, len(weights))))
    whole = curvature(system).at(weights, torch.zeros(0), None)
    products, gradient = whole.hvp(vectors).clone(), whole.gradient()
    monkeypatch.setattr(perceptron_curvature, "TILE", 128)
    monkeypatch.setattr(perceptron_curvature, "BUDGET", 2 * 10 * 128 * 8)
    parts = curvature(system).at(weights, torch.zeros(0), None)
    assert near(parts.hvp(vectors), products)
    assert near(parts.gradient(), gradient)


def test_a_step_of_a_minibatch_sees_its_own_samples():
    system = nndyn.Training("mlp:4-5-3", "iris", lr=0.1, batch_size=50)  # of 120: 50, 50, 20
    weights = torch.from_numpy(system.initial())
    samples = system.task.training
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    for t in (0, 2, 4):
        rows = system.order.rows(t)
        x, y = torch.from_numpy(samples.x[rows]), torch.from_numpy(samples.y[rows])
        _, matrix = dense(module, weights, x, y, "cross-entropy")
        point = curvature(system).at(weights, torch.zeros(0), t)
        assert near(point.hvp(torch.eye(len(weights)).double()), matrix)


def small_cnn():
    layers = [nn.Conv2d(1, 2, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(32, 3)).double()


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("budget", [8 * 2**20, 2**13])
def test_the_product_of_a_module_is_that_of_torch(monkeypatch, forward, budget):
    monkeypatch.setattr(module_curvature, "BUDGET", {"cpu": budget})
    torch.manual_seed(0)
    module = small_cnn()
    x, y = np.random.default_rng(0).standard_normal((20, 1, 8, 8)), np.arange(20) % 3
    system = nndyn.Training(module, (x, y), lr=0.1)
    found = curvature(system)
    found.forward = forward
    weights = torch.from_numpy(system.initial())
    point = found.at(weights, torch.zeros(0), 0)
    gradient, matrix = dense(module, weights, torch.from_numpy(x), torch.from_numpy(y), "c")
    assert near(point.gradient(), gradient)
    assert near(point.hvp(torch.eye(len(weights)).double()), matrix)
    assert near(point.gradient(), gradient)
    assert found.forward is forward


def test_dropout_and_batch_statistics_are_those_of_the_step():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 3)
    ).double()
    x, y = data()
    system = nndyn.Training(module, (x, y), lr=0.1, seed=5)
    phase = torch.from_numpy(system.initial())
    D = system.task.network.size
    weights, statistics = phase[:D], phase[D:]
    point = curvature(system).at(weights, statistics, 7)
    with seeded(step_key(5, 7), torch.device("cpu")):
        leaf = weights.clone().requires_grad_()
        parts = leaf.split([p.numel() for p in module.parameters()])
        shapes = module.named_parameters()
        named = {n: part.view(p.shape) for (n, p), part in zip(shapes, parts, strict=True)}
        output = functional_call(module, named, (torch.from_numpy(x),))
        loss = nn.functional.cross_entropy(output, torch.from_numpy(y))
        (gradient,) = torch.autograd.grad(loss, leaf, create_graph=True)
    vector = torch.arange(D, dtype=torch.float64) / D
    (product,) = torch.autograd.grad(gradient, leaf, vector)
    assert near(point.hvp(vector[None])[0], product)
    assert near(point.gradient(), gradient.detach())
    assert torch.equal(statistics, torch.from_numpy(system.initial())[D:])


@pytest.mark.parametrize(
    ("model", "name", "steps"),
    [
        ("mlp:4-3", "iris", 0),
        ("mlp:4-8-3", "iris", 20),
        ("mlp:64-6-10", "digits", 40),
        pytest.param("mlp:64-32-10", "digits", 40, marks=pytest.mark.slow),
    ],
)
def test_the_ends_of_the_spectrum_are_those_of_the_dense_hessian(model, name, steps):
    system = nndyn.Training(model, name, lr=1.0)
    phase = system.initial()
    if steps:
        phase = system.bare(phase[None], 0, steps)[0]
    weights = torch.from_numpy(phase)
    matrix = curvature(system).at(weights, torch.zeros(0), None)
    values = np.linalg.eigvalsh(matrix.hvp(torch.eye(len(weights)).double()).numpy())
    found = system.curvature(phase, steps)
    assert found["sharpness"] == pytest.approx(values[-1], rel=1e-6)
    assert found["curvature_min"] == pytest.approx(values[0], rel=1e-6, abs=1e-12)
    assert found["sharpness_residual"] < 1e-6 * values[-1]
    assert found["curvature_min_residual"] < 1e-6 * values[-1]
    assert set(found) == set(system.curvatures)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "nadam", "rmsprop"])
def test_the_preconditioned_sharpness_is_of_the_scales_of_the_next_step(optimizer):
    options = {"optimizer": optimizer, "lr": 0.05, "weight_decay": 0.1}
    system = nndyn.Training("mlp:4-8-3", "iris", **options)
    phase = system.bare(system.initial()[None], 0, 12)[0]
    D = system.task.network.size
    point = curvature(system).at(torch.from_numpy(phase[:D]), torch.zeros(0), None)
    matrix = point.hvp(torch.eye(D).double()).numpy()
    slope = point.gradient().numpy()
    if optimizer != "adamw":
        matrix, slope = matrix + 0.1 * np.eye(D), slope + 0.1 * phase[:D]
    if optimizer == "rmsprop":
        scales = np.sqrt(0.99 * phase[D : 2 * D] + 0.01 * slope**2) + 1e-8
    else:
        square = 0.999 * phase[2 * D :] + 0.001 * slope**2
        scales = (1 - 0.9**13) * (np.sqrt(square / (1 - 0.999**13)) + 1e-8)
    values = np.linalg.eigvalsh(matrix / np.sqrt(np.outer(scales, scales)))
    found = system.curvature(phase, 12)
    assert found["preconditioned_sharpness"] == pytest.approx(values[-1], rel=1e-6)


def test_a_hessian_that_is_not_finite_gives_nan():
    system = nndyn.Training("mlp:4-5-3", "iris", lr=1.0)
    found = system.curvature(np.full(system.dimension, np.nan), 0)
    assert all(np.isnan(value) for value in found.values())
