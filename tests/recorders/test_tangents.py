"""Tangents in recordings: alone, beside replicas, resumed, and against twins."""

import os

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn import systems
from nndyn.errors import UsageError
from nndyn.recording import DISTANCES, VARIABLES
from nndyn.store import verify
from nndyn.systems import CATALOGUE
from recorders import header
from recorders import run as run_of


def stretch_of(system, seed, steps, every=1):
    """The cumulative stretching of one long push from the vectors that a seed draws."""
    rng = np.random.default_rng([seed, 4])
    vectors = np.linalg.qr(rng.standard_normal((system.dimension, system.dimension)))[0]
    times = range(every, steps + 1, every)
    _, stretch = system.push(system.initial(seed), vectors, 0, steps, times)
    return np.vstack([np.zeros(system.dimension), np.cumsum(stretch, axis=0)])


def test_the_stretching_of_every_time_is_stored_beside_replicas(tmp_path):
    system = systems.lorenz63()
    run = nndyn.record(system, tmp_path / "r.nc", steps=300, replicas=2, tangents="all", seed=3)
    assert run["tangent_log_stretch"].dims == ("time", "vector")
    np.testing.assert_allclose(
        run["tangent_log_stretch"].values, stretch_of(system, 3, 300), rtol=1e-12, atol=1e-12
    )
    alone = nndyn.record(system, tmp_path / "a.nc", steps=300, replicas=0, tangents=3, seed=3)
    assert alone["role"].values.tolist() == [0]
    np.testing.assert_array_equal(
        alone["tangent_log_stretch"].values, run["tangent_log_stretch"].values
    )
    np.testing.assert_array_equal(alone["state"].values[:, 0], run["state"].values[:, 0])


def test_a_reference_alone_has_no_distances(tmp_path):
    path, options = tmp_path / "r.nc", {"replicas": 0, "tangents": "all", "store": "distances"}
    run = nndyn.record(systems.henon(), path, steps=3000, **options)
    assert not {*DISTANCES, "state"} & {*run.variables}
    assert {"step_length", "log_rescale", "tangent_log_stretch"} < {*run.variables}
    assert verify(path).sound
    with xr.open_dataset(path) as plain:
        nndyn.validate(plain)
        xr.testing.assert_identical(
            nndyn.spectrum(plain)["exponents"], run.nndyn.spectrum()["exponents"]
        )
    with pytest.raises(nndyn.NndynError, match="no perturbed replica"):
        nndyn.lyapunov(run)
    run = nndyn.record(
        systems.henon(), path, steps=3000, overwrite=True, **options | {"replicas": 1}
    )
    assert {*DISTANCES} < {*run.variables}


def test_a_reference_alone_of_before_keeps_its_distances(tmp_path, monkeypatch):
    """Earlier versions stored zeros."""
    path, options = tmp_path / "r.nc", {"replicas": 0, "tangents": 1, "store": "distances"}
    now = header.variables
    with monkeypatch.context() as before:
        zeros = tuple(VARIABLES[name] for name in DISTANCES)
        before.setattr(header, "variables", lambda *of: (*now(*of), *zeros))
        before.setattr(run_of, "variables", header.variables)
        nndyn.record(systems.henon(), path, steps=50, **options)
    run = nndyn.record(systems.henon(), path, steps=90, resume=True, **options)
    assert run.sizes["time"] == 91
    for name in DISTANCES:
        np.testing.assert_array_equal(run[name].values, 0.0)
    assert verify(path).sound


def test_seldom_orthonormalized_tangents_have_times_of_their_own(tmp_path):
    system = systems.henon()
    run = nndyn.record(
        system, tmp_path / "r.nc", steps=101, replicas=0, tangents="all", tangent_every=4
    )
    assert run["tangent_time"].values.tolist() == [*range(0, 101, 4), 101]
    np.testing.assert_allclose(
        run["tangent_log_stretch"].values[:-1], stretch_of(system, 0, 100, 4), rtol=1e-9
    )


@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize("name", ["henon", "lorenz63"])
def test_a_resumed_run_has_the_bits_of_an_unbroken_one(tmp_path, monkeypatch, name, every):
    from recorders import request

    monkeypatch.setattr(request, "_BLOCK_STEPS", 64)
    system = getattr(systems, name)()
    options = {"replicas": 0, "tangents": "all", "tangent_every": every}
    whole = nndyn.record(system, tmp_path / "whole.nc", steps=400, **options)
    cut = tmp_path / "cut.nc"
    calls = []

    def interrupt(done, asked):
        if done > 64 and not calls:  # beyond the first block
            calls.append(done)
            os.kill(os.getpid(), 2)

    with pytest.raises(KeyboardInterrupt):
        nndyn.record(system, cut, steps=400, **options, progress=interrupt)
    with nndyn.open(cut) as part:
        assert 64 <= part.sizes["time"] < 401
    resumed = nndyn.record(system, cut, steps=400, **options, resume=True)
    for variable in ("tangent_log_stretch", "state", "checkpoint_tangents", "checkpoint"):
        np.testing.assert_array_equal(resumed[variable].values, whole[variable].values)


def test_a_run_that_diverges_keeps_the_stretching_before(tmp_path):
    run = nndyn.record(
        systems.henon(3.0, discard=0), tmp_path / "r.nc", steps=200, replicas=0, tangents=2
    )
    assert run.attrs["status"] == "stopped"
    assert run.sizes["time"] == int(run["diverged_at"][0])
    assert np.isfinite(run["tangent_log_stretch"].values[:-1]).all()


def test_options_that_do_not_fit_are_refused(tmp_path):
    henon = systems.henon()
    for system, options, message in (
        (henon, {"tangents": 3}, "tangents is 3, expected at most 2"),
        (henon, {"tangents": -1}, "tangents is -1, expected a whole number, 0 or more"),
        (henon, {"tangents": 1, "tangent_every": 0}, "tangent_every is 0"),
        (henon, {"replicas": 0}, "without a perturbed replica or tangents"),
        (nndyn.Map(lambda x: x, 1), {"tangents": 1}, "tangents is 1: <lambda> has no Jacobian"),
        (henon, {"sharpness": "every:5"}, "sharpness is of trainings: henon has no loss"),
        (henon, {"quadratic_model": True}, "quadratic_model is of trainings"),
        (henon, {"tangent_start": "replicas"}, "there are no tangents"),
        (henon, {"tangents": 1, "tangent_start": "me"}, "expected 'weights', 'random' or 'repl"),
        (
            henon,
            {"tangents": 2, "tangent_start": "replicas", "pairs": True, "replicas": 2},
            "most 1",
        ),
    ):
        with pytest.raises(UsageError, match=message):
            nndyn.record(system, tmp_path / "r.nc", steps=5, **options)
    nndyn.record(henon, tmp_path / "r.nc", steps=5, replicas=0, tangents=1)
    with pytest.raises(UsageError, match="tangents is 1 in the file, 2 asked"):
        nndyn.record(henon, tmp_path / "r.nc", steps=5, replicas=0, tangents=2, resume=True)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_twins_and_tangents_agree_while_deviations_are_infinitesimal(tmp_path, name):
    system = getattr(systems, name)()
    run = nndyn.record(system, tmp_path / "r.nc", steps=40, replicas=3, epsilon=1e-9)
    x = run["state"].values
    spread = max(1e-300, np.ptp(x[:, 0], axis=0).max())
    for r in (1, 2, 3):
        deviation = x[0, r] - x[0, 0]
        length = np.linalg.norm(deviation)
        _, stretch = system.push(x[0, 0], deviation[:, None] / length, 0, 40, range(1, 41))
        expected = np.log(length) + np.cumsum(stretch[:, 0])
        found = np.log(run["distance_l2"].values[1:, r])
        small = np.exp(expected) < min(1e-6, 1e-5 * spread) if spread > 1e-6 else found < -10
        small &= expected > np.log(1e-13)
        beside_a_kink = name in ("tent", "skew_tent", "lozi")
        assert small[0] or name == "quadratic"
        difference = np.abs(found - expected)[small]
        assert beside_a_kink or difference.max(initial=0.0) < 0.01
        assert np.median(difference) < 0.01
