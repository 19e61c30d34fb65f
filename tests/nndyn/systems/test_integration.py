"""What the steps of a flow add to the rate at which volumes change."""

import numpy as np
import pytest

import nndyn
from nndyn import systems
from nndyn.errors import DataError
from recorders.followers.needs import Integrated


def measured(system, steps=20_000):
    x = system.initial(0)
    _, stretch = system.push(x, np.eye(system.dimension), 0, steps, range(1, steps + 1))
    return stretch.sum() / (steps * system.interval) - system.exponent_sum


@pytest.mark.parametrize("dt", [0.01, 0.02, 0.05])
def test_the_error_of_volumes_is_foretold_from_half_the_step(dt):
    system = systems.lorenz63(dt=dt)
    assert isinstance(system, Integrated)
    foretold = system.volume_error(system.initial(0), 20_000)
    assert foretold == pytest.approx(measured(system), rel=0.3)
    short = system.volume_error(system.initial(0), 200)
    assert 0.5 < short / foretold < 2.0


def test_it_falls_with_the_fourth_power_of_the_step():
    x = systems.lorenz63().initial(0)
    errors = [systems.lorenz63(dt=dt).volume_error(x, round(2 / dt)) for dt in (0.02, 0.01)]
    assert 12.0 < errors[0] / errors[1] < 20.0


def test_a_plain_function_has_the_error_of_a_compiled_one():
    def rate(x):
        return np.array([10.0 * (x[1] - x[0]), x[0] * (28.0 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])  # fmt: skip  # noqa: E501

    def jacobian(x):
        return np.array([[-10.0, 10.0, 0.0], [28.0 - x[2], -1.0, -x[0]], [x[1], x[0], -8 / 3]])

    start = systems.lorenz63().initial(0)
    plain = nndyn.Flow(rate, 3, jacobian=jacobian, dt=0.05, initial=start, discard=0)
    compiled = systems.lorenz63(dt=0.05)
    expected = compiled.volume_error(start, 60)
    assert plain.volume_error(start, 60) == pytest.approx(expected, rel=1e-9)


def test_where_steps_are_exact_there_is_nothing_to_say():
    x = np.array([1.0, 1.0, 25.0])
    assert systems.lorenz63(method="dop853").volume_error(x, 10) is None
    assert systems.henon().volume_error(x[:2], 10) is None
    assert nndyn.Flow(lambda x: -x, 1).volume_error(x[:1], 10) is None
    assert systems.lorenz63(dt=5.0).volume_error(1e200 * x, 10) is None


def test_leaving_every_bound_names_the_step_of_a_flow():
    with pytest.raises(DataError, match=r"a shorter `dt` than 0.3 or `method='dop853'`"):
        systems.lorenz63(dt=0.3).initial(0)
    with pytest.raises(DataError, match=r"choose other parameters or another initial state"):
        systems.henon(a=3.0).initial(0)
    with pytest.raises(DataError, match=r"choose a smaller lr, other parameters"):
        systems.quadratic(3.0, discard=2000).initial(0)
