"""Every closed form of gradient descent, recorded and analyzed as a user does."""

import numpy as np
import pytest

import nndyn
from nndyn import systems


def spectrum(system, path, steps, **options):
    """Record all tangents alone and analyze them."""
    with nndyn.record(
        system, path, steps=steps, replicas=0, tangents="all", store="distances"
    ) as run:
        return nndyn.spectrum(run, **options)


def exponents(system, path, steps, **options):
    return spectrum(system, path, steps, **options)["exponents"].values


@pytest.mark.parametrize(
    ("name", "lr", "known"),
    [
        ("cubic", 0.7, np.log(0.3)),
        ("cubic", 1.8, np.log(0.8)),
        ("cubic", 2.2, 0.5 * np.log(abs(5 - 2.2**2))),
        ("cubic", 2.4, 0.5 * np.log(abs(5 - 2.4**2))),
        ("double_well", 0.3, np.log(0.4)),
        ("double_well", 0.9, np.log(0.8)),
        ("double_well", 1.1, 0.5 * np.log(abs(9 - 2 * 2.1**2))),
        ("double_well", 1.2, 0.5 * np.log(abs(9 - 2 * 2.2**2))),
    ],
)
def test_fixed_points_and_cycles_are_exact(tmp_path, name, lr, known):
    found = exponents(getattr(systems, name)(lr, discard=5000), tmp_path / "r.nc", 2000)
    np.testing.assert_allclose(found, [known], atol=1e-8)


@pytest.mark.parametrize(
    ("name", "lr", "known"),
    [("cubic", 3, np.log(2)), ("double_well", 2, np.log(3))],
)
def test_chaotic_descent_lies_inside_its_interval(tmp_path, name, lr, known):
    found = spectrum(getattr(systems, name)(float(lr)), tmp_path / "r.nc", 100_000)
    low, high = found["exponents_ci"].values[0]
    assert low <= known <= high
    assert high - low < 0.01
    assert found.attrs["verdict"] == "chaotic"


def test_the_cubic_is_the_logistic_map_in_disguise():
    lr, y = 2.7, np.array([0.3])
    cubic, logistic = systems.cubic(lr, discard=0), systems.logistic(1 + lr, discard=0)
    x = 1 - (1 + lr) / lr * y
    for _ in range(10):
        x = cubic.advance(x[None], 0, 1, ()).phase[0]
        y = logistic.advance(y[None], 0, 1, ()).phase[0]
        np.testing.assert_allclose(x, 1 - (1 + lr) / lr * y, atol=1e-13)


@pytest.mark.parametrize("rotation", [0, 3])
def test_a_quadratic_has_the_logarithms_of_its_factors(tmp_path, rotation):
    h = (0.3, 1.1, 2.9, 3.7, 3.9)
    found = spectrum(systems.quadratic(0.5, h, rotation), tmp_path / "r.nc", 4000, burn_in=2000.0)
    known = np.sort(np.log(np.abs(1 - 0.5 * np.array(h))))[::-1]
    np.testing.assert_allclose(found["exponents"], known, atol=1e-8)
    assert float(found["exponent_sum"]) == pytest.approx(known.sum(), abs=1e-12)


def test_a_rotated_separable_loss_has_the_union_of_its_parts(tmp_path):
    found = spectrum(systems.separable(), tmp_path / "r.nc", 50_000)
    known = np.sort([np.log(0.8), np.log(0.5), np.log(2), np.log(3)])[::-1]
    for value, (low, high) in zip(known, found["exponents_ci"].values, strict=True):
        assert low - 1e-5 <= value <= high + 1e-5


def test_a_rotated_separable_loss_of_fixed_points_is_exact(tmp_path):
    system = systems.separable(1.0, (0.2, 1.5), (0.7,), (0.9,), 5, discard=5000)
    found = exponents(system, tmp_path / "r.nc", 4000, burn_in=2000.0)
    known = np.sort(np.log([0.8, 0.5, 0.3, 0.8]))[::-1]
    np.testing.assert_allclose(found, known, atol=1e-8)


@pytest.mark.parametrize(("lr", "momentum"), [(0.1, 0.9), (1.0, 0.5), (2.5, 0.8)])
def test_the_heavy_ball_shares_its_sum(tmp_path, lr, momentum):
    steps = 20_000
    found = spectrum(systems.heavy_ball(lr, momentum), tmp_path / "r.nc", steps, burn_in=0.0)
    half = 0.5 * np.log(momentum)
    assert abs(float(found["exponent_sum"]) - 2 * half) < 1e-12
    np.testing.assert_allclose(found["exponents"], [half, half], atol=5 / steps)


@pytest.mark.parametrize(("lr", "momentum"), [(0.001, 0.9), (3.799, 0.9), (4.0, 0.9)])
def test_outside_the_band_the_heavy_ball_has_its_eigenvalues(tmp_path, lr, momentum):
    steps = 1000 if lr > 2 * (1 + momentum) else 20_000
    found = exponents(systems.heavy_ball(lr, momentum), tmp_path / "r.nc", steps, burn_in=500.0)
    b = 1 + momentum - lr
    roots = np.log(np.abs((b + np.array([1, -1]) * np.sqrt(b * b - 4 * momentum + 0j)) / 2))
    np.testing.assert_allclose(found, np.sort(roots)[::-1], atol=1e-8)
    assert (found[0] > 0) == (lr > 2 * (1 + momentum))


@pytest.mark.parametrize("lr", [0.5, 4 / 3, 1.6])
def test_sgd_on_two_alternating_losses_multiplies_their_factors(tmp_path, lr):
    """The curvature is 2 - s with a sign s that turns at every step: 1 and 3 in turn."""

    def f(x):
        return np.array([(1 - lr * (2 - x[1])) * x[0], -x[1]])

    def jacobian(x):
        return np.array([[1 - lr * (2 - x[1]), lr * x[0]], [0.0, -1.0]])

    system = nndyn.Map(f, 2, jacobian=jacobian, initial=[0.0, 1.0], discard=0)
    known = 0.5 * (np.log(abs(1 - lr)) + np.log(abs(1 - 3 * lr)))
    found = exponents(system, tmp_path / "r.nc", 2000, burn_in=100.0)
    np.testing.assert_allclose(found, np.sort([known, 0.0])[::-1], atol=1e-9)


def test_sgd_on_losses_drawn_at_random_has_the_same_mean(tmp_path):
    """A skew tent at its mean slope draws curvatures 1 and 3 with even odds."""
    import numba

    lr, a = 0.5, 0.3

    @numba.njit
    def f(x):
        h = 1.0 if x[1] < 0.5 else 3.0
        y = x[1] / a if x[1] < a else (1.0 - x[1]) / (1.0 - a)
        return np.array([(1.0 - lr * h) * x[0], y])

    @numba.njit
    def jacobian(x):
        h = 1.0 if x[1] < 0.5 else 3.0
        slope = 1.0 / a if x[1] < a else -1.0 / (1.0 - a)
        return np.array([[1.0 - lr * h, 0.0], [0.0, slope]])

    system = nndyn.Map(f, 2, jacobian=jacobian, initial=[0.0, 0.1234], discard=100)
    found = spectrum(system, tmp_path / "r.nc", 100_000)
    known = [-a * np.log(a) - (1 - a) * np.log(1 - a), 0.5 * (np.log(0.5) + np.log(0.5))]
    for value, (low, high) in zip(known, found["exponents_ci"].values, strict=True):
        assert low - 1e-3 <= value <= high + 1e-3
