"""Values of one quantity along a run."""

import numpy as np
import pytest
import xarray as xr

from analyzers.exploration.values import values
from nndyn.errors import DataError, UnknownNameError, UsageError


def recording(diverged=-1):
    time = np.arange(9.0)
    state = np.arange(9 * 2 * 3, dtype=np.float64).reshape(9, 2, 3)
    loss = np.stack([10.0 - time, 20.0 - time], axis=1)
    loss[1::2] = np.nan  # something else was logged at these
    if diverged >= 0:
        loss[diverged:, 0] = state[diverged:, 0] = np.nan
    return xr.Dataset(
        {
            "state": (("time", "replica", "component"), state),
            "loss": (("time", "replica"), loss),
            "sharpness": ("sharpness_time", [2.0, 3.0], {"units": "1"}),
            "diverged_at": ("replica", [diverged, -1]),
        },
        {"time": ("time", time, {"units": "step"}), "sharpness_time": [0.0, 4.0]},
    )


def test_values_are_those_of_the_reference_at_their_own_times():
    found = values(recording())
    assert found["value"].values.tolist() == [10.0, 8.0, 6.0, 4.0, 2.0]
    assert found["time"].values.tolist() == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert values(recording(), quantity="sharpness")["value"].values.tolist() == [2.0, 3.0]
    assert values(recording(), replica=1)["value"][0] == 20.0


@pytest.mark.parametrize(("last", "count"), [(1, 1), (3, 3), (99, 9), (0.25, 3), (1.0, 1)])
def test_the_last_values_are_so_many_or_such_a_share(last, count):
    found = values(recording(), quantity="component:2", last=last)
    np.testing.assert_array_equal(found["value"], np.arange(2.0, 54.0, 6.0)[-count:])
    assert found["time"][-1] == 8.0


def test_a_run_without_a_loss_has_its_state():
    found = values(recording().drop_vars("loss"))
    np.testing.assert_array_equal(found["value"], np.arange(0.0, 54.0, 6.0))


def test_a_run_that_diverged_says_so():
    found = values(recording(diverged=5))
    assert bool(found["diverged"])
    np.testing.assert_array_equal(found["value"], [10.0, 8.0, 6.0, np.nan, np.nan, np.nan, np.nan])
    assert not bool(values(recording())["diverged"])


def test_what_there_is_not_is_refused_with_what_there_is():
    with pytest.raises(UnknownNameError, match=r"known: loss, sharpness, component:K"):
        values(recording(), quantity="test_accuracy")
    with pytest.raises(UnknownNameError, match="did you mean 'sharpness'"):
        values(recording(), quantity="sharpnes")
    with pytest.raises(UsageError, match="component is 3, expected 0 to 2"):
        values(recording(), quantity="component:3")
    with pytest.raises(UsageError, match="keeps no states; record with `store='full'`"):
        values(recording().drop_vars("state"), quantity="component:0")
    for last in (0, -1, 1.5, "all"):
        with pytest.raises(UsageError, match="last is"):
            values(recording(), last=last)
    with pytest.raises(UsageError, match="replica is 2, expected 0 to 1"):
        values(recording(), replica=2)
    empty = recording().isel(time=slice(0, 0))
    with pytest.raises(DataError, match="no value of loss"):
        values(empty)
