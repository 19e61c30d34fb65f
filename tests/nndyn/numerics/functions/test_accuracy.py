"""Elementary functions against longer numbers, and what they make of special ones."""

import numba
import numpy as np
import pytest
from mpmath import mp

from nndyn.numerics.functions.exponential import exp, log
from nndyn.numerics.functions.hyperbolic import tanh
from nndyn.numerics.functions.logistic import logistic
from nndyn.numerics.functions.normal import normal
from nndyn.numerics.functions.trigonometric import REDUCED, sine_and_cosine, sine_and_cosine_of_any

INF, NAN = np.inf, np.nan


@numba.njit(cache=True, error_model="numpy")
def tanh_of(x, out):
    for i in range(x.size):
        out[i] = tanh(x[i])


@numba.njit(cache=True, error_model="numpy")
def exp_of(x, out):
    for i in range(x.size):
        out[i] = exp(x[i])


@numba.njit(cache=True, error_model="numpy")
def log_of(x, out):
    for i in range(x.size):
        out[i] = log(x[i])


@numba.njit(cache=True, error_model="numpy")
def logistic_of(x, out, rest):
    for i in range(x.size):
        out[i], rest[i] = logistic(x[i])


@numba.njit(cache=True, error_model="numpy")
def normal_of(x, out, density):
    for i in range(x.size):
        out[i], density[i] = normal(x[i])


@numba.njit(cache=True, error_model="numpy")
def sine_and_cosine_of(x, sine, cosine):
    for i in range(x.size):
        sine[i], cosine[i] = sine_and_cosine(x[i])


@numba.njit(cache=True, error_model="numpy")
def any_sine_and_cosine_of(x, sine, cosine):
    for i in range(x.size):
        sine[i], cosine[i] = sine_and_cosine_of_any(x[i])


def applied(function, x, results=1):
    x = np.asarray(x, float)
    found = [np.empty_like(x) for _ in range(results)]
    function(x, *found)
    return found if results > 1 else found[0]


def sampled(rng, count, low, high):
    """Return numbers of all sizes, and many where the function bends; both signs where low < 0."""
    sizes = 2.0 ** rng.uniform(-60, np.log2(high), count // 2)
    both = np.where(rng.random(sizes.size) < 0.5, -sizes, sizes) if low < 0 else sizes
    x = np.concatenate([both, rng.uniform(low, high, count - count // 2)])
    return x[(x >= low) & (x <= high)]


def errors(found, expected):
    """Return errors in units of the last place."""
    unit = np.spacing(np.abs(expected.astype(float)))
    return np.abs((found - expected) / unit).astype(float)


#: Function, its number of results, references of each, the range sampled, and the error allowed.
CASES = {
    "tanh": (tanh_of, [np.tanh], (-21, 21), 1.02),
    "exp": (exp_of, [np.exp], (-745, 709.7), 1.2),
    "log": (log_of, [np.log], (2.0**-50, 1e6), 0.9),
    "logistic": (
        logistic_of,
        [lambda x: 1 / (1 + np.exp(-x)), lambda x: 1 / (1 + np.exp(x))],
        (-730, 730),
        3.0,
    ),
    "sine and cosine": (sine_and_cosine_of, [np.sin, np.cos], (-REDUCED, REDUCED), 0.9),
}


def check(name, count, seed):
    function, references, limits, allowed = CASES[name]
    rng = np.random.default_rng(seed)
    near = (max(limits[0], -3), 3)  # where most preactivations are
    x = np.concatenate([sampled(rng, count // 2, *limits), sampled(rng, count // 2, *near)])
    found = applied(function, x, len(references))
    for values, reference in zip(np.atleast_2d(found), references, strict=True):
        off = errors(values, reference(x.astype(np.longdouble)))
        assert off.max() <= allowed, (name, x[off.argmax()], off.max())


long = pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="no longer numbers here")


@long
@pytest.mark.parametrize("name", CASES)
def test_values_are_within_the_stated_units_in_the_last_place(name):
    check(name, 100_000, 0)


@long
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_hundred_million_values_are_within_the_stated_units(name):
    for seed in range(1, 101):
        check(name, 1_000_000, seed)


@pytest.mark.parametrize("count", [1000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_the_normal_distribution_is_right_in_both_tails(count):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-38, 38, count), rng.uniform(-2, 2, count)])
    below, density = applied(normal_of, x, 2)
    with mp.workdps(30):
        for one, found, height in zip(x, below, density, strict=True):
            for value, expected in ((found, mp.ncdf(one)), (height, mp.npdf(one))):
                unit = np.spacing(float(expected))
                assert abs(value - expected) <= 7 * unit, (one, value)


def test_sines_of_large_numbers_are_those_of_the_library_and_small_ones_the_same():
    x = np.array([REDUCED, np.nextafter(REDUCED, INF), 1e22, -1e300, 1.0, -0.0])
    sine, cosine = applied(any_sine_and_cosine_of, x, 2)
    np.testing.assert_allclose(sine, np.sin(x), rtol=1e-15)
    np.testing.assert_allclose(cosine, np.cos(x), rtol=1e-15)
    small = np.abs(x) <= REDUCED
    np.testing.assert_array_equal(applied(sine_and_cosine_of, x[small], 2)[0], sine[small])


def test_multiples_of_a_right_angle_keep_all_their_digits():
    x = np.arange(1, 2**19, 977) * (np.pi / 2)
    sine, cosine = applied(sine_and_cosine_of, x, 2)
    with mp.workdps(50):
        for one, s, c in zip(x, sine, cosine, strict=True):
            assert abs(s / mp.sin(one) - 1) < 2.3e-16
            assert abs(c / mp.cos(one) - 1) < 2.3e-16


@pytest.mark.parametrize(
    ("function", "results", "expected"),
    [
        (tanh_of, 1, [(0.0, 0), (-0.0, -0.0), (INF, 1), (-INF, -1), (1e300, 1), (5e-324, 5e-324)]),
        (exp_of, 1, [(0.0, 1), (-0.0, 1), (INF, INF), (-INF, 0), (1e300, INF), (709.79, INF)]),
        (exp_of, 1, [(5e-324, 1), (-745.1, 5e-324), (-746.0, 0), (-1e300, 0)]),
        (log_of, 1, [(1.0, 0), (INF, INF)]),
        (logistic_of, 2, [(0.0, (0.5, 0.5)), (INF, (1, 0)), (-INF, (0, 1)), (1e300, (1, 0))]),
        (normal_of, 2, [(INF, (1, 0)), (-INF, (0, 0)), (1e300, (1, 0)), (-1e300, (0, 0))]),
        (sine_and_cosine_of, 2, [(0.0, (0, 1)), (-0.0, (-0.0, 1)), (-5e-324, (-5e-324, 1))]),
        (any_sine_and_cosine_of, 2, [(INF, (NAN, NAN)), (-INF, (NAN, NAN)), (-0.0, (-0.0, 1))]),
    ],
)
def test_special_numbers(function, results, expected):
    x = [number for number, _ in expected]
    found = np.transpose(np.atleast_2d(applied(function, [*x, NAN], results)))
    wanted = np.array([np.atleast_1d(value) for _, value in expected], float)
    np.testing.assert_array_equal(found[:-1], wanted)
    signs = ~np.isnan(wanted)  # that of NaN means nothing
    np.testing.assert_array_equal(np.signbit(found[:-1])[signs], np.signbit(wanted)[signs])
    assert np.isnan(found[-1]).all()


@pytest.mark.parametrize("function", [tanh_of, exp_of, sine_and_cosine_of])
def test_neighbours_of_every_threshold_of_the_reduction_are_continuous(function):
    period = {tanh_of: np.log(2) / 2, exp_of: np.log(2), sine_and_cosine_of: np.pi / 2}[function]
    for share in (0.5, 0.75, 1.0):
        centre = (np.arange(40) + share) * period
        steps = np.arange(-8, 9) * np.spacing(centre)[:, None]
        x = (centre[:, None] + steps).ravel()
        results = 2 if function is sine_and_cosine_of else 1
        found = applied(function, x, results)
        reference = {tanh_of: [np.tanh], exp_of: [np.exp]}.get(function, [np.sin, np.cos])
        for values, of in zip(np.atleast_2d(found), reference, strict=True):
            np.testing.assert_allclose(
                values, of(x.astype(np.longdouble)).astype(float), rtol=4e-16
            )
