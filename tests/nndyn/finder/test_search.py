"""What a search asks of runs that are not there yet."""

import numpy as np
import pytest
import xarray as xr

from nndyn.finder.course import Course

POINTS = [{"lr": 0.5, "seed": 0}, {"lr": 0.5, "seed": 1}]


@pytest.mark.parametrize(
    ("cells", "left"),
    [
        (xr.Dataset(), POINTS),
        (xr.Dataset(coords={"lr": [0.5], "seed": [0, 1]}), POINTS),
        (
            xr.Dataset(
                {"training_time": (("lr", "seed"), [[7.0, np.nan]])},
                coords={"lr": [0.5], "seed": [0, 1]},
            ),
            POINTS[1:],
        ),
        (
            xr.Dataset(
                {"training_time": (("lr", "seed"), [[7.0]])}, coords={"lr": [0.5], "seed": [1]}
            ),
            POINTS[:1],
        ),
    ],
    ids=["no run", "runs without times", "one has learned", "one is not there"],
)
def test_runs_that_have_not_learned_are_left_whether_they_are_there_or_not(
    cells, left, monkeypatch
):
    monkeypatch.setattr(Course, "cells", lambda self, name, points=None: cells)
    one = object.__new__(Course)
    assert one._unlearned(POINTS) == left
