"""Recordings that keep sketches in place of states."""

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.errors import DataError, NndynError, UsageError
from nndyn.numerics.sketch import Sketch
from recorders import drive
from recorders.batch import record_batch
from tests.recorders.linear import Linear, assert_same, values


def mlp(**options):
    return nndyn.Training("mlp:4-8-3", "iris", **{"lr": 0.5, **options})


def in_turn():
    return nndyn.Training("mlp:4-8-3", "iris", optimizer=torch.optim.Adadelta, lr=1.0)


def module():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.BatchNorm1d(12), nn.Linear(12, 3))
    return nndyn.Training(net, "iris", lr=0.05, optimizer="adam", batch_size=32, dtype="float32")


def sketches(states, size=64):
    """Return what a recording of full states keeps as sketches."""
    sketch = Sketch(states.shape[2], size, 0)
    found = np.stack([sketch.of(rows) for rows in states])
    found[:, :1] -= sketch.of(states[0, :1])
    return found


@pytest.mark.filterwarnings("ignore:optimizer")
@pytest.mark.parametrize(
    ("system", "options"),
    [
        (mlp, {}),
        (mlp, {"rescale": 7, "pairs": True}),
        (lambda: mlp(optimizer="adam", lr=0.05, batch_size=32), {"evaluate": 5}),
        (module, {"epsilon": 1e-3}),
        (mlp, {"tangents": 2, "sharpness": "every:9"}),
    ],
)
def test_they_are_those_of_the_states_and_all_else_is_the_same(tmp_path, system, options):
    options = {"steps": 30, "replicas": 2, **options}
    full = nndyn.record(system(), tmp_path / "full.nc", **options)
    few = nndyn.record(system(), tmp_path / "few.nc", store="every:7,sketch:64", **options)
    kept = nndyn.record(system(), tmp_path / "kept.nc", store="sketch:64", **options)
    expected = sketches(full["state"].values)
    np.testing.assert_array_equal(kept["sketch"].values, expected)
    assert not kept["sketch"][0, 0].values.any()
    np.testing.assert_array_equal(few["sketch"].values, expected[[0, 7, 14, 21, 28, 30]])
    assert few["sketch"].dims == ("state_time", "replica", "bucket")
    assert kept["sketch"].attrs["seed"] == 0
    for name in ("distance_l2", "step_length", "log_rescale", "loss", "rounding_distance"):
        if name in full:
            np.testing.assert_array_equal(kept[name].values, full[name].values)


@pytest.mark.filterwarnings("ignore:optimizer")
def test_a_step_of_torchs_own_has_them(tmp_path):
    full = nndyn.record(in_turn(), tmp_path / "full.nc", steps=12, replicas=1)
    kept = nndyn.record(in_turn(), tmp_path / "kept.nc", steps=12, replicas=1, store="sketch:64")
    np.testing.assert_array_equal(kept["sketch"].values, sketches(full["state"].values))


@pytest.mark.parametrize("store", ["sketch:64", "every:4,sketch:64"])
def test_a_run_in_parts_has_the_same_bits(tmp_path, monkeypatch, store):
    options = {"replicas": 2, "store": store}
    whole = values(nndyn.record(mlp(), tmp_path / "whole.nc", steps=150, **options))
    monkeypatch.setattr(drive, "_SEGMENT_SECONDS", 1e-9)
    monkeypatch.setattr(drive, "_SEGMENT_WORK", 1.0)
    for steps in (64, 100, 150):
        run = nndyn.record(mlp(), tmp_path / "parts.nc", steps=steps, resume=True, **options)
    parts = values(run)
    for name in ("sketch", "distance_l2", "log_rescale"):
        np.testing.assert_array_equal(parts[name][-10:], whole[name][-10:])
    np.testing.assert_array_equal(run["sketch"][0].values, whole["sketch"][0])


def test_runs_of_a_batch_have_those_of_their_own(tmp_path):
    systems = [mlp(seed=s, lr=0.2 + s) for s in range(3)]
    paths = [tmp_path / f"{s}.nc" for s in range(3)]
    options = {"steps": 20, "replicas": 2, "store": "sketch:64"}
    record_batch(systems, paths, seeds=[0, 1, 2], **options)
    for s, path in enumerate(paths):
        alone = nndyn.record(
            mlp(seed=s, lr=0.2 + s), tmp_path / "a.nc", seed=s, overwrite=True, **options
        )
        assert_same(values(alone), values(nndyn.open(path)))


def test_a_replica_that_diverges_has_none_from_there_on(tmp_path):
    run = nndyn.record(
        nndyn.Training("mlp:4-8-3", "iris", lr=0.01, activation="identity", loss="mse"),
        tmp_path / "d.nc",
        steps=40,
        replicas=1,
        perturbations=np.full((1, 67), 1e150),
        store="sketch:64",
    )
    at = int(run["diverged_at"][1])
    assert at > 0
    assert np.isnan(run["sketch"][at:, 1]).all()
    assert np.isfinite(run["sketch"][:, 0]).all()
    assert nndyn.exploration(run).attrs["verdict"] != "diverged"


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("sketch:100", "a multiple of 64"),
        ("sketch:0", "a multiple of 64"),
        ("sketch:x", "a multiple of 64"),
        ("every:0,sketch:64", "K above 0"),
        ("full,sketch:64", "'every:J,sketch:K'"),
        ("sketch", "'sketch:K'"),
        ("sketch:128", "has 67 numbers; use 'full'"),
    ],
)
def test_a_store_that_is_none_is_refused(tmp_path, store, said):
    with pytest.raises(UsageError, match=said):
        nndyn.record(mlp(), tmp_path / "r.nc", steps=10, replicas=1, store=store)
    assert not (tmp_path / "r.nc").exists()


def test_where_there_are_none_it_is_said(tmp_path):
    path = tmp_path / "r.nc"
    with pytest.raises(UsageError, match="leave out `state`"):
        nndyn.record(mlp(), path, steps=10, replicas=1, store="sketch:64", state="phase")
    with pytest.raises(UsageError, match="has 80 numbers; use 'full'"):
        nndyn.record(Linear(*[1.1] * 80), path, steps=10, replicas=1, store="sketch:64")
    run = nndyn.record(mlp(), path, steps=10, replicas=1, store="sketch:64")
    with pytest.raises(NndynError, match="state"):
        run.nndyn.layer("0.weight")
    with pytest.raises(DataError, match="store='full'"):
        nndyn.join(run.isel(replica=[0]), [run.isel(replica=[1])], tmp_path / "joined.nc")
