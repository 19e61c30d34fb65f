"""Studies of lyapunov results: what is said of whole grids, and of grids with holes."""

import json

import numpy as np
import pytest

import analyzers
from analyzers.studies.bootstrap import fewest, middle, simultaneous
from analyzers.studies.curves import clopper_pearson
from analyzers.studies.lyapunov import onset_study
from nndyn.errors import DataError, UsageError
from nndyn.results import to_dict
from tests.analyzers.made_up_studies import grew, grown, turning

RATES = np.geomspace(0.5, 8, 12)


def drawn(seeds=10, spread=0.2, rates=RATES, seed=0, **options):
    rng = np.random.default_rng(seed)
    return grew(grown(rng, rates, turning(rng, seeds, spread)), rates, **options)


def entry(found, name):
    return to_dict(found)["results"][name]


def test_the_onset_of_a_whole_grid_is_found_with_its_interval_over_seeds():
    found = onset_study(drawn())
    shown = entry(found, "onset")
    assert found.attrs["verdict"] == "found"
    assert shown["ci"][0] < shown["value"] < shown["ci"][1]
    assert shown["ci"][0] < 2.0 < shown["ci"][1]
    assert shown["interval_over"] == "seeds"
    assert f"turn over at lr = {shown['value']:.4g}" in found.attrs["reason"]
    assert np.exp(middle(np.log(found["turning_rate"].values))) == pytest.approx(shown["value"])
    assert entry(found, "seeds_used")["value"] == 10


def test_series_are_medians_and_shares_over_seeds():
    growth = np.array([[0.0, 1, 2], [2, 4, 6], [8, 9, 10]])
    verdict = np.array([["regular"] * 3, ["regular", "transient", "diverged"], ["diverged"] * 3])
    found = onset_study(grew(growth, [1.0, 2, 4], verdict=verdict.astype(object)))
    np.testing.assert_allclose(found["median_growth"], [1, 4, np.nan])
    np.testing.assert_allclose(found["growing_share"], [0, 2 / 3, 1])
    np.testing.assert_allclose(found["diverged_share"], [0, 1 / 3, 1])
    np.testing.assert_allclose(found["exponent"], [1 / 50, 4 / 50, 9 / 50])
    np.testing.assert_allclose(found["finite_time_exponent"], [0.01, 0.04, np.nan])
    assert found["verdicts"].sel(kind="regular").values.tolist() == [3, 1, 0]
    assert found["verdicts"].sel(kind="diverged").values.tolist() == [0, 1, 3]
    assert (found["verdicts"].sum("kind") == 3).all()


def test_the_longest_horizon_up_to_the_one_asked_for_is_taken():
    ds = drawn()
    short = ds["finite_time_exponent"].where(ds["horizon"] <= 20)
    found = onset_study(ds.assign(finite_time_exponent=short))
    np.testing.assert_allclose(
        found["finite_time_exponent"], middle(ds["growth"].values / 20), atol=1e-12
    )
    # 100, not the 200 that is there too
    np.testing.assert_allclose(
        onset_study(ds)["finite_time_exponent"], middle(ds["growth"].values / 100), atol=1e-12
    )


def test_levels_of_the_finite_time_exponent_are_passed_where_it_says():
    growth = np.repeat(np.array([0.5, 1.5, 6.0, 14.0])[:, None], 6, axis=1)
    found = onset_study(grew(growth, [1.0, 2, 4, 8]))
    expected = [np.sqrt(2.0), 2 * 2 ** (3.5 / 4.5), 4 * 2 ** (4 / 8)]
    np.testing.assert_allclose(found["exponent_onset"], expected)
    np.testing.assert_allclose(found["exponent_onset_ci"], [[1, 2], [2, 4], [4, 8]])
    beyond = onset_study(grew(growth, [1.0, 2, 4, 8]), levels=(0.001, 0.5))
    assert entry(beyond, "exponent_onset")["value"] is None
    assert "0.001: the median is above it at every rate" in entry(beyond, "exponent_onset")["note"]


def sustained(*columns):
    verdict = np.array([list(c) for c in columns]).T
    names = {"c": "chaotic", "t": "transient", "s": "saturated", "d": "diverged"}
    verdict = np.vectorize(names.get)(verdict).astype(object)
    growth = np.full(verdict.shape, 5.0)
    growth[0] = 0.0
    return entry(onset_study(grew(growth, [1.0, 2, 4], verdict=verdict)), "sustained_onset")


def test_sustained_chaos_begins_where_half_of_the_seeds_have_it():
    assert sustained("ttc", "ttc", "tcc", "ttt")["value"] == pytest.approx(2 * 2**0.5)
    shown = sustained("ttc", "ttc", "ttc", "ttc")
    assert (shown["value"], shown["ci"]) == (pytest.approx(2 * 2**0.5), [2.0, 4.0])
    assert "at every rate" in sustained("ttt", "ttt", "ttc")["note"]


def test_saturated_runs_make_it_null_only_where_they_decide():
    shown = sustained("tsc", "tsc", "ttc", "ttc")
    assert shown["value"] is None
    assert shown["note"].startswith("2 runs are saturated or unresolved")
    assert "`rescale`, or `tangents=1`" in shown["note"]
    assert sustained("tsc", "ttc", "ttc", "ttc")["value"] is not None


def test_growth_cut_short_below_the_threshold_is_not_known():
    growth = np.repeat(np.array([0.0, 2.0, 9.0])[:, None], 6, axis=1)
    cut = np.zeros(growth.shape)
    cut[1] = 1
    free, short = (
        onset_study(grew(growth, [1.0, 2, 4], growth_lower_bound=c)) for c in (0 * cut, cut)
    )
    assert float(free["onset_ci"][0]) == 2.0
    assert float(short["onset_ci"][0]) == 1.0


def test_seeds_that_grow_everywhere_or_nowhere_are_said():
    low, high = onset_study(drawn(rates=RATES + 8)), onset_study(drawn(rates=RATES / 20))
    assert low.attrs["verdict"] == "below the grid"
    assert "sweep below 8.5" in low.attrs["reason"]
    assert high.attrs["verdict"] == "above the grid"
    assert "10 of 10 seeds never grow" in high.attrs["reason"]
    for found in (low, high):
        assert entry(found, "onset")["value"] is None
        assert entry(found, "onset")["note"] == found.attrs["reason"]
    some = onset_study(drawn(spread=1.2, seed=3))
    assert some.attrs["verdict"] == "found"
    assert "of them never grow" in some.attrs["reason"]


def test_seeds_that_cross_back_are_counted_and_said():
    growth = np.array([[0.0, 0, 0], [5, 5, 5], [1, 5, 5], [5, 5, 5]])
    found = onset_study(grew(growth, [1.0, 2, 4, 8]))
    assert entry(found, "crossing_back")["value"] == 1
    assert "1 of them cross back at a higher lr" in found.attrs["reason"]


def test_seeds_sampled_each_at_other_rates_are_no_obstacle():
    ds = drawn(seed=1)
    whole = onset_study(ds)
    rng = np.random.default_rng(0)
    growth = ds["growth"].values.copy()
    first = (growth >= 3.0).argmax(axis=0)
    keep = rng.random(growth.shape) < 0.2
    keep[first, np.arange(10)] = keep[first - 1, np.arange(10)] = True
    status = np.where(keep, "complete", "missing").astype(object)
    verdict = np.where(keep, ds["verdict"], "").astype(object)
    growth[~keep] = np.nan
    found = onset_study(grew(growth, RATES, verdict=verdict, status=status))
    np.testing.assert_allclose(found["turning_rate"], whole["turning_rate"])
    assert found.attrs["verdict"] == "found"
    assert "cells are missing" in found.attrs["reason"]
    assert 0 < (2 * keep.sum(axis=1) >= 10).sum() < 12


def test_rates_of_few_seeds_each_make_no_curve():
    ds = drawn()
    there = (np.arange(12)[:, None] - np.arange(10)) % 10 < 3
    status = np.where(there, "complete", "missing").astype(object)
    status[-2:] = "missing"
    found = onset_study(ds.assign(status=(("lr", "seed"), status)))
    for name in ("exponent_onset", "sustained_onset"):
        assert "were run with half of the seeds" in entry(found, name)["note"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda ds: ds.isel(lr=[4]), "one value of lr shows no onset"),
        (lambda ds: ds.isel(seed=[4]), "1 of 1 seeds can be used, two are needed; that one turns"),
        (lambda ds: ds.isel(lr=[0], seed=[0]), "one value of lr"),
        (
            lambda ds: ds.assign(status=ds["status"].where(ds["seed"] < 4, "failed")),
            "48 of 120 cells can be used, fewer than half (72 failed); resume",
        ),
        (
            lambda ds: ds.assign(
                status=ds["status"].where(ds["seed"] < 4, "missing"),
                verdict=ds["verdict"].where(ds["seed"] < 4, ""),
            ),
            "4 of 10 seeds can be used, fewer than half",
        ),
        (
            lambda ds: ds[["status", "verdict"]].assign(
                status=ds["status"].where(False, "failed"), verdict=ds["verdict"].where(False, "")
            ),
            "no cell has a result: 120 failed",
        ),
        (
            lambda ds: ds.assign(status=ds["status"].where(False, "recording")),
            "no cell has a result: 120 recording",
        ),
    ],
)
def test_incomplete_studies_give_nulls_that_say_why(change, why):
    found = onset_study(change(drawn()))
    assert found.attrs["verdict"] == "unresolved"
    assert why in found.attrs["reason"]
    shown = to_dict(found)
    json.dumps(shown, allow_nan=False)
    for name in ("onset", "exponent_onset", "sustained_onset"):
        assert shown["results"][name]["value"] is None
        assert why in shown["results"][name]["note"]


def test_some_failed_cells_are_named_and_change_nothing_else():
    ds = drawn()
    status = ds["status"].values.copy()
    status[0, :3], status[-1, 0] = "failed", "interrupted"
    found = onset_study(ds.assign(status=(("lr", "seed"), status)))
    assert "cells left out: 3 failed, 1 interrupted" in found.attrs["reason"]
    assert float(found["onset"]) == float(onset_study(ds)["onset"])
    assert found["verdicts"].sel(kind="none").values.tolist() == [3, *[0] * 10, 1]


def test_growth_that_is_not_told_from_a_neutral_path_counts_as_none():
    """Growth counts at growth_p of 0.02 or less, and how many seeds have none so is said."""
    growth = np.repeat(np.array([0.0, 4.0, 9.0, 9.0])[:, None], 8, axis=1)
    p = np.full(growth.shape, 0.001)
    p[1], p[2, :3] = 0.3, 0.021
    plain, tested = (
        onset_study(grew(growth, [1.0, 2, 4, 8], **more)) for more in ({}, {"growth_p": p})
    )
    assert float(plain["onset"]) == pytest.approx(2**0.75)
    assert float(tested["onset"]) == pytest.approx(2 * 2 ** (3 / 9))
    np.testing.assert_allclose(plain["growing_share"], [0, 1, 1, 1])
    np.testing.assert_allclose(tested["growing_share"], [0, 0, 5 / 8, 1])
    assert tested["unconfirmed"].values.tolist() == [0, 8, 3, 0]
    assert entry(tested, "seeds_unconfirmed")["value"] == 8
    assert "growth of 8 of 8 seeds, at a rate or more, is not told" in tested.attrs["reason"]
    assert "growth_p > 0.02" in tested.attrs["reason"]
    # what was measured stays
    np.testing.assert_allclose(tested["median_growth"], plain["median_growth"])


def test_results_without_a_p_value_count_by_their_growth_alone():
    found = onset_study(drawn())
    none = onset_study(drawn(growth_p=np.full((12, 10), np.nan)))
    for result in (found, none):
        assert entry(result, "seeds_unconfirmed")["value"] is None
        assert "growth_p" in entry(result, "seeds_unconfirmed")["note"]
        assert "growth_p" not in result.attrs["reason"]
    assert float(found["onset"]) == float(none["onset"])


def test_a_diverged_run_grows_whatever_its_p_value():
    growth = np.repeat(np.array([0.0, 9.0])[:, None], 6, axis=1)
    verdict = np.repeat(np.array(["regular", "diverged"], object)[:, None], 6, axis=1)
    p = np.full(growth.shape, 0.9)
    found = onset_study(grew(growth, [1.0, 4.0], verdict=verdict, growth_p=p))
    assert float(found["onset"]) == pytest.approx(2.0)
    np.testing.assert_allclose(found["growing_share"], [0, 1])
    assert entry(found, "seeds_unconfirmed")["value"] == 0


def test_shares_have_the_interval_of_clopper_and_pearson():
    """Of 0, 5 and 10 of 10: ends as in the tables of the binomial distribution."""
    growth = np.zeros((3, 10))
    growth[1, :5], growth[2] = 9.0, 9.0
    found = onset_study(grew(growth, [1.0, 2, 4]))
    np.testing.assert_allclose(
        found["growing_share_ci"], [[0, 0.3085], [0.1871, 0.8129], [0.6915, 1]], atol=1e-4
    )
    assert found["growing_share_ci"].attrs["interval_over"] == "seeds"
    assert found["diverged_share_ci"].shape == (3, 2)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
def test_intervals_of_shares_hold_them_in_at_least_their_confidence(share):
    from math import comb

    counts = np.arange(11)
    low, high = clopper_pearson(counts, np.full(11, 10), 0.95).T
    weights = np.array([comb(10, k) * share**k * (1 - share) ** (10 - k) for k in counts])
    assert weights[(low <= share) & (share <= high)].sum() >= 0.95
    assert np.isnan(clopper_pearson(np.array([0]), np.array([0]), 0.95)).all()


def test_what_is_not_told_from_neutral_does_not_decide_whether_growth_lasts():
    """Cells that count as not growing are no reason to record anew."""
    verdict = np.array([["regular"] * 6, ["unresolved"] * 6, ["chaotic"] * 6], object)
    growth = np.repeat(np.array([0.0, 5, 9])[:, None], 6, axis=1)
    p = np.repeat(np.array([0.9, 0.2, 0.001])[:, None], 6, axis=1)
    cells = grew(growth, [1.0, 2, 4], verdict=verdict, growth_p=p)
    assert entry(onset_study(cells), "sustained_onset")["value"] == pytest.approx(2 * 2**0.5)


@pytest.mark.parametrize(
    ("options", "kind", "said", "unsaid"),
    [
        ({}, "saturated", "record with `rescale`, or `tangents=1`", None),
        ({"rescale": 5}, "saturated", "`tangents=1`, or `rescale` below 5", None),
        ({"rescale": 1}, "saturated", "record with `tangents=1`", "rescale"),
        ({"tangents": 1}, "saturated", "record with `rescale`", "tangents"),
        ({"rescale": 1, "tangents": 2}, "saturated", "cell_reason", "record with"),
        ({}, "unresolved", "cell_reason", "rescale"),
    ],
)
def test_a_cure_already_in_force_is_not_advised(options, kind, said, unsaid):
    growth = np.repeat(np.array([0.0, 5, 9])[:, None], 6, axis=1)
    verdict = np.array([["regular"] * 6, [kind] * 6, ["chaotic"] * 6], object)
    cells = grew(growth, [1.0, 2, 4], verdict=verdict)
    cells.attrs["options"] = json.dumps(options)
    note = entry(onset_study(cells), "sustained_onset")["note"]
    assert said in note
    assert unsaid is None or unsaid not in note


@pytest.mark.parametrize(("confidence", "seeds"), [(0.68, 3), (0.9, 5), (0.95, 6), (0.99, 8)])
def test_the_fewest_seeds_are_those_whose_ends_hold_the_median(confidence, seeds):
    assert fewest(confidence) == seeds
    assert 1 - 2.0 ** (1 - seeds) >= confidence > 1 - 2.0 ** (2 - seeds)


def test_few_seeds_are_warned_of():
    found = onset_study(drawn(seeds=4))
    assert found.attrs["verdict"] == "found"
    assert "4 seeds: no interval over so few" in found.attrs["warnings"]
    assert "seeds" not in onset_study(drawn(seeds=6)).attrs["warnings"]
    assert "run at least 8" in onset_study(drawn(seeds=6), confidence=0.99).attrs["warnings"]


def test_stationary_systems_have_no_onset_but_exponents_all_the_same():
    rates = np.linspace(2.8, 4.0, 30)
    exponent = np.where(rates[:, None] > 3.57, 0.4, -0.2) + np.zeros((30, 4))
    ds = grew(
        exponent * 1000, rates, name="r", stationary=np.ones((30, 4)), lyapunov_max=exponent
    ).drop_vars("replica_exponent")
    found = onset_study(ds)
    assert found.attrs["verdict"] == "stationary"
    assert entry(found, "onset")["value"] is None
    assert "onset is of trainings" in entry(found, "onset")["note"]
    np.testing.assert_allclose(found["exponent"], exponent[:, 0])
    np.testing.assert_allclose(found["exponent_ci"], exponent[:, :2])
    assert found["exponent"].dims == ("r",)
    assert entry(found, "seeds_used")["value"] == 4


def test_parameters_that_are_not_positive_are_interpolated_linearly_and_said():
    growth = np.repeat(np.array([0.0, 2.0, 4.0])[:, None], 6, axis=1)
    found = onset_study(grew(growth, [0.0, 0.5, 0.9], name="momentum"))
    assert float(found["onset"]) == pytest.approx(0.7)
    assert "interpolated linearly" in found.attrs["warnings"]


def test_the_order_of_seeds_does_not_matter():
    ds = drawn(seed=5)
    found, turned = onset_study(ds), onset_study(ds.isel(seed=[3, 1, 0, 2, 9, 8, 7, 4, 6, 5]))
    for name in ("onset_ci", "exponent_onset_ci", "exponent_ci", "median_growth_ci"):
        np.testing.assert_array_equal(found[name], turned[name])
    for name, values in onset_study(ds).data_vars.items():
        np.testing.assert_array_equal(values, found[name])


def test_intervals_of_the_exponent_cover_seeds_and_replicas():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(40):
        own = 0.3 + 0.02 * rng.normal(size=(5, 10))
        replicas = own[:, :, None] + 0.02 * rng.normal(size=(5, 10, 5))
        ds = grew(
            np.full((5, 10), 9.0),
            RATES[:5],
            lyapunov_max=replicas.mean(axis=2),
            replica_exponent=replicas,
        )
        low, high = onset_study(ds, resamples=300)["exponent_ci"].values.T
        covered += int(((low <= 0.3) & (high >= 0.3)).sum())
    assert 0.91 <= covered / 200 <= 0.99


def test_seeds_that_agree_leave_the_spread_of_their_replicas():
    one = np.full((2, 8), 0.3)
    rng = np.random.default_rng(0)
    replicas = one[:, :, None] + 0.05 * rng.normal(size=(2, 8, 6))
    replicas[:, :, 3:] = np.nan  # mirrored partners
    ds = grew(np.full((2, 8), 9.0), [1.0, 2.0], lyapunov_max=one, replica_exponent=replicas)
    low, high = onset_study(ds)["exponent_ci"].values.T
    # of a median of eight means of three
    assert high - low == pytest.approx(3.92 * 1.25 * 0.05 / np.sqrt(3 * 8), rel=0.5)
    plain = onset_study(ds.drop_vars("replica_exponent"))
    np.testing.assert_array_equal(plain["exponent_ci"], 0.3)


def test_simultaneous_intervals_hold_together():
    draws = np.random.default_rng(0).normal(size=(4000, 8))
    low, high = simultaneous(draws, 0.95)
    assert np.mean(((draws >= low) & (draws <= high)).all(axis=1)) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": 1.0}, "confidence is 1.0, expected a number between 0 and 1"),
        ({"resamples": 10}, "resamples is 10, expected a whole number, 100 or more"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        onset_study(drawn(), **options)


def test_what_is_no_study_is_refused():
    with pytest.raises(DataError, match=r"expected the results of a study's cells"):
        onset_study(drawn().drop_vars("status"))
    with pytest.raises(DataError, match="expected ascending numbers"):
        onset_study(drawn().isel(lr=slice(None, None, -1)))
    with pytest.raises(DataError, match="values of lr are not numbers"):
        onset_study(drawn().assign_coords(lr=[f"rate {i}" for i in range(12)]))
    with pytest.raises(DataError, match=r"over \(seed, lr\), expected a parameter and seed"):
        onset_study(drawn().transpose("seed", ...))


def test_rows_name_functions_that_exist_and_variables_that_lyapunov_has():
    for row in analyzers.ANALYZERS.values():
        assert row.study is None or callable(analyzers.resolve(row.study))
        assert set(row.beside) <= set(analyzers.ANALYZERS)
