import json

import numpy as np
import pytest

import nndyn
from analyzers.growth.growth_rate import growth_rate, running_rate
from analyzers.lyapunov.analyzer import lyapunov
from nndyn.errors import DataError, UsageError
from nndyn.results import Window, to_dict
from tests.analyzers.synthetic import piecewise, recording, twins


def logistic(r):
    return lambda x: r * x * (1.0 - x)


def henon(x):
    return np.array([1.0 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])


def recorded(step, start, steps=1000, **options):
    labels = {"rescale": 10, "discard": 200, "stationary": True, "rounding": None}
    return twins(step, start, steps, **{**labels, **options})


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_henon_is_chaotic_with_its_known_exponent_in_every_norm(norm):
    found = lyapunov(recorded(henon, [0.1, 0.1], keep=norm != "l2"), distance=norm)
    low, high = found["lyapunov_max_ci"].values
    assert found.attrs["verdict"] == "chaotic"
    assert low < 0.41923 < high < low + 0.1
    assert found["lyapunov_max_ci"].attrs["interval_over"] == "time"
    assert found["lyapunov_max"].attrs["units"] == "per step"


@pytest.mark.parametrize(
    ("r", "exponent", "ends_on"),
    [
        (2.8, np.log(0.8), "fixed point"),
        (3.2, 0.5 * np.log(0.16), "cycle of period 2"),
        (3.5, None, "cycle of period 4"),
    ],
)
@pytest.mark.parametrize("replicas", [5])
def test_contraction_is_exact_and_regular(r, exponent, ends_on, replicas):
    found = lyapunov(recorded(logistic(r), 0.3, replicas=replicas, discard=1000))
    low, high = found["lyapunov_max_ci"].values
    assert found.attrs["verdict"] == "regular"
    assert str(found["attractor"].values) == ends_on
    if exponent is not None:
        assert low <= exponent <= high < low + 1e-4


def test_contraction_without_rescaling_ends_at_the_floor():
    found = lyapunov(recorded(logistic(2.8), 0.3, rescale=0, discard=1000))
    low, high = found["lyapunov_max_ci"].values
    assert found.attrs["verdict"] == "regular"
    assert found["window"].values[1] < 100
    assert low <= np.log(0.8) <= high


def test_rotation_is_regular_with_exponent_zero():
    c, s = np.cos(1.0), np.sin(1.0)
    turn = np.array([[c, -s], [s, c]])
    found = lyapunov(recorded(lambda x: turn @ x, [1.0, 0.0]))
    low, high = found["lyapunov_max_ci"].values
    assert found.attrs["verdict"] == "regular"
    assert low <= 0.0 <= high


def test_growth_without_rescaling_is_saturated_and_uses_the_valid_part_alone():
    found = lyapunov(recorded(logistic(4.0), 0.3, rescale=0))
    assert found.attrs["verdict"] == "saturated"
    assert "`rescale=10`" in found.attrs["reason"]
    assert found["window"].values[1] < 40
    low, high = found["lyapunov_max_ci"].values
    assert low < np.log(2.0) < high


def test_time_unit_scales_exponent_and_burn_in():
    s = piecewise([0.03], [], 2000, noise=0.01, slope_spread=0.0)
    taken = np.repeat(0.3 * np.floor(np.arange(2001) / 10)[:, None], 5, axis=1)
    ds = recording(
        np.exp(s - taken),
        log_rescale=taken,
        step_length=1.0,
        stationary=True,
        interval=0.01,
        units="time unit",
    )
    found = lyapunov(ds, burn_in=5.0)
    assert float(found["lyapunov_max"]) == pytest.approx(3.0, abs=0.01)
    assert found["lyapunov_max"].attrs["units"] == "per time unit"
    assert found["window"].values == pytest.approx([5.0, 20.0])


def test_transient_end_of_a_stationary_recording_is_null_and_says_why():
    entry = to_dict(lyapunov(recorded(henon, [0.1, 0.1])))["results"]["transient_end"]
    assert entry["value"] is None
    assert entry["note"].startswith("stationary recording")


def test_too_short_recording_is_one_line():
    ds = recording(np.exp(piecewise([0.3], [], 8)), stationary=True, step_length=1.0)
    with pytest.raises(DataError, match=r"7 usable times.*too short to fit, at least 10") as error:
        lyapunov(ds)
    assert "\n" not in str(error.value)


def test_few_correlation_times_are_unresolved():
    ds = recorded(logistic(4.0), 0.3, steps=30)
    found = lyapunov(ds)
    assert found.attrs["verdict"] == "unresolved"
    assert "record longer" in found.attrs["reason"]


def test_window_restricts_the_measurement():
    found = lyapunov(recorded(henon, [0.1, 0.1]), window=Window((100, 700)))
    assert found["window"].values.tolist() == [100.0, 700.0]
    assert json.loads(found.attrs["parameters"])["window"] == [100, 700]


def test_replicas_of_one_reference_do_not_narrow_the_interval():
    wide = growth_rate(np.random.default_rng(0).normal(size=(1000, 1)), 0).half_width
    steps = np.repeat(np.random.default_rng(0).normal(size=(1000, 1)), 20, axis=1)
    assert growth_rate(steps, 0).half_width == pytest.approx(wide)


def test_disagreement_of_replicas_widens_the_interval():
    steps = np.full((400, 3), 0.5)
    steps[:, 1] += 1e-6
    rate = growth_rate(steps, 0)
    assert 1e-7 < rate.half_width < 1e-5


def test_whole_periods_take_the_alternation_out():
    steps = np.tile([[1.0], [-3.0], [-3.0]], (300, 1))
    assert growth_rate(steps, 10).value == pytest.approx(-5.0 / 3.0)
    assert growth_rate(steps, 10).half_width < 1e-11


def test_running_rate_ends_on_the_estimate_and_skips_gaps():
    steps = np.random.default_rng(0).normal(size=(100, 2))
    steps[50] = np.nan
    rate = running_rate(steps, 5)
    assert np.isnan(rate[:5]).all()
    assert rate[-1] == pytest.approx(growth_rate(steps, 5).value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": 1.0}, "confidence is 1.0"),
        ({"burn_in": -1.0}, "burn_in is -1.0"),
        ({"min_growth": 0.0}, "min_growth is 0.0"),
        ({"drift": -1.0}, "drift is -1.0"),
        ({"horizon": 0}, "horizon is 0"),
        ({"window": Window((5, 6))}, "window 5:6 holds 2 times"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    ds = recording(np.exp(piecewise([0.3], [], 50)), step_length=1.0)
    with pytest.raises(UsageError, match=message):
        lyapunov(ds, **options)


def test_deviations_below_rounding_from_the_start_are_too_few_and_a_tangent_stands_in(tmp_path):
    for tangents in (0, 1):  # the discarded steps take the reference to 0, where states are small
        path = tmp_path / f"{tangents}.nc"
        run = nndyn.record("quadratic", path, steps=400, replicas=2, tangents=tangents)
        if tangents:
            assert float(lyapunov(run)["lyapunov_max"]) == pytest.approx(np.log(0.9), rel=1e-3)
        else:
            with pytest.raises(DataError, match=r"^0 usable times .* usable up to 0"):
                lyapunov(run)
        run.close()
