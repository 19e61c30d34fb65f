import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.growth.kernels import flipped_gains
from analyzers.growth.sign_flips import LONGEST, growth_p, largest_gain
from analyzers.lyapunov.analyzer import lyapunov
from nndyn.results import to_dict
from tests.analyzers.nulls import GROWTH, burst, drawn, family

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15


def mixed(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def gains(x, block, flips):
    """Return the largest gain of every flipped path, in plain numpy."""
    blocks = -(-len(x) // block)
    out = []
    for flip in range(flips):
        state, bits = mixed((flip + 1) * GAMMA & MASK), []
        while len(bits) < blocks:
            state = (state + GAMMA) & MASK
            bits += [(mixed(state) >> b) & 1 for b in range(64)]
        signs = np.repeat(1.0 - 2.0 * np.array(bits[:blocks]), block)[: len(x)]
        level = np.concatenate([[0.0], np.cumsum(signs * x)])
        out.append(max(level[b] - level[:b].min() for b in range(1, len(level))))
    return np.array(out)


@pytest.mark.parametrize("n", [1, 2, 3, 63, 64, 65, 129, 300])
@pytest.mark.parametrize("block", [1, 2])
def test_kernel_equals_plain_numpy(n, block):
    x = np.random.default_rng(n).normal(size=n)
    assert flipped_gains(x, block, 21) == pytest.approx(gains(x, block, 21), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=40))
def test_largest_gain_is_that_of_all_pairs(steps):
    level = np.concatenate([[0.0], np.cumsum(steps)])
    pairs = [level[b] - level[a] for a in range(len(level)) for b in range(a + 1, len(level))]
    assert largest_gain(np.array(steps)) == pytest.approx(max(pairs), abs=1e-9)


def test_p_is_uniform_at_most_under_the_null():
    rng = np.random.default_rng(0)
    found = np.array([growth_p(rng.normal(size=100), 50) for _ in range(400)])
    for level in (0.02, 0.1, 0.5):
        assert (found <= level).mean() <= level + 3.0 * np.sqrt(level * (1.0 - level) / 400)


def test_steady_growth_has_the_smallest_p_and_contraction_a_large_one():
    assert growth_p(np.full(100, 0.1), 100) == 0.001
    assert growth_p(np.full(100, -0.1), 100) > 0.5
    assert growth_p(np.zeros(100), 8) == 1.0


def test_p_does_not_depend_on_scale():
    x = np.random.default_rng(0).choice([-1.0, 1.0], 200)  # ties
    assert growth_p(x, 50) == growth_p(1e-6 * x, 50) == growth_p(np.log(3.0) * x, 50)


def test_steps_of_a_long_recording_are_added_up_first():
    x = 0.01 + np.random.default_rng(0).normal(size=2 * LONGEST + 5)
    assert growth_p(x, len(x)) == 0.001
    assert growth_p(x - 0.01, len(x)) > 0.02


@pytest.mark.parametrize("name", ["common walks, 0.5 a step", "± ln 3 with equal chance"])
def test_a_walk_that_all_replicas_share_is_no_growth(name):
    called = [lyapunov(drawn(family(name, draw))).attrs["verdict"] for draw in range(20)]
    assert sum(verdict in GROWTH for verdict in called) <= 2
    assert "unresolved" in called


def test_a_burst_is_growth_and_the_result_has_its_p():
    found = lyapunov(drawn(burst(20, 0.5, np.random.default_rng(0))))
    assert found.attrs["verdict"] == "transient"
    assert float(found["growth_p"]) <= 0.02
    shown = to_dict(found)["results"]
    assert shown["growth_p"]["value"] == float(found["growth_p"])
    assert "growth_p" in found["growth_per_doubling"].attrs["note"]


def test_growth_by_chance_says_how_often_it_comes():
    for draw in range(40):
        found = lyapunov(drawn(family("common walks, 0.5 a step", draw)))
        if found.attrs["verdict"] == "unresolved":
            assert float(found["growth_p"]) > 0.02
            assert "random signs" in found.attrs["reason"]
            return
    raise AssertionError("no draw grew by chance")
