"""Finite-time exponents from replicas, against tangents started on the same perturbations."""

import numpy as np
import pytest

import nndyn
from nndyn import systems
from nndyn.errors import DataError
from nndyn.results import to_dict


@pytest.mark.parametrize(
    ("name", "steps", "epsilon", "supported"),
    [
        ("lorenz63", 300, 1e-8, 2),
        ("lorenz63", 700, 1e-10, 1),
        ("lorenz96", 200, 1e-9, 5),
        ("henon", 12, 1e-10, 1),
        ("standard", 2, 1e-9, 2),
        ("coupled_logistic", 8, 1e-9, 5),
    ],
)
def test_replicas_give_the_exponents_of_tangents_started_on_them(
    tmp_path, name, steps, epsilon, supported
):
    system = getattr(systems, name)()
    R = min(5, system.dimension)
    run = nndyn.record(system, tmp_path / "r.nc", steps=steps, replicas=R, epsilon=epsilon)
    found = nndyn.spectrum(run)
    assert found.attrs["verdict"] == "finite-time"
    x = run["state"].values[0]
    vectors = np.linalg.qr((x[1 : R + 1] - x[0]).T)[0]
    first, last = found["window"].values
    n = round((last - first) / system.interval)
    _, stretch = system.push(x[0], vectors, 0, n, [n])
    exact = stretch[0] / (n * system.interval)
    k = found.sizes["exponent"]
    assert k == supported
    np.testing.assert_allclose(found["exponents"], exact[:k], atol=2e-3)
    assert float(found["exponent_sum"]) == pytest.approx(exact[:k].sum(), abs=1e-2)
    assert f"{k} of {R} deviations" in found.attrs["reason"]


def test_rescaling_is_put_back(tmp_path):
    system = systems.lorenz96()
    options = {"steps": 150, "replicas": 4, "epsilon": 1e-9}
    plain = nndyn.spectrum(nndyn.record(system, tmp_path / "p.nc", **options))
    rescaled = nndyn.spectrum(nndyn.record(system, tmp_path / "r.nc", rescale=10, **options))
    np.testing.assert_allclose(rescaled["exponents"], plain["exponents"], atol=1e-3)


def test_mirrored_partners_count_once(tmp_path):
    run = nndyn.record(
        systems.lorenz96(), tmp_path / "r.nc", steps=50, replicas=4, pairs=True, epsilon=1e-9
    )
    assert "of 2 deviations" in nndyn.spectrum(run).attrs["reason"]


def test_all_exponents_of_a_contracting_system_have_a_dimension(tmp_path):
    system = systems.quadratic(0.5, (0.2, 0.4), discard=0)
    run = nndyn.record(system, tmp_path / "r.nc", steps=10, replicas=2, epsilon=1e-4)
    found = to_dict(nndyn.spectrum(run))["results"]
    # over so short a time the order is that of the perturbations
    np.testing.assert_allclose(np.sort(found["exponents"]["value"]), np.log([0.8, 0.9]), atol=0.02)
    assert found["kaplan_yorke_finite_time"]["value"] == 0.0
    assert found["exponents"]["ci"] is None


def test_a_training_has_finite_time_exponents(tmp_path):
    run = nndyn.record(
        nndyn.Training("mlp:64-16-10", "digits", lr=0.5), tmp_path / "r.nc", steps=30, replicas=3
    )
    found = nndyn.spectrum(run)
    assert found["exponents"].attrs["units"] == "per step"
    assert found.sizes["exponent"] == 3


def test_what_cannot_be_used_says_so(tmp_path):
    run = nndyn.record(systems.henon(), tmp_path / "r.nc", steps=60, epsilon=0.1)
    with pytest.raises(DataError, match=r"at 0 of the states kept \(saturation\).*perturb less"):
        nndyn.spectrum(run)
