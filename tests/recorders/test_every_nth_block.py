"""Checkpoints every Nth block: rows after the last one are there, and come out again alike."""

import json
import os
import subprocess
import sys

import netCDF4
import numpy as np
import pytest

import nndyn
from nndyn.errors import RecordingError, UsageError
from nndyn.store import verify
from recorders import request
from recorders.request import make

EVERY, BLOCK, STEPS = 3, 8, 80
SYSTEMS = {
    "sgd": (dict(lr=0.5), dict()),
    "adam in minibatches, float32": (
        dict(optimizer="adam", lr=0.01, batch_size=32, dtype="float32"),
        dict(epsilon=1e-3, rescale=5, store="every:3", evaluate=7),
    ),
    "perturbed later": (dict(lr=0.5, momentum=0.9), dict(perturb_at=30, pairs=True)),
    "sketches": (dict(lr=0.5, dtype="float32"), dict(epsilon=1e-3, store="sketch:64")),
}


class KilledError(Exception):
    pass


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(request, "_BLOCK_WORK", 0.0)
    monkeypatch.setattr(request, "_checkpoint_every", lambda *_: EVERY)


def recorded(path, name, *, at=None, **options):
    def killed(done, total):
        if at is not None and done >= at:
            raise KilledError

    training, chosen = SYSTEMS[name]
    system = nndyn.Training("mlp:4-24-3", "iris", **training)
    asked = {"steps": STEPS, "replicas": 2, "progress": killed} | chosen | options
    with nndyn.record(system, path, **asked) as run:
        return run.load()


def steps_of(path):
    with netCDF4.Dataset(path) as file:
        return sorted(file["checkpoint_step"][:].tolist())


def same(one, other):
    for name in (*one.variables, *other.variables):
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=str(name))


@pytest.mark.parametrize(("name", "at"), list(zip(SYSTEMS, [15, 39, 71, 47], strict=True)))
def test_a_run_that_was_cut_between_checkpoints_goes_on_to_equal_arrays(tmp_path, name, at):
    path = tmp_path / "r.nc"
    with pytest.raises(KilledError):
        recorded(path, name, at=at)
    whole = recorded(tmp_path / "whole.nc", name)
    with nndyn.open(path) as run:  # with the rows after the last checkpoint
        times = run.sizes["time"]
        assert times % BLOCK == 0
        assert at - BLOCK < times <= at + 1
        np.testing.assert_array_equal(run["distance_l2"], whole["distance_l2"][:times])
    assert max(steps_of(path)) == times // (EVERY * BLOCK) * EVERY * BLOCK - 1
    assert verify(path).sound
    same(recorded(path, name, resume=True), whole)
    assert max(steps_of(path)) == STEPS
    assert verify(path).sound


def test_rows_that_come_out_otherwise_than_they_are_in_the_file_are_an_error(tmp_path, monkeypatch):
    path = tmp_path / "r.nc"
    with pytest.raises(KilledError):
        recorded(path, "sgd", at=39)
    started = nndyn.Training.advance

    def other(self, phase, start, *arguments, **keywords):
        block = started(self, phase, start, *arguments, **keywords)
        block.distance_l1 *= 1 + 1e-12
        return block

    monkeypatch.setattr(nndyn.Training, "advance", other)
    with pytest.raises(RecordingError, match="comes out otherwise than it is in the file"):
        recorded(path, "sgd", resume=True)
    with nndyn.open(path) as run:
        times = run.sizes["time"]
        assert times in (32, 40)  # nothing is lost by that
        before = run["distance_l1"].values
    mixed = recorded(path, "sgd", resume=True, mix=True)
    np.testing.assert_array_equal(mixed["distance_l1"][:times], before)
    assert json.loads(mixed.attrs["manifest"])["continued"][0]["from_step"] == times
    assert mixed.sizes["time"] == STEPS + 1
    monkeypatch.undo()
    whole = recorded(tmp_path / "whole.nc", "sgd")
    np.testing.assert_allclose(mixed["distance_l1"], whole["distance_l1"], rtol=1e-11)
    assert verify(path).sound


def test_another_training_begins_where_the_last_checkpoint_is(tmp_path):
    path, options = tmp_path / "r.nc", {"lr": 0.5, "momentum": 0.9}
    with pytest.raises(KilledError):
        recorded(path, "perturbed later", at=39)
    (checkpoint,) = {*steps_of(path)} - {-1}
    with pytest.raises(UsageError, match=f"which it has at {checkpoint};"):
        nndyn.Training("mlp:4-24-3", "iris", **options, start=path)
    later = nndyn.Training("mlp:4-24-3", "iris", **options, start=(path, checkpoint))
    found = nndyn.record(later, tmp_path / "later.nc", steps=9, replicas=1)
    whole = recorded(tmp_path / "whole.nc", "perturbed later")
    expected = whole["state"][checkpoint : checkpoint + 10, 0]
    np.testing.assert_array_equal(found["state"][:, 0], expected)
    again = nndyn.Training(
        "mlp:4-24-3", "iris", **options, start=(tmp_path / "later.nc", checkpoint + 9)
    )
    assert again.first_step == checkpoint + 9  # a checkpoint is counted from the first time


def test_a_damaged_row_after_the_last_checkpoint_is_found(tmp_path):
    path = tmp_path / "r.nc"
    with pytest.raises(KilledError):
        recorded(path, "sgd", at=39)
    with nndyn.open(path) as run:
        row = run["distance_l2"].values[29]
    raw = bytearray(path.read_bytes())
    at = raw.index(row.tobytes())
    raw[at + 9] ^= 1
    path.write_bytes(raw)
    with pytest.raises(RecordingError, match="is damaged"):
        recorded(path, "sgd", resume=True)
    assert not verify(path).sound


def test_a_file_with_a_checkpoint_of_every_block_still_goes_on(tmp_path, monkeypatch):
    path, whole = tmp_path / "r.nc", recorded(tmp_path / "whole.nc", "sgd")
    monkeypatch.setattr(request, "_checkpoint_every", lambda *_: 1)
    with pytest.raises(KilledError):
        recorded(path, "sgd", at=39)
    with netCDF4.Dataset(path) as file:
        assert "checkpoint_every" not in file.ncattrs()
    assert steps_of(path) in ([23, 31], [31, 39])
    monkeypatch.setattr(request, "_checkpoint_every", lambda *_: EVERY)
    same(recorded(path, "sgd", resume=True), whole)


def test_a_checkpoint_is_due_when_its_bytes_are_a_twentieth_of_the_work(monkeypatch):
    monkeypatch.undo()
    small = make(nndyn.Training("mlp:4-24-3", "iris", lr=0.5), steps=1000)
    assert small.checkpoint_every == 1
    x, y = np.zeros((8, 1000)), np.arange(8) % 2
    system = nndyn.Training("mlp:1000-1000-2", (x, y), lr=0.5, dtype="float32", batch_size=2)
    large = make(system, steps=10_000, replicas=1, store="full", epsilon=1e-3)
    work = large.block * large.work(system) * large.checkpoint_every
    least = 1e4 * large.checkpoints(system) / 2
    assert least <= work < least + large.block * large.work(system)
    assert large.checkpoint_every > 1


CHILD = """
import os, signal, sys
import nndyn
from recorders import request
request._BLOCK_WORK = 0.0
request._checkpoint_every = lambda *_: 3
path, at = sys.argv[1], int(sys.argv[2])
def kill(done, total):
    if done >= at:
        os.kill(os.getpid(), signal.SIGKILL)
system = nndyn.Training("mlp:4-24-3", "iris", lr=0.5)
nndyn.record(system, path, steps=80, replicas=2, resume=True, progress=kill)
"""


@pytest.mark.slow
def test_a_run_killed_again_and_again_between_checkpoints_ends_with_equal_arrays(tmp_path):
    path, whole = tmp_path / "r.nc", recorded(tmp_path / "whole.nc", "sgd")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for at in (7, 20, 36, 41, 63, 79):
        child = [sys.executable, "-c", CHILD, str(path), str(at)]
        assert subprocess.run(child, env=environment).returncode == -9
        with nndyn.open(path) as run:
            rows = run["distance_l2"].values
            np.testing.assert_array_equal(rows, whole["distance_l2"][: len(rows)])
    same(recorded(path, "sgd", resume=True), whole)
