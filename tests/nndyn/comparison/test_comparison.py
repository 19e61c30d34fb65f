"""A comparison shows what the analyzers say, and what they say on clocks in common."""

import json

import numpy as np
import pytest

import nndyn
from nndyn.comparison import catalogue
from nndyn.comparison.quantities import ANALYZERS, QUANTITIES
from nndyn.errors import DataError, UsageError
from nndyn.results import Window

#: Numbers that are an analyzer's own, and whose.
OWN = {
    "lyapunov_max": "lyapunov",
    "growth": "lyapunov",
    "positive_count": "spectrum",
    "kaplan_yorke_dimension": "spectrum",
    "autocorrelation_time": "autocorrelation",
    "msd_exponent": "exploration",
    "rate_obtained": "recurrence",
    "determinism": "recurrence",
    "laminarity": "recurrence",
    "diagonal_entropy": "recurrence",
    "training_time": "learning",
    "gradient_flow_time": "learning",
}


def plot_of(recording, column):
    """Return the recurrence result of the options that a comparison says it took."""
    theiler, stride, points = (
        int(column[f"recurrence_{name}"]) for name in ("theiler", "stride", "points")
    )
    times = recording["state"][recording["state"].dims[0]].values[::stride][:points]
    window = Window((times[0], times[-1]))
    return nndyn.recurrence(recording, theiler=theiler, stride=stride, window=window)


def test_every_value_is_that_of_its_analyzer(kinds, compared):
    for name in compared["recording"].values:
        column = compared.sel(recording=name)
        with nndyn.open(kinds[str(name)]) as recording:
            for analyzer in ANALYZERS:
                if column["verdicts"].sel(analyzer=analyzer) == "-":
                    with pytest.raises(DataError) as refused:
                        getattr(nndyn, analyzer)(recording)
                    assert column["reasons"].sel(analyzer=analyzer) == str(refused.value)
                    continue
                ask = plot_of if analyzer == "recurrence" else getattr(nndyn, analyzer)
                result = ask(recording, *[column] * (analyzer == "recurrence"))
                assert column["verdicts"].sel(analyzer=analyzer) == result.attrs["verdict"]
                for key in (k for k, owner in OWN.items() if owner == analyzer and k in result):
                    np.testing.assert_array_equal(column[key], result[key], err_msg=f"{name} {key}")
                    if f"{key}_ci" in result:
                        interval = result[f"{key}_ci"]
                        np.testing.assert_array_equal(column[f"{key}_ci"], interval)


def test_every_null_says_why(compared):
    for name in QUANTITIES:
        notes = json.loads(compared[name].attrs["notes"])
        for value, note in zip(compared[name].values, notes, strict=True):
            assert np.isfinite(value) or note, name


def test_ratios_are_of_the_numbers_beside_them(compared):
    lorenz = compared.sel(recording="lorenz")
    time, rate = float(lorenz["autocorrelation_time"]), float(lorenz["lyapunov_max"])
    assert float(lorenz["autocorrelation_lyapunov_times"]) == time * rate
    assert float(lorenz["entropy_bound_ratio"]) == 1.0
    ratios = lorenz["exponent_ratios"].values
    assert ratios[0] == 1.0
    assert ratios[2] == pytest.approx(-14.57 / 0.9056, rel=0.15)
    run = compared.sel(recording="run")
    assert float(run["exponent_per_lr_time"]) == float(run["lyapunov_max"]) / 0.5
    assert float(run["exponent_per_epoch"]) == float(run["lyapunov_max"])  # full batch
    assert np.isnan(run["autocorrelation_lyapunov_times"])


def test_the_logistic_map_forgets_as_fast_as_is_known(compared):
    low, high = compared["autocorrelation_lyapunov_times_ci"].sel(recording="map").values
    assert low < np.log(2.0) * (1.0 - np.exp(-1.0)) < high


def test_lyapunov_times_do_not_depend_on_the_interval_of_sampling(kinds):
    found = nndyn.compare([kinds["lorenz"], kinds["coarse"]])
    name = "autocorrelation_lyapunov_times"
    fine, coarse = found[name].values
    intervals = found[f"{name}_ci"].values
    assert intervals[0, 0] < coarse < intervals[0, 1]
    assert intervals[1, 0] < fine < intervals[1, 1]
    assert coarse == pytest.approx(fine, rel=0.02)
    stride = found["recurrence_stride"].values.tolist()
    assert stride[0] >= 2 * stride[1]


def test_what_may_not_be_compared_is_said(compared):
    warnings = json.loads(compared.attrs["warnings"])
    assert any("run are of a window of a transient" in line for line in warnings)
    assert any(
        "points of map" in line and "longer where sampling is finer" in line for line in warnings
    )
    alone = nndyn.compare({"x": nndyn.from_array(np.random.default_rng(0).standard_normal(100))})
    assert json.loads(alone.attrs["warnings"]) == []


def test_a_sketch_beside_a_full_state_is_said(recording_path):
    from tests.analyzers.test_sketches import sketched

    with nndyn.open(recording_path) as recording:
        full = recording.load()
    found = nndyn.compare({"full": full, "sketch": sketched(full, size=64)})
    assert any("estimates from sketches" in line for line in json.loads(found.attrs["warnings"]))
    assert found["dimension"].values.tolist() == [67.0, 67.0]


def test_the_null_a_random_walk_has_neither_exponent_nor_clock():
    with catalogue.recorded(catalogue.WALKER) as walk:
        found = nndyn.compare({"walk": walk})
    column = found.sel(recording="walk")
    assert column["verdicts"].sel(analyzer="exploration") == "diffusive"
    assert np.isnan(column["lyapunov_max"])
    assert np.isnan(found["log_separation"]).all()
    low, high = column["participation_over_random_walk_ci"].values
    assert low < 1.0 < high


def test_a_limit_cycle_of_the_catalogue_has_no_lyapunov_clock():
    with catalogue.recorded("limit cycle") as cycle:
        found = nndyn.compare({"cycle": cycle}).sel(recording="cycle")
    assert found["verdicts"].sel(analyzer="lyapunov") == "regular"
    assert np.isnan(found["exponent_ratios"]).all()
    assert float(found["determinism"]) > 0.99


def test_a_study_is_a_column_for_each_value_and_medians_over_seeds(tmp_path):
    index = nndyn.sweep(
        "logistic", tmp_path / "s", r=[3.7, 4.0], seeds=2, steps=300, replicas=1, rescale=10
    )
    found = nndyn.compare([tmp_path / "s"])
    assert found["recording"].values.tolist() == ["s r=3.7", "s r=4"]
    assert found["runs"].values.tolist() == [2, 2]
    runs = [nndyn.lyapunov(nndyn.open(str(p))) for p in index["path"].sel(r=4.0).values]
    middle = np.mean([float(run["lyapunov_max"]) for run in runs])
    assert float(found["lyapunov_max"].sel(recording="s r=4")) == pytest.approx(middle, abs=1e-15)
    part = nndyn.compare({"one": nndyn.open_study(tmp_path / "s").sel(r=[4.0])})
    assert part["recording"].values.tolist() == ["one"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": 3}, "a is 3, expected the path of a recording or study"),
        ({" ": "x.nc"}, "expected a text for a name"),
        ("run.nc", "recordings is one recording, expected several"),
        ([], "there is nothing to compare"),
        ({"a": nndyn}, "expected the path of a recording"),
    ],
)
def test_what_is_no_recording_is_refused(given, message):
    with pytest.raises(UsageError, match=message):
        nndyn.compare(given)


def test_a_result_is_no_recording_and_names_are_each_of_one(compared):
    with pytest.raises(UsageError, match="is no recording"):
        nndyn.compare({"a": compared})
    series = nndyn.from_array(np.arange(50.0))
    with pytest.raises(UsageError, match="two columns are called 'henon'"):
        nndyn.compare({"henon": series}, catalogue=True)
    for option in ({"rate": 5}, {"points": 3}, {"theiler": -1}, {"confidence": 1.0}):
        with pytest.raises(UsageError, match=f"{next(iter(option))} is "):
            nndyn.compare({"a": series}, **option)
