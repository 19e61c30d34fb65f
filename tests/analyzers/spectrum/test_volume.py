"""The sum of all exponents against the exact one, and what is blamed for a difference."""

import json

import numpy as np
import pytest

import nndyn
from nndyn import systems
from tests.analyzers.made_up import noise, stretched


def warnings(recording, **options):
    return json.loads(nndyn.spectrum(recording, **options).attrs["warnings"])


def recorded(path, system, **options):
    options = {"steps": 10_000, "replicas": 0, "store": "distances", "tangents": "all"} | options
    return nndyn.record(system, path, **options)


def test_too_long_a_step_is_said_with_a_shorter_one(tmp_path):
    run = recorded(tmp_path / "r.nc", systems.lorenz63(dt=0.05))
    (warning,) = warnings(run)
    assert "add up to -13.56" in warning
    assert "the exact sum is -13.6667" in warning
    assert "integration with steps of 0.05 changes it by" in warning
    assert "`dt=0.02` or less, or `method='dop853'`" in warning


@pytest.mark.parametrize("name", ["lorenz63", "lorenz96", "heavy_ball", "henon", "standard"])
def test_steps_that_are_short_enough_are_not_blamed(tmp_path, name):
    options = {"lorenz63": {"dt": 0.02}, "lorenz96": {"sites": 6}}.get(name, {})
    run = recorded(tmp_path / "r.nc", getattr(systems, name)(**options))
    assert not [w for w in warnings(run) if "sum" in w]


def test_an_adaptive_method_has_the_exact_sum_at_any_step(tmp_path):
    system = systems.lorenz63(dt=0.2, method="dop853", discard=5)
    run = recorded(tmp_path / "r.nc", system, steps=60)
    assert not [w for w in warnings(run) if "sum" in w]
    assert "exponent_sum_error" not in run.attrs["manifest"]


def test_older_files_say_the_difference_alone(tmp_path):
    for dt, said in ((0.05, 1), (0.01, 0)):
        run = recorded(tmp_path / f"{dt}.nc", systems.lorenz63(dt=dt)).copy()
        manifest = json.loads(run.attrs["manifest"])
        del manifest["exponent_sum_error"]
        run.attrs["manifest"] = json.dumps(manifest)
        found = [w for w in warnings(run) if "the exact sum is -13.6667" in w]
        assert len(found) == said


def test_a_flow_without_a_known_sum_has_its_integration_checked(tmp_path):
    (warning,) = warnings(recorded(tmp_path / "r.nc", systems.rossler(dt=0.2)))
    assert warning.startswith("the exponents add up to -2.")
    assert "integration with steps of 0.2 changes it by 2." in warning


def test_a_difference_that_neither_explains_is_said():
    steps = noise([0.4, -1.6], size=0.05)
    assert warnings(stretched(steps, exact=steps[200:].sum(axis=1).mean())) == []
    (warning,) = warnings(stretched(steps, exact=-1.0))
    assert "neither rounding between orthonormalizations nor the length of the steps" in warning


def test_single_precision_is_no_difference(tmp_path):
    system = nndyn.Training("mlp:4-2-3", "iris", lr=0.01, optimizer="adam", dtype="float32")
    found = nndyn.spectrum(recorded(tmp_path / "r.nc", system, steps=50))
    assert not [w for w in json.loads(found.attrs["warnings"]) if "sum" in w or "lost" in w]
    assert np.isfinite(found["exponents"]).all()
