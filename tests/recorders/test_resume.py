"""A run that is cut short, or finished, goes on to the arrays of one that was not."""

import json
import os
import subprocess
import sys

import pytest

import nndyn
from nndyn.errors import UsageError
from nndyn.store import Writer
from recorders import drive
from tests.recorders.linear import Linear, assert_same, values
from tests.recorders.pressing import Press


class KilledError(Exception):
    pass


SYSTEMS = {
    "sgd": lambda: nndyn.Training("mlp:4-5-3", "iris", lr=2.0),
    "adam in minibatches": lambda: nndyn.Training(
        "mlp:4-5-3", "iris", lr=0.05, optimizer="adam", batch_size=32
    ),
    "henon": nndyn.systems.henon,
    "lorenz63": nndyn.systems.lorenz63,
}


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("options", [{}, {"rescale": 7}, {"store": "every:4", "evaluate": 5}])
def test_an_interrupted_run_resumes_to_the_same_arrays(tmp_path, monkeypatch, name, options):
    monkeypatch.setattr(drive, "_SEGMENT_SECONDS", 1e-9)
    monkeypatch.setattr(drive, "_SEGMENT_WORK", 1.0)
    options = {"steps": 150, "replicas": 2, **options}
    whole = values(nndyn.record(SYSTEMS[name](), tmp_path / "whole.nc", **options))

    path = tmp_path / "cut.nc"
    for at in (3, 64, 100):
        with pytest.raises(KeyboardInterrupt):
            nndyn.record(Press(SYSTEMS[name](), at), path, resume=True, **options)
        with nndyn.open(path) as partial:
            assert partial.attrs["status"] == "recording"
            assert 0 < partial.sizes["time"] <= at + 3
    resumed = nndyn.record(SYSTEMS[name](), path, resume=True, **options)
    assert resumed.attrs["status"] == "complete"
    assert_same(whole, values(resumed))


def test_a_redrawn_replica_is_named_once_across_a_resume(tmp_path):
    options = {"rescale": 4, "replicas": 2}
    path = tmp_path / "r.nc"
    for steps in (3, 8, 13):  # 3 stops right before a rescaling, 8 at one
        nndyn.record(Linear(0.0, 0.0), path, steps=steps, resume=True, **options).close()
    with nndyn.open(path) as recording:
        redrawn = json.loads(recording.attrs["redrawn"])
    assert redrawn == [[1, 4], [2, 4], [1, 8], [2, 8], [1, 12], [2, 12]]
    whole = nndyn.record(Linear(0.0, 0.0), tmp_path / "whole.nc", steps=13, **options)
    assert_same(values(nndyn.open(path)), values(whole))


def test_a_complete_run_is_left_alone_or_goes_on_with_more_steps(tmp_path):
    path = tmp_path / "r.nc"
    system = nndyn.systems.henon()
    first = nndyn.record(system, path, steps=100, resume=True)
    identity = first.attrs["recording_id"]
    first.close()
    before = path.read_bytes()
    nndyn.record(system, path, steps=100, resume=True).close()
    assert path.read_bytes() == before
    extended = nndyn.record(system, path, steps=333, resume=True)
    assert extended.attrs["recording_id"] == identity
    assert json.loads(extended.attrs["manifest"])["steps"] == 333
    assert_same(values(extended), values(nndyn.record(system, tmp_path / "long.nc", steps=333)))


def test_resuming_with_other_options_is_refused_with_both_values(tmp_path):
    path = tmp_path / "r.nc"
    nndyn.record(nndyn.systems.henon(), path, steps=20).close()
    with pytest.raises(UsageError, match=r"recording\.replicas is 5 in the file, 3 asked"):
        nndyn.record(nndyn.systems.henon(), path, steps=30, replicas=3, resume=True)
    with pytest.raises(UsageError, match=r"system\.parameters\.a is 1\.4 in the file, 1\.3 asked"):
        nndyn.record(nndyn.systems.henon(1.3), path, steps=30, resume=True)
    with pytest.raises(UsageError, match="already holds 20 steps, 10 asked"):
        nndyn.record(nndyn.systems.henon(), path, steps=10, resume=True)


def test_a_run_killed_before_its_divergence_was_noted_stops_when_it_is_gone_on_with(
    tmp_path, monkeypatch
):
    def recorded(path):
        system = nndyn.Training("mlp:4-5-3", "iris", activation="relu", loss="mse", lr=1e8)
        return nndyn.record(system, path, steps=60, replicas=1, resume=True)

    def killed(*_, **__):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "finish", killed)
        with pytest.raises(KilledError):
            recorded(tmp_path / "r.nc")
    whole, resumed = recorded(tmp_path / "whole.nc"), recorded(tmp_path / "r.nc")
    assert resumed.attrs["status"] == "stopped"
    assert resumed.attrs["stop_reason"] == whole.attrs["stop_reason"]
    assert_same(values(whole), values(resumed))


_RECORDS = """
import sys, netCDF4, nndyn
nndyn.record(nndyn.systems.henon(), sys.argv[1], steps=50, replicas=2, tangents=1).close()
print(netCDF4.Dataset(sys.argv[1])["digest"][:, :3].tolist())
"""


@pytest.mark.slow
def test_what_is_written_comes_in_the_same_order_in_every_process(tmp_path):
    """Sets of names have another order in each."""
    found = [
        subprocess.run(
            [sys.executable, "-c", _RECORDS, tmp_path / f"{seed}.nc"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
