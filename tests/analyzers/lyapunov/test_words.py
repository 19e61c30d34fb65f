"""Words that say no more than the curve: each was wrong once."""

import numpy as np
import pytest

from analyzers.lyapunov.analyzer import lyapunov
from analyzers.spectrum.analyzer import spectrum
from nndyn.errors import DataError
from nndyn.results import to_dict
from tests.analyzers.lyapunov.test_stationary import henon, logistic
from tests.analyzers.lyapunov.test_transient import drawn, value
from tests.analyzers.synthetic import piecewise, recording, twins


def level(*pieces, replicas=5, noise=0.01, seed=0):
    """Distances of replicas that all follow increments (n,), with noise of their own."""
    steps = np.concatenate(pieces)
    rng = np.random.default_rng(seed)
    curve = np.concatenate([[0.0], np.cumsum(steps)])[:, None]
    return np.exp(np.log(1e-8) + curve + noise * rng.normal(size=(curve.size, replicas)))


def test_growth_is_said_until_when_and_up_to_the_end():
    # 1.4 e-foldings in a first phase, then a slow rest
    found = lyapunov(
        recording(level(np.full(10, 0.14), np.full(200, 0.004)), step_length=1.0, rounding=None)
    )
    assert found.attrs["verdict"] == "regular"
    assert value(found, "growth") == pytest.approx(1.3, abs=0.15)
    assert "until step 1" in found.attrs["reason"]
    assert "grew by 0.81 e-foldings from there to step 210" in found.attrs["reason"]
    assert "over the whole recording" not in found.attrs["reason"]


def test_replicas_that_jump_at_different_times_have_no_common_exponent():
    distance = level(np.zeros(200))
    for replica, step in ((0, 128), (1, 131), (2, 134)):
        for later in range(3):
            distance[step + later :, replica] *= 9.0
    found = lyapunov(recording(distance, step_length=1.0, rounding=None))
    assert found.attrs["verdict"] == "unresolved"
    assert "no common exponent" in found.attrs["reason"]
    assert "6.6" in found.attrs["reason"]  # the range
    assert value(found, "lyapunov_max") is None


def test_a_jump_in_the_first_step_is_no_regular_run():
    found = lyapunov(
        recording(level([12.6], np.full(199, 1e-12), noise=0.0), step_length=1e9, rounding=None)
    )
    assert found.attrs["verdict"] == "unresolved"
    assert "12.6 e-foldings" in found.attrs["reason"]


def test_a_repelling_fixed_point_is_not_chaotic():
    ds = twins(logistic(4.0), 0.75, 1000, rescale=10, stationary=True, rounding=None)
    ds["tangent_log_stretch"] = (("time", "vector"), np.log(2.0) * np.arange(1001.0)[:, None])
    for found in (lyapunov(ds), spectrum(ds)):
        assert found.attrs["verdict"] == "unresolved"
        assert "fixed point that repels" in found.attrs["reason"]


def test_perturbations_longer_than_the_state_are_not_infinitesimal():
    rng = np.random.default_rng(0)
    state = 1e10 * rng.normal(size=(1, 7, 4)) * np.ones((200, 1, 1))
    state[:, 0] = np.linspace(1.0, 2.0, 200)[:, None]
    state[:, -1] = state[:, 0]
    distance = np.linalg.norm(state - state[:, :1], axis=2)[:, 1:6]
    for kept in (state, None):
        ds = recording(distance, step_length=0.01, state=kept, rounding=None)
        found = lyapunov(ds)
        assert found.attrs["verdict"] == "unresolved"
        assert "`epsilon`" in found.attrs["reason"]


def test_a_stationary_recording_goes_on_with_its_tangent():
    steps = 2000
    ds = twins(henon, [0.1, 0.1], steps, discard=200, stationary=True, rounding=None)
    x, w, total = np.array([0.1, 0.1]), np.array([1.0, 0.0]), [0.0]
    for t in range(200 + steps):
        w = np.array([-2.8 * x[0] * w[0] + w[1], 0.3 * w[0]])
        if t >= 200:
            total.append(total[-1] + np.log(np.linalg.norm(w)))
        w, x = w / np.linalg.norm(w), henon(x)
    assert lyapunov(ds).attrs["verdict"] == "saturated"
    ds["tangent_log_stretch"] = (("time", "vector"), np.array(total)[:, None])
    found = lyapunov(ds)
    low, high = found["lyapunov_max_ci"].values
    assert found.attrs["verdict"] == "chaotic"
    assert low < 0.41923 < high < low + 0.1


@pytest.mark.parametrize("damage", [np.nan, 1e308])
def test_impossible_rescaling_is_no_regular_run(damage):
    ds = drawn([0.3], [], 300, rescale=5)
    ds["log_rescale"][150:, 1:6] = damage
    with pytest.raises(DataError, match=r"log_rescale .* between step .*damaged"):
        lyapunov(ds)


def test_a_cure_in_force_is_not_advised():
    s = piecewise([2.0], [], 300)
    taken = np.zeros_like(s)
    block = (np.arange(301) // 10) * 10
    taken = s[block] - s[0]
    for stationary in (False, True):
        ds = recording(
            np.exp(s - taken), log_rescale=taken, step_length=1e-3, stationary=stationary
        )
        try:
            said = lyapunov(ds).attrs["reason"]
        except DataError as error:
            said = str(error)
        assert "rescale more often" in said
        assert "record with `rescale" not in said


def test_a_stationary_reference_that_escapes_has_no_exponent():
    distance = np.exp(piecewise([0.9], [], 30))
    distance[25:] = np.nan
    ds = recording(distance, stationary=True, step_length=1e9, diverged_at=[25] * 7)
    found = lyapunov(ds)
    assert found.attrs["verdict"] == "diverged"
    assert to_dict(found)["results"]["lyapunov_max"]["value"] is None


def test_growth_that_rounding_cuts_short_is_unresolved_with_the_one_cure():
    ds = drawn([0.3], [], 300, rescale=5, epsilon=1e-5, labels={"rounding": 2e-8})
    fine = lyapunov(ds)
    assert fine.attrs["verdict"] == "unresolved"
    assert "rounding takes over at step" in fine.attrs["reason"]
    assert "`epsilon`" in fine.attrs["reason"]
    assert "a lower bound" in fine["growth"].attrs["note"]
    ds["checkpoint"] = (("slot", "replica", "phase"), np.zeros((2, 7, 4), np.float32))
    coarse = lyapunov(ds)
    assert "`dtype='float64'`" in coarse.attrs["reason"]
    assert "`epsilon`" not in coarse.attrs["reason"]
    assert "rounding may have changed it by" in coarse["growth"].attrs["note"]
