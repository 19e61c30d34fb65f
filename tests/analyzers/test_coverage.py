"""Whether 95 % intervals hold the truth in 95 % of runs: 500 seeded runs each."""

import numba
import numpy as np
import pytest

from analyzers.growth.growth_rate import growth_rate
from analyzers.lyapunov.analyzer import lyapunov
from tests.analyzers.synthetic import piecewise, recording

pytestmark = pytest.mark.slow

RUNS = 500
SKEW, HENON, LOGISTIC, LORENZ = range(4)


@numba.njit(cache=True)
def lorenz(v):
    return np.array(
        [10.0 * (v[1] - v[0]), v[0] * (28.0 - v[2]) - v[1], v[0] * v[1] - 8.0 / 3.0 * v[2]]
    )


@numba.njit(cache=True)
def step(kind, v):
    if kind == SKEW:
        return np.where(v < 0.3, v / 0.3, (1.0 - v) / 0.7)
    if kind == HENON:
        return np.array([1.0 - 1.4 * v[0] * v[0] + v[1], 0.3 * v[0]])
    if kind == LOGISTIC:
        return 4.0 * v * (1.0 - v)
    h = 0.01
    a = lorenz(v)
    b = lorenz(v + 0.5 * h * a)
    c = lorenz(v + 0.5 * h * b)
    d = lorenz(v + h * c)
    return v + h / 6.0 * (a + 2.0 * b + 2.0 * c + d)


@numba.njit(cache=True)
def separations(kind, dimension, steps, replicas, seed, discard):
    """Log separations (steps + 1, replicas) of twins 1e-8 away, rescaled every 10 steps."""
    np.random.seed(seed)  # noqa: NPY002 - numba's own generator
    x = 0.1 * np.random.rand(dimension)  # noqa: NPY002
    if kind == LORENZ:
        x = 1.0 + 100.0 * x
    for _ in range(discard):
        x = step(kind, x)
    y = np.empty((replicas, dimension))
    first = np.empty(replicas)
    for r in range(replicas):
        y[r] = x + 1e-8 * (2.0 * np.random.rand(dimension) - 1.0)  # noqa: NPY002
        first[r] = np.sqrt(np.sum((y[r] - x) ** 2))
    taken = np.zeros(replicas)
    out = np.empty((steps + 1, replicas))
    for t in range(steps + 1):
        for r in range(replicas):
            d = np.sqrt(np.sum((y[r] - x) ** 2))
            if t > 0 and t % 10 == 0:
                y[r] = x + (y[r] - x) * (first[r] / d)
                after = np.sqrt(np.sum((y[r] - x) ** 2))
                taken[r] += np.log(d / after)
                d = after
            out[t, r] = np.log(d) + taken[r]
            y[r] = step(kind, y[r])
        x = step(kind, x)
    return out


@pytest.mark.parametrize(
    ("kind", "dimension", "steps", "truth", "most"),
    [
        (SKEW, 1, 1000, 0.610864, 0.985),
        (SKEW, 1, 10_000, 0.610864, 0.985),
        (HENON, 2, 1000, 0.41923, 0.985),
        (HENON, 2, 10_000, 0.41923, 0.985),
        (LOGISTIC, 1, 1000, np.log(2.0), 1.0),  # its error falls like 1/T: intervals are wide
        (LOGISTIC, 1, 10_000, np.log(2.0), 1.0),
        (LORENZ, 3, 20_000, 0.009056, 1.0),
    ],
)
def test_stationary_interval_covers(kind, dimension, steps, truth, most):
    hits = 0
    for seed in range(RUNS):
        discard = 2000 if kind == LORENZ else 500
        s = separations(kind, dimension, steps, 2, seed, discard)
        rate = growth_rate(np.diff(s, axis=0), steps // 20)
        hits += abs(rate.value - truth) <= rate.half_width
    assert 0.91 <= hits / RUNS <= most


@pytest.mark.parametrize(
    ("truth", "options"),
    [
        (0.3, {"slopes": [0.3, 0.0], "breaks": [40], "steps": 200}),
        (0.3, {"slopes": [0.3, 0.0], "breaks": [40], "steps": 200, "slope_spread": 0.01}),
        (0.3, {"slopes": [0.3], "breaks": [], "steps": 120, "noise": 0.2}),
        (0.6, {"slopes": [0.05, 0.6, 0.01], "breaks": [30, 50], "steps": 300}),
        (0.3, {"slopes": [0.3, 0.0], "breaks": [30], "steps": 200, "phi": 0.0, "noise": 0.2}),
        (0.3, {"slopes": [0.3, 0.0], "breaks": [30], "steps": 200, "phi": 0.95, "noise": 0.2}),
        (0.0, {"slopes": [0.0], "breaks": [], "steps": 200, "noise": 0.2}),
    ],
)
def test_transient_interval_covers(truth, options):
    hits = 0
    for seed in range(RUNS):
        found = lyapunov(recording(np.exp(piecewise(seed=seed, **options)), step_length=1.0))
        low, high = found["lyapunov_max_ci"].values
        hits += low <= truth <= high
    assert 0.91 <= hits / RUNS <= 0.985
