"""A watched training that is stopped and goes on, from a checkpoint of its user's."""

import copy
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import nndyn
from nndyn.errors import UsageError
from nndyn.store import verify
from tests.recorders.watched import Trained

STEPS = 47


def whole(path, every):
    """Record a training that nothing interrupts."""
    loop = Trained()
    with nndyn.watch(loop.model, loop.optimizer, path, every=every) as watching:
        loop.run(STEPS, watching)
    return path


def contents(path):
    with nndyn.open(path) as run:
        loaded = run.load()
    return loaded.drop_attrs(deep=False)


def watched(loop, path, every, *, resume=True):
    return nndyn.watch(loop.model, loop.optimizer, path, every=every, resume=resume)


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize(("at", "beyond"), [(0, 9), (1, 0), (14, 9), (19, 9), (20, 0), (21, 9)])
def test_stopped_and_resumed_it_gives_the_recording_of_an_unbroken_one(tmp_path, every, at, beyond):
    path = tmp_path / "run.nc"
    loop = Trained()
    watching = watched(loop, path, every)  # a missing file is begun
    loop.run(at, watching)
    kept = copy.deepcopy({"loop": loop.state_dict(), "watch": watching.state_dict()})
    loop.run(beyond, watching)
    watching.__exit__(RuntimeError, RuntimeError(), None)

    loop = Trained(seed=5)
    with watched(loop, path, every) as watching:
        if at % 2:  # in either order
            watching.load_state_dict(kept["watch"])
        loop.load_state_dict(kept["loop"])
        if not at % 2:
            watching.load_state_dict(kept["watch"])
        loop.run(STEPS - at, watching)
    assert contents(path).identical(contents(whole(tmp_path / "whole.nc", every)))
    assert verify(path).problems == ()
    assert sorted(os.listdir(tmp_path)) == ["run.nc", "whole.nc"]


@pytest.mark.parametrize("every", [1, 4])
def test_within_a_run_it_is_set_back_as_often_as_the_training(tmp_path, every):
    path, loop = tmp_path / "run.nc", Trained()
    with watched(loop, path, every) as watching:
        loop.run(10, watching)
        kept = copy.deepcopy((loop.state_dict(), watching.state_dict()))
        for steps in (13, 2, 5):
            loop.run(steps, watching)
            loop.load_state_dict(copy.deepcopy(kept[0]))  # the optimizer changes the tensors
            watching.load_state_dict(kept[1])
        loop.run(STEPS - 10, watching)
    assert contents(path).identical(contents(whole(tmp_path / "whole.nc", every)))


def test_without_a_state_the_weights_say_where_it_goes_on(tmp_path):
    path, loop = tmp_path / "run.nc", Trained()
    with watched(loop, path, 4) as watching:
        loop.run(20, watching)
        kept = copy.deepcopy(loop.state_dict())
        loop.run(11, watching)
    loop = Trained(seed=5)
    with watched(loop, path, 4) as watching:
        loop.load_state_dict(kept)
        with pytest.warns(UserWarning, match="goes on from step 20, .* to step 28, is recorded an"):
            loop.run(STEPS - 20, watching)
    assert contents(path).identical(contents(whole(tmp_path / "whole.nc", 4)))


def test_from_its_end_it_goes_on_without_a_word(tmp_path):
    path, loop = tmp_path / "run.nc", Trained()
    with watched(loop, path, 4) as watching:
        loop.run(20, watching)
    with watched(loop, path, 4) as watching:
        loop.run(STEPS - 20, watching)
    assert contents(path).identical(contents(whole(tmp_path / "whole.nc", 4)))


def test_weights_that_are_no_state_of_it_are_refused_before_a_step(tmp_path):
    path, loop = tmp_path / "run.nc", Trained()
    with watched(loop, path, 4) as watching:
        loop.run(10, watching)
    before = contents(path)
    other = Trained(seed=5)
    watching = watched(other, path, 4)
    for act in (lambda: other.run(1), lambda: watching.log(loss=1), watching.state_dict):
        with pytest.raises(UsageError, match="the weights of the model are no state of it"):
            act()
    np.testing.assert_array_equal(other.row(), other.states[0])
    watching.remove()
    other.run(1)
    assert contents(path).identical(before)
    with nndyn.open(path) as run:
        assert run.attrs["status"] == "complete"


def test_the_last_evaluation_survives_a_resume_without_steps(tmp_path):
    path, loop = tmp_path / "run.nc", Trained()
    with watched(loop, path, 10) as watching:
        loop.run(14, watching)
    kept = watching.state_dict()
    before = contents(path)
    assert before["time"].values.tolist() == [0, 10, 14]
    with watched(loop, path, 10) as watching:
        watching.load_state_dict(kept)
    assert contents(path).identical(before)


def test_after_a_divergence_it_goes_on_from_the_checkpoint(tmp_path):
    path, loop = tmp_path / "run.nc", Trained()
    with watched(loop, path, 4) as watching:
        loop.run(10, watching)
        kept = copy.deepcopy((loop.state_dict(), watching.state_dict()))
        with torch.no_grad():
            loop.model[0].weight[0, 0] = np.inf
        loop.run(8, watching)
        loop.load_state_dict(kept[0])
        watching.load_state_dict(kept[1])
        loop.run(STEPS - 10, watching)
    assert contents(path).identical(contents(whole(tmp_path / "whole.nc", 4)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"every": 3}, "every is 4 in the file, 3 here"),
        ({"width": 9}, r"0.weight is \[8, 4\] in the file, \[9, 4\] here"),
        ({"kind": torch.optim.SGD}, "optimizer is AdamW in the file, SGD here"),
        ({"dtype": torch.float64}, "dtype is float32 in the file, float64 here"),
    ],
)
def test_the_file_of_another_training_is_left_alone(tmp_path, changes, message):
    path, loop = tmp_path / "run.nc", Trained()
    with watched(loop, path, 4) as watching:
        loop.run(10, watching)
    before = contents(path)
    if "width" in changes:
        nn = torch.nn
        loop.model = nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Dropout(0.2), nn.Linear(9, 3))
    loop.model.to(changes.get("dtype", torch.float32))
    optimizer = changes.get("kind", torch.optim.AdamW)(loop.model.parameters(), lr=0.1)
    with pytest.raises(UsageError, match=message):
        nndyn.watch(loop.model, optimizer, path, every=changes.get("every", 4), resume=True)
    assert contents(path).identical(before)
    assert os.listdir(tmp_path) == ["run.nc"]


def test_a_recording_that_is_not_of_a_watch_is_refused(tmp_path, recording_path):
    path = tmp_path / "run.nc"
    path.write_bytes(recording_path.read_bytes())
    loop = Trained()
    with pytest.raises(UsageError, match="cannot be gone on with: model is mlp:4-8-3 in the file"):
        watched(loop, path, 1)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (3, "state has to be a dict of"),
        ({"step": 3}, "state has to be a dict of"),
        ({"step": -1}, r"state\['step'\] is -1, expected a whole number, 0 or more"),
        ({"step": 12}, "ends at step 8 and cannot be taken back to step 12"),
        ({"recording_id": "f"}, "state is of the recording f"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(tmp_path, state, message):
    path, loop = tmp_path / "run.nc", Trained()
    with watched(loop, path, 4) as watching:
        loop.run(10, watching)
        if isinstance(state, dict) and state != {"step": 3}:
            state = watching.state_dict() | state
        with pytest.raises(UsageError, match=message):
            watching.load_state_dict(state)
        loop.run(2)
    with nndyn.open(path) as run:
        assert run["time"].values.tolist() == [0, 4, 8, 12]
    with pytest.raises(UsageError, match="has ended; watch it anew"):
        watching.load_state_dict(watching.state_dict())


_KILLED = """
import sys, torch, nndyn
from pathlib import Path
import recorders.watch.file as file
from tests.recorders.watched import Trained
file._PATIENCE = 0.0
folder, loop = Path(sys.argv[1]), Trained()
watching = nndyn.watch(loop.model, loop.optimizer, folder / "run.nc", every=3, resume=True)
kept = folder / "checkpoint.pt"
if kept.exists():
    state = torch.load(kept)
    loop.load_state_dict(state["loop"])
    watching.load_state_dict(state["watch"])
else:
    torch.manual_seed(1)
while loop.made < 6000:
    loop.run(1, watching)
    if loop.made % 100 == 0:
        torch.save({"loop": loop.state_dict(), "watch": watching.state_dict()}, f"{kept}.part")
        Path(f"{kept}.part").replace(kept)
watching.remove()
"""


@pytest.mark.slow
def test_killed_anywhere_it_goes_on_to_the_recording_of_an_unbroken_one(tmp_path):
    rng, folders = np.random.default_rng(0), [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    command = [sys.executable, "-W", "ignore", "-c", _KILLED]
    subprocess.run([*command, folders[0]], check=True)
    kills = 0
    while True:
        child = subprocess.Popen([*command, folders[1]])
        while kills < 12 and not (folders[1] / "run.nc").exists():
            time.sleep(0.01)
        if kills < 12:
            time.sleep(2.5 + 2 * float(rng.random()))
            child.send_signal(signal.SIGKILL)
            kills += 1
        if child.wait() == 0:
            break
        assert verify(folders[1] / "run.nc").problems == ()
    assert kills > 3
    assert contents(folders[1] / "run.nc").identical(contents(folders[0] / "run.nc"))
