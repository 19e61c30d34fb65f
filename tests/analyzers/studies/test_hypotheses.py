"""Hypotheses of a study: equivalence, the fall of the gradient-flow time, predictors, the claim."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest

from analyzers.studies.bootstrap import drawn
from analyzers.studies.fastest import fastest
from analyzers.studies.hypotheses.claim import VERDICTS, claim_study, verdict
from analyzers.studies.hypotheses.equivalence import each, equivalence
from analyzers.studies.hypotheses.fall import fall
from analyzers.studies.hypotheses.predictors import curvature_rates, last_stable_rates
from nndyn.errors import DataError, UsageError
from tests.analyzers.made_up_studies import grew, grown, learned, turning

RATES = np.geomspace(0.5, 8, 16)


def times_of(rng, *, best, falls, rates=RATES, seeds=10, noise=0.03):
    """Steps 165 / rate at small rates, by `falls` of that around `best`, steeply more beyond."""
    lr = rates[:, None]
    share = 1.0 - (1.0 - falls) * np.clip(np.log(lr / 0.6) / np.log(best / 0.6), 0.0, 1.0)
    steps = 165 / lr * share * np.maximum(lr / best, 1.0) ** 3
    steps = steps * np.exp(0.1 * rng.normal(size=seeds))
    steps = steps * np.exp(noise * rng.normal(size=(rates.size, seeds)))
    return np.where(steps > 600.0, np.nan, np.round(steps, 2))


def study(*, best=2.0, onset=2.0, falls=0.6, seed=0, seeds=10, **options):
    rng = np.random.default_rng(seed)
    times = times_of(rng, best=best, falls=falls, seeds=seeds)
    beside = grew(grown(rng, RATES, turning(rng, seeds, 0.05, at=onset)), RATES)
    sharp = RATES[:, None] / turning(rng, seeds, 0.05, at=0.7)
    cells = learned(times, RATES, sharpness_ratio_start=sharp)
    return claim_study(cells, lyapunov=beside, resamples=1000, **options)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.9, 1.2, "equivalent"),
        (1.1, 1.4, "equivalent"),  # told from 1, and near enough
        (1 / 1.5, 1.5, "equivalent"),
        (0.9, 1.51, "undecided"),  # not told from 1, nor shown to be near it
        (0.6, 1.0, "undecided"),
        (0.0, np.inf, "undecided"),
        (np.nan, np.nan, "undecided"),
        (1.51, np.inf, "different"),
        (0.0, 0.66, "different"),
    ],
)
def test_a_ratio_is_equivalent_where_its_whole_interval_lies_near_1(low, high, expected):
    assert equivalence(low, high) == expected


def test_equivalence_refuses_what_is_no_range():
    with pytest.raises(UsageError, match="factor is 1"):
        equivalence(0.9, 1.1, 1.0)
    with pytest.raises(UsageError, match=r"\[2, 1\], expected its lower end first"):
        equivalence(2, 1)


def test_what_may_go_wrong_is_dealt_out_in_equal_parts():
    assert each(0.95, 1) == 0.95
    assert 1 - each(0.95, 10) == pytest.approx(0.005)
    with pytest.raises(UsageError, match="comparisons is 0"):
        each(0.95, 0)


@pytest.mark.parametrize(
    ("compared", "falls", "expected"),
    [
        ("equivalent", "yes", "holds"),
        ("equivalent", "undecided", "not decided"),
        ("undecided", "yes", "not decided"),
        ("undecided", "undecided", "not decided"),
        ("equivalent", "no", "does not"),
        ("undecided", "no", "does not"),
        ("different", "yes", "does not"),
        ("different", "undecided", "does not"),
        ("different", "no", "does not"),
    ],
)
def test_both_parts_have_to_be_shown_and_either_refutes(compared, falls, expected):
    assert verdict(compared, falls, 10) == expected
    assert verdict(compared, falls, 9) == "not settled"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "holds"),
        ({"onset": 1.8}, "holds"),
        ({"onset": 0.9}, "does not"),  # fastest far above the onset
        ({"onset": 5.0}, "does not"),  # and below
        ({"falls": 1.0}, "does not"),  # at the onset, but a longer step explains it
        ({"onset": 1.3}, "not decided"),
        ({"seeds": 9}, "not settled"),
    ],
)
def test_the_claim_is_judged_by_its_rule(options, expected):
    found = study(**options)
    assert found.attrs["verdict"] == expected
    assert expected in VERDICTS
    assert (f"{options.get('seeds')} seeds, 10 are needed" in found.attrs["reason"]) == (
        expected == "not settled"
    )
    assert float(found["curvature_rate"]) == pytest.approx(0.7, rel=0.05)
    assert float(found["over_curvature_rate"]) == pytest.approx(2 / 0.7, rel=0.25)


def test_intervals_of_several_studies_hold_together_and_are_wider():
    one, many = study(), study(comparisons=20)
    for name in ("coincidence_ci", "fall_ci"):
        alone, together = one[name].values, many[name].values
        assert together[0] <= alone[0] < alone[1] <= together[1]
        assert (together != alone).any()
    assert study(comparisons=100).attrs["verdict"] == "not settled"  # ten seeds bear no more


def test_the_order_of_seeds_does_not_matter():
    rng = np.random.default_rng(1)
    cells = learned(times_of(rng, best=2.0, falls=0.7), RATES)
    beside = grew(grown(rng, RATES, turning(rng, 10, 0.1)), RATES)
    order = rng.permutation(10)
    found, again = (
        claim_study(a.isel(seed=o), lyapunov=b.isel(seed=o), resamples=500)
        for a, b, o in ((cells, beside, slice(None)), (cells, beside, order))
    )
    for name in json.loads(found.attrs["summary"]):
        np.testing.assert_array_equal(found[name].values, again[name].values)


def test_where_nothing_is_learned_nothing_is_decided():
    beside = grew(np.full((16, 10), 1.0), RATES)
    found = claim_study(learned(np.full((16, 10), np.nan), RATES), lyapunov=beside)
    assert found.attrs["verdict"] == "not decided"
    assert "no ratio" in found.attrs["reason"]
    assert "no median training time" in found["fastest"].attrs["note"]


def test_rates_that_are_not_positive_are_refused():
    rates = RATES - RATES[0]
    with pytest.raises(DataError, match="not positive"):
        claim_study(learned(np.full((16, 10), 5.0), rates), lyapunov=grew(np.ones((16, 10)), rates))


def plain_fall(rates, times, earliest, chosen, first):
    """Least and largest median ratio of every draw, seed by seed in plain loops."""
    lows, highs = [], []
    for draw in chosen:
        late = [np.sort(row[draw])[(len(draw) - 1) // 2] for row in times]
        early = [np.sort(row[draw])[(len(draw) - 1) // 2] for row in earliest]
        may = [i for i in range(len(rates)) if early[i] <= min(late)]
        pairs = []
        for i in may:
            low = [rates[i] * earliest[i, s] / (rates[first] * times[first, s]) for s in draw]
            high = [rates[i] * times[i, s] / (rates[first] * earliest[first, s]) for s in draw]
            pairs.append((np.median(low), np.median(high)))
        lows.append(min(low for low, _ in pairs))
        highs.append(max(high for _, high in pairs))
    return np.sort(lows), np.sort(highs)


@pytest.mark.parametrize("gap", [1.0, 5.0])
def test_the_fall_is_that_of_plain_loops_over_draws(gap):
    rng = np.random.default_rng(3)
    times = np.ceil(times_of(rng, best=2.0, falls=0.7, seeds=7)[:10] / gap) * gap
    earliest = times - gap + 1.0
    rates = RATES[:10]
    quickest = fastest(rates, times, earliest, resamples=200)
    found = fall(rates, times, earliest, quickest)
    low, high = plain_fall(rates, times, earliest, drawn(7, 200), 0)
    assert found.low == pytest.approx(low[4], rel=1e-12)
    assert found.high == pytest.approx(high[195], rel=1e-12)
    assert found.rate == RATES[0]


def test_a_seed_that_misses_the_small_rate_arrives_after_the_last_that_did():
    rates, times = np.array([1.0, 2.0, 4.0]), np.array([[90, 80, np.inf], [30, 30, 30], [50.0] * 3])
    quickest = fastest(rates, times, resamples=100)
    found = fall(rates, times, times, quickest)
    assert found.ratio == pytest.approx(60 / 90)
    assert found.low == 0.0  # it may have taken for ever
    assert found.high == pytest.approx(60 / 80)
    assert found.falls == "yes"


@pytest.mark.parametrize("every", [1, 10])
def test_a_longer_step_is_no_fall_however_seldom_is_evaluated(every):
    rates, seeds = np.array([0.1, 0.2, 0.4]), np.arange(10)
    true = (1000 + 20 * seeds)[None] * (0.1 / rates)[:, None]  # the gradient flow
    times = np.ceil(true / every) * every
    earliest = times - every + 1
    found = fall(rates, times, earliest, fastest(rates, times, earliest, resamples=200))
    assert found.ratios[0] == 1.0
    assert found.ratio == pytest.approx(1.0, abs=0.03)
    assert found.low < 1.0 < found.high or every == 1


def test_nothing_falls_from_the_fastest_rate_to_itself():
    rates, times = np.array([1.0, 2.0]), np.array([[10.0] * 4, [20.0] * 4])
    found = fall(rates, times, times, fastest(rates, times, resamples=100))
    assert np.isnan(found.ratio)
    assert found.falls == "undecided"


def test_the_curvature_predicts_the_rate_of_its_limit():
    sharpness = np.array([0.5, 2.0, -1.0])
    ratios = RATES[:, None] * sharpness / 2
    ratios[3, 0] = np.nan
    found = curvature_rates(RATES, ratios)
    np.testing.assert_allclose(found.rate, [4.0, 1.0, np.inf])
    assert np.isnan(curvature_rates(RATES, np.full((16, 1), np.nan)).rate).all()


def test_the_last_stable_rate_is_the_last_before_a_seed_fails_to_learn():
    inf, nan = np.inf, np.nan
    times = np.array(
        [
            [inf, 9.0, 9.0, inf, nan],  # too slow at first is not unstable
            [9.00, 9.0, 8.0, inf, 9.0],
            [8.00, nan, 7.0, inf, 8.0],
            [inf, inf, 6.0, inf, 7.0],
            [7.00, inf, 5.0, inf, inf],  # once lost, it stays so
        ]
    )
    found = last_stable_rates(np.arange(1.0, 6.0), times)
    np.testing.assert_array_equal(found.rate, [3.0, 2.0, inf, nan, 4.0])


def share(kinds, of):
    return kinds[of] / sum(kinds.values())


def judged(count, *, start=100, **options):
    return Counter(study(seed=start + i, **options).attrs["verdict"] for i in range(count))


def test_at_the_edge_of_the_range_the_claim_hardly_ever_holds():
    assert judged(20, onset=2.0 / 1.5)["holds"] <= 2


@pytest.mark.slow
@pytest.mark.parametrize("edge", [1.5, 1 / 1.5])
@pytest.mark.parametrize("best", [1.9, 2.0, 2.1])
def test_ratios_at_the_edge_are_called_equivalent_in_at_most_5_percent(edge, best):
    assert share(judged(200, best=best, onset=best / edge), "holds") <= 0.05


@pytest.mark.slow
def test_a_longer_step_alone_hardly_ever_passes_for_a_fall():
    kinds = Counter()
    for seed in range(400):
        rng = np.random.default_rng(seed)
        times = times_of(rng, best=2.0, falls=1.0, noise=0.1)
        times[np.isnan(times)] = np.inf
        times = times[:, np.lexsort(times)]
        quickest = fastest(RATES, times, resamples=1000)
        kinds[fall(RATES, times, times, quickest).falls] += 1
    assert share(kinds, "yes") <= 0.05


@pytest.mark.slow
def test_a_claim_that_is_true_is_found_to_hold_in_most_draws():
    assert share(judged(100), "holds") >= 0.9
    assert share(judged(100, onset=0.8), "does not") >= 0.95
    assert share(judged(100, falls=1.0), "does not") >= 0.8


def test_every_verdict_can_be_reached_and_no_other():
    pairs = itertools.product(
        ("equivalent", "different", "undecided"), ("yes", "no", "undecided"), (9, 10)
    )
    assert {verdict(*pair) for pair in pairs} == set(VERDICTS)
