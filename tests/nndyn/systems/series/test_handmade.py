"""Datasets put together by hand: checked, completed, analyzed."""

import json
import warnings

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.errors import RecordingError, UsageError
from nndyn.validity import validate as strict

RNG = np.random.default_rng(0)
DIMS = ("time", "replica", "component")


def made(**changes):
    """Return what has to be there, and no more, with changes."""
    states = RNG.random((30, 1, 4)) + 1e-9 * RNG.random((30, 3, 4)) * [[0], [1], [1]]
    distance = np.linalg.norm(states - states[:, :1], axis=2)
    steps = np.concatenate([np.zeros((1, 3)), np.linalg.norm(np.diff(states, axis=0), axis=2)])
    data = {
        "state": (DIMS, states),
        "distance_l2": (DIMS[:2], distance),
        "step_length": (DIMS[:2], steps),
        **changes,
    }
    found = {name: value for name, value in data.items() if value is not None}
    return xr.Dataset(found).assign_coords(time=np.arange(30))


def test_what_can_be_told_is_added():
    given = made()
    found = strict(nndyn.validate(given))
    assert found["role"].values.tolist() == [0, 1, 1]
    assert found["pair"].values.tolist() == [-1, -1, -1]
    assert found["diverged_at"].values.tolist() == [-1, -1, -1]
    deviation = np.abs(given["state"].values[0] - given["state"].values[0, 0]).max(1)
    np.testing.assert_allclose(found["perturbation"], deviation)
    assert (found.attrs["stationary"], found.attrs["status"]) == (0, "complete")
    assert found["time"].dtype == np.float64
    assert "role" not in given.variables
    assert nndyn.validate(found) is found
    assert nndyn.lyapunov(found).attrs["source_id"] == found.attrs["recording_id"]
    for analyzer in (nndyn.exploration, nndyn.recurrence):
        analyzer(found)


def test_what_is_given_stays():
    given = made(role=("replica", [0, 1, 2]), pair=("replica", [-1, -1, -1]))
    given.attrs |= {"stationary": True, "manifest": {"system": {"kind": "mine"}}, "mine": 3}
    found = nndyn.validate(given)
    assert found["role"].values.tolist() == [0, 1, 2]
    assert (found.attrs["stationary"], found.attrs["mine"]) == (1, 3)
    assert json.loads(found.attrs["manifest"]) == {"system": {"kind": "mine"}}


def test_distances_alone_will_do_and_say_who_diverged():
    distance = made()["distance_l2"].values.copy()
    distance[20:, 2] = np.nan
    found = nndyn.validate(made(state=None, distance_l2=(DIMS[:2], distance)))
    assert found["diverged_at"].values.tolist() == [-1, -1, 20]


def test_recordings_are_valid_however_they_are_opened(recording_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with nndyn.open(recording_path) as run:
            assert nndyn.validate(run) is run
        with xr.open_dataset(recording_path, engine="netcdf4") as run:
            assert nndyn.validate(run) is run
        assert nndyn.validate(made(state=None)).sizes["replica"] == 3
    series = nndyn.from_array(np.arange(9.0) ** 2)
    assert nndyn.validate(series) is series


def test_steps_that_are_not_known_and_names_that_are_close_are_warned_of():
    with pytest.warns(UserWarning, match=r"step_length is missing: .*from_array\(ds\['state'\]\)"):
        nndyn.validate(made(step_length=None))
    with pytest.warns(UserWarning, match="lossess is no variable.*did you mean 'loss'"):
        nndyn.validate(made(lossess=(DIMS[:2], np.zeros((30, 3)))))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            made().rename(time="t"),
            "has no dimension time, but t 30, replica 3, component 4: rename",
        ),
        (made().drop_vars("time"), r"time without its coordinate: .*assign_coords\(time=…\)"),
        (made().assign_coords(time=list("ab" * 15)), "has time of type .*U1, expected numbers"),
        (made().isel(time=slice(None, None, -1)), "has time that does not increase after 29"),
        (made().assign_coords(time=[np.nan, *range(29)]), "has time that does not increase"),
        (made(state=None, distance_l2=None), "has neither state .*, but step_length, time"),
        (
            made().rename(state="states").drop_vars("distance_l2"),
            r"but states, step_length, time; did you mean 'state'\?",
        ),
        (
            made().transpose("replica", "time", "component"),
            r"state over \(replica, time, component\), expected .*\.transpose\('time', 'replica'",
        ),
        (made().isel(replica=0), r"state over \(time, component\), .*expand_dims\(replica=1, axis"),
        (made(loss=("time", np.zeros(30))), r"loss over \(time\), expected \(time, replica\)"),
        (made(loss=(DIMS[:2], np.zeros((30, 3), int))), "loss of type int64, expected float64"),
        (made(role=("replica", [0, 1, 7])), "has a role 7, expected 0 .reference."),
        (made(role=("replica", ["a", "b", "c"])), "role of type <U1, expected int8"),
        (made(role=("replica", [1, 0, 1])), "the first and no other to be 0, the reference"),
        (made(pair=("replica", [-1, 2, 0])), "has pair 2 at replica 1, expected -1, or a replica"),
        (made(pair=("replica", [-1, 1, -1])), "has pair 1 at replica 1"),
        (
            made(log_rescale=(DIMS[:2], np.full((30, 3), np.nan))),
            "log_rescale that is not finite: it is 0 where nothing was rescaled",
        ),
        (made(parameter_name=("parameter", ["w"])), "has parameter_name and no parameter_start"),
        (
            made(
                parameter_name=("parameter", ["w", "b"]),
                parameter_start=("parameter", [0, 3]),
                parameter_size=("parameter", [2, 1]),
            ),
            "parameters that do not follow each other",
        ),
        (
            made(
                parameter_name=("parameter", ["w"]),
                parameter_start=("parameter", [0]),
                parameter_size=("parameter", [5]),
            ),
            "has parameters of 5 components together, and 4 components",
        ),
        (made().isel(time=slice(0)), "is empty"),
        (
            made().assign_attrs(stationary=5),
            "does not keep the contract: stationary is 5, expected",
        ),
        (made().assign_attrs(manifest="{"), "does not keep the contract: manifest"),
    ],
)
def test_what_does_not_keep_the_contract_is_refused_in_words(given, message):
    with pytest.raises(RecordingError, match=message) as caught:
        nndyn.validate(given)
    assert "docs/file_format.md" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "restore" not in str(caught.value)


def test_what_is_no_dataset_is_refused():
    with pytest.raises(UsageError, match=r"expected an xarray\.Dataset, got ndarray"):
        nndyn.validate(np.zeros(3))
