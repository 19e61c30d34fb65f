"""Derivatives against differences, and pushed tangents against plain numpy."""

import itertools

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nndyn
from nndyn import systems
from nndyn.errors import UsageError
from nndyn.systems import CATALOGUE
from nndyn.systems.numeric.push import orthonormalize

NAMES = list(CATALOGUE)


def image(system, x):
    """The formula of a system at one state."""
    rows, out = np.stack([x, x]), np.empty((2, len(x)))
    # rows of the torus are wrapped as the first is: the difference is what counts
    system._formula(rows, system._vector, out)
    return out


def differences(system, x, h=1e-5):
    """The Jacobian by central differences; replicas are wrapped as the reference is."""
    J = np.empty((len(x), len(x)))
    for q in range(len(x)):
        rows = np.stack([x, x, x])
        rows[1, q] += h
        rows[2, q] -= h
        out = np.empty_like(rows)
        system._formula(rows, system._vector, out)
        J[:, q] = (out[1] - out[2]) / (2 * h)
    return J


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_jacobian_is_that_of_central_differences(name, seed):
    rng = np.random.default_rng(seed)
    fixed = {"sites", "rotation"}
    entry = CATALOGUE[name]
    changed = {
        key: tuple(v * rng.uniform(0.8, 1.2) for v in value)
        if isinstance(value, tuple)
        else value * rng.uniform(0.8, 1.0)
        for key, value in entry.parameters.items()
        if key not in fixed
    }
    system = getattr(systems, name)(**changed, discard=0)
    x = system.initial(seed) + 0.1 * rng.uniform(-1.0, 1.0, system.dimension)
    kinks = {"tent": 0.5, "skew_tent": changed.get("a"), "lozi": 0.0}
    if name in kinks and abs(x[0] - kinks[name]) < 1e-4:
        return
    J = system.jacobian(x)
    np.testing.assert_allclose(J, differences(system, x), atol=1e-6 * np.abs(J).max())


def plain(system, x, vectors, steps, every):
    """Push by the formula and the Jacobian of the step, orthonormalize by numpy's QR."""
    stretch = []
    for i in range(1, steps + 1):
        if system.kind == "flow":
            dt = system.interval
            V, K, slopes, points = vectors, [], [], []
            for ahead in (0.0, 0.5, 0.5, 1.0):
                point = x + ahead * dt * (slopes[-1] if slopes else 0.0)
                where = V + ahead * dt * (K[-1] if K else 0.0)
                out = np.empty((1, len(x)))
                system._formula(point[None], system._vector, out)
                slopes.append(out[0])
                points.append(point)
                K.append(system.jacobian(point) @ where)
            x = x + dt / 6 * (slopes[0] + 2 * slopes[1] + 2 * slopes[2] + slopes[3])
            vectors = V + dt / 6 * (K[0] + 2 * K[1] + 2 * K[2] + K[3])
        else:
            vectors = system.jacobian(x) @ vectors
            x = image(system, x)[0]
        if i % every == 0:
            q, r = np.linalg.qr(vectors)
            sign = np.sign(np.diagonal(r))
            vectors = q * sign
            stretch.append(np.log(np.abs(np.diagonal(r))))
    return x, vectors, np.array(stretch)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("every", [1, 3])
def test_pushed_vectors_are_those_of_plain_numpy(name, every):
    system = getattr(systems, name)()
    x = system.initial(1)
    P = system.dimension
    for k in {1, min(2, P), P}:
        vectors = np.linalg.qr(np.random.default_rng(k).standard_normal((P, k)))[0]
        steps = 12
        pushed, stretch = system.push(x, vectors, 5, steps, range(5 + every, 18, every))
        _, expected, logs = plain(system, x, vectors, steps, every)
        np.testing.assert_allclose(stretch, logs, rtol=1e-8, atol=1e-9)
        pushed = pushed / np.linalg.norm(pushed, axis=0)
        np.testing.assert_allclose(np.abs(pushed.T @ expected), np.eye(k), atol=1e-7)


@pytest.mark.parametrize("name", ["henon", "logistic", "lorenz63", "lorenz96"])
def test_the_result_does_not_depend_on_how_a_run_is_cut(name):
    system = getattr(systems, name)()
    x = system.initial(0)
    vectors = np.eye(system.dimension)
    whole, stretch = system.push(x, vectors, 0, 50, range(1, 51))
    part, first = system.push(x, vectors, 0, 20, range(1, 21))
    there = system.advance(x[None], 0, 20, ()).phase[0]
    part, second = system.push(there, part, 20, 30, range(21, 51))
    np.testing.assert_array_equal(np.vstack([first, second]), stretch)
    np.testing.assert_array_equal(part, whole)
    np.testing.assert_array_equal(vectors, np.eye(system.dimension))


@numba.njit
def turned(x):
    return np.array([1.3 * x[0] - 0.9 * x[1], 0.9 * x[0] + 1.3 * x[1]]) % 1.0


@numba.njit
def turning(x):
    return np.array([[1.3, -0.9], [0.9, 1.3]])


@pytest.mark.parametrize("every", [1, 2, 4])
@pytest.mark.parametrize("name", ["henon", "ikeda", "cat", "turned", "lorenz63", "lozi"])
def test_single_steps_give_what_one_call_gives(name, every):
    if name == "turned":  # a derivative that keeps right angles as they are
        system = nndyn.Map(turned, 2, jacobian=turning, initial=[0.3, 0.4])
    else:
        system = getattr(systems, name)()
    x = system.initial(0)
    vectors = np.linalg.qr(np.random.default_rng(0).standard_normal((len(x), len(x))))[0]
    for first in (vectors, np.eye(len(x))):
        whole, stretch = system.push(x, first, 0, 24, range(every, 25, every))
        for cuts in ([*range(25)], [0, 1, 7, 8, 9, 15, 16, 24], [0, 3, 4, 23, 24]):
            found, part, there = [], first, x
            for a, b in itertools.pairwise(cuts):
                at = [t for t in range(a + 1, b + 1) if t % every == 0]
                part, logs = system.push(there, part, a, b - a, at)
                there = system.advance(there[None], a, b - a, ()).phase[0]
                found.append(logs)
            np.testing.assert_array_equal(np.vstack(found), stretch)
            np.testing.assert_array_equal(part, whole)
        _, _, logs = plain(system, x, first, 24, every)
        np.testing.assert_allclose(stretch, logs, rtol=1e-8, atol=1e-7)


def test_a_run_of_one_step_can_go_on_with_rarer_orthonormalizations():
    system = systems.henon()
    x, first = system.initial(0), np.eye(2)
    whole, stretch = system.push(x, first, 0, 1, [1])
    there = system.advance(x[None], 0, 1, ()).phase[0]
    _, further = system.push(there, whole, 1, 4, [4])
    _, _, logs = plain(system, x, first, 4, 1)
    np.testing.assert_allclose(stretch.sum(0) + further.sum(0), logs.sum(0), rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10**6))
def test_orthonormalizing_is_a_qr_decomposition(P, k, seed):
    k = min(k, P)
    vectors = np.random.default_rng(seed).standard_normal((P, k))
    q, rows, stretch = vectors.copy(), np.empty((k, P)), np.empty(k)
    orthonormalize(q, rows, stretch)
    np.testing.assert_allclose(q.T @ q, np.eye(k), atol=1e-9)
    r = np.abs(np.diagonal(np.linalg.qr(vectors)[1]))
    np.testing.assert_allclose(stretch, r, rtol=1e-9, atol=1e-12)


def test_a_singular_derivative_stretches_by_minus_infinity():
    superstable = systems.quadratic(1.0, (1.0, 0.5), discard=0)
    _, stretch = superstable.push(np.ones(2), np.eye(2), 0, 3, range(1, 4))
    assert (stretch[:, 0] == -np.inf).all()
    np.testing.assert_allclose(stretch[:, 1], np.log(0.5))
    _, stretch = systems.henon(b=0.0).push(np.zeros(2), np.eye(2), 0, 5, range(1, 6))
    assert np.isneginf(stretch).any()
    assert not np.isnan(stretch).any()


def test_an_adaptive_flow_agrees_with_small_runge_kutta_steps():
    coarse = systems.lorenz63(dt=0.1, method="dop853", initial=[1.0, 1.0, 25.0], discard=0)
    fine = systems.lorenz63(dt=0.001, initial=[1.0, 1.0, 25.0], discard=0)
    x = coarse.initial(0)
    there = coarse.advance(x[None], 0, 5, ()).phase[0]
    np.testing.assert_allclose(there, fine.advance(x[None], 0, 500, ()).phase[0], rtol=1e-8)
    pushed, stretch = coarse.push(x, np.eye(3), 0, 5, [5])
    expected, logs = fine.push(x, np.eye(3), 0, 500, [500])
    np.testing.assert_allclose(stretch, logs, rtol=1e-7)
    np.testing.assert_allclose(pushed, expected, atol=1e-7)


def test_a_system_without_a_jacobian_says_so():
    system = nndyn.Map(lambda x: 0.5 * x, 1)
    for call in (
        lambda: system.jacobian([0.0]),
        lambda: system.push(np.zeros(1), np.eye(1), 0, 1, [1]),
    ):
        with pytest.raises(UsageError, match="has no Jacobian; give one, or compare replicas"):
            call()
