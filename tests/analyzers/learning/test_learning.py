"""Training times with runs that never arrive, accuracies, and the optimizer's limit."""

import json

import numpy as np
import pytest
import xarray as xr

import nndyn
from analyzers.learning.kaplan_meier import median_time
from nndyn.errors import DataError, UsageError
from nndyn.results import to_dict


def runs(accuracy, *, diverged_at=None, system=None, name="test_accuracy", **variables):
    """Label accuracies (T, R) as a recording of a reference and perturbed replicas."""
    accuracy = np.asarray(accuracy, float)
    T, R = accuracy.shape
    data = {
        name: (("time", "replica"), accuracy),
        "role": ("replica", np.r_[0, [1] * (R - 1)]),
        "diverged_at": ("replica", np.full(R, -1) if diverged_at is None else diverged_at),
        **variables,
    }
    found = xr.Dataset(data, coords={"time": ("time", np.arange(T) * 1.0, {"units": "step"})})
    manifest = {"system": {"optimizer": "sgd", "lr": 0.5, "schedule": "constant"} | (system or {})}
    found.attrs["manifest"] = json.dumps(manifest)
    return found


def arriving(times, T=101):
    """Return accuracies that rise to 1 at the times given, never where that is NaN."""
    steps = np.arange(T)[:, None]
    return np.where(steps >= np.nan_to_num(np.asarray(times, float), nan=np.inf), 1.0, 0.1)


def test_six_of_ten_runs_diverging_leave_no_median():
    accuracy = arriving([10, 11, 12, 13, *[np.nan] * 6])
    accuracy[5:, 4:] = np.nan
    diverged_at = np.r_[[-1] * 4, [5] * 6]
    found = nndyn.learning(runs(accuracy, diverged_at=diverged_at))
    entry = to_dict(found)["results"]["training_time"]
    assert entry["value"] is None
    assert entry["note"] == "not reached by step 100 in 6 of 10 runs"
    assert to_dict(found)["results"]["gradient_flow_time"]["value"] is None
    assert found.attrs["verdict"] == "not learned"
    np.testing.assert_array_equal(
        found["replica_training_time"].values, [10, 11, 12, 13, *[np.nan] * 6]
    )


def test_an_interval_without_an_end_is_said_in_words():
    found = nndyn.learning(runs(arriving([20, 22, np.nan])))
    np.testing.assert_array_equal(found["training_time_ci"].values, [20.0, np.inf])
    entry = to_dict(found)["results"]["training_time"]
    assert (entry["value"], entry["ci"]) == (22.0, None)
    assert entry["note"].endswith("the interval begins at step 20 and has no end")


def test_the_median_counts_runs_that_have_not_arrived():
    assert median_time(np.array([10.0, 12, 14, 16, 18, 20]), 100, 0.95)[0] == 14
    assert median_time(np.array([10.0, 12, 14, np.nan, np.nan]), 100, 0.95)[0] == 14
    assert median_time(np.array([10.0, 12, np.nan, np.nan, np.nan]), 100, 0.95)[0] is None
    assert median_time(np.full(4, np.nan), 100, 0.95) == (None, None)
    assert median_time(np.array([7.0]), 100, 0.95) == (7.0, None)
    assert median_time(np.full(6, 9.0), 100, 0.95) == (9.0, (9.0, 9.0))


def test_intervals_of_the_median_cover_it():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        times = rng.exponential(10, 20)
        times[times > 25] = np.nan
        _, (low, high) = median_time(times, 25.0, 0.95)
        covered += low <= 10 * np.log(2) <= high
    assert 0.91 <= covered / 300 <= 0.99


def test_times_are_first_and_held():
    accuracy = arriving([10, 10, 10])
    accuracy[20:23, 0] = 0.5
    accuracy[-1, 1] = 0.5
    found = nndyn.learning(runs(accuracy))
    np.testing.assert_array_equal(found["replica_training_time"].values, [10, 10, 10])
    np.testing.assert_array_equal(found["replica_training_time_held"].values, [23, np.nan, 10])
    assert float(found["gradient_flow_time"]) == 5.0
    assert float(found["best_accuracy"]) == 1.0
    everywhere = nndyn.learning(runs(np.ones((5, 2))))
    assert float(everywhere["training_time_held"]) == 0.0


def test_a_time_is_known_back_to_the_evaluation_before_it():
    """Not 60 [60, 60] where evaluations are 60 apart and the truth is 2."""
    every = runs(arriving([2, 2, 2], T=121))
    whole = nndyn.learning(every)
    np.testing.assert_array_equal(whole["training_time_ci"].values, [2, 2])
    found = nndyn.learning(every.isel(time=slice(None, None, 60)))
    for name in ("training_time", "training_time_held"):
        assert float(found[name]) == 60
        np.testing.assert_array_equal(found[f"{name}_ci"].values, [1, 60])
        np.testing.assert_array_equal(found[f"replica_{name}_ci"].values, [[1, 60]] * 3)
        assert float(found[f"{name}_earliest"]) == 1
        assert found[name].attrs["note"] == "not evaluated between step 0 and 60"
    np.testing.assert_array_equal(found["gradient_flow_time_ci"].values, [0.5, 30])
    assert "reaches 0.93 by step 60; not evaluated between step 0 and 60" in found.attrs["reason"]
    assert "reaches 0.93 at step 2" in whole.attrs["reason"]
    assert "note" not in whole["training_time"].attrs


@pytest.mark.parametrize("gap", [1, 7, 25, 60])
def test_intervals_of_coarse_evaluations_hold_the_time_of_every_step(gap):
    rng = np.random.default_rng(gap)
    for _ in range(50):
        accuracy = arriving(rng.integers(0, 180, 5), T=241)
        fine = nndyn.learning(runs(accuracy))
        coarse = nndyn.learning(runs(accuracy).isel(time=slice(None, None, gap)))
        for name in ("training_time", "gradient_flow_time"):
            low, high = coarse[f"{name}_ci"].values
            assert low <= float(fine[name]) <= high
            assert low <= fine[f"{name}_ci"].values[0]
            assert float(coarse[name]) >= float(fine[name])


def test_what_is_reached_at_the_first_evaluation_is_known_as_far_as_the_start_is():
    """At the start of the recording it is exact; where that was not evaluated, back to it."""
    started = nndyn.learning(runs(np.ones((5, 3))))
    np.testing.assert_array_equal(started["training_time_ci"].values, [0, 0])
    late = runs(np.ones((61, 3))).drop_vars("test_accuracy")
    late["test_accuracy"] = (("evaluation_time", "replica"), np.ones((2, 3)))
    late = late.assign_coords(evaluation_time=[30.0, 60.0])
    found = nndyn.learning(late)
    assert float(found["training_time"]) == 30
    np.testing.assert_array_equal(found["training_time_ci"].values, [0, 30])
    assert found["training_time"].attrs["note"] == "not evaluated before step 30"


def test_one_run_has_the_interval_of_its_evaluations_alone():
    one = runs(arriving([20], T=61))
    assert "training_time_ci" not in nndyn.learning(one)
    found = nndyn.learning(one.isel(time=slice(None, None, 15)))
    np.testing.assert_array_equal(found["training_time_ci"].values, [16, 30])
    assert found["training_time_ci"].attrs["interval_over"] == "time between evaluations"


def grouped(**options):
    return {"groups": [{"names": ["0.bias"], "options": options}]}


@pytest.mark.parametrize(
    ("system", "limit"),
    [
        ({}, 4.0),
        ({"momentum": 0.9}, 7.6),
        ({"momentum": 0.9, "nesterov": True}, 7.6 / 2.8),
        ({"weight_decay": 0.1}, 3.9),
        ({"optimizer": "adam", "betas": [0.5, 0.999]}, 12.0),
        ({"optimizer": "adamw", "betas": [0.5, 0.999], "weight_decay": 0.4}, 10.8),
        ({"optimizer": "rmsprop", "momentum": 0.5}, 6.0),
        ({"schedule": "cosine:100"}, None),
        ({"momentum": 0.9, "dampening": 0.5}, 15.2),
        ({"momentum": 0.9, "dampening": 1.0}, None),
        ({"optimizer": "adagrad"}, 4.0),
        ({"optimizer": "adagrad", "lr_decay": 0.1}, None),
        ({"optimizer": "lion"}, None),
        ({"weight_decay": 0.1, **grouped(lr=0.1, weight_decay=0.2)}, 4.0),
        ({"momentum": 0.9, **grouped(momentum=0.5)}, None),
        ({"optimizer": "adam", "betas": [0.5, 0.999], **grouped(betas=[0.5, 0.9])}, 12.0),
        ({"optimizer": "adam", "betas": [0.5, 0.999], **grouped(betas=[0.6, 0.999])}, None),
        ({"optimizer": "adamw", "weight_decay": 0.4, **grouped(weight_decay=0.0)}, None),
    ],
)
def test_the_limit_is_that_of_the_optimizer(system, limit):
    values = ("sharpness_time", np.array([1.0, 8.0, 2.0]))
    adaptive = system.get("optimizer", "sgd") != "sgd" or "groups" in system
    name = "preconditioned_sharpness" if adaptive else "sharpness"
    found = to_dict(nndyn.learning(runs(arriving([3, 3]), system=system, **{name: values})))
    results = found["results"]
    if limit is None:
        assert results["sharpness_limit"]["value"] is None
        assert results["sharpness_ratio"]["note"] == results["sharpness_limit"]["note"]
        return
    assert results["sharpness_limit"]["value"] == pytest.approx(limit)
    assert results["sharpness_ratio"]["value"] == pytest.approx(8.0 / limit)


def test_the_sharpness_at_the_start_is_that_of_the_first_look():
    values = np.array([3.0, 8.0, 2.0])
    for first, expected in ((0.0, 3.0 * 0.1 / 2), (5.0, np.nan)):
        recording = runs(
            arriving([3, 3]),
            system={"optimizer": "sgd", "lr": 0.1},
            sharpness=("sharpness_time", values),
        ).assign_coords(sharpness_time=np.array([first, 10.0, 20.0]))
        found = nndyn.learning(recording)
        np.testing.assert_allclose(found["sharpness_ratio_start"], expected)
        assert float(found["sharpness_ratio"]) == pytest.approx(8.0 * 0.1 / 2)
    assert found["sharpness_ratio_start"].attrs["note"] == "the start was not looked at"


@pytest.mark.parametrize("momentum", [0.0, 0.6])
@pytest.mark.parametrize("nesterov", [False, True])
def test_descent_on_a_parabola_turns_unstable_at_the_limit(momentum, nesterov):
    system = {"momentum": momentum, "nesterov": nesterov}
    limit = float(nndyn.learning(runs(arriving([3, 3]), system=system))["sharpness_limit"])
    ends = []
    for h in (0.99 * limit, 1.01 * limit):
        w, v = 1.0, 0.0
        for _ in range(3000):
            g = h * w
            v = momentum * v + g
            w -= 0.5 * (g + momentum * v if nesterov else v)
        ends.append(abs(w))
    assert ends[0] < 1e-6
    assert ends[1] > 1e6


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.4])
def test_adam_on_a_parabola_with_fixed_scales_turns_unstable_at_the_limit(beta, decay):
    system = {"optimizer": "adamw", "betas": [beta, 0.999], "weight_decay": decay}
    limit = float(nndyn.learning(runs(arriving([3, 3]), system=system))["sharpness_limit"])
    ends = []
    for h in (0.99 * limit, 1.01 * limit):
        w, m = 1.0, 0.0
        for _ in range(3000):
            m = beta * m + (1 - beta) * h * w
            w = (1 - 0.5 * decay) * w - 0.5 * m
        ends.append(abs(w))
    assert ends[0] < 1e-6
    assert ends[1] > 1e6


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (lambda r: r.drop_vars("test_accuracy"), {}, DataError, "no test_accuracy.*on='training'"),
        (lambda r: r, {"on": "training"}, DataError, "has no accuracy"),
        (lambda r: r.isel(time=[]), {}, DataError, "has no evaluation"),
        (lambda r: 3, {}, UsageError, "expected a recording, got 3"),
        (lambda r: r, {"threshold": 0}, UsageError, "threshold is 0"),
        (lambda r: r, {"threshold": 93}, UsageError, "threshold is 93"),
        (lambda r: r, {"confidence": 1.0}, UsageError, "confidence is 1"),
        (lambda r: r, {"on": "train"}, UsageError, "on is 'train'"),
    ],
)
def test_what_cannot_be_told_is_refused(change, options, error, message):
    with pytest.raises(error, match=message):
        nndyn.learning(change(runs(arriving([3, 3]))), **options)


def test_a_reference_that_diverges_says_so():
    accuracy = arriving([np.nan, np.nan], T=6)
    accuracy[5] = np.nan
    found = nndyn.learning(runs(accuracy, diverged_at=[5, 5]))
    assert found.attrs["verdict"] == "diverged"
    assert float(found["final_accuracy"]) == 0.1


def test_a_recorded_run_learns_at_the_first_evaluation_above_the_threshold(tmp_path):
    system = nndyn.Training("mlp:4-8-3", "iris", lr=0.5, batch_size=40)
    run = nndyn.record(system, tmp_path / "r.nc", steps=60, replicas=3)
    found = nndyn.learning(run, threshold=0.8)
    above = run["test_accuracy"].values[:, 0] >= 0.8
    assert found["replica_training_time"][0] == run["evaluation_time"].values[np.argmax(above)]
