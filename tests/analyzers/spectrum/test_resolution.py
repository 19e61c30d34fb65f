"""Exponents that rounding hides between orthonormalizations."""

import json

import numpy as np
import pytest

import nndyn
from nndyn import systems
from nndyn.results import to_dict
from tests.analyzers.made_up import noise, stretched


def value(found, name):
    return to_dict(found)["results"][name]


def recorded(path, system, **options):
    return nndyn.record(system, path, replicas=0, store="distances", **options)


def test_an_exponent_lost_in_rounding_is_null_and_so_is_what_it_decides(tmp_path):
    run = recorded(
        tmp_path / "r.nc", systems.lorenz63(), steps=60_000, tangents="all", tangent_every=1000
    )
    found = nndyn.spectrum(run)
    entry = value(found, "exponents")
    assert entry["value"][2] is None
    assert entry["ci"][2] is None
    assert entry["ci"][0][0] < 0.9056 < entry["ci"][0][1]
    assert "exponent 3 is lost in rounding" in entry["note"]
    assert "`tangent_every" in entry["note"]
    assert any("`tangent_every" in warning for warning in json.loads(found.attrs["warnings"]))
    assert value(found, "exponent_sum")["value"] is None
    assert value(found, "kaplan_yorke_dimension")["value"] is None
    assert value(found, "kaplan_yorke_dimension")["note"].startswith("at least 2")
    assert found["group"].values[2] == 0
    assert np.isnan(found["running_exponents"].values[:, 2]).all()
    assert np.isnan(found["finite_time_exponents"].values[:, 2]).all()
    # it lies below -2 for certain, and these are known all the same
    assert value(found, "positive_count")["value"] == 1
    assert value(found, "positive_sum")["value"] == pytest.approx(0.9, abs=0.1)


def test_the_cure_that_is_named_helps(tmp_path):
    system = systems.henon()
    run = recorded(tmp_path / "a.nc", system, steps=4000, tangents="all", tangent_every=25)
    note = value(nndyn.spectrum(run), "exponents")["note"]
    every = int(note.split("`tangent_every=")[1].split("`")[0])
    assert 5 <= every < 25
    run = recorded(tmp_path / "b.nc", system, steps=4000, tangents="all", tangent_every=every)
    found = nndyn.spectrum(run)
    assert found.attrs["warnings"] == "[]"
    assert value(found, "exponent_sum")["value"] == pytest.approx(np.log(0.3), abs=1e-6)


def test_orthonormalized_often_enough_nothing_is_lost(tmp_path):
    for every in (1, 100):
        run = recorded(
            tmp_path / f"{every}.nc",
            systems.lorenz63(),
            steps=20_000,
            tangents="all",
            tangent_every=every,
        )
        found = nndyn.spectrum(run)
        assert found.attrs["warnings"] == "[]"
        assert value(found, "exponent_sum")["value"] == pytest.approx(-41 / 3, abs=1e-3)


def test_one_interval_is_enough_but_not_one_before_the_burn_in():
    steps = noise([0.5, -0.2, -1.0], size=0.05)
    steps[2000, 2] = -32.0
    found = nndyn.spectrum(stretched(steps))
    assert np.isnan(found["exponents"].values).tolist() == [False, False, True]
    assert not np.isnan(nndyn.spectrum(stretched(steps), burn_in=2001.0)["exponents"]).any()
    steps[2000, 2] = -28.0
    assert not np.isnan(nndyn.spectrum(stretched(steps))["exponents"]).any()


def test_single_precision_tells_fewer_apart():
    steps = noise([0.5, -12.0], size=0.05)
    assert np.isfinite(nndyn.spectrum(stretched(steps))["exponents"]).all()
    found = nndyn.spectrum(
        stretched(steps, dtype="float32", recording={"tangents": 2, "tangent_every": 1})
    )
    assert "float32 tells 10 apart; record in float64" in value(found, "exponents")["note"]


def test_a_volume_that_comes_out_right_shows_that_nothing_is_lost():
    first = noise([0.5], size=0.3)
    steps = np.hstack([first, -40.0 - first])
    lost = nndyn.spectrum(stretched(steps))
    assert np.isnan(lost["exponents"].values[1])
    found = nndyn.spectrum(stretched(steps, exact=-40.0))
    np.testing.assert_allclose(found["exponent_sum"], -40.0)


def test_a_singular_derivative_is_no_loss():
    steps = noise([0.5, -1.0, -2.0], size=0.05)
    steps[3000:, 2] = -np.inf
    entry = value(nndyn.spectrum(stretched(steps)), "exponents")
    assert entry["note"] == "-inf: the derivative is singular"
    assert entry["value"][:2] == pytest.approx([0.5, -1.0], abs=0.01)


def test_lost_exponents_that_may_be_positive_leave_counts_open():
    found = nndyn.spectrum(stretched(noise([50.0, 10.0], size=0.05)))
    for name in ("positive_count", "zero_count", "positive_sum"):
        entry = value(found, name)
        assert entry["value"] is None
        assert entry["note"].startswith("at least")


def test_the_dimension_of_a_system_that_preserves_volume_is_known_nevertheless():
    steps = noise([35.0, -35.0], size=0.05)
    found = nndyn.spectrum(stretched(steps, exact=0.0))
    assert value(found, "kaplan_yorke_dimension")["value"] == 2.0


def test_leading_exponents_that_decide_the_dimension_suffice():
    steps = noise([0.5, -1.0, -40.0], size=0.05)
    found = nndyn.spectrum(stretched(steps))
    assert value(found, "kaplan_yorke_dimension")["value"] == pytest.approx(1.5, abs=0.01)


def test_a_thinned_recording_does_not_look_as_if_orthonormalized_seldom(tmp_path):
    run = recorded(tmp_path / "r.nc", systems.henon(), steps=6000, tangents="all")
    thin = run.isel(time=slice(None, None, 50))
    assert np.isfinite(nndyn.spectrum(thin)["exponents"]).all()


def test_a_cure_in_force_is_not_advised():
    steps = noise([0.9, -36.0], size=0.05)
    often = {"tangents": 2, "tangent_every": 1}
    for system, cure in (({"dt": 1.0}, "a shorter `dt`"), ({}, "no setting tells more")):
        found = nndyn.spectrum(stretched(steps, recording=often, system=system))
        note = value(found, "exponents")["note"]
        assert cure in note
        assert "`tangent_every" not in note
