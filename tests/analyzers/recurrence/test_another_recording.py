"""Cross and joint recurrence with a trajectory of another recording, against brute force."""

import json
import pickle

import numpy as np
import pytest

import nndyn
from nndyn.errors import DataError, UsageError
from tests.analyzers.recurrence.plain import distances, embedded
from tests.analyzers.recurrence.test_measures import agree, held, recording


def noise(n, d, seed):
    return np.random.default_rng(seed).uniform(size=(n, d))


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
@pytest.mark.parametrize(("N", "M"), [(300, 200), (200, 300), (64, 65), (2, 130)])
@pytest.mark.parametrize("pairs", ["narrow", "wide", "wide, not kept"])
def test_cross_recurrence_of_any_two_lengths(pairs, N, M, norm, monkeypatch):
    held(pairs, monkeypatch)
    x, y = noise(N, 2, 1), noise(M, 2, 2)
    result = nndyn.recurrence(recording(x), kind="cross", other=recording(y), radius=0.2, norm=norm)
    agree(result, distances(x, y, norm) <= 0.2, 0, False)
    assert (result.sizes["row_time"], result.sizes["column_time"]) == (N, M)


def test_cross_recurrence_of_a_rate_a_scale_and_embedded_scalars():
    x, y = noise(150, 1, 3)[:, 0], noise(110, 1, 4)[:, 0]
    D = distances(embedded(x, 3, 2), embedded(y, 3, 2), "l2")
    options = {"kind": "cross", "other": nndyn.from_array(y), "dimension": 3, "delay": 2}
    for radius, expected in (
        ("rate:0.1", np.sort(D, axis=None)[int(np.ceil(0.1 * D.size)) - 1]),
        ("scale:0.25", 0.25 * D.max()),
    ):
        result = nndyn.recurrence(nndyn.from_array(x), radius=radius, **options)
        assert float(result["radius"]) == pytest.approx(expected, rel=1e-12)
        agree(result, float(result["radius"]) >= D, 0, False)


@pytest.mark.parametrize("pairs", ["narrow", "wide, not kept"])
def test_joint_recurrence_takes_states_of_unlike_numbers_of_components(pairs, monkeypatch):
    held(pairs, monkeypatch)
    x, y = np.cumsum(noise(190, 3, 5) - 0.5, 0), noise(190, 80, 6)
    result = nndyn.recurrence(
        recording(x), kind="joint", other=recording(y), radius="rate:0.3", theiler=3
    )
    R = (distances(x, x, "l2") <= float(result["radius"])) & (
        distances(y, y, "l2") <= float(result["other_radius"]) * (1 + 1e-12)
    )
    agree(result, R, 3, True)


def test_the_other_trajectory_is_a_replica_a_recording_an_array_or_a_file(tmp_path):
    options = {"steps": 80, "replicas": 1, "epsilon": 0.1, "control": False}
    one = nndyn.record(nndyn.systems.henon(), tmp_path / "a.nc", **options)
    two = nndyn.record(nndyn.systems.henon(), tmp_path / "b.nc", seed=1, **options)
    with one, two:
        y = two["state"].values[:, 1]
        given = {"kind": "cross", "radius": 0.3}
        results = [
            nndyn.recurrence(one, other=two, other_replica=1, **given),
            one.nndyn.recurrence(other=tmp_path / "b.nc", other_replica=1, **given),
            nndyn.recurrence(one, other=str(tmp_path / "b.nc"), other_replica=1, **given),
            nndyn.recurrence(one, other=y, **given),
            nndyn.recurrence(one, other=y.tolist(), **given),
        ]
        for result in results:
            agree(result, distances(one["state"].values[:, 0], y, "l2") <= 0.3, 0, False)
        for result in results[:3]:
            said = {"id": two.attrs["recording_id"], "path": str(tmp_path / "b.nc")}
            assert json.loads(result.attrs["parameters"])["other"] == said
            assert (result.attrs["other_id"], result.attrs["other_path"]) == tuple(said.values())
        assert results[3].attrs["other_path"] == ""
        again = nndyn.recurrence(one, other=1, **given)
        agree(again, distances(*one["state"].values.swapaxes(0, 1), "l2") <= 0.3, 0, False)
        assert "other_id" not in again.attrs


def test_a_window_and_a_stride_are_of_both_trajectories():
    x, y = noise(100, 2, 1), noise(60, 2, 2)
    result = nndyn.recurrence(
        recording(x), kind="cross", other=recording(y), window=(10, 79), stride=2, radius=0.3
    )
    agree(result, distances(x[10:80:2], y[10:60:2], "l2") <= 0.3, 0, False)
    sliding = nndyn.recurrence(
        recording(x), kind="cross", other=recording(y), radius=0.3, sliding_width=25
    )
    assert sliding.sizes["sliding_time"] == 2
    part = distances(x[25:50], y[25:50], "l2") <= 0.3
    agree(sliding, part, 0, False, prefix="sliding_", at=1)


def test_a_recording_that_diverges_is_cut_there_and_its_name_is_said():
    x, y = noise(50, 2, 1), noise(40, 2, 2)
    y[30:] = np.nan
    other = recording(y).assign(diverged_at=("replica", [30]))
    cross = nndyn.recurrence(recording(x), kind="cross", other=other, radius=0.3)
    assert (cross.sizes["row_time"], cross.sizes["column_time"]) == (50, 30)
    assert cross.attrs["verdict"] == "diverged"
    assert (
        "the reference of the other recording is not finite from step 30" in cross.attrs["reason"]
    )
    joint = nndyn.recurrence(recording(x[:40]), kind="joint", other=other, radius=0.3)
    assert joint.sizes["row_time"] == 30


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"kind": "joint", "other": noise(20, 3, 1)},
            DataError,
            "40 are taken of the recording an",
        ),
        ({"kind": "cross", "other": noise(20, 2, 1)}, DataError, "the one has 3 components, the o"),
        (
            {"kind": "cross", "other": noise(2, 3, 1)},
            DataError,
            "^other: .* or give nndyn.from_arr",
        ),
        (
            {"kind": "cross", "other": recording(noise(1, 3, 1))},
            DataError,
            "at least 2 states in the other r",
        ),
        ({"kind": "cross", "other": np.full((9, 3), np.inf)}, DataError, "^other: the series is"),
        ({"kind": "cross", "other": [["a"]]}, UsageError, "^other: states is an array of"),
        ({"kind": "cross", "other": -1}, UsageError, "other is -1, expected the number of a rep"),
        ({"kind": "cross", "other": 0.5}, UsageError, "other is 0.5, expected the number of a rep"),
        ({"kind": "cross", "other": "no.nc"}, UsageError, "^no.nc does not exist"),
        (
            {"kind": "cross", "other": 1, "other_replica": 1},
            UsageError,
            "other_replica=1 is of anot",
        ),
        ({"other": noise(40, 3, 1)}, UsageError, "kind='auto' takes no other trajectory"),
        (
            {"kind": "cross", "other": noise(40, 3, 1), "other_replica": 2},
            UsageError,
            "there is no replica 2 in the other recording, expected one of 0 … 0",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_cure(options, error, message):
    with pytest.raises(error, match=message):
        nndyn.recurrence(recording(noise(40, 3, 0)), **options)


def test_another_recording_without_states_is_named():
    with pytest.raises(DataError, match="the other recording keeps no states; record with `store"):
        nndyn.recurrence(
            recording(noise(40, 3, 0)),
            kind="cross",
            other=recording(noise(9, 3, 0)).drop_vars("state"),
        )


def test_a_function_that_opens_recordings_still_travels_to_other_processes():
    assert pickle.loads(pickle.dumps(nndyn.recurrence)) is nndyn.recurrence
