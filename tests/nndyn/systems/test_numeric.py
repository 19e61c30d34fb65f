"""Maps and flows: against plain Python, on their attractors, with bad input named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nndyn import systems
from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.systems.catalogue import CATALOGUE, entry
from nndyn.systems.protocol import System


def rate(x):
    return np.array([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])


def lorenz_step(x, dt=0.01):
    k1 = rate(x)
    k2 = rate(x + dt / 2 * k1)
    k3 = rate(x + dt / 2 * k2)
    k4 = rate(x + dt * k3)
    return x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


PLAIN = {
    "logistic": lambda x: 4.0 * x * (1 - x),
    "skew_tent": lambda x: np.where(x < 0.3, x / 0.3, (1 - x) / 0.7),
    "henon": lambda x: np.array([1 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]]),
    "lorenz63": lorenz_step,
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_step_equals_plain_numpy(name):
    system = getattr(systems, name)()
    x = system.initial(7)
    block = system.advance(np.stack([x, x * 0.99]), 5, 4, [5, 6, 7, 8])
    for r in range(2):
        y = block.states[0, r].copy()
        for i in range(1, 4):
            y = PLAIN[name](y)
            np.testing.assert_allclose(block.states[i, r], y, rtol=1e-13)
        np.testing.assert_allclose(block.phase[r], PLAIN[name](y), rtol=1e-12)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("begin", [None, np.inf, np.nan, -1e200])
def test_a_reference_alone_gives_the_numbers_that_it_gives_among_others(name, begin):
    system = getattr(systems, name)()
    x = system.initial(7) if begin is None else np.full(system.dimension, begin)
    alone = system.advance(x[None], 0, 6, range(6))
    among = system.advance(np.stack([x, x]), 0, 6, range(6))
    for field in ("states", "distance_l1", "distance_linf"):
        np.testing.assert_array_equal(getattr(alone, field), getattr(among, field)[:, :1])
    np.testing.assert_array_equal(alone.gram, among.gram[:, :1, :1])
    lengths = alone.arrival["step_length"]
    np.testing.assert_array_equal(lengths, among.arrival["step_length"][:, :1])


@pytest.mark.parametrize("name", PLAIN)
def test_the_protocol_is_kept(name):
    system = getattr(systems, name)()
    assert isinstance(system, System)
    assert sum(p.size for p in system.parameters) == system.dimension
    assert system.describe() == getattr(systems, name)().describe()
    assert system.describe() != getattr(systems, name)(discard=3).describe()


@pytest.mark.parametrize("name", PLAIN)
@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_a_block_does_not_depend_on_how_a_run_is_cut(name, cuts):
    system = getattr(systems, name)()
    start = np.repeat(system.initial(1)[None], 3, axis=0) * np.array([[1.0], [0.999], [1.0]])
    n = sum(cuts)
    whole = system.advance(start, 0, n, range(n))
    phase, t, parts = start, 0, []
    for steps in cuts:
        parts.append(system.advance(phase, t, steps, range(t, t + steps)))
        phase, t = parts[-1].phase, t + steps
    np.testing.assert_array_equal(phase, whole.phase)
    for field in ("states", "distance_l1", "distance_linf", "gram"):
        joined = np.concatenate([getattr(part, field) for part in parts])
        np.testing.assert_array_equal(joined, getattr(whole, field))


def test_distances_and_step_lengths_are_those_of_the_states():
    system = systems.lorenz63()
    start = np.repeat(system.initial(0)[None], 3, axis=0)
    start[1] += [1e-3, -2e-3, 0]
    block = system.advance(start, 0, 20, range(20))
    apart = block.states[:, 1] - block.states[:, 0]
    np.testing.assert_allclose(block.distance_l1[:, 1], np.abs(apart).sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(block.distance_linf[:, 1], np.abs(apart).max(axis=1), rtol=1e-13)
    np.testing.assert_allclose(block.gram[:, 1, 1], (apart**2).sum(axis=1), rtol=1e-13)
    assert (block.distance_l1[:, [0, 2]] == 0).all()
    moved = np.linalg.norm(np.diff(block.states[:, 1], axis=0), axis=1)
    np.testing.assert_allclose(block.arrival["step_length"][:-1, 1], moved, rtol=1e-12)


def test_observing_equals_what_advancing_stores():
    system = systems.henon()
    phase = np.stack([system.initial(0), system.initial(1)])
    seen, advanced = system.observe(phase, 3), system.advance(phase, 3, 1, [3])
    for field in ("states", "distance_l1", "distance_linf", "gram"):
        np.testing.assert_array_equal(getattr(seen, field), getattr(advanced, field))
    np.testing.assert_array_equal(seen.phase, phase)


def test_the_seed_draws_the_start_and_discard_brings_it_to_the_attractor():
    first, second = systems.lorenz63().initial(0), systems.lorenz63().initial(1)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, systems.lorenz63().initial(0))
    ends = systems.logistic(2.5).initial(3)
    assert ends[0] == pytest.approx(0.6, abs=1e-12)
    given_start = systems.henon(initial=[0.1, 0.2], discard=0).initial(5)
    np.testing.assert_array_equal(given_start, [0.1, 0.2])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: systems.logistic(float("nan")), "parameter r of logistic is nan"),
        (lambda: systems.skew_tent(1.5), r"a of skew_tent is 1.5, expected a number in"),
        (lambda: systems.skew_tent(0.5), "every orbit of slope 2 collapses"),
        (lambda: systems.lorenz63(dt=0), "dt is 0"),
        (lambda: systems.henon(discard=-1), "discard is -1"),
        (lambda: systems.henon(initial=[1.0]), "expected 2 finite numbers"),
        (lambda: systems.henon(initial=[1.0, np.inf]), r"inf.*, expected 2 finite numbers"),
    ],
)
def test_a_wrong_argument_is_named(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_parameters_without_an_attractor_are_refused_when_it_shows():
    with pytest.raises(DataError, match="left every bound within its 1000 discarded steps"):
        systems.henon(3.0).initial(0)


def test_every_entry_of_the_catalogue_makes_a_system_with_its_defaults():
    for name, row in CATALOGUE.items():
        system = getattr(systems, name)()
        assert (system.name, system.kind) == (name, row.kind)
        defaults = {k: list(v) if isinstance(v, tuple) else v for k, v in row.parameters.items()}
        assert system.describe()["parameters"] == defaults


def test_an_unknown_system_lists_the_known():
    with pytest.raises(UnknownNameError, match="unknown flow 'henon'; known: lorenz63, rossler"):
        entry("henon", "flow")
    assert entry("skew-tent") is CATALOGUE["skew_tent"]
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        systems.nonsense  # noqa: B018
