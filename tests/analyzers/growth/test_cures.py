"""What is advised is not in force already."""

import json

import pytest
import xarray as xr

from analyzers.growth.cures import earlier, in_force, longer_use, start_elsewhere


@pytest.mark.parametrize(
    ("rescaled", "recorded", "cure"),
    [
        (False, {}, "record with `rescale=10`, or `tangents=1`"),
        (False, {"tangents": 2}, "record with `rescale=10`"),
        (True, {"rescale": 10}, "rescale more often (`rescale`)"),
        (True, {"rescale": 1}, "perturb less (`epsilon`)"),
    ],
)
def test_what_follows_growth_further_is_what_was_not_done(rescaled, recorded, cure):
    assert longer_use("saturation", rescaled, recorded=recorded) == cure


def test_transients_left_out_are_left_out_longer():
    assert start_elsewhere({"discard": 0}).endswith("`discard` steps first")
    assert start_elsewhere({"discard": 1000}).endswith("`discard` more steps than were")


def test_a_window_that_was_given_is_not_asked_for():
    assert "`window=(A, B)`" in earlier(None)
    assert "window=" not in earlier((1.0, 2.0))


def test_what_is_in_force_is_read_from_the_recording():
    manifest = {"system": {"kind": "map", "discard": 100}, "recording": {"rescale": 5}}
    found = in_force(xr.Dataset(attrs={"manifest": json.dumps(manifest)}))
    assert found == {"rescale": 5, "tangents": None, "discard": 100}
