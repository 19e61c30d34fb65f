"""Derivatives of the update rules: against differences, and against volumes that are known."""

import numpy as np
import pytest
import torch

import nndyn
from nndyn.systems.training.second_order.tangents import orthonormal

RULES = {
    "sgd": {"lr": 0.3},
    "momentum": {"lr": 0.1, "momentum": 0.9},
    "nesterov": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "decay": {"lr": 0.3, "momentum": 0.5, "weight_decay": 0.1},
    "clipped": {"lr": 0.3, "momentum": 0.5, "clip_norm": 0.05},
    "not clipped": {"lr": 0.3, "clip_norm": 1e3},
    "adam": {"lr": 0.01, "optimizer": "adam"},
    "adam, decay, clipped": {
        "lr": 0.01,
        "optimizer": "adam",
        "weight_decay": 0.1,
        "clip_norm": 0.05,
    },
    "adamw": {"lr": 0.01, "optimizer": "adamw", "weight_decay": 0.1},
    "nadam": {"lr": 0.01, "optimizer": "nadam", "weight_decay": 0.1},
    "rmsprop": {"lr": 0.01, "optimizer": "rmsprop"},
    "rmsprop, momentum, decay": {
        "lr": 0.01,
        "optimizer": "rmsprop",
        "momentum": 0.5,
        "weight_decay": 0.1,
    },
    "schedule": {"lr": 0.3, "schedule": "cosine:40"},
    "minibatch": {"lr": 0.3, "momentum": 0.5, "batch_size": 32},
}


def training(rule, model="mlp:4-6-3"):
    return nndyn.Training(model, "iris", seed=3, **RULES[rule])


def steps(system, phase, start, count):
    return system.advance(phase, start, count, ()).phase


@pytest.mark.parametrize("rule", RULES)
def test_the_derivative_of_a_step_is_that_of_differences(rule):
    system = training(rule)
    t = 25  # away from Adam's first step, where the second moment is that of one gradient
    phase = steps(system, system.initial()[None], 0, t)[0]
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((system.dimension, 6)) * (np.abs(phase) + 1e-9)[:, None]
    pushed, logs = system.push(phase, vectors, t, 1, ())
    assert logs.shape == (0, 6)
    h = 1e-5
    plus = steps(system, phase + h * vectors.T, t, 1)
    minus = steps(system, phase - h * vectors.T, t, 1)
    # to fourth order: differences over h and h / 2
    half = steps(system, phase + h / 2 * vectors.T, t, 1)
    half -= steps(system, phase - h / 2 * vectors.T, t, 1)
    difference = (4 * half / h - (plus - minus) / (2 * h)) / 3
    parts = len(phase) // system.task.network.size
    for found, expected in zip(
        np.split(pushed.T, parts, 1), np.split(difference, parts, 1), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max(), rtol=1e-6)


@pytest.mark.parametrize("rule", ["adam", "rmsprop"])
def test_where_the_gradient_never_was_the_derivative_is_finite(rule):
    x = np.random.default_rng(0).standard_normal((30, 4))
    x[:, 2] = 0.0  # an input that is always 0: its weights have no gradient
    system = nndyn.Training("mlp:4-5-3", (x, np.arange(30) % 3), **RULES[rule])
    vectors = np.eye(system.dimension)
    pushed, logs = system.push(system.initial(), vectors, 0, 3, (1, 2, 3))
    assert np.isfinite(pushed).all()
    assert np.isfinite(logs).all()


def stretching(system, count):
    rng = np.random.default_rng(1)
    vectors = np.linalg.qr(rng.standard_normal((system.dimension,) * 2))[0]
    return system.push(system.initial(), vectors, 0, count, range(1, count + 1))[1]


@pytest.mark.parametrize(
    ("options", "factor"),
    [
        ({"lr": 0.5, "momentum": 0.9}, 0.9),
        ({"lr": 0.5, "momentum": 0.9, "weight_decay": 0.1, "clip_norm": 0.1}, 0.9),
        ({"lr": 0.5, "momentum": 0.9, "batch_size": 40}, 0.9),
        ({"lr": 0.1, "optimizer": "adam"}, 0.9 * 0.999),
        ({"lr": 0.1, "optimizer": "adam", "betas": (0.5, 0.9), "weight_decay": 0.1}, 0.45),
        ({"lr": 0.1, "optimizer": "adamw", "weight_decay": 0.2}, 0.9 * 0.999 * 0.98),
    ],
)
def test_volumes_change_by_the_same_factor_at_every_step(options, factor):
    system = nndyn.Training("mlp:4-5-3", "iris", **options)
    n = system.task.network.size
    sums = stretching(system, 40).sum(axis=1)
    np.testing.assert_allclose(sums, n * np.log(factor), rtol=0, atol=1e-8)
    assert system.exponent_sum == pytest.approx(n * np.log(factor))


def test_volumes_under_other_rules_depend_on_the_loss():
    for rule in ("sgd", "nesterov", "rmsprop"):
        system = training(rule)
        assert system.exponent_sum is None
        assert np.ptp(stretching(system, 5).sum(axis=1)) > 1e-3


def test_adam_keeps_volumes_where_gradients_span_many_orders():
    x = np.random.default_rng(0).standard_normal((30, 4)) * 10.0 ** -np.arange(0, 8, 2)
    system = nndyn.Training("mlp:4-5-3", (x, np.arange(30) % 3), lr=0.1, optimizer="adam")
    sums = stretching(system, 5)
    expected = system.task.network.size * np.log(0.9 * 0.999)
    assert np.ptp(sums[0]) > 40.0  # the first step stretches by 1e9 and more, and shrinks as much
    np.testing.assert_allclose(sums.sum(axis=1), expected, rtol=0, atol=1e-8)


def test_volumes_of_plain_descent_are_determinants():
    system = training("sgd")
    D = system.dimension
    orbit = system.advance(system.initial()[None], 0, 10, range(10)).states[:, 0]
    sums = stretching(system, 10).sum(axis=1)
    curvature = system.task.curvature(system.order)
    for t, weights in enumerate(orbit):
        point = curvature.at(torch.from_numpy(weights.copy()), torch.zeros(0), None)
        matrix = point.hvp(torch.eye(D).double()).numpy()
        expected = np.linalg.slogdet(np.eye(D) - 0.3 * matrix)[1]
        assert sums[t] == pytest.approx(expected, abs=1e-8)


def test_pushing_at_once_or_in_parts_gives_the_same():
    system = training("adam")
    phase = system.initial()
    vectors = np.linalg.qr(np.random.default_rng(0).standard_normal((system.dimension, 3)))[0]
    orbit = system.advance(phase[None], 0, 9, range(9), part=slice(None)).states[:, 0]
    times = range(1, 10)
    whole, logs = system.push(phase, vectors, 0, 9, times, orbit)
    first, some = system.push(phase, vectors, 0, 4, range(1, 5), orbit[:4])
    second, rest = system.push(orbit[4], first, 4, 5, range(5, 10), orbit[4:])
    np.testing.assert_array_equal(second, whole)
    np.testing.assert_array_equal(np.vstack([some, rest]), logs)


def accompanied(optimizer):
    system = training(optimizer)
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(rng.standard_normal((system.dimension, 3)))[0]
    companion = rng.standard_normal((system.dimension, 1))
    phase = system.initial()
    orbit = system.advance(phase[None], 0, 9, range(9), part=slice(None)).states[:, 0]
    return system, vectors, companion / np.linalg.norm(companion), orbit


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_companion_and_the_others_do_not_feel_each_other(optimizer):
    system, vectors, companion, orbit = accompanied(optimizer)
    times = range(3, 10, 3)
    both = np.hstack([vectors, companion])
    pushed, logs, cosines = system.push_with_companion(orbit, both, 0, times)
    alone, expected = system.push(orbit[0], vectors, 0, 9, times, orbit)
    other, _ = system.push(orbit[0], companion, 0, 9, times, orbit)
    np.testing.assert_allclose(logs, expected, atol=1e-9)
    np.testing.assert_allclose(pushed[:, :3], alone, atol=1e-7)
    np.testing.assert_allclose(pushed[:, 3], other[:, 0], atol=1e-7)
    assert cosines.shape == (3,)
    assert cosines[-1] == pytest.approx(abs(alone[:, 0] @ other[:, 0]), abs=1e-7)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_companion_pushed_at_once_or_in_parts_has_the_same_bits(optimizer):
    system, vectors, companion, orbit = accompanied(optimizer)
    both = np.hstack([vectors, companion])
    whole, logs, cosines = system.push_with_companion(orbit, both, 0, [3, 6, 9])
    found, rows, angles = both, [], []
    for a, b, at in ((0, 4, [3]), (4, 5, []), (5, 9, [6, 9])):
        found, some, seen = system.push_with_companion(orbit[a:b], found, a, at)
        rows.append(some)
        angles.append(seen)
    np.testing.assert_array_equal(found, whole)
    np.testing.assert_array_equal(np.vstack(rows), logs)
    np.testing.assert_array_equal(np.concatenate(angles), cosines)


def test_a_companion_that_vanishes_agrees_with_nothing():
    system, vectors, companion, orbit = accompanied("sgd")
    both = np.hstack([vectors, 0.0 * companion])
    pushed, _, cosines = system.push_with_companion(orbit, both, 0, [4, 9])
    assert (pushed[:, 3] == 0.0).all()
    np.testing.assert_array_equal(cosines, [0.0, 0.0])


def test_rows_of_graded_scales_keep_small_ones_exact():
    rng = np.random.default_rng(0)
    n = 12
    q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    scales = 10.0 ** rng.permutation(np.linspace(-12, 12, n))
    rows = torch.from_numpy((q * scales).copy())
    out, logs = orthonormal(rows, graded=True)
    assert float(logs.sum()) == pytest.approx(np.log(scales).sum(), abs=1e-12)
    assert torch.allclose(out @ out.T, torch.eye(n).double(), atol=1e-13)
    ungraded = torch.from_numpy(q @ np.diag(np.linspace(1, 2, n)) @ q)
    plain, other = orthonormal(ungraded)
    again, same = orthonormal(ungraded, graded=True)
    assert torch.allclose(other, same, atol=1e-13)
    assert torch.allclose(plain.abs(), again.abs(), atol=1e-12)


def test_vectors_of_the_wrong_shape_are_refused():
    system = training("adam")
    with pytest.raises(nndyn.NndynError, match="vectors have shape"):
        system.push(system.initial(), np.zeros((5, 2)), 0, 1, (1,))
