"""The time over which a motion is forgotten, against known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nndyn
from analyzers.series import autocorrelation as module
from analyzers.series.covariances import covariances
from nndyn.errors import DataError, UsageError
from tests.analyzers.test_sketches import sketched


def found(x, **options):
    return nndyn.autocorrelation(nndyn.from_array(x), **options)


@pytest.mark.parametrize("components", [3, 80])
def test_blocks_add_up_to_the_direct_sum(components):
    x = np.random.default_rng(0).standard_normal((47, components))
    whole = [sum(float(x[i] @ x[i + k]) for i in range(47 - k)) for k in range(47)]
    np.testing.assert_allclose(covariances(x, 5, 47).sum(axis=0), whole, atol=1e-11)
    first = [sum(float(x[i] @ x[i + k]) for i in range(9)) for k in range(12)]
    np.testing.assert_allclose(covariances(x, 5, 12)[0], first, atol=1e-11)
    last = [sum(float(x[i] @ x[i + k]) for i in range(37, 47 - k)) for k in range(12)]
    np.testing.assert_allclose(covariances(x, 5, 12)[4], last, atol=1e-11)


def test_white_noise_is_forgotten_between_a_step_and_the_next():
    result = found(np.random.default_rng(1).standard_normal(20_000))
    low, high = result["autocorrelation_time_ci"].values
    assert low < 1.0 - np.exp(-1.0) < high
    assert high - low < 0.04
    assert result.attrs["verdict"] == "decaying"


def test_the_interval_holds_the_known_time_of_an_autoregression():
    phi, hits = 0.95, 0
    lags = np.arange(40)
    known = float(np.interp(-np.exp(-1.0), -(phi**lags), lags))
    for seed in range(30):
        noise = np.random.default_rng(seed).standard_normal(6000)
        x = np.zeros(6000)
        for i in range(1, 6000):
            x[i] = phi * x[i - 1] + noise[i]
        low, high = found(x)["autocorrelation_time_ci"].values
        hits += low <= known <= high
    assert hits >= 25  # of 30 at 95 %: fewer than that once in a thousand


def test_a_cycle_has_the_time_of_its_cosine_whatever_the_sampling():
    for interval in (0.01, 0.05):
        time = np.arange(0.0, 200.0, interval)
        circle = np.stack([np.cos(time), np.sin(time)], axis=1)
        result = nndyn.autocorrelation(nndyn.from_array(circle, interval=interval))
        assert float(result["autocorrelation_time"]) == pytest.approx(
            np.arccos(np.exp(-1)), abs=0.01
        )


@settings(max_examples=10)
@given(scale=st.floats(1e-6, 1e6), angle=st.floats(0.0, 6.0), shift=st.floats(-1e3, 1e3))
def test_it_does_not_change_when_states_are_turned_scaled_or_shifted(scale, angle, shift):
    x = np.random.default_rng(2).standard_normal((200, 2)).cumsum(axis=0) * [1.0, 0.2]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    before = float(found(x)["autocorrelation_time"])
    after = float(found(scale * (x @ turn + shift))["autocorrelation_time"])
    assert after == pytest.approx(before, rel=1e-6)


def test_panels_of_components_give_what_all_of_them_do(monkeypatch):
    x = np.random.default_rng(3).standard_normal((300, 7)).cumsum(axis=0)
    whole = found(x)
    monkeypatch.setattr(module, "HELD", 8 * 300 * 2)
    parts = found(x)
    np.testing.assert_allclose(parts["autocorrelation_time"], whole["autocorrelation_time"])
    short = whole.sizes["lag"]
    np.testing.assert_allclose(
        parts["autocorrelation"][:short], whole["autocorrelation"], atol=1e-9
    )


def test_sketches_tell_about_the_same():
    x = np.random.default_rng(4).standard_normal((200, 1, 3000)).cumsum(axis=0)
    recording = nndyn.from_array(x, roles=["reference"], stationary=False)
    states = float(nndyn.autocorrelation(recording)["autocorrelation_time"])
    sketch = float(nndyn.autocorrelation(sketched(recording))["autocorrelation_time"])
    assert sketch == pytest.approx(states, rel=0.1)


def test_a_state_that_stands_still_has_none():
    result = found(np.full(50, 0.1))
    assert result.attrs["verdict"] == "constant"
    assert np.isnan(result["autocorrelation_time"])
    assert result["autocorrelation_time"].attrs["note"] == "the state does not move"


def test_a_drift_is_of_its_window_and_too_short_for_an_interval():
    result = nndyn.autocorrelation(nndyn.from_array(np.arange(100.0), stationary=False))
    assert "autocorrelation_time_ci" not in result
    assert "of this window of a transient" in result["autocorrelation_time"].attrs["note"]
    assert "of this window" in result.attrs["reason"]


def test_what_cannot_be_asked_for_is_refused():
    x = np.random.default_rng(5).standard_normal((50, 2))
    with pytest.raises(DataError, match="expected at least 10 states, found 9"):
        found(x[:9])
    with pytest.raises(UsageError, match=r"no component 2, expected one of 0 … 1"):
        found(x, component=2)
    with pytest.raises(UsageError, match=r"no replica 1, expected one of 0 … 0"):
        found(x, replica=1)
    with pytest.raises(DataError, match="keeps no states"):
        nndyn.autocorrelation(nndyn.from_array(x).drop_vars("state"))
