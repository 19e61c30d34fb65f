"""Spectra of references that leave every bound."""

import numba
import numpy as np
import pytest

import nndyn
from nndyn import systems
from nndyn.results import to_dict


@numba.njit
def jerk(x):
    return np.array([x[1], x[2], -0.6 * x[2] - x[1] - x[0] + x[0] * x[0]])


@numba.njit
def jerk_jacobian(x):
    return np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [2.0 * x[0] - 1.0, -1.0, -0.6]])


def escaping(name):
    if name == "jerk":
        return nndyn.Flow(jerk, 3, jacobian=jerk_jacobian, initial=[1.0, 0.05, 0.0], discard=0)
    if name == "henon":
        return systems.henon(1.45, initial=[0.1, 0.1], discard=0)
    if name == "rossler":
        return systems.rossler(0.6, 0.2, 40.0, discard=0)
    return systems.quadratic(3.0, initial=[1.0, 1.0, 1.0], discard=0)


def test_exponents_of_a_linear_system_are_its_own_wherever_its_state_goes(tmp_path):
    run = nndyn.record(
        escaping("quadratic"), tmp_path / "r.nc", steps=5000, replicas=0, tangents="all"
    )
    found = nndyn.spectrum(run)
    assert found.attrs["verdict"] == "diverged"
    halves = [nndyn.spectrum(run, window=(a, a + 60.0))["exponents"].values for a in (20.0, 100.0)]
    np.testing.assert_allclose(halves[0], halves[1], atol=1e-9)
    np.testing.assert_allclose(found["exponents"], halves[0], atol=1e-6)


@pytest.mark.parametrize("name", ["jerk", "henon", "rossler"])
def test_an_escape_has_no_spectrum(tmp_path, name):
    run = nndyn.record(escaping(name), tmp_path / "r.nc", steps=5000, replicas=3, tangents="all")
    assert int(run["diverged_at"][0]) > 0
    for recording in (run, run.drop_vars("tangent_log_stretch")):
        found = nndyn.spectrum(recording)
        assert found.attrs["verdict"] == "diverged"
        assert found["exponents"].dims == ("exponent",)
        assert "is not finite from step" in found.attrs["reason"]
        flow = name in ("jerk", "rossler")
        assert ("`dt`" in found.attrs["reason"]) == flow
        for entry in to_dict(found)["results"].values():
            assert entry["value"] is None
            assert "no exponent" in entry["note"]


def test_a_window_before_the_escape_has_numbers_and_the_same_verdict(tmp_path):
    run = nndyn.record(escaping("jerk"), tmp_path / "r.nc", steps=5000, replicas=0, tangents="all")
    last = float(run["time"][-1])
    found = nndyn.spectrum(run, window=(0.0, 0.5 * last))
    assert found.attrs["verdict"] == "diverged"
    assert "before that" in found.attrs["reason"]
    assert float(found["exponent_sum"]) == pytest.approx(-0.6, abs=1e-3)
    assert np.isnan(nndyn.spectrum(run, window=(0.0, 1e9))["exponents"]).all()
    short = to_dict(nndyn.spectrum(run, window=(0.0, 0.1)))["results"]["exponents"]
    assert short["value"] is None
    assert "40 are needed" in short["note"]


def test_a_training_that_diverges_has_none_either(tmp_path):
    system = nndyn.Training("mlp:4-3-3", "iris", lr=1e6, activation="relu", loss="mse")
    run = nndyn.record(system, tmp_path / "r.nc", steps=200, replicas=2, tangents=2)
    assert int(run["diverged_at"][0]) > 0
    found = to_dict(nndyn.spectrum(run))
    assert found["verdict"] == "diverged"
    assert found["results"]["kaplan_yorke_finite_time"]["value"] is None


def test_a_replica_that_diverges_does_not_take_the_spectrum_of_the_reference(tmp_path):
    far = [[50.0, 0.0]]
    run = nndyn.record(
        systems.henon(), tmp_path / "r.nc", steps=500, replicas=1, perturbations=far, tangents="all"
    )
    assert int(run["diverged_at"][1]) > 0
    assert nndyn.spectrum(run).attrs["verdict"] == "chaotic"
