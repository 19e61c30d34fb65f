"""Recordings made apart, joined into one with replicas."""

import errno
import itertools
import json
import warnings

import numpy as np
import pytest

import nndyn
from nndyn import systems
from nndyn.errors import DataError, RecordingError, StoreError, UsageError
from nndyn.store import MissingRecordingError, Writer, verify
from nndyn.store.session import Session
from nndyn.validity import validate
from recorders.apart import together
from recorders.join import joined
from tests.recorders.apart import same_exponent, single, singles

DERIVED = ("distance_l1", "distance_l2", "distance_linf", "deviation_alignment", "step_length")
DERIVED += ("distance_l2_parameter",)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A training that grows for a while; do not change it."""
    path = tmp_path_factory.mktemp("run") / "run.nc"
    system = nndyn.Training("mlp:4-8-3", "iris", lr=20.0, seed=1)
    with nndyn.record(system, path, steps=80, replicas=4, pairs=True) as found:
        yield found


def test_what_is_joined_is_what_was_recorded_together(run, tmp_path):
    reference, copies, control = singles(run)
    found = nndyn.join(reference, copies, tmp_path / "j.nc", control=control)
    validate(found)
    assert verify(tmp_path / "j.nc").problems == ()
    assert set(run.variables) - set(found.variables) == {
        "distance_output",
        "prediction_disagreement",
        "perturbed_share",  # of what was to be perturbed, which no file says
        "checkpoint",
        "checkpoint_step",
    }
    for name in set(found.variables) - {"parameter"}:
        np.testing.assert_array_equal(found[name].values, run[name].values, err_msg=name)
    same_exponent(found, run)
    manifest = json.loads(found.attrs["manifest"])
    assert manifest["system"] == json.loads(run.attrs["manifest"])["system"]
    assert manifest["recording"] == {"replicas": 4, "control": True}
    assert manifest["notes"] == []
    found.close()


def test_step_lengths_are_derived_where_files_lack_them(run, tmp_path):
    """As of what a run is without them: another verdict or window."""
    each = [single(run, r).drop_vars(["step_length", "loss"]) for r in range(6)]
    found = nndyn.join(each[0], each[1:5], tmp_path / "j.nc", control=each[5])
    np.testing.assert_allclose(found["step_length"], run["step_length"], rtol=1e-14)
    assert "lower bound" not in found["step_length"].attrs["long_name"]
    same_exponent(found, run)
    found.close()


def test_steps_between_distant_times_are_a_lower_bound_and_say_so(run, tmp_path):
    each = [single(run, r).drop_vars("step_length").isel(time=slice(None, None, 4)) for r in (0, 1)]
    each = [one.drop_dims("floor_time", errors="ignore") for one in each]
    with pytest.warns(UserWarning, match="there is no control"):
        found = nndyn.join(each[0], each[1:], tmp_path / "j.nc")
    state = run["state"].values[::4, :2]
    lengths = np.linalg.norm(np.diff(state, axis=0), axis=2) / 4
    np.testing.assert_allclose(found["step_length"].values[1:], lengths, rtol=1e-12)
    assert found["step_length"].attrs["bound"] == "lower"
    assert "lower bound" in found["step_length"].attrs["long_name"]
    assert found["time"].values[-1] == 80
    found.close()


@pytest.mark.parametrize("limit", [2**24, 2**9])
def test_buffers_of_the_optimizer_are_kept_and_not_compared(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(together, "_BLOCK_BYTES", limit)
    system = nndyn.Training("mlp:4-8-3", "iris", lr=1.0, momentum=0.9)
    options = {"steps": 8, "replicas": 2, "state": "phase"}
    with nndyn.record(system, tmp_path / "run.nc", **options) as run:
        each = [single(run, r).drop_vars("step_length") for r in range(4)]
        found = nndyn.join(each[0], each[1:3], tmp_path / "j.nc", control=each[3])
        np.testing.assert_array_equal(found["state"].values, run["state"].values)
        for name in DERIVED:
            np.testing.assert_allclose(found[name], run[name], rtol=1e-11, err_msg=name)
        found.close()


@pytest.mark.parametrize("limit", [2**13, 2**9])
def test_a_run_is_joined_block_by_block_and_a_wide_state_in_parts(
    run, tmp_path, monkeypatch, limit
):
    """Blocks of two times, or parts of a state: the same file but for the sums of parts."""
    monkeypatch.setattr(together, "_BLOCK_BYTES", limit)
    read, most = together._states, []

    def states(*given):
        found = read(*given)
        most.append(found.nbytes)
        return found

    monkeypatch.setattr(together, "_states", states)
    each = [single(run, r).drop_vars("step_length") for r in range(6)]
    found = nndyn.join(each[0], each[1:5], tmp_path / "j.nc", control=each[5])
    assert max(most) <= limit
    assert len(most) > 40
    for name in ("state", "loss", "pair", "time", "evaluation_time"):
        if name in found.variables:
            np.testing.assert_array_equal(found[name].values, run[name].values, err_msg=name)
    for name in DERIVED:
        np.testing.assert_allclose(found[name].values, run[name].values, rtol=1e-11, err_msg=name)
    assert verify(tmp_path / "j.nc").problems == ()
    same_exponent(found, run)
    found.close()


def test_equal_copies_do_not_grow(run, tmp_path):
    reference = single(run, 0)
    found = nndyn.join(reference, [reference, reference], tmp_path / "j.nc", control=reference)
    assert not found["distance_l2"].values.any()
    assert found["pair"].values.tolist() == [-1] * 4
    assert nndyn.lyapunov(found).attrs["verdict"] in ("regular", "unresolved")
    found.close()


def test_files_are_joined_and_kept(tmp_path):
    for name, x in (("a", 0.3), ("b", 0.3 + 1e-9)):
        options = {"steps": 30, "replicas": 0, "tangents": 1}
        nndyn.record(
            systems.logistic(r=4.0, initial=[x], discard=0), tmp_path / f"{name}.nc", **options
        )
    before = (tmp_path / "a.nc").read_bytes()
    with pytest.warns(UserWarning, match="no control"):
        found = nndyn.join(tmp_path / "a.nc", tmp_path / "b.nc", tmp_path / "j.nc")
    assert found.sizes["replica"] == 2
    assert found.attrs["stationary"] == 1
    assert found["perturbation"].values[1] == pytest.approx(1e-9, rel=1e-5)
    assert "no control" in json.loads(found.attrs["manifest"])["notes"][0]
    found.close()
    assert (tmp_path / "a.nc").read_bytes() == before
    with pytest.raises(UsageError, match="overwrite"):
        nndyn.join(tmp_path / "a.nc", [tmp_path / "b.nc"], tmp_path / "j.nc")
    with pytest.raises(UsageError, match=r"b\.nc"):
        nndyn.join(tmp_path / "a.nc", [tmp_path / "b.nc"], tmp_path / "b.nc", overwrite=True)
    with nndyn.open(tmp_path / "a.nc") as a, pytest.raises(UsageError, match=r"a\.nc"):
        nndyn.join(a, [tmp_path / "b.nc"], tmp_path / "a.nc", overwrite=True)


def test_the_shortest_decides_where_runs_may_be_cut(run, tmp_path):
    reference, copies, control = singles(run)
    short = copies[1].isel(time=slice(50))
    with pytest.warns(UserWarning, match="81 times were cut to the 50 of the shortest, copies"):
        found = joined(reference, [copies[0], short], tmp_path / "j.nc", control=control, cut=True)
    assert found.sizes["time"] == 50
    np.testing.assert_array_equal(found["state"].values[:, 0], run["state"].values[:50, 0])
    assert "were cut" in json.loads(found.attrs["manifest"])["notes"][0]
    found.close()


def test_a_copy_that_diverged_and_a_reference_that_did(run, tmp_path):
    reference, copies, control = singles(run)
    copies[1]["state"][40:] = np.inf
    found = nndyn.join(reference, copies[:2], tmp_path / "j.nc", control=control)
    assert found["diverged_at"].values.tolist() == [-1, -1, 40, -1]
    for name in ("state", "distance_l2", "loss", "step_length"):
        assert np.isnan(found[name].values[40:, 2]).all(), name
    found.close()
    reference["state"][60:] = np.nan
    found = nndyn.join(reference, copies[:2], tmp_path / "r.nc", control=control)
    assert (found.attrs["status"], found.sizes["time"]) == ("stopped", 60)
    assert "not finite from step 60 on" in found.attrs["stop_reason"]
    assert verify(tmp_path / "r.nc").problems == ()
    found.close()


def test_what_a_control_and_other_options_say_is_warned_of(run, tmp_path):
    reference, copies, _ = singles(run)
    other = json.loads(copies[0].attrs["manifest"])
    other["system"]["lr"] = 3.0
    copies[0].attrs["manifest"] = json.dumps(other)
    less = copies[1].drop_vars("accuracy")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nndyn.join(reference, [copies[0], less], tmp_path / "j.nc", control=copies[2]).close()
    said = " ".join(str(one.message) for one in caught)
    assert "copies[0] was trained with lr 3.0, reference with 20.0" in said
    assert "accuracy was left out: copies[1] has none" in said
    assert "the unperturbed control departs from the reference" in said


def changed(one, **changes):
    for name, value in changes.items():
        one = one.assign({name: one[name].copy(data=value)})
    return one


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda one: one.isel(time=slice(50)), DataError, r"copies\[0\] has 50 times, 81 in ref"),
        (lambda one: one.assign_coords(time=one["time"] + (one["time"] > 3)), DataError, "time 4 "),
        (
            lambda one: changed(one, parameter_name=np.array(list("abcd"), object)),
            DataError,
            "'a' stands where '0.weight' is expected",
        ),
        (
            lambda one: changed(one, parameter_size=one["parameter_size"].values + 1),
            DataError,
            "'0.weight' has 33 components from 0 on, 32 from 0 on",
        ),
        (lambda one: one.isel(component=slice(60)), DataError, "components 60, 67 in reference"),
        (lambda one: one.drop_vars("state"), DataError, "has no state along time"),
        (lambda one: one.assign(state=one["state"].astype("f4")), DataError, "of float32, float64"),
        (lambda one: one.assign_attrs(stationary=1), DataError, "stationary True, False"),
        (lambda one: one.isel(replica=[0, 0]), UsageError, "2 replicas, expected a recording of"),
        (lambda one: changed(one, log_rescale=one["log_rescale"] + 1), DataError, "was rescaled"),
        (
            lambda one: one.assign_coords(time=one["time"].assign_attrs(units="s")),
            DataError,
            "in s",
        ),
        (lambda one: one.where(one["time"] != 0), DataError, "not finite at its first time"),
        (lambda one: one.where(one["time"] != 9), DataError, "at step 9 and finite again at 10"),
    ],
)
def test_runs_that_do_not_go_together_are_refused_with_the_first_difference(
    run, tmp_path, change, error, message
):
    copy = single(run, 1)
    if "where" in change.__code__.co_names:
        copy = copy.assign(state=change(copy["state"]))
    else:
        copy = change(copy)
    with pytest.raises(error, match=message) as caught:
        nndyn.join(single(run, 0), [copy], tmp_path / "j.nc", control=single(run, 0))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_and_promises_nothing(run, tmp_path, monkeypatch):
    monkeypatch.setattr(together, "_BLOCK_BYTES", 2**13)
    put, count = Session.put, itertools.count()

    def full(self, *given):
        if next(count) == 60:
            raise OSError(errno.ENOSPC, "No space left on device")
        put(self, *given)

    monkeypatch.setattr(Session, "put", full)
    each = [single(run, r) for r in range(3)]
    with pytest.raises(StoreError, match="No space left") as caught:
        nndyn.join(each[0], each[1:], tmp_path / "j.nc", control=each[0])
    assert "resumed" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_join_that_fails_leaves_the_file_it_was_to_replace(run, tmp_path, monkeypatch):
    path = tmp_path / "j.nc"
    each = [single(run, r) for r in range(4)]
    nndyn.join(each[0], each[1:3], path, control=each[0]).close()
    before = path.read_bytes()
    monkeypatch.setattr(together, "_BLOCK_BYTES", 2**13)
    monkeypatch.setattr(together, "_SHORTEST", 4)
    each[3]["state"][40, 0, 0], committed = np.nan, []
    commit = Writer.commit
    monkeypatch.setattr(Writer, "commit", lambda self: (committed.append(1), commit(self))[1])
    with pytest.raises(DataError, match="finite again"):
        nndyn.join(each[0], each[1:], path, control=each[0], overwrite=True)
    assert committed  # it failed half-way
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_is_not_replaced(run, tmp_path, monkeypatch):
    path, finish = tmp_path / "j.nc", Writer.finish
    each = [single(run, r) for r in range(3)]

    def finished(self, *given):
        finish(self, *given)
        path.write_text("somebody else's")

    monkeypatch.setattr(Writer, "finish", finished)
    with pytest.raises(UsageError, match="exists"):
        nndyn.join(each[0], each[1:], path, control=each[0])
    assert path.read_text() == "somebody else's"
    assert list(tmp_path.iterdir()) == [path]


def test_a_recording_that_is_written_is_not_joined_over(run, tmp_path):
    path, each = tmp_path / "j.nc", [single(run, r) for r in range(3)]
    nndyn.join(each[0], each[1:], path, control=each[0]).close()
    with Writer.resume(path), pytest.raises(StoreError, match="being written by another"):
        nndyn.join(each[0], each[1:], path, control=each[0], overwrite=True)


def test_no_copies_and_no_files_are_refused(run, tmp_path):
    reference = single(run, 0)
    for copies, message in (([], "copies is empty"), (None, "copies is None"), (3, "copies is 3")):
        with pytest.raises(UsageError, match=message):
            nndyn.join(reference, copies, tmp_path / "j.nc")
    with pytest.raises(MissingRecordingError, match=r"nothing\.nc"):
        nndyn.join(reference, [tmp_path / "nothing.nc"], tmp_path / "j.nc")
    (tmp_path / "text.nc").write_text("no recording")
    with pytest.raises(RecordingError, match=r"text\.nc"):
        nndyn.join(reference, [tmp_path / "text.nc"], tmp_path / "j.nc")
    with pytest.raises(UsageError, match="folder"):
        nndyn.join(reference, [reference], tmp_path / "missing" / "j.nc")
