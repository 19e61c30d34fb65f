"""Spectra with known answers, from stretching made up and from recorded systems."""

import numpy as np
import pytest

import nndyn
from nndyn import systems
from nndyn.errors import DataError, UsageError
from nndyn.results import to_dict
from tests.analyzers.made_up import noise, stretched


def value(found, name):
    return to_dict(found)["results"][name]


def test_exponents_are_means_in_the_order_given_per_unit_of_time():
    found = nndyn.spectrum(stretched(0.01 * noise([0.9, -14.0, 0.0]), interval=0.01, unit="s"))
    np.testing.assert_allclose(found["exponents"], [0.9, -14.0, 0.0], atol=0.03)
    assert found["exponents"].attrs["units"] == "per s"
    low, high = found["exponents_ci"].values.T
    assert (low < [0.9, -14.0, 0.0]).all()
    assert (high > [0.9, -14.0, 0.0]).all()
    assert value(found, "positive_count")["value"] == 1
    assert value(found, "zero_count")["value"] == 1
    assert found.attrs["verdict"] == "chaotic"


def test_the_burn_in_is_left_out():
    steps = noise([0.5, -1.0])
    steps[:400] += 5.0
    found = nndyn.spectrum(stretched(steps), burn_in=400.0)
    np.testing.assert_allclose(found["exponents"], steps[400:].mean(axis=0), rtol=1e-12)
    assert float(found["running_exponents"][-1, 0]) == pytest.approx(float(found["exponents"][0]))


def test_long_series_give_the_same_means():
    steps = noise([0.4, -1.6], T=100_003)
    found = nndyn.spectrum(stretched(steps), burn_in=0.0)
    np.testing.assert_allclose(found["exponents"], steps.mean(axis=0), atol=1e-4)
    assert found.sizes["time"] < 20_000


def test_the_sum_has_an_interval_of_its_own_and_stands_beside_the_exact_one():
    one = 0.3 * np.random.default_rng(0).standard_normal(4000)
    found = nndyn.spectrum(stretched(np.stack([0.4 + one, -1.6 - one], axis=1), exact=-1.2))
    low, high = value(found, "exponent_sum")["ci"]
    assert high - low < 1e-9
    assert low < -1.2 < high
    assert value(found, "exponent_sum_exact")["value"] == -1.2
    part = nndyn.spectrum(stretched(noise([0.4]), phase=2, exact=-1.2))
    assert "of all 2 exponents, 1 of which" in value(part, "exponent_sum_exact")["note"]
    unknown = nndyn.spectrum(stretched(noise([0.4])))
    assert "does not know it" in value(unknown, "exponent_sum_exact")["note"]


@pytest.mark.parametrize(
    ("means", "phase", "exact", "expected"),
    [
        ([0.9, 0.0, -14.5], 3, None, 2.0 + 0.9 / 14.5),
        ([0.5, -0.2, -0.4], 3, None, 2.75),
        ([0.4, -1.6], 5, None, 1.25),
        ([-0.1, -0.2], 2, None, 0.0),
        ([1.6, -1.6], 2, 0.0, 2.0),
        ([0.5, 0.2], 2, None, 2.0),
        ([0.5, 0.2], 7, None, None),
    ],
)
def test_the_dimension_is_kaplan_and_yorkes(means, phase, exact, expected):
    found = nndyn.spectrum(stretched(noise(means, size=0.05), phase=phase, exact=exact))
    entry = value(found, "kaplan_yorke_dimension")
    if expected is None:
        assert entry["value"] is None
        assert entry["note"].startswith("at least 2: the sum of the 2 exponents")
    else:
        assert entry["value"] == pytest.approx(expected, abs=0.02)
        if entry["ci"]:
            assert entry["ci"][0] < expected < entry["ci"][1]


def test_neighbours_that_cannot_be_told_apart_share_a_group():
    found = nndyn.spectrum(stretched(noise([0.5, 0.499, 0.1, -0.8, -0.801])))
    assert found["group"].values.tolist() == [1, 1, 2, 3, 3]


def test_the_positive_sum_is_of_exponents_whose_interval_lies_above_zero():
    found = nndyn.spectrum(stretched(noise([0.5, 0.2, 0.001, -0.8])))
    assert value(found, "positive_sum")["value"] == pytest.approx(0.7, abs=0.03)
    none = nndyn.spectrum(stretched(noise([-0.5, -0.8])))
    assert value(none, "positive_sum")["value"] == 0.0
    assert none.attrs["verdict"] == "regular"


def test_finite_time_exponents_are_means_over_one_horizon_each():
    steps = noise([0.5, -1.0], T=1000)
    found = nndyn.spectrum(stretched(steps, interval=0.5), burn_in=50.0, horizon=10.0)
    expected = steps[100:].reshape(45, 20, 2).mean(axis=1) / 0.5
    np.testing.assert_allclose(found["finite_time_exponents"], expected, rtol=1e-9)
    np.testing.assert_allclose(found["window_start"], 50.0 + 10.0 * np.arange(45))


def test_a_singular_derivative_is_a_null_that_says_so():
    steps = noise([0.5, -1.0])
    steps[700:, 1] = -np.inf
    found = nndyn.spectrum(stretched(steps))
    entry = value(found, "exponents")
    assert entry["value"][0] == pytest.approx(0.5, abs=0.03)
    assert entry["value"][1] is None
    assert entry["note"] == "-inf: the derivative is singular"
    assert value(found, "exponent_sum")["value"] is None


def test_intervals_cover_the_exponents_of_the_skew_tent():
    covered = 0
    for seed in range(40):
        system = systems.skew_tent()
        x = system.initial(seed)
        _, steps = system.push(x, np.eye(1), 0, 3000, range(1, 3001))
        low, high = nndyn.spectrum(stretched(steps))["exponents_ci"].values[0]
        covered += low < 0.6108643020548935 < high
    assert covered >= 35


def test_bad_input_is_answered_in_a_line():
    good = stretched(noise([0.5]))
    for recording, options, error, message in (
        (3, {}, UsageError, "expected a recording, got 3"),
        (good.drop_vars("tangent_log_stretch"), {}, DataError, "no tangents, and no states"),
        (good, {"burn_in": -1.0}, UsageError, "burn_in is -1.0"),
        (good, {"horizon": 0.0}, UsageError, "horizon is 0.0"),
        (good, {"confidence": 1.0}, UsageError, "confidence is 1.0"),
        (good, {"burn_in": 3990.0}, DataError, "10 samples of stretching are left"),
        (good, {"horizon": 1e6}, DataError, "the horizon is 1e\\+06, longer than"),
        (good.isel(time=slice(0, 20)), {}, DataError, "40 are needed; record longer"),
        (good.where(good["time"] != 7), {}, DataError, "not a number from time 7 on"),
    ):
        with pytest.raises(error, match=message):
            nndyn.spectrum(recording, **options)


def test_recorded_systems_have_their_known_exponents(tmp_path):
    run = nndyn.record(
        systems.henon(), tmp_path / "h.nc", steps=100_000, replicas=0, tangents="all"
    )
    found = run.nndyn.spectrum()
    for known, (low, high) in zip((0.41923, -1.62321), found["exponents_ci"].values, strict=True):
        assert low - 2e-5 < known < high + 2e-5
    assert abs(float(found["exponent_sum"]) - np.log(0.3)) < 1e-9
    seldom = nndyn.record(
        systems.henon(),
        tmp_path / "s.nc",
        steps=100_003,
        replicas=0,
        tangents="all",
        tangent_every=5,
    )
    again = seldom.nndyn.spectrum()
    assert float(again["exponents"][0]) == pytest.approx(float(found["exponents"][0]), abs=2e-3)


def test_exponents_out_of_order_say_why_and_counts_do_not_depend_on_the_order():
    steps = noise([-0.5, 0.3, 0.3, 0.0], size=0.05)
    found = nndyn.spectrum(stretched(steps))
    assert "vectors have not turned" in value(found, "exponents")["note"]
    sorted_ = nndyn.spectrum(stretched(steps[:, [1, 2, 3, 0]]))
    assert (
        "note" not in value(sorted_, "exponents")
        or "overlap" in value(sorted_, "exponents")["note"]
    )
    for name, expected in (("positive_count", 2), ("zero_count", 1)):
        assert value(found, name)["value"] == value(sorted_, name)["value"] == expected
    assert found["group"].values.tolist() == [3, 1, 1, 2]
    assert sorted_["group"].values.tolist() == [1, 1, 2, 3]


def test_neighbours_within_their_intervals_may_stand_in_either_order():
    found = nndyn.spectrum(stretched(noise([0.3, 0.3001, -0.5])[:, [0, 1, 2]] + [0.0, 0.01, 0.0]))
    assert "within intervals that overlap" in value(found, "exponents")["note"]


def test_the_reason_of_a_transient_is_about_its_largest_exponent():
    recording = stretched(noise([-0.5, 0.3], T=400, size=0.05))
    recording.attrs["stationary"] = 0
    found = nndyn.spectrum(recording)
    assert found.attrs["verdict"] == "finite-time"
    assert "the largest exponent, that of vector 2, is 0.3" in found.attrs["reason"]


@pytest.mark.parametrize("size", [1e308, -1e308, 1e5])
def test_stretching_beyond_what_numbers_allow_is_refused(size):
    recording = stretched(noise([0.5, -1.0]))
    recording["tangent_log_stretch"].values[700:, 1] += size
    with pytest.raises(DataError, match=r"up to time 700, .* the file is damaged"):
        nndyn.spectrum(recording)
    assert nndyn.spectrum(recording, window=(0.0, 600.0)).attrs["verdict"] == "chaotic"


def test_the_cure_of_what_is_not_a_number_is_not_the_one_in_force():
    often = {"tangents": 1, "tangent_every": 1}
    for every, advised in ((often, False), (often | {"tangent_every": 5}, True)):
        recording = stretched(noise([0.5]), recording=every)
        recording["tangent_log_stretch"].values[7] = np.nan
        with pytest.raises(DataError, match="not a number from time 7 on") as caught:
            nndyn.spectrum(recording)
        assert ("orthonormalize more often" in str(caught.value)) == advised
