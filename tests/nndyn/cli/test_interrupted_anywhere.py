"""Ctrl-C at random moments of whole commands."""

import itertools
import os
import random
import shutil
import time

import numpy as np
import pytest

import nndyn
from nndyn.store import verify
from tests.nndyn.cli.interrupted import NOISE, leftovers, press, start

MOMENTS = int(os.environ.get("NNDYN_MOMENTS", "2"))
RECORD = ("record", "training", "--data", "digits", "--model", "mlp:64-16-10", "--steps", 200)
SWEEP = ("sweep", "map", "logistic", "--param", "r=3.5:4:3", "--seeds", 2, "--steps", 20000)
ONSET = ("onset", "--data", "digits", "--model", "mlp:64-10", "--steps", 30, "--seeds", 3)
ONSET += ("--replicas", 2, "--budget", 300)
WAYS = {
    "record": (*RECORD, "-o", "run.nc"),
    "sweep": (*SWEEP, "-o", "study"),
    "sweep-workers": (*SWEEP, "--workers", 2, "-o", "study"),
    "sweep-task": (*SWEEP, "--task", "1/1", "-o", "study"),
    "onset": ONSET,
    "onset-kept": (*ONSET, "-o", "study"),
}


def recordings(folder):
    return {
        str(p.relative_to(folder)): p
        for p in sorted(folder.rglob("*.nc"))
        if "results" not in p.parts
    }


def arrays(folder):
    found = {}
    for name, path in recordings(folder).items():
        with nndyn.open(path) as recording:
            assert recording.attrs["status"] in ("complete", "stopped")
            found[name] = {key: v.values for key, v in recording.variables.items()}
    return found


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        for key in one[name]:
            np.testing.assert_array_equal(one[name][key], other[name][key], err_msg=f"{name} {key}")


def true_line(way, folder, line):
    """Whether what the command says last is true of what it left."""
    if way == "record":
        path = folder / "run.nc"
        if not path.exists():
            return line in (
                "nndyn: interrupted",
                "nndyn: interrupted; nothing was recorded, there is no run.nc",
            )
        with nndyn.open(path) as recording:
            status, last = recording.attrs["status"], recording.sizes["time"] - 1
        if status == "complete":
            return "run.nc is complete" in line or "all was done" in line
        if last < 0:
            return "nothing was committed to run.nc yet; the same command with --resume" in line
        steps = f"steps 0 to {last:,} of 200 are" if last else "step 0 of 200 is"
        return f"interrupted; {steps} in run.nc" in line and "--resume goes on" in line
    if way == "onset":
        return "the runs were not kept" in line or line in (
            "nndyn: interrupted",
            "nndyn: interrupted; all was done",
        )
    if not (folder / "study/study.json").exists():
        return line in (
            "nndyn: interrupted",
            "nndyn: interrupted; nothing was recorded yet; the same command begins again",
        )
    return "the same command goes on" in line or "all was done" in line


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_at_any_moment_ends_a_command_in_order(tmp_path, way):
    rng, command = random.Random(way), WAYS[way]
    whole = tmp_path / "whole"
    whole.mkdir()
    began = time.monotonic()
    process = start(whole, *command)
    _, err = process.communicate(timeout=600)
    duration = time.monotonic() - began
    assert process.returncode == 0, err
    expected, slowest, count = arrays(whole), 0.0, 0
    for moment in itertools.count():
        if count == MOMENTS:
            break
        folder = tmp_path / f"{moment}"
        folder.mkdir()
        process = start(folder, *command)
        time.sleep(rng.uniform(0.0, duration))
        twice = rng.uniform(0.0, 1.0) if moment % 5 == 4 else None
        ended = press(process, group=bool(moment % 2), twice_after=twice)
        if ended.seconds is None or (ended.code == 0 and ended.seconds < 0.1):  # it was faster
            assert ended.code == 0
            duration *= 0.8
            shutil.rmtree(folder)
            continue
        where = f"{way} {moment}: {ended}"
        print(where)
        slowest, count = max(slowest, ended.seconds), count + 1
        assert leftovers(folder, process.pid) == [], where
        assert ended.code == 130, where
        assert not any(noise in ended.err for noise in NOISE), where
        assert ended.err.count("interrupted") == 1, where
        assert twice is not None or true_line(way, folder, ended.last), where
        for path in recordings(folder).values():
            assert verify(path).sound, where
        if way != "onset" and moment % 4 == 0:
            again = (*command, "--resume") if way == "record" else command
            process = start(folder, *again)
            _, err = process.communicate(timeout=600)
            assert process.returncode == 0, err
            assert_same(arrays(folder), expected)
        shutil.rmtree(folder)
    print(f"{way}: {count} moments in {duration:.1f} s, slowest {slowest:.1f} s")
