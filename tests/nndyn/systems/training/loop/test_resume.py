"""A loop that was interrupted goes on to the arrays that it would have had."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import xarray as xr
from torch.utils.data import DataLoader, TensorDataset

import nndyn
from nndyn.errors import UsageError
from nndyn.store import verify
from recorders import request
from tests.nndyn.systems.training.loop import loops

OPTIONS = {"replicas": 2, "epsilon": 1e-3, "progress": False}
#: Of what is alike in what outlives a step, one in the default tests.
ALIKE = ("sgd", "tied", "frozen", "bound_method", "vae", "own_average", "enabled_scaler")
ALIKE += ("one_cycle", "sequential", "lambda_lr", "accumulation", "dict_batch", "dampening")


def same(one, other):
    with nndyn.open(one) as left, nndyn.open(other) as right:
        assert left.attrs["n_committed"] == right.attrs["n_committed"]
        for name in left.variables:
            np.testing.assert_array_equal(left[name].values, right[name].values, err_msg=name)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=[pytest.mark.slow] * (k in ALIKE)) for k in loops.ALL if k != "bf16"],
)
def test_a_run_in_two_parts_is_the_run_in_one(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(request, "_BLOCK_STEPS", 16)
    whole, parts = tmp_path / "whole.nc", tmp_path / "parts.nc"
    nndyn.record(loops.ALL[kind]().system(), whole, steps=50, rescale=7, **OPTIONS).close()
    for steps in (13, 38, 50):  # in the first epoch, in a later one, and to the end
        made = loops.ALL[kind]().system()
        nndyn.record(made, parts, steps=steps, rescale=7, resume=True, **OPTIONS).close()
    with xr.open_dataset(whole) as left, xr.open_dataset(parts) as right:
        for name in ("state", "distance_l2", "log_rescale", "step_length"):
            np.testing.assert_array_equal(left[name].values, right[name].values, err_msg=name)
    assert verify(parts).problems == ()


def test_other_batches_are_refused_on_resume(tmp_path):
    def made(seed):
        model = loops.network()
        x, y = loops.data()
        x = x.clone()
        x[40:] += 0.0 if seed == 0 else 1.0  # not in the batches that are looked at first
        batches = [(x[i : i + 4], y[i : i + 4]) for i in range(0, 48, 4)]
        return loops.ordinary(model, torch.optim.SGD(model.parameters(), lr=0.1), batches)

    path = tmp_path / "r.nc"
    nndyn.record(made(0).system(), path, steps=23, **OPTIONS).close()
    with pytest.raises(UsageError, match="batches of this epoch before step 23 are others"):
        nndyn.record(made(1).system(), path, steps=30, resume=True, **OPTIONS)
    nndyn.record(made(0).system(), path, steps=30, resume=True, **OPTIONS).close()


@pytest.mark.parametrize("changed", ["lr", "step", "seed", "weights", "data"])
def test_another_loop_is_refused_on_resume(tmp_path, changed):
    def made(which=None):
        model = loops.network(seed=which == "weights")
        rate = 0.2 if which == "lr" else 0.1
        x, y = loops.data()
        batches = [(x + (which == "data"), y)]
        loop = loops.ordinary(model, torch.optim.SGD(model.parameters(), lr=rate), batches)
        if which == "step":
            inner = loop.step
            loop.step = lambda batch: inner((2 * batch[0], batch[1]))
        return loop.system(seed=1 if which == "seed" else 0)

    path = tmp_path / "r.nc"
    nndyn.record(made(), path, steps=5, **OPTIONS).close()
    with pytest.raises(UsageError, match="cannot be resumed"):
        nndyn.record(made(changed), path, steps=9, resume=True, **OPTIONS)


def test_batches_that_come_out_otherwise_each_time_are_recorded_and_not_resumed(tmp_path):
    count = [0]

    class Batches:
        def __iter__(self):
            count[0] += 1
            x, y = loops.data()
            return iter([(x + count[0], y)] * 4)

    model = loops.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.warns(UserWarning, match="cannot be resumed: its batches come out otherwise"):
        loop = loops.ordinary(model, optimizer, Batches()).system()
    assert "come out otherwise each time" in loop.not_resumable
    path = tmp_path / "r.nc"
    run = nndyn.record(loop, path, steps=20, **OPTIONS)
    assert run.attrs["status"] == "complete"
    assert (run["distance_l2"].values[:, -1] == 0.0).all()
    run.close()
    with pytest.raises(UsageError, match="cannot be resumed: its batches come out otherwise"):
        nndyn.record(loop, path, steps=30, resume=True, **OPTIONS)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"[]", b'{"rest":1}', b'["dict",null,["rest",["list"]],["batches",""]]'),
        b'["dict",null,["rest",["list",["slot",99],1,2,3]],["batches",""]]',
        b"x" * 40,
        b'["tensor","load",[1],""]',
    ],
)
def test_a_rest_that_is_none_is_refused_as_damage(tmp_path, text):
    loop = loops.sgd().system()
    rows = np.full((4, loop.rest_size), ord(" "), np.uint8)
    rows[:, : len(text)] = np.frombuffer(text, np.uint8)
    with pytest.raises(ValueError, match=r"."):
        loop.decode_rest(rows, 0)


def momentum_and_cosine():
    model = loops.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4000)
    return loops.ordinary(model, optimizer, after=(scheduler,), scheduler=scheduler)


def workers():
    model = loops.network()
    batches = DataLoader(TensorDataset(*loops.data(samples=480)), 12, shuffle=True, num_workers=2)
    return loops.ordinary(model, torch.optim.AdamW(model.parameters(), lr=0.001), batches)


KILLED = {"sgd": ("momentum_and_cosine", 3000), "adamw": ("workers", 1500)}


def start(name, path):
    function, steps = KILLED[name]
    script = (
        "import nndyn, torch; torch.set_num_threads(1)\n"
        f"from {__name__} import {function}, OPTIONS\n"
        "from recorders import request; request._BLOCK_STEPS = 128\n"
        f"nndyn.record({function}().system(), {str(path)!r}, steps={steps}, resume=True, **OPTIONS)"
    )
    return subprocess.Popen([sys.executable, "-c", script])


@pytest.mark.slow
@pytest.mark.parametrize("name", KILLED)
def test_a_killed_loop_goes_on_to_identical_arrays(tmp_path, name):
    rng = random.Random(name)
    whole, path = tmp_path / "whole.nc", tmp_path / "killed.nc"
    process = start(name, whole)
    while not whole.exists():
        time.sleep(0.01)
    began = time.monotonic()
    assert process.wait() == 0
    duration = time.monotonic() - began
    kills = 0
    while kills < 10:
        process = start(name, path)
        while not path.exists() and process.poll() is None:
            time.sleep(0.01)
        if kills:  # the file is there at once: let the program start
            time.sleep(3.0)
        time.sleep(rng.uniform(0.0, 0.3 * duration))
        if process.poll() is not None:
            assert process.returncode == 0
            path.unlink()
            continue
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    assert start(name, path).wait() == 0
    same(whole, path)
    assert verify(path).problems == ()
