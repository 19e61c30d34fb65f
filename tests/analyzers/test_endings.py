"""Ends of trajectories whose times are some steps apart, or begin late."""

import numpy as np
import pytest
import xarray as xr

from analyzers.common.endings import ends, row_of


def recording(times, diverged, unit="step"):
    state = np.ones((len(times), 2, 1))
    return xr.Dataset(
        {
            "state": (("time", "replica", "component"), state),
            "diverged_at": ("replica", np.array([-1, diverged])),
        },
        coords={"time": ("time", np.asarray(times, float), {"units": unit})},
    )


@pytest.mark.parametrize(
    ("times", "diverged", "unit", "row"),
    [
        (range(10), 4, "step", 4),
        (range(100, 110), 104, "step", 4),
        (range(0, 1000, 100), 350, "step", 4),
        (np.arange(10) * 0.01, 4, "time unit", 4),
        (range(100, 110), 110, "step", 10),
    ],
)
def test_the_row_of_a_step(times, diverged, unit, row):
    run = recording(times, diverged, unit)
    assert row_of(run, diverged) == row
    assert ends(run, run["state"]).tolist() == [10, row]
