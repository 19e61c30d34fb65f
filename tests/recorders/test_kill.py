"""A recording killed at any moment opens, loses a block at most, and resumes to the same arrays."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import nndyn
from nndyn.errors import RecordingError, UsageError

RUNS = {
    "sgd": ("--lr", "1"),
    "adam in minibatches": ("--optimizer", "adam", "--lr", "0.01", "--batch-size", "64"),
}
COMMON = ("--data", "iris", "--model", "mlp:4-64-64-3", "--replicas", "3", "--rescale", "50")
STEPS = 3000


def start(options, path):
    script = "from nndyn.cli import main; main()"
    arguments = ["record", "training", *COMMON, *options, "--steps", str(STEPS), "--resume"]
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments, "-o", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_killed_runs_open_lose_one_block_at_most_and_resume_exactly(tmp_path, name):
    rng = random.Random(name)
    whole, path = tmp_path / "whole.nc", tmp_path / "killed.nc"
    process = start(RUNS[name], whole)
    while not whole.exists():
        time.sleep(0.002)
    began = time.monotonic()
    assert process.wait() == 0
    duration = time.monotonic() - began

    kills, committed = 0, 0
    while kills < 20:
        process = start(RUNS[name], path)
        while not path.exists():
            time.sleep(0.002)
        if process.poll() is None:
            if kills:  # the file is there at once: let the program start
                time.sleep(1.0)
            time.sleep(rng.uniform(0.0, 0.3 * duration))
        if process.poll() is not None:
            assert process.returncode == 0
            path.unlink()
            committed = 0
            continue
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        with nndyn.open(path) as recording, nndyn.open(whole) as truth:
            times = recording.sizes["time"]
            assert times >= committed
            committed = times
            assert recording.attrs["n_committed"] == times
            for variable in ("state", "distance_l2", "loss", "log_rescale"):
                have = recording[variable].values
                np.testing.assert_array_equal(have, truth[variable].values[: len(have)])

    process = start(RUNS[name], path)
    assert process.wait() == 0
    with nndyn.open(path) as resumed, nndyn.open(whole) as truth:
        assert resumed.attrs["status"] == "complete"
        for variable in truth.variables:
            np.testing.assert_array_equal(
                resumed[variable].values, truth[variable].values, err_msg=str(variable)
            )


PARTING = 1500


def times(path):
    """Return the times committed, 0 where there is no file or a block is just being written."""
    try:
        with nndyn.open(path) as recording:
            return recording.sizes["time"]
    except (UsageError, RecordingError):
        return 0


@pytest.mark.slow
def test_runs_killed_around_the_step_at_which_replicas_part_resume_exactly(tmp_path):
    """Before its block, several times within it, and after it."""
    # a block of these takes seconds: long enough to be hit
    options = (*RUNS["sgd"], "--data", "digits", "--model", "mlp:64-64-10")
    options += ("--perturb-at", str(PARTING))
    whole, path = tmp_path / "whole.nc", tmp_path / "killed.nc"
    process = start(options, whole)
    while not whole.exists() or not times(whole):
        time.sleep(0.002)
    began = time.monotonic()  # with the first block: what a program loads before is no part of it
    assert process.wait() == 0
    with nndyn.open(whole) as truth:
        block = int(truth.attrs["block"])
    of_block = (time.monotonic() - began) * block / (STEPS - block)
    before = PARTING // block * block  # times committed while the block of that step is computed
    lock = path.parent / f".{path.name}.lock"
    rng, seen = random.Random(0), []
    for share in (0.2, 0.4, 0.1, 0.3, 0.5, 0.1, 0.5, 0.4):
        # nobody opens a file from what is noted of the parting to the end of its block
        goal = 1 if not seen else before - block if len(seen) < 5 else before + block
        process = start(options, path)
        while not lock.exists() or str(process.pid) not in lock.read_text():
            time.sleep(0.002)
        while times(path) < goal:
            time.sleep(0.01)
        time.sleep(share * of_block * rng.uniform(0.5, 1.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        seen.append(times(path))
    assert seen[0] < before
    assert seen.count(before) >= 2
    assert before < seen[-1] < STEPS + 1

    process = start(options, path)
    assert process.wait() == 0
    with nndyn.open(path) as resumed, nndyn.open(whole) as truth:
        assert resumed.attrs["status"] == "complete"
        assert not resumed["distance_l2"].values[:PARTING].any()
        for variable in truth.variables:
            np.testing.assert_array_equal(
                resumed[variable].values, truth[variable].values, err_msg=str(variable)
            )
        assert (
            json.loads(resumed.attrs["manifest"])["perturbed"]
            == (json.loads(truth.attrs["manifest"])["perturbed"])
        )
