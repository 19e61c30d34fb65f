"""Maps and flows of the user's: plain and compiled, with and without a Jacobian."""

import numba
import numpy as np
import pytest

import nndyn
from nndyn import systems
from nndyn.errors import UsageError


def henon(x):
    return np.array([1.0 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])


def henon_jacobian(x):
    return np.array([[-2.8 * x[0], 1.0], [0.3, 0.0]])


def lorenz(x):
    return np.array(
        [10.0 * (x[1] - x[0]), x[0] * (28.0 - x[2]) - x[1], x[0] * x[1] - 8.0 / 3.0 * x[2]]
    )


def lorenz_jacobian(x):
    return np.array([[-10.0, 10.0, 0.0], [28.0 - x[2], -1.0, -x[0]], [x[1], x[0], -8.0 / 3.0]])


@pytest.mark.parametrize("compiled", [False, True])
def test_a_map_of_the_users_is_that_of_the_catalogue(compiled):
    wrap = numba.njit if compiled else lambda f: f
    mine = nndyn.Map(wrap(henon), 2, jacobian=wrap(henon_jacobian), initial=[0.1, 0.1])
    known = systems.henon(initial=[0.1, 0.1], discard=0)
    x = np.array([[0.1, 0.1], [0.1, 0.2]])
    np.testing.assert_allclose(
        mine.advance(x, 0, 20, ()).phase, known.advance(x, 0, 20, ()).phase, rtol=1e-9
    )
    np.testing.assert_allclose(mine.jacobian(x[0]), known.jacobian(x[0]), rtol=1e-14)
    _, mine_stretch = mine.push(x[0], np.eye(2), 0, 20, range(1, 21))
    _, known_stretch = known.push(x[0], np.eye(2), 0, 20, range(1, 21))
    np.testing.assert_allclose(mine_stretch, known_stretch, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_flow_of_the_users_is_that_of_the_catalogue(compiled):
    wrap = numba.njit if compiled else lambda f: f
    mine = nndyn.Flow(wrap(lorenz), 3, jacobian=wrap(lorenz_jacobian), dt=0.02, discard=0)
    known = systems.lorenz63(dt=0.02, discard=0)
    x = np.array([[1.0, 1.0, 25.0]])
    np.testing.assert_allclose(
        mine.advance(x, 0, 30, ()).phase, known.advance(x, 0, 30, ()).phase, rtol=1e-10
    )
    _, mine_stretch = mine.push(x[0], np.eye(3), 0, 30, [30])
    _, known_stretch = known.push(x[0], np.eye(3), 0, 30, [30])
    np.testing.assert_allclose(mine_stretch, known_stretch, rtol=1e-9)
    assert (mine.kind, mine.time_unit, mine.interval) == ("flow", "time unit", 0.02)


def test_without_a_jacobian_twins_give_the_exponent(tmp_path):
    system = nndyn.Map(numba.njit(henon), 2, initial=[0.1, 0.1], name="mine")
    with nndyn.record(system, tmp_path / "r.nc", steps=20_000, rescale=10) as run:
        low, high = run.nndyn.lyapunov()["lyapunov_max_ci"].values
        assert "mine" in run.attrs["manifest"]
    assert low < 0.41923 < high


def test_a_recording_is_continued_by_the_same_code_alone(tmp_path):
    def scaled(factor):
        return lambda x: np.array([factor * x[0] * (1.0 - x[0])])

    path = tmp_path / "r.nc"
    nndyn.record(nndyn.Map(scaled(3.9), 1, discard=0), path, steps=50)
    nndyn.record(nndyn.Map(scaled(3.9), 1, discard=0), path, steps=60, resume=True)
    with pytest.raises(UsageError, match=r"system\.functions\.f is"):
        nndyn.record(nndyn.Map(scaled(3.8), 1, discard=0), path, steps=70, resume=True)


def test_a_function_may_change_its_argument():
    def f(x):
        x *= 0.5
        return x

    x = np.ones((2, 2))
    got = nndyn.Map(f, 2).advance(x, 0, 1, (0,))
    np.testing.assert_array_equal(got.phase, 0.5 * x)
    np.testing.assert_array_equal(got.states[0], x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nndyn.Map(3, 2), "f is 3, expected a function"),
        (lambda: nndyn.Map(henon, 0), "dimension is 0, expected a whole number, 1 or more"),
        (lambda: nndyn.Map(henon, 3), r"f returns shape \(2,\), expected \(3,\)"),
        (lambda: nndyn.Map(numba.njit(henon), 3), r"f returns shape \(2,\), expected"),
        (lambda: nndyn.Map(lambda x: x[5], 2), "f fails at .*out of bounds"),
        (lambda: nndyn.Map(henon, 2, jacobian=henon), r"jacobian returns shape \(2,\)"),
        (lambda: nndyn.Map(henon, 2, initial=[1.0]), "expected 2 finite numbers"),
        (lambda: nndyn.Flow(lorenz, 3, dt=0.0), "dt is 0.0"),
        (lambda: nndyn.Flow(lorenz, 3, method="euler"), "expected 'rk4' or 'dop853'"),
        (lambda: nndyn.Map(numba.njit(lambda x: "no"), 2), "f does not compile|f fails|f returns"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_parameters_of_gradient_descent_are_checked():
    for make, message in (
        (lambda: systems.quadratic(curvatures=("a",)), "parameter curvatures of quadratic"),
        (lambda: systems.quadratic(rotation=-1), "parameter rotation of quadratic is -1"),
        (lambda: systems.separable(curvatures=(), cubic=(), double_well=()), "has no part"),
        (lambda: systems.tent(2.0), r"in \(0, 2\)"),
        (lambda: systems.lorenz96(sites=3), "parameter sites of lorenz96 is 3"),
        (lambda: systems.coupled_logistic(sites=4.5), "parameter sites of coupled_logistic is 4.5"),
        (lambda: systems.cubic(float("nan")), "parameter lr of cubic is nan"),
    ):
        with pytest.raises(UsageError, match=message):
            make()
