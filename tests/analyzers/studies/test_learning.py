"""Studies of learning results: the fastest rate, beside the onset, and the gradient-flow time."""

import json

import numpy as np
import pytest

from analyzers.learning.kaplan_meier import median_time
from analyzers.studies.bootstrap import lower_middle
from analyzers.studies.fastest import coincidence, fastest
from analyzers.studies.learning import learning_study
from analyzers.studies.onset import turning_rates
from analyzers.studies.rate_times_time import flow_time
from nndyn.errors import DataError
from nndyn.results import to_dict
from tests.analyzers.made_up_studies import evaluated, grew, grown, learned, turning

RATES = np.geomspace(0.5, 8, 12)


def run_times(rng, seeds=10, best=2.5, fall=1.0, rates=RATES, noise=0.05, end=2000.0):
    """Times 165 / rate up to `best`, by `fall` of that from 1.2 on, and steeply longer beyond."""
    lr = np.asarray(rates)[:, None]
    flow = 165 * np.where(lr > 1.2, fall, 1.0) * np.maximum(lr / best, 1.0) ** 3
    times = (
        flow
        / lr
        * np.exp(0.1 * rng.normal(size=seeds))
        * np.exp(noise * rng.normal(size=(len(rates), seeds)))
    )
    return np.where(times > end, np.nan, np.round(times))


def study(*, onset=2.0, seed=0, best=2.5, **options):
    rng = np.random.default_rng(seed)
    times = run_times(rng, best=best, **options)
    turns = turning(rng, times.shape[1], 0.1, at=onset)
    beside = grew(grown(rng, RATES, turns), RATES)
    return learned(times, RATES), beside


def entry(found, name):
    return to_dict(found)["results"][name]


@pytest.mark.parametrize("seed", range(20))
def test_a_median_of_equally_watched_times_is_an_order_statistic(seed):
    rng = np.random.default_rng(seed)
    times = np.round(rng.exponential(10, rng.integers(1, 12)))
    times[times > 12] = np.nan
    expected, _ = median_time(times, 12.0, 0.95)
    found = lower_middle(np.where(np.isnan(times), np.inf, times))
    assert found == (np.inf if expected is None else expected)


def test_the_fastest_rate_and_its_interval_are_found():
    found = learning_study(study()[0])
    shown = entry(found, "fastest")
    assert found.attrs["verdict"] == "found"
    assert shown["ci"][0] < 2.5 < shown["ci"][1]
    assert shown["interval_over"] == "seeds"
    at = int(np.nanargmin(found["median_training_time"].values))
    assert shown["value"] == pytest.approx(RATES[at])
    assert bool(found["indistinguishable"][at])
    assert not found["indistinguishable"][[0, 1, 2, -1]].any()
    assert entry(found, "coincidence")["value"] is None
    assert "lyapunov were not given" in entry(found, "coincidence")["note"]


@pytest.mark.parametrize(
    ("onset", "verdict"),
    [
        (5.0, "fastest below the onset"),
        (2.4, "at the onset (not distinguishable)"),
        (1.2, "fastest above the onset"),
    ],
)
def test_the_fastest_is_compared_with_the_onset(onset, verdict):
    cells, beside = study(onset=onset)
    found = learning_study(cells, lyapunov=beside)
    assert found.attrs["verdict"] == verdict
    ratio = entry(found, "coincidence")
    assert ratio["ci"][0] < ratio["value"] < ratio["ci"][1]
    assert ratio["value"] == pytest.approx(float(found["fastest"] / found["onset"]))
    assert f"that is {ratio['value']:.3g} [" in found.attrs["reason"]


def test_the_ratio_is_never_narrower_than_the_grid():
    times = np.repeat(run_times(np.random.default_rng(0), 1, noise=0.0), 8, axis=1)
    beside = grew(np.repeat(3.0 * (RATES[:, None] / 2.0) ** 3, 8, axis=1), RATES)
    found = learning_study(learned(times, RATES), lyapunov=beside)
    low, high = entry(found, "coincidence")["ci"]
    assert np.log(high / low) >= np.log(RATES[1] / RATES[0]) * (1 - 1e-9)


def test_seeds_are_paired():
    """A seed that turns over late learns fastest late: the ratio is known better than either."""
    rng = np.random.default_rng(1)
    rates = np.geomspace(0.25, 16, 60)
    turns = turning(rng, 12, 0.5)
    lr = rates[:, None]
    times = np.maximum(100 / lr, 100 / turns * (lr / turns) ** 3 * (lr > turns))
    beside = grew(grown(rng, rates, turns, noise=0.0), rates)
    found = learning_study(learned(times, rates), lyapunov=beside)
    width = np.log(found["coincidence_ci"][1] / found["coincidence_ci"][0])
    apart = sum(
        np.log(found[f"{name}_ci"][1] / found[f"{name}_ci"][0]) ** 2
        for name in ("fastest", "onset")
    )
    assert width < np.sqrt(apart)


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_intervals_of_the_ratio_cover_it_wherever_between_rates_it_lies(noise):
    covered = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        best = np.exp(rng.uniform(np.log(1.5), np.log(4.0)))
        times = run_times(rng, best=best, noise=noise)
        growth = grown(rng, RATES, turning(rng, 10, 0.2))
        turned = turning_rates(RATES, growth, np.zeros(growth.shape, bool))
        times = np.where(np.isnan(times), np.inf, times)
        found = coincidence(fastest(RATES, times, resamples=400), turned)
        covered += found.low <= best / 2.0 <= found.high
    assert covered / 300 >= 0.93


def test_half_not_arriving_leaves_no_median_and_diverged_runs_stay_at_risk():
    times = np.array([[200.0] * 6, [100.0] * 6, [50, 51, np.nan, np.nan, np.nan, np.nan]])
    ds = learned(times, [1.0, 2.0, 4.0])
    found = learning_study(ds)
    assert np.isnan(found["median_training_time"][2])
    np.testing.assert_allclose(found["arrived_share"], [1, 1, 1 / 3])
    assert float(found["fastest"]) == 2.0
    assert found["median_training_time_ci"][2, 1] == np.inf


def test_the_shortest_at_an_edge_is_open_there():
    found = learning_study(study(best=20.0)[0])
    assert float(found["fastest"]) == RATES[-1]
    assert found["fastest_ci"][1] == np.inf
    assert "sweep further" in entry(found, "fastest")["note"]


@pytest.mark.parametrize(("shared", "at"), [(3, 4.0), (2, 2.0)])
def test_of_rates_that_share_the_shortest_median_one_that_was_run_is_given(shared, at):
    """Not the middle of the tied ones, at which nothing was run."""
    median = np.array([9.0, *[5.0] * shared, 8.0])
    rates = 2.0 ** np.arange(median.size)
    times = np.repeat(median[:, None], 6, axis=1)
    found = fastest(rates, times)
    assert found.rate == at
    assert found.rate in rates
    assert found.tied.tolist() == (median == 5).tolist()
    assert found.alike.tolist() == (median == 5).tolist()
    assert (found.low, found.high) == pytest.approx((2**0.25, 2 ** (shared + 0.75)))
    study = learning_study(learned(times, rates))
    others = [f"{r:g}" for r in rates[median == 5] if r != at]
    assert f"fastest at lr = {at:g}, tied with {', '.join(others)}" in study.attrs["reason"]


def test_rates_within_one_gap_between_evaluations_are_not_told_apart():
    """All arrive by the evaluation at 60, in truth at 50, 20, 10, 30 and 58."""
    rates = np.array([1.0, 2, 4, 8, 16])
    truth = np.repeat(np.array([50.0, 20, 10, 30, 58])[:, None], 8, axis=1)
    fine = learning_study(learned(truth, rates))
    assert float(fine["fastest"]) == 4
    times, earliest = evaluated(truth, 60)
    found = learning_study(learned(times, rates, training_time_earliest=earliest))
    assert found["indistinguishable"].values.all()
    assert (found["fastest_ci"].values == [-np.inf, np.inf]).all()
    assert "evaluate more often" in entry(found, "fastest")["note"]
    assert "evaluations up to 60 steps apart" in " ".join(json.loads(found.attrs["warnings"]))
    np.testing.assert_array_equal(found["median_training_time_ci"], [[1, 60]] * 5)
    assert found["flow_time_falls"] == "undecided"
    low, high = found["flow_time_ratio_ci"].values[1:].T
    np.testing.assert_allclose(low, rates[1:] / 60)
    np.testing.assert_allclose(high, rates[1:] * 60)
    assert fine["flow_time_falls"] == "yes"


def test_a_coarse_evaluation_leaves_what_lies_further_apart():
    rates = np.array([1.0, 2, 4])
    truth = np.repeat(np.array([400.0, 150, 390])[:, None], 8, axis=1)
    times, earliest = evaluated(truth, 60)
    found = learning_study(learned(times, rates, training_time_earliest=earliest))
    assert found["indistinguishable"].values.tolist() == [False, True, False]
    np.testing.assert_allclose(found["fastest_ci"], [2**0.25, 2**1.75])


@pytest.mark.parametrize("gap", [1, 10, 60])
def test_intervals_of_the_ratio_hold_it_however_rare_the_evaluations(gap):
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        best = np.exp(rng.uniform(np.log(1.5), np.log(4.0)))
        times = run_times(rng, best=best)
        seen, earliest = evaluated(np.where(np.isnan(times), np.inf, times), gap)
        growth = grown(rng, RATES, turning(rng, 10, 0.2))
        turned = turning_rates(RATES, growth, np.zeros(growth.shape, bool))
        quickest = fastest(RATES, seen, earliest, resamples=400)
        found = coincidence(quickest, turned)
        covered += found.low <= best / 2.0 <= found.high
    assert covered / 100 >= 0.9


def test_growth_not_told_from_neutral_counts_as_none_beside_training_times_too():
    cells, beside = study(onset=2.4)
    p = np.where(beside["growth"].values < 8.0, 0.5, 0.001)
    tested = learning_study(cells, lyapunov=beside.assign(growth_p=(("lr", "seed"), p)))
    plain = learning_study(cells, lyapunov=beside)
    assert float(tested["onset"]) > 1.2 * float(plain["onset"])
    assert float(tested["coincidence"]) == pytest.approx(float(tested["fastest"] / tested["onset"]))
    assert "growth_p > 0.02" in tested.attrs["reason"]


def wide():
    """Return a study of few seeds, a ratio that is hardly known."""
    rates = np.array([0.5, 1, 2, 4])
    growth = np.array([[0.0, 0, 0, 0], [0, 0, 0, 4], [0, 0, 0, 9], [9, 9, 9, 9]])
    times = np.array([[200.0, 180, 90, 240], [90, 210, 120, 100], [180, 50, 150, 190], [300] * 4])
    return rates, growth, times


def test_four_seeds_are_not_at_the_onset_and_not_beside_it():
    """A ratio of 0.5 [0.18, 1.4], say, from four seeds is not "at the onset"."""
    rates, growth, times = wide()
    found = learning_study(learned(times, rates), lyapunov=grew(growth, rates))
    low, high = found["coincidence_ci"].values
    assert low < 1.0 < high
    assert low < 0.2
    assert found.attrs["verdict"] == "unresolved"
    assert found.attrs["reason"].startswith("4 seeds, and no interval over fewer than 6 holds")
    assert "4 seeds: no interval" in learning_study(learned(times, rates)).attrs["warnings"]


@pytest.mark.parametrize("seeds", [4, 5, 6])
def test_few_seeds_do_not_tell_fastest_from_onset(seeds):
    cells, beside = study(onset=5.0)
    few = slice(seeds)
    found = learning_study(cells.isel(seed=few), lyapunov=beside.isel(seed=few))
    assert (found.attrs["verdict"] == "fastest below the onset") == (seeds >= 6)
    assert (found.attrs["verdict"] == "unresolved") == (seeds < 6)


@pytest.mark.parametrize(
    ("change", "cure"),
    [
        (lambda t, g, r: (t, g, r), "more seeds"),
        (lambda t, g, r: (t[::6], g[::6], r[::6]), "a finer grid"),
        (lambda t, g, r: (t[:7], g[:7], r[:7]), "rates beyond the ends"),
    ],
)
def test_an_interval_too_wide_to_say_so_is_unresolved_with_what_would_decide(change, cure):
    rng = np.random.default_rng(4)
    spread = 0.9 if cure == "more seeds" else 0.1
    turns = turning(rng, 8, spread, at=2.2)
    growth = grown(rng, RATES, turns, noise=0.0)
    times = np.round(100 * np.exp(np.abs(np.log(RATES[:, None] / (2.2 + 0 * turns)))))
    if cure == "more seeds":
        times = np.round(100 * np.exp(np.abs(np.log(RATES[:, None] / np.roll(turns, 3)))))
    if cure.startswith("rates"):
        times = np.round(100 * np.exp(np.abs(np.log(RATES[:, None] / 6.0)))) + 0 * turns
    times, growth, rates = change(times + 0 * growth, growth, RATES)
    found = learning_study(learned(times, rates), lyapunov=grew(growth, rates))
    low, high = found["coincidence_ci"].values
    assert low < 1 < high
    assert found.attrs["verdict"] == "unresolved"
    assert "within a factor of 2" in found.attrs["reason"]
    assert cure in found.attrs["reason"]


def test_evaluations_too_rare_to_tell_are_named_as_what_would_decide():
    truth = np.round(40 * np.exp(np.abs(np.log(RATES / 2.2))))[:, None] + np.zeros((1, 8))
    times, earliest = evaluated(truth, 200)
    beside = grew(np.repeat(3.0 * (RATES[:, None] / 2.2) ** 3, 8, axis=1), RATES)
    cells = learned(times, RATES, training_time_earliest=earliest)
    found = learning_study(cells, lyapunov=beside)
    assert found.attrs["verdict"] == "unresolved"
    assert "more frequent evaluations (`evaluate`)" in found.attrs["reason"]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [6, 10])
def test_what_is_at_the_onset_is_seldom_said_to_lie_beside_it(seeds):
    """As seldom as its interval misses a kink that lies anywhere between two rates."""
    beside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        at = np.exp(rng.uniform(np.log(1.5), np.log(4.0)))
        turns = turning(rng, seeds, 0.2, at=at)
        times = run_times(rng, seeds, best=at)
        growth = grown(rng, RATES, turns)
        found = learning_study(learned(times, RATES), lyapunov=grew(growth, RATES), resamples=400)
        beside += found.attrs["verdict"].startswith("fastest")
    assert beside / 100 <= 0.08


@pytest.mark.parametrize(
    ("fall", "noise", "falls"), [(0.8, 0.05, "yes"), (1.0, 0.02, "no"), (0.95, 0.3, "undecided")]
)
def test_whether_the_flow_time_falls_is_said_as_far_as_it_is_known(fall, noise, falls):
    cells, _ = study(fall=fall, noise=noise)
    found = learning_study(cells)
    assert str(found["flow_time_falls"].values) == falls
    np.testing.assert_allclose(found["flow_time"], found["median_training_time"] * RATES)
    np.testing.assert_allclose(found["flow_time_ratio"][0], 1.0)


def test_a_flow_time_that_is_flat_is_seldom_said_to_fall():
    falls = 0
    for seed in range(200):
        times = run_times(np.random.default_rng(seed), 10, noise=0.1)
        falls += flow_time(RATES, fastest(RATES, times, resamples=500)).falls == "yes"
    assert falls / 200 <= 0.09


def test_seeds_run_for_different_numbers_of_steps_are_compared_up_to_the_fewest():
    times = np.array([[100.0, 120, 140, 160], [80, 90, np.nan, np.nan]])
    steps = np.array([[400.0] * 4, [400, 400, 85, 400]])
    found = learning_study(learned(times, [1.0, 2.0], steps=steps))
    assert "at lr = 2 seeds that did not arrive were run for diff" in found.attrs["warnings"]
    assert np.isnan(found["median_training_time"][1])


def test_a_run_that_ended_when_it_had_learned_was_watched_long_enough():
    times = np.array([[100.0, 120, 140, 160], [80, 90, 150, np.nan]])
    steps = np.array([[400.0] * 4, [100, 100, 200, 400]])
    found = learning_study(learned(times, [1.0, 2.0], steps=steps))
    assert "numbers of steps" not in found.attrs["warnings"]
    np.testing.assert_array_equal(found["median_training_time"], [120.0, 90.0])


def test_rates_of_few_seeds_are_left_out():
    times = np.array([[100.0] * 6, [80.0] * 6, [20.0] * 6, [90.0] * 6])
    verdict = np.full(times.shape, "learned", object)
    verdict[2, 2:] = ""
    found = learning_study(learned(times, [1.0, 2, 3, 4], verdict=verdict))
    assert float(found["fastest"]) == 2.0
    assert "1 values of lr with results of fewer than half" in found.attrs["warnings"]
    diagonal = np.where(np.eye(4, 6, dtype=bool), "complete", "missing").astype(object)
    none = learning_study(learned(times, [1.0, 2, 3, 4], status=diagonal))
    assert "too few values of lr were run with half of the seeds" in none.attrs["reason"]


def test_other_parameters_have_no_flow_time():
    times = np.repeat(np.array([9.0, 5, 8])[:, None], 6, axis=1)
    found = learning_study(
        learned(times, [0.0, 0.5, 0.9], name="momentum"),
        lyapunov=grew(np.repeat([[0.0], [2], [4]], 6, axis=1), [0.0, 0.5, 0.9], name="momentum"),
    )
    assert "flow_time" not in found
    assert "momentum is swept" in entry(found, "flow_time_falls")["note"]
    assert float(found["fastest"]) == 0.5
    assert float(found["onset"]) == pytest.approx(0.7)
    assert "a ratio says nothing" in entry(found, "coincidence")["note"]
    np.testing.assert_allclose(found["fastest_ci"], [0.125, 0.8])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda ds: ds.isel(lr=[0]), "one value of lr leaves nothing to compare"),
        (lambda ds: ds.isel(seed=[0]), "1 of 1 seeds can be used, two are needed"),
        (
            lambda ds: ds.assign(training_time=ds["training_time"] * np.nan),
            "fewer than half of the",
        ),
        (
            lambda ds: ds.assign(status=ds["status"].where(ds["seed"] < 3, "damaged")),
            "36 of 120 cells can be used, fewer than half (84 damaged)",
        ),
        (
            lambda ds: ds.drop_vars("training_time"),
            "fewer than half of the seeds learn at every lr",
        ),
    ],
)
def test_incomplete_studies_give_nulls_that_say_why(change, why):
    cells, beside = study()
    found = learning_study(
        change(cells), lyapunov=change(beside.assign(training_time=beside["growth"]))
    )
    assert found.attrs["verdict"] == "unresolved"
    assert why in found.attrs["reason"]
    json.dumps(to_dict(found), allow_nan=False)
    for name in ("fastest", "coincidence"):
        assert entry(found, name)["value"] is None
        assert why in entry(found, name)["note"]


def test_one_seed_has_no_interval():
    found = learning_study(study()[0].isel(seed=[0]))
    for name in ("median_training_time", "flow_time", "best_accuracy"):
        assert np.isnan(found[f"{name}_ci"]).all()
        assert np.isfinite(found[name]).any()
    assert np.isnan(found["flow_time_ratio_ci"][1:]).all()
    assert not found["indistinguishable"].any()


def test_no_onset_leaves_the_ratio_null_and_says_so():
    cells, beside = study(onset=50.0)
    found = learning_study(cells, lyapunov=beside)
    assert found.attrs["verdict"] == "unresolved"
    assert entry(found, "fastest")["value"] is not None
    assert "no onset: 10 of 10 seeds never grow" in entry(found, "coincidence")["note"]
    assert "not compared with an onset" in found.attrs["reason"]


def test_sharpness_is_there_where_it_was_recorded():
    cells, _ = study()
    ratio = np.repeat(np.linspace(0.5, 1.5, 12)[:, None], 10, axis=1)
    found = learning_study(cells.assign(sharpness_ratio=(("lr", "seed"), ratio)))
    np.testing.assert_allclose(found["sharpness_ratio"], ratio[:, 0])
    assert "sharpness_ratio" not in learning_study(cells)


def test_the_order_of_seeds_does_not_matter():
    cells, beside = study(seed=3)
    order = [3, 1, 0, 2, 9, 8, 7, 4, 6, 5]
    found = learning_study(cells, lyapunov=beside)
    turned = learning_study(cells.isel(seed=order), lyapunov=beside.isel(seed=order))
    for name, values in found.data_vars.items():
        np.testing.assert_array_equal(values, turned[name])


def test_results_over_other_cells_are_refused():
    cells, beside = study()
    with pytest.raises(DataError, match="over other cells than the learning results"):
        learning_study(cells, lyapunov=beside.isel(seed=slice(3)))
