"""However batches are dealt out, and however often a sweep is killed, arrays are the same."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import nndyn
from nndyn.errors import UsageError
from tests.nndyn.studies.small import MAP, TRAINING, arrays, assert_same_recordings, statuses

#: Trainings in three shapes, so that there are several batches.
SWEPT = {"model": ["mlp:4-8-3", "mlp:4-6-3", "mlp:4-3"], "lr": [0.5, 2.0, 5.0]}
#: The same on the command line.
COMMAND = (
    *("training", "--model", "mlp:4-8-3,mlp:4-6-3,mlp:4-3", "--lr", "0.5,2,5", "--data", "iris"),
    *("--replicas", "2", "--store", "distances"),
)


def trainings(path, seeds=2, **ways):
    options = {k: v for k, v in TRAINING.items() if k != "model"}
    return nndyn.sweep("training", path, seeds=seeds, **SWEPT, **options, **ways)


def start(folder, *arguments, steps=30):
    """Sweep in a process of its own."""
    script = "from nndyn.cli import main; main()"
    given = [
        "sweep",
        *COMMAND,
        "--seeds",
        "2",
        "--steps",
        str(steps),
        *arguments,
        "-o",
        str(folder),
    ]
    return subprocess.Popen(
        [sys.executable, "-c", script, *given, "-o", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def done(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out, err


def test_shares_in_any_order_make_the_study_of_one_process(tmp_path):
    expected = arrays(trainings(tmp_path / "one"))
    partial = trainings(tmp_path / "shares", task="3/3")
    assert statuses(partial) == {"complete", "missing"}
    assert (partial["status"] == "complete").sum() == 6
    trainings(tmp_path / "shares", task=(1, 3))
    trainings(tmp_path / "shares", task="9/9")  # there are fewer batches
    index = trainings(tmp_path / "shares", task="2/3")
    assert statuses(index) == {"complete"}
    assert_same_recordings(arrays(index), expected)


@pytest.fixture(scope="module")
def scheduler():
    """The address of a running scheduler with workers in threads of this process."""
    from dask.distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


def test_a_running_scheduler_makes_the_study_of_one_process(tmp_path, scheduler, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = arrays(trainings("one"))
    told = []
    index = trainings("s", scheduler=scheduler, progress=lambda *p: told.append(p))
    assert_same_recordings(arrays(index), expected)
    assert told[-1] == (540, 540)
    assert trainings("s", scheduler=scheduler).equals(index)


def test_names_of_files_mean_the_same_for_workers(tmp_path, scheduler, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    np.savez("rows.npz", x=rng.standard_normal((20, 4)), y=np.arange(20) % 3)
    options = {**TRAINING, "data": "rows.npz", "lr": [0.5]}
    index = nndyn.sweep("training", "s", scheduler=scheduler, **options)
    assert statuses(index) == {"complete"}, index["reason"].values


def test_a_failure_on_a_worker_is_noted_as_any(tmp_path, scheduler):
    def delicate(r, seed):
        if seed == 1:
            raise ZeroDivisionError("no second seed")
        return nndyn.Map(lambda x: r * x * (1 - x), 1, initial=[0.3])

    index = nndyn.sweep(delicate, tmp_path / "s", r=[3.9], seeds=3, scheduler=scheduler, **MAP)
    assert index["status"].values.ravel().tolist() == ["complete", "failed", "complete"]


@pytest.mark.parametrize("address", ["nonsense", "tcp:/x", "tcp://127.0.0.1:9"])
@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_named(tmp_path, address):
    with pytest.raises(UsageError, match=r"no Dask scheduler answers at .*expected an address"):
        trainings(tmp_path / "s", scheduler=address)
    with pytest.raises(ValueError, match="No clients found"):  # xarray would write through it
        pytest.importorskip("distributed").default_client()


@pytest.mark.slow
def test_processes_of_this_machine_make_the_study_of_one(tmp_path):
    expected = arrays(trainings(tmp_path / "one"))
    assert_same_recordings(arrays(trainings(tmp_path / "s", workers=2)), expected)


@pytest.mark.slow
def test_workers_leave_the_output_to_the_command(tmp_path):
    out, err = done(start(tmp_path / "s", "--workers", "2", "-q"))
    assert out == f"{tmp_path}/s: 18 runs (3 model x 3 lr x 2 seeds): 18 complete\n"
    assert err == ""


@pytest.mark.slow
def test_two_sweeps_that_begin_at_once_share_the_work(tmp_path):
    expected = arrays(trainings(tmp_path / "one"))
    for process in [start(tmp_path / "s") for _ in range(3)]:
        out, err = done(process)
        assert "18 complete" in out, err
    assert_same_recordings(arrays(nndyn.open_study(tmp_path / "s")), expected)


@pytest.mark.slow
@pytest.mark.parametrize("ways", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_killed_three_times_a_sweep_gives_the_same_arrays(tmp_path, ways):
    steps, rng = 1500, random.Random(len(ways))
    began = time.monotonic()
    done(start(tmp_path / "whole", steps=steps))
    duration = time.monotonic() - began
    for _ in range(3):
        process = start(tmp_path / "s", *ways, steps=steps)
        time.sleep(rng.uniform(0.3, 0.7) * duration)
        process.kill()
        process.communicate()
        if (tmp_path / "s").exists():
            assert statuses(nndyn.open_study(tmp_path / "s")) <= {
                *("complete", "recording", "interrupted", "missing")
            }
    done(start(tmp_path / "s", *ways, steps=steps))
    index = nndyn.open_study(tmp_path / "s")
    assert statuses(index) == {"complete"}
    assert_same_recordings(arrays(index), arrays(nndyn.open_study(tmp_path / "whole")))


@pytest.mark.slow
def test_ctrl_c_commits_what_is_done_and_the_same_command_goes_on(tmp_path):
    process = start(tmp_path / "s", steps=3000)
    deadline = time.monotonic() + 60
    while not any((tmp_path / "s/batches").glob("*.json")):  # of three
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("nndyn: interrupted;")
    index = nndyn.open_study(tmp_path / "s")
    assert statuses(index) <= {"complete", "interrupted", "missing"}
    assert int(index["steps"].sum()) > 0
    done(start(tmp_path / "s", steps=3000))
    assert statuses(nndyn.open_study(tmp_path / "s")) == {"complete"}
