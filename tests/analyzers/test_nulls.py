"""Whether growth is called where there is none, and missed where there is: 400 draws each."""

import numpy as np
import pytest

from analyzers.lyapunov.analyzer import lyapunov
from tests.analyzers.nulls import GROWTH, NULLS, burst, drawn, family

DRAWS = 400


@pytest.mark.slow
@pytest.mark.parametrize("name", NULLS)
def test_a_path_without_a_trend_is_rarely_called_growth(name):
    called = sum(
        lyapunov(drawn(family(name, draw))).attrs["verdict"] in GROWTH for draw in range(DRAWS)
    )
    print(f"{name}: {called} of {DRAWS}")
    assert called <= 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("length", "slope"), [(8, 1.0), (8, 0.75), (15, 0.4), (30, 0.2), (30, 0.5)]
)
def test_a_burst_over_fluctuations_is_called_growth(length, slope):
    called = 0
    for draw in range(100):
        found = lyapunov(drawn(burst(length, slope, np.random.default_rng([length, draw]))))
        called += found.attrs["verdict"] in GROWTH
    print(f"{slope} a step over {length}: {called} of 100")
    assert called >= 95
