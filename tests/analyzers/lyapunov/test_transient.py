import json

import numpy as np
import pytest

from analyzers.lyapunov.analyzer import lyapunov
from analyzers.lyapunov.slopes import autoregression, exponential_evidence, slopes
from analyzers.lyapunov.transient import independent
from nndyn.errors import DataError
from nndyn.results import Window, to_dict
from tests.analyzers.synthetic import autoregressive, piecewise, recording, twins


def drawn(slopes, breaks, steps, *, labels=None, rescale=0, **options):
    s = piecewise(slopes, breaks, steps, **options)
    taken = np.zeros_like(s)
    if rescale:
        block = (np.arange(steps + 1) // rescale) * rescale
        taken = s[block] - s[0]
    labels = {"step_length": 1.0, **(labels or {})}
    return recording(np.exp(s - taken), log_rescale=taken, **labels)


def value(found, name):
    return to_dict(found)["results"][name]["value"]


def test_burst_is_transient_with_its_window_and_end():
    found = lyapunov(drawn([0.3, 0.0], [40], 200))
    low, high = found["lyapunov_max_ci"].values
    assert found.attrs["verdict"] == "transient"
    assert low < 0.3 < high
    assert found["lyapunov_max_ci"].attrs["interval_over"] == "perturbations"
    assert value(found, "transient_end") == pytest.approx(40, abs=3)
    assert value(found, "growth") == pytest.approx(12, abs=0.7)
    assert value(found, "aligned") is False


def test_growth_to_the_end_with_rescaling_is_chaotic():
    found = lyapunov(drawn([0.3], [], 300, rescale=5))
    assert found.attrs["verdict"] == "chaotic"
    assert value(found, "transient_end") is None
    assert found["transient_end"].attrs["note"]


def test_growth_that_leaves_the_infinitesimal_is_saturated_and_names_the_cure():
    found = lyapunov(drawn([0.3], [], 300))
    assert found.attrs["verdict"] == "saturated"
    assert "`rescale" in found.attrs["reason"]
    assert "`rescale" in found["transient_end"].attrs["note"]
    low, high = found["lyapunov_max_ci"].values
    assert low < 0.3 < high


def test_saturation_after_thirteen_steps_still_gives_a_verdict():
    s = piecewise([0.9, 0.0], [14], 100, epsilon=1e-7)
    found = lyapunov(recording(np.exp(s), step_length=1.0))
    assert found["window"].values[1] <= 14
    assert found.attrs["verdict"] == "saturated"


def test_slope_between_calm_stretches_is_found_in_its_window():
    found = lyapunov(drawn([0.0, 0.5, 0.0], [60, 80], 300))
    assert found["window"].values == pytest.approx([60, 80], abs=3)
    assert value(found, "lyapunov_max") == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("power", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_powers_of_time_are_never_called_exponential(power, seed):
    rng = np.random.default_rng(seed)
    s = np.log(1e-8) + power * np.log1p(np.arange(401))[:, None] * (1.0 + 0.05 * rng.normal(size=5))
    s = s + autoregressive(rng, s.shape, 0.7, 0.1)
    found = lyapunov(recording(np.exp(s), step_length=1.0))
    assert found.attrs["verdict"] in ("regular", "unresolved")
    assert "power of time" in found.attrs["reason"]


@pytest.mark.parametrize("seed", range(4))
def test_pure_noise_is_regular(seed):
    found = lyapunov(drawn([0.0], [], 200, noise=0.3, seed=seed))
    assert found.attrs["verdict"] == "regular"
    assert abs(value(found, "lyapunov_max")) < 0.01


def test_slow_drift_is_regular_however_long():
    found = lyapunov(drawn([0.001], [], 5000, noise=0.05))
    assert found.attrs["verdict"] == "regular"
    assert "slow drift" in found.attrs["reason"]
    assert lyapunov(drawn([0.001], [], 5000, noise=0.05), drift=0.0).attrs["verdict"] == "chaotic"


def test_small_burst_that_ends_is_regular_below_the_growth_asked_for():
    ds = drawn([0.2, 0.0], [10], 200, noise=0.02)
    assert lyapunov(ds).attrs["verdict"] == "regular"
    assert lyapunov(ds, min_growth=1.0).attrs["verdict"] == "transient"


@pytest.mark.parametrize("slopes_breaks", [([0.3, 0.0], [60]), ([0.001], []), ([0.3], [])])
def test_verdict_and_growth_do_not_depend_on_epsilon(slopes_breaks):
    results = [
        lyapunov(drawn(*slopes_breaks, 300, rescale=5, epsilon=e, noise=0.05))
        for e in (1e-6, 1e-8, 1e-10)
    ]
    assert len({r.attrs["verdict"] for r in results}) == 1
    assert np.ptp([float(r["growth"]) for r in results]) < 0.5


def test_floor_ends_a_contraction_before_it():
    ds = drawn([-0.2, 0.0], [60], 300, labels={"rounding": 1e-14}, noise=0.05, epsilon=1e-8)
    found = lyapunov(ds)
    assert found["window"].values[1] < 60
    assert found.attrs["verdict"] == "regular"
    assert np.isfinite(found["floor"].values[1:]).all()


def test_floor_grows_with_the_deviation():
    found = lyapunov(drawn([0.3, 0.0], [40], 200, labels={"rounding": 1e-15}, noise=0.0))
    gap = found["mean_log_separation"] - found["floor"]
    assert 10 < float(gap[40]) < float(gap[5])


def test_perturbation_that_is_too_large_is_unresolved_with_the_cure():
    found = lyapunov(drawn([0.3], [], 100, epsilon=0.1))
    assert found.attrs["verdict"] == "unresolved"
    assert "`epsilon`" in found.attrs["reason"]
    assert value(found, "lyapunov_max") is None
    assert value(found, "window") is None


def test_one_replica_gives_a_slope_but_no_interval():
    found = lyapunov(drawn([0.3, 0.0], [40], 200, replicas=1))
    assert value(found, "lyapunov_max") == pytest.approx(0.3, abs=0.05)
    assert "lyapunov_max_ci" not in found
    assert found.attrs["verdict"] == "unresolved"


def test_replicas_that_disagree_are_unresolved():
    found = lyapunov(drawn([0.2, 0.0], [40], 200, slope_spread=0.8, seed=2))
    assert found.attrs["verdict"] == "unresolved"
    assert "disagree" in found.attrs["reason"]


def test_kink_of_one_replica_is_left_out_and_named():
    s = piecewise([0.3, 0.0], [40], 200, epsilon=1e-9)
    s[17:, 2] += np.log(40.0)
    found = lyapunov(recording(np.exp(s), step_length=1e6))
    assert "replica 3 changes" in found.attrs["warnings"]
    assert value(found, "growth") == pytest.approx(12, abs=0.7)


def test_diverged_reference_is_said_and_what_came_before_is_measured():
    distance = np.exp(piecewise([0.3, 0.0], [40], 200))
    distance[150:] = np.nan
    found = lyapunov(recording(distance, step_length=1.0, diverged_at=[150] * 7))
    assert found.attrs["verdict"] == "diverged"
    assert value(found, "lyapunov_max") == pytest.approx(0.3, abs=0.05)


def test_replica_that_diverges_ends_the_valid_region():
    distance = np.exp(piecewise([0.3], [], 200))
    distance[20:, 1] = np.nan
    found = lyapunov(recording(distance, step_length=1e9, diverged_at=[-1, -1, 20, -1, -1, -1, -1]))
    assert found["window"].values[1] == 19


def test_aligned_part_of_the_phase_is_preferred_when_it_holds_most_of_the_growth():
    alignment = np.where(np.arange(201) >= 12, 0.99, 0.3)
    found = lyapunov(drawn([0.3, 0.0], [40], 200, labels={"alignment": alignment}))
    assert value(found, "aligned") is True
    assert found["window"].values[0] == 12
    late = np.where(np.arange(201) >= 35, 0.99, 0.3)
    found = lyapunov(drawn([0.3, 0.0], [40], 200, labels={"alignment": late}))
    assert value(found, "aligned") is False
    assert found["window"].values[0] == 1


def test_window_of_the_caller_is_used():
    found = lyapunov(drawn([0.3, 0.0], [40], 200), window=Window((60, 160)))
    assert found["window"].values.tolist() == [60.0, 160.0]
    assert abs(value(found, "lyapunov_max")) < 0.01
    assert found.attrs["verdict"] == "transient"


def test_window_beyond_saturation_is_cut_with_a_warning():
    found = lyapunov(drawn([0.3], [], 200), window=Window((10, 150)))
    assert "reaches beyond" in found.attrs["warnings"]
    assert found["window"].values[1] < 60


def test_window_after_saturation_is_refused():
    with pytest.raises(DataError, match=r"reaches beyond step .*; ask for an earlier one"):
        lyapunov(drawn([0.3], [], 200), window=Window((100, 150)))


def test_missing_step_lengths_and_pairs_are_said():
    ds = recording(np.exp(piecewise([0.3, 0.0], [40], 200)), rounding=None)
    found = lyapunov(ds)
    assert "no step length to compare with" in found.attrs["warnings"]


@pytest.mark.parametrize("options", [{}, {"keep": False}, {"pairs": True}])
@pytest.mark.parametrize("start", [0.0, 1e-9])
def test_passage_past_a_saddle_is_growth_with_its_attractor_and_not_chaos(start, options):
    ds = twins(lambda x: x - 0.5 * (x**3 - x), start, 200, replicas=4, **options)
    found = lyapunov(ds)
    assert found.attrs["verdict"] == "transient"
    assert "fixed point" in found.attrs["reason"]
    assert value(found, "lyapunov_max") == pytest.approx(np.log(1.5), abs=0.02)


def test_mirrored_pair_counts_once():
    assert [u.tolist() for u in independent(np.array([1, 0, -1, 4, 3]))] == [[0, 1], [2], [3, 4]]


def test_gradient_descent_on_a_quadratic_contracts_at_its_exact_rate():
    found = lyapunov(twins(lambda x: 0.9 * x, 1.0, 1000, rounding=1e-17))
    assert found.attrs["verdict"] == "regular"
    assert value(found, "lyapunov_max") == pytest.approx(np.log(0.9), abs=1e-5)


def test_finite_time_exponents_are_growth_over_horizon():
    found = lyapunov(drawn([0.3, 0.0], [40], 200, noise=0.0, slope_spread=0.0))
    assert float(found["finite_time_exponent"].sel(horizon=20)) == pytest.approx(0.3)
    assert float(found["finite_time_exponent"].sel(horizon=100)) == pytest.approx(39 * 0.3 / 100)
    short = lyapunov(drawn([0.3, 0.0], [40], 200), horizon=7)
    assert short["horizon"].values.tolist() == [1.0, 2.0, 5.0, 7.0]


def test_a_horizon_is_a_length_of_time():
    growing = piecewise([0.03], [], 200, noise=0.0, slope_spread=0.0)
    flow = recording(np.exp(growing), interval=0.1, units="time unit")
    found = lyapunov(flow, horizon=0.3)
    np.testing.assert_allclose(found["horizon"], [0.1, 0.2, 0.3])
    np.testing.assert_allclose(found["finite_time_exponent"], 0.3)
    whole = lyapunov(flow)["finite_time_exponent"]
    np.testing.assert_array_equal(found["finite_time_exponent"][:2], whole[:2])
    assert lyapunov(flow, horizon=1e300)["finite_time_exponent"].equals(whole)


def test_json_has_no_nan_and_every_null_a_note():
    for ds in (drawn([0.3], [], 200), drawn([6.0], [], 60), drawn([0.3, 0.0], [40], 200)):
        shown = to_dict(lyapunov(ds))
        json.dumps(shown, allow_nan=False)
        assert set(shown["results"]) >= {"lyapunov_max", "window", "growth", "transient_end"}
        assert all(e["value"] is not None or e["note"] for e in shown["results"].values())


def test_a_recording_too_short_to_fit_is_refused_with_what_is_needed():
    with pytest.raises(DataError, match=r"5 steps after the start only .*8 are needed; record"):
        lyapunov(drawn([0.3], [], 6))


def test_times_in_the_reason_are_those_of_the_recording():
    ds = drawn([0.3, 0.0], [40], 200)
    late = ds.assign_coords(time=("time", ds["time"].values + 100.0, ds["time"].attrs))
    result = lyapunov(late)
    assert f"until step {float(result['transient_end']):g}" in result.attrs["reason"]
    assert float(result["transient_end"]) > 100


def test_slope_is_least_squares_for_white_and_secant_for_integrated_residuals():
    curve = np.random.default_rng(0).normal(size=(30, 1))
    t = np.arange(30.0)
    assert slopes(curve, 0.0)[0] == pytest.approx(np.polyfit(t, curve[:, 0], 1)[0])
    assert slopes(curve, 1.0)[0] == pytest.approx((curve[-1, 0] - curve[0, 0]) / 29, abs=0.02)


def test_autoregression_of_residuals_is_recovered():
    rng = np.random.default_rng(0)
    estimates = [
        autoregression(0.1 * np.arange(100) + autoregressive(rng, (100,), 0.6, 1.0))
        for _ in range(50)
    ]
    assert np.mean(estimates) == pytest.approx(0.6, abs=0.05)
    assert autoregression(np.arange(20.0)) == 0.0


def test_evidence_has_the_sign_of_the_truth():
    t = np.arange(1, 60.0)
    noise = autoregressive(np.random.default_rng(0), (59,), 0.5, 0.05)
    assert exponential_evidence(0.3 * t + noise, 1, []) > 4.0
    assert exponential_evidence(3.0 * np.log1p(t) + noise, 1, []) < -4.0
