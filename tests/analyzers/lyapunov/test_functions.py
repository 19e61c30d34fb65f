"""Growth of the outputs, and whether they part with the weights."""

import numpy as np
import pytest

import nndyn
from nndyn.errors import DataError
from nndyn.results import to_dict
from tests.analyzers.synthetic import recording


def run(outputs, *, rate=0.3, predictions=None, T=41, every=1):
    """Return a recording whose weights part at a rate, and whose outputs are given."""
    t = np.arange(T)
    weights = 1e-8 * np.exp(rate * t)[:, None] * [1.0, 2.0, 0.5]
    ds = recording(weights, step_length=1.0)
    dims = ("time", "replica")
    if every > 1:
        ds = ds.assign_coords(evaluation_time=t[::every].astype(float))
        dims = ("evaluation_time", "replica")
    whole = np.zeros((len(t[::every]), 5))
    whole[:, 1:4] = outputs(t[::every])[:, None]
    ds["distance_output"] = (dims, whole)
    if predictions is not None:
        differs = np.zeros_like(whole)
        differs[:, 1:4] = predictions
        ds["prediction_disagreement"] = (dims, differs)
    return ds


@pytest.mark.parametrize("every", [1, 2])
def test_outputs_that_stay_do_not_part_with_the_weights(every):
    ds = run(lambda t: 1e-8 * (1.0 + 0.1 * np.cos(2.0 * t)), predictions=0.0, every=every)
    found = nndyn.lyapunov(ds, distance="output")
    assert found["weights_growth"] > 10
    assert abs(found["outputs_growth"]) < 0.3
    assert "the weights part, the functions do not" in found.attrs["reason"]
    assert "at the end 0 % of predictions differ" in found.attrs["reason"]


def test_outputs_that_grow_part_with_the_weights_at_their_rate():
    ds = run(lambda t: 1e-6 * np.exp(0.3 * t), predictions=0.25)
    found = nndyn.lyapunov(ds, distance="output")
    assert float(found["lyapunov_max"]) == pytest.approx(0.3, abs=1e-9)
    assert float(found["outputs_growth"]) == pytest.approx(float(found["weights_growth"]), abs=1e-9)
    assert "the functions part with the weights" in found.attrs["reason"]
    assert float(found["prediction_disagreement"]) == 0.25


def test_predictions_that_differ_are_no_equal_functions():
    found = nndyn.lyapunov(run(lambda t: np.full(t.size, 1e-8), predictions=0.3), distance="output")
    assert "do not" not in found.attrs["reason"]
    assert "30 % of predictions differ" in found.attrs["reason"]


def test_weights_that_stay_are_said_to_part_from_nothing():
    found = nndyn.lyapunov(run(lambda t: 1e-8 * np.exp(0.02 * t), rate=0.01), distance="output")
    assert "part" not in found.attrs["reason"].split("; ")[-1]
    disagreement = to_dict(found)["results"]["prediction_disagreement"]
    assert disagreement["value"] is None
    assert "not recorded" in disagreement["note"]


def test_outputs_count_only_while_deviations_of_the_weights_are_infinitesimal():
    ds = run(lambda t: 1e-9 * np.exp(0.3 * t), rate=0.6)
    found = nndyn.lyapunov(ds, distance="output")
    assert found.attrs["verdict"] == "saturated"
    assert found["window"][1] < 25


def test_a_recording_without_outputs_is_told_so():
    with pytest.raises(DataError, match="neither distance_output nor evaluations of a test set"):
        nndyn.lyapunov(recording(np.full((40, 2), 1e-8)), distance="output")


def test_a_training_has_both(tmp_path):
    system = nndyn.Training("mlp:4-8-3", "iris", lr=20.0, seed=1)
    ds = nndyn.record(system, tmp_path / "r.nc", steps=60, replicas=2)
    found = nndyn.lyapunov(ds, distance="output")
    last = ds["prediction_disagreement"].values[-1, 1:3].mean()
    assert float(found["prediction_disagreement"]) == last
    first, stop = (
        int(t) for t in found.attrs["reason"].split("over step ")[1].split(" the")[0].split(" to ")
    )
    logs = np.log(ds["distance_output"].values[:, 1:3])
    assert float(found["outputs_growth"]) == pytest.approx((logs[stop] - logs[first]).mean())
