"""Twins that were stopped, and go on with the runs that are missing."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import nndyn
from nndyn.errors import RecordingError, StoreError, UsageError
from nndyn.store import BusyError, Writer
from recorders.apart import together
from tests.recorders.twinned import Plain, network, simple

OPTIONS = {"replicas": 2, "every": 2}


class Stopped(Plain):
    """A training that an error ends in its n-th call, after some steps."""

    def __init__(self, steps, error, call):
        super().__init__(steps)
        self.error, self.call = error, call

    def __call__(self, model):
        whole = self.steps
        if len(self.calls) == self.call:
            self.steps = whole // 2
        super().__call__(model)
        if self.steps != whole:
            self.steps = whole
            raise self.error


def states(path):
    with nndyn.open(path) as run:
        return {str(name): run[name].values for name in run.variables}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run.nc"
    torch.manual_seed(9)
    nndyn.twins(Plain(12), network(), path, **OPTIONS).close()
    return states(path)


def equal(path, whole):
    found = states(path)
    assert found.keys() == whole.keys()
    for name, values in whole.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
@pytest.mark.parametrize("call", [0, 1, 2, 3])
def test_what_ends_a_run_leaves_those_before_and_they_are_gone_on_with(
    tmp_path, whole, error, call
):
    path = tmp_path / "run.nc"
    torch.manual_seed(9)
    train = Stopped(12, error, call)
    with pytest.raises(type(error)) as caught:
        nndyn.twins(train, network(), path, **OPTIONS)
    assert caught.value is error
    folder = tmp_path / ".run.nc.parts"
    if not call:
        assert list(tmp_path.iterdir()) == []
    else:
        assert error.__notes__[-1].startswith(f"nndyn.twins: finished runs are kept in {folder}")
        assert len(list(folder.glob("*.json"))) == call + 1
        torch.manual_seed(77)  # the state of the first call holds
        with pytest.raises(UsageError, match=r"has runs that .* \(`resume=True`\), or begin anew"):
            nndyn.twins(train, network(), path, **OPTIONS)
    train = Plain(12)
    torch.manual_seed(9 if not call else 77)
    model = network()
    if call:
        torch.manual_seed(77)
    nndyn.twins(train, model, path, **OPTIONS, resume=True).close()
    proof = call > 1
    assert len(train.calls) == 4 - call + proof
    if proof:
        assert len(train.calls[0]) - 1 >= 10
    equal(path, whole)
    assert [one.name for one in tmp_path.iterdir()] == ["run.nc"]


def stopped(path, train=None, call=2):
    torch.manual_seed(9)
    with pytest.raises(ValueError, match="mine"):
        nndyn.twins(train or Stopped(12, ValueError("mine"), call), network(), path, **OPTIONS)


def test_of_a_whole_recording_nothing_is_made(tmp_path, whole):
    path, train = tmp_path / "run.nc", Plain(12)
    torch.manual_seed(9)
    model = network()
    torch.manual_seed(9)
    nndyn.twins(train, model, path, **OPTIONS, resume=True).close()  # a missing one is begun
    torch.manual_seed(9)
    train.calls.clear()
    with nndyn.twins(train, model, path, **OPTIONS, resume=True) as run:
        assert run.sizes["time"] == 7
    assert train.calls == []
    with pytest.raises(UsageError, match="exists; choose another name, or overwrite or resume it"):
        nndyn.twins(train, model, path, **OPTIONS)
    with pytest.raises(UsageError, match="replicas was 2, 5 asked; every was 2, 1 asked"):
        nndyn.twins(train, model, path, resume=True)
    with pytest.raises(UsageError, match="initial_sha256 was"):
        nndyn.twins(train, network(3), path, **OPTIONS, resume=True)
    nndyn.record(nndyn.systems.logistic(), path, steps=9, overwrite=True).close()
    with pytest.raises(UsageError, match="was not made by twins"):
        nndyn.twins(train, model, path, **OPTIONS, resume=True)
    assert [one.name for one in tmp_path.iterdir()] == ["run.nc"]


def test_runs_of_other_settings_or_of_another_training_are_not_gone_on_with(tmp_path):
    path = tmp_path / "run.nc"
    stopped(path)
    options = {**OPTIONS, "resume": True}
    with pytest.raises(UsageError, match="epsilon was 1e-08, 1e-06 asked; seed was 0, 2 asked"):
        nndyn.twins(Plain(12), network(), path, **options, epsilon=1e-6, seed=2)
    with pytest.raises(UsageError, match="departs from the reference there at step 2, first in 0"):
        nndyn.twins(simple(12), network(), path, **options)
    assert len(list((tmp_path / ".run.nc.parts").glob("*.json"))) == 3
    note = tmp_path / ".run.nc.parts" / "reference.json"
    content = note.read_bytes()
    for damage in (b"", b"{}", b"[1", b'{"work": [[1]], "optimizers": [], "groups": []}', b"\xff"):
        note.write_bytes(damage)
        with pytest.raises(RecordingError, match=r"reference.json is damaged"):
            nndyn.twins(Plain(12), network(), path, **options)
    note.write_bytes(content)
    start = tmp_path / ".run.nc.parts" / "start.json"
    begun = json.loads(start.read_bytes())
    for wrong in (1, ["list"], ["list", 1, 2, 3, 4]):
        start.write_text(json.dumps({**begun, "random": wrong}))
        with pytest.raises(RecordingError, match=r"start.json is damaged"):
            nndyn.twins(Plain(12), network(), path, **options)
    for damage in (b"", b"{}", json.dumps({"settings": 1, "random": 1, "replaces": 1}).encode()):
        start.write_bytes(damage)
        with pytest.raises((RecordingError, UsageError), match=r"damaged|cannot be gone on"):
            nndyn.twins(Plain(12), network(), path, **options)


def test_begun_anew_it_replaces_runs_and_file(tmp_path, whole):
    path = tmp_path / "run.nc"
    path.write_text("before")
    with pytest.raises(UsageError, match="exists"):
        nndyn.twins(Plain(12), network(), path, **OPTIONS)
    torch.manual_seed(9)
    with pytest.raises(ValueError, match="mine"):
        nndyn.twins(Stopped(12, ValueError("mine"), 0), network(), path, **OPTIONS, overwrite=True)
    assert path.read_text() == "before"
    torch.manual_seed(9)
    nndyn.twins(Plain(12), network(), path, **OPTIONS, resume=True).close()  # it was said before
    equal(path, whole)
    stopped(tmp_path / "other.nc")
    torch.manual_seed(9)
    nndyn.twins(Plain(12), network(), tmp_path / "other.nc", **OPTIONS, overwrite=True).close()
    equal(tmp_path / "other.nc", whole)
    assert {one.name for one in tmp_path.iterdir()} == {"run.nc", "other.nc"}


def test_a_join_that_fails_is_made_again_from_the_runs(tmp_path, whole, monkeypatch):
    path = tmp_path / "run.nc"
    torch.manual_seed(9)
    with monkeypatch.context() as patch:
        patch.setattr(together, "_finish", lambda *_: (_ for _ in ()).throw(StoreError("full")))
        with pytest.raises(StoreError, match="full"):
            nndyn.twins(Plain(12), network(), path, **OPTIONS)
    train = Plain(12)
    nndyn.twins(train, network(), path, **OPTIONS, resume=True).close()
    assert train.calls == []
    equal(path, whole)


def test_runs_that_were_joined_and_not_removed_are_removed(tmp_path, whole, monkeypatch):
    path = tmp_path / "run.nc"
    torch.manual_seed(9)
    with monkeypatch.context() as patch:
        patch.setattr("recorders.twins.parts.Parts.remove", lambda self: None)
        nndyn.twins(Plain(12), network(), path, **OPTIONS).close()
    assert (tmp_path / ".run.nc.parts").exists()
    nndyn.twins(Plain(12), network(), path, **OPTIONS, resume=True).close()
    equal(path, whole)
    assert [one.name for one in tmp_path.iterdir()] == ["run.nc"]


def test_a_failure_to_write_ends_it_even_where_everything_is_caught(tmp_path, monkeypatch):
    append = Writer.append

    def failing(self, rows):
        if self.path.name == "copy1.nc":
            raise StoreError("No space left")
        append(self, rows)

    def train(model):
        try:
            simple(5)(model)
        except Exception:
            pytest.fail("it was an Exception")

    monkeypatch.setattr(Writer, "append", failing)
    with pytest.raises(StoreError, match="No space left"):
        nndyn.twins(train, network(), tmp_path / "run.nc", replicas=1)
    assert len(list((tmp_path / ".run.nc.parts").glob("*.json"))) == 3


def test_a_run_whose_file_is_gone_is_made_again(tmp_path, whole):
    path, train = tmp_path / "run.nc", Plain(12)
    stopped(path, call=3)
    (tmp_path / ".run.nc.parts" / "copy1.nc").unlink()
    nndyn.twins(train, network(), path, **OPTIONS, resume=True).close()
    assert len(train.calls) == 3  # the proof, and both copies
    equal(path, whole)


def test_two_at_once_are_one_too_many(tmp_path):
    path = tmp_path / "run.nc"

    def train(model):
        with pytest.raises(BusyError, match="being written by another process"):
            nndyn.twins(simple(2), network(), path, replicas=1, resume=True)
        simple(2)(model)

    nndyn.twins(train, network(), path, replicas=1).close()
    (tmp_path / ".other.nc.parts").write_text("something else")
    with pytest.raises(UsageError, match=r"other.nc.parts is no folder"):
        nndyn.twins(train, network(), tmp_path / "other.nc", replicas=1)


SCRIPT = """
import sys, time, torch, nndyn
from tests.recorders.twinned import Plain, network

class Hanging(Plain):
    def __call__(self, model):
        print("called", flush=True)
        if len(self.calls) + 1 == int(sys.argv[2]):
            self.steps = 5
            super().__call__(model)
            print("hangs", flush=True)
            time.sleep(600)
        super().__call__(model)

torch.manual_seed(9)
nndyn.twins(Hanging(12), network(), sys.argv[1], replicas=2, every=2, resume=True).close()
"""


@pytest.mark.slow
def test_killed_it_makes_only_the_missing_runs_and_the_same_arrays(tmp_path, whole):
    path, root = tmp_path / "run.nc", Path(__file__).parents[2]
    for hangs, finished in ((2, 1), (3, 3), (0, 4)):
        command = [sys.executable, "-c", SCRIPT, str(path), str(hangs)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
            told = ""
            while line := process.stdout.readline():
                told += line
                if line == "hangs\n":
                    os.kill(process.pid, signal.SIGKILL)
        if hangs:
            assert told.count("called") == hangs
            assert len(list((tmp_path / ".run.nc.parts").glob("*.json"))) == finished + 1
    assert process.returncode == 0
    assert told.count("called") == 2  # a few steps of the reference, and the last copy
    equal(path, whole)
    assert [one.name for one in tmp_path.iterdir()] == ["run.nc"]
