"""Orbits of conservative systems: none that is regular is called chaotic, none chaotic regular."""

import numpy as np
import pytest

from analyzers.lyapunov.analyzer import lyapunov
from analyzers.spectrum.analyzer import spectrum
from tests.analyzers.orbits import HENON_HEILES, STANDARD, of_energy, orbit


def judged(ds):
    """Return the accumulated growth and the verdict in both analyzers."""
    separation = np.log(ds["distance_l2"].values[:, 1:-1]) + ds["log_rescale"].values[:, 1:-1]
    grown = separation.mean(axis=1)
    stretched = ds["tangent_log_stretch"].values[:, 0]
    return [
        (grown[-1] - grown[0], lyapunov(ds)),
        (stretched[-1] - stretched[0], spectrum(ds)),
    ]


def assert_word_fits(growth, found):
    verdict = found.attrs["verdict"]
    if growth > 40.0:
        assert verdict == "chaotic", (growth, found.attrs["reason"])
    if growth < 15.0:
        assert verdict != "chaotic", (growth, found.attrs["reason"])


@pytest.mark.slow
@pytest.mark.parametrize("K", [0.2, 0.5, 0.9, 10.0])
def test_words_fit_orbits_of_the_standard_map(K):
    rng, words = np.random.default_rng(int(10 * K)), []
    for seed in range(100):
        ds = orbit(STANDARD, K, rng.uniform(0.0, 2.0 * np.pi, 2), steps=3000, seed=seed)
        for growth, found in judged(ds):
            assert_word_fits(growth, found)
            words.append(found.attrs["verdict"])
    if K == 0.2:
        assert words.count("regular") >= 0.95 * len(words)
    if K == 10.0:
        assert words.count("chaotic") == len(words)


@pytest.mark.slow
@pytest.mark.parametrize("energy", [0.0209, 0.125])
def test_words_fit_orbits_of_henon_and_heiles(energy):
    rng, words = np.random.default_rng(int(1e4 * energy)), []
    for seed in range(60):
        start = of_energy(energy, rng)
        ds = orbit(HENON_HEILES, 0.05, start, steps=6000, every=10, seed=seed)
        for growth, found in judged(ds):
            assert_word_fits(growth, found)
            words.append(found.attrs["verdict"])
    if energy == 0.0209:
        assert words.count("regular") >= 0.95 * len(words)


@pytest.mark.parametrize(
    ("kind", "parameter", "start", "samples"),
    [
        (HENON_HEILES, 0.05, (0.0, 0.1, 0.15, 0.1), dict(steps=6000, every=10)),
        (STANDARD, 0.2, (1.0, 2.0), dict(steps=3000)),
        (STANDARD, 0.0, (1.0, 2.0), dict(steps=3000)),
    ],
)
def test_a_regular_orbit_grows_as_a_power_of_time(kind, parameter, start, samples):
    for growth, found in judged(orbit(kind, parameter, start, seed=0, **samples)):
        assert growth > 2.0
        assert found.attrs["verdict"] == "regular"
        assert "as t^" in found.attrs["reason"]
        assert 0.5 < float(found["growth_per_doubling"]) < 1.4


def test_strong_chaos_is_chaotic_in_both_analyzers():
    for _, found in judged(orbit(STANDARD, 10.0, (1.0, 2.0), steps=300, seed=0)):
        assert found.attrs["verdict"] == "chaotic"
        assert float(found["growth_per_doubling"]) > 100.0
