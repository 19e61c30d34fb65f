"""Every map, flow and lattice with known exponents, recorded and analyzed as a user does."""

import numpy as np
import pytest

import nndyn
from nndyn import systems
from nndyn.results import to_dict


def spectrum(system, path, steps, *, tangents="all", seed=0, **options):
    """Record tangents alone and analyze them."""
    with nndyn.record(
        system, path, steps=steps, replicas=0, tangents=tangents, store="distances", seed=seed
    ) as run:
        return nndyn.spectrum(run, **options)


def assert_inside(found, known, slack):
    """Each known exponent lies in its interval, widened by its own standard error."""
    for value, (low, high), error in zip(
        known, found["exponents_ci"].values, np.broadcast_to(slack, len(known)), strict=True
    ):
        assert low - 3 * error <= value <= high + 3 * error
        assert high - low < 0.1 * max(1.0, abs(value))


@pytest.mark.parametrize(
    ("name", "known", "error", "exact"),
    [
        ("henon", (0.41923, -1.62321), 2e-5, np.log(0.3)),
        ("ikeda", (0.50762, -0.71834), 3e-5, 2 * np.log(0.9)),
        ("lozi", (0.47024, -1.16338), 1e-5, np.log(0.5)),
        ("standard", (1.61996, -1.61996), 7e-5, 0.0),
    ],
)
def test_planar_maps_have_their_exponents_and_an_exact_sum(tmp_path, name, known, error, exact):
    # one interval in twenty misses: seed 0 of lozi is such a one
    found = spectrum(getattr(systems, name)(), tmp_path / "r.nc", 200_000, seed=1)
    assert_inside(found, known, error)
    assert abs(float(found["exponent_sum"]) - exact) < 1e-9
    assert float(found["exponent_sum_exact"]) == pytest.approx(exact, abs=1e-12)


def test_the_cat_map_is_exact_after_the_burn_in(tmp_path):
    found = spectrum(systems.cat(), tmp_path / "r.nc", 2000, burn_in=200.0)
    known = np.log((3 + np.sqrt(5)) / 2)
    np.testing.assert_allclose(found["exponents"], [known, -known], atol=1e-9)
    assert float(found["kaplan_yorke_dimension"]) == 2.0


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("logistic", np.log(2)),
        ("skew_tent", -0.3 * np.log(0.3) - 0.7 * np.log(0.7)),
        ("tent", np.log(1.9)),
    ],
)
def test_maps_of_the_interval_have_their_exponents(tmp_path, name, known):
    found = spectrum(getattr(systems, name)(), tmp_path / "r.nc", 100_000, seed=1)
    assert_inside(found, [known], 0.0)


def test_lorenz_of_1963(tmp_path):
    found = spectrum(systems.lorenz63(), tmp_path / "r.nc", 200_000)
    assert_inside(found, (0.9056, 0.0, -14.572), 5e-3)
    assert abs(float(found["exponent_sum"]) + 41 / 3) < 1e-3
    assert float(found["kaplan_yorke_dimension"]) == pytest.approx(2.062, abs=0.005)


def test_rossler(tmp_path):
    found = spectrum(systems.rossler(discard=20_000), tmp_path / "r.nc", 400_000)
    assert_inside(found, (0.0714, 0.0, -5.394), 2e-3)


@pytest.mark.slow
def test_lorenz_of_1996(tmp_path):
    found = spectrum(systems.lorenz96(dt=0.05), tmp_path / "r.nc", 48_000)
    assert float(found["exponents"][0]) == pytest.approx(1.688, abs=0.05)
    assert int(found["positive_count"]) == 13
    assert int(found["zero_count"]) == 1
    assert float(found["exponent_sum"]) == pytest.approx(-40.0, abs=0.02)
    assert float(found["kaplan_yorke_dimension"]) == pytest.approx(27.1, abs=0.5)


@pytest.mark.parametrize("tangents", ["all", 3])
def test_a_ring_of_equal_sites_has_the_exponents_of_its_circulant(tmp_path, tangents):
    N, c = 8, 0.1
    system = systems.coupled_logistic(4.0, c, N, initial=np.full(N, 0.3141), discard=100)
    found = spectrum(system, tmp_path / "r.nc", 50_000, tangents=tangents)
    known = np.sort(np.log(2) + np.log(np.abs(1 - c + c * np.cos(2 * np.pi * np.arange(N) / N))))
    known = known[::-1][: found.sizes["exponent"]]
    assert_inside(found, known, 1e-4)
    if tangents == 3:
        entry = to_dict(found)["results"]["kaplan_yorke_dimension"]
        assert entry["value"] is None
        assert entry["note"].startswith("at least 3")


def test_twins_give_the_largest_exponent_too(tmp_path):
    with nndyn.record(
        systems.ikeda(), tmp_path / "r.nc", steps=50_000, rescale=10, store="distances"
    ) as run:
        found = nndyn.lyapunov(run)
    low, high = found["lyapunov_max_ci"].values
    assert low - 1e-4 < 0.50762 < high + 1e-4
