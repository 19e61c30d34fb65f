"""What people write: names with capitals, torch's and numpy's objects, home folders, bars."""

import functools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import nndyn
from nndyn.errors import (
    DataError,
    NndynError,
    RecordingError,
    StoreError,
    UnknownNameError,
    UsageError,
)

IRIS = {"model": "mlp:4-3", "data": "iris", "lr": 0.1}
SHORT = {"steps": 3, "replicas": 1, "control": False}


@pytest.mark.parametrize(
    ("name", "written", "known"),
    [
        ("dtype", torch.float32, "float32"),
        ("dtype", torch.double, "float64"),
        ("dtype", "torch.float32", "float32"),
        ("dtype", np.float32, "float32"),
        ("dtype", np.dtype("f4"), "float32"),
        ("optimizer", "Adam", "adam"),
        ("optimizer", "SGD", "sgd"),
        ("optimizer", "torch.optim.SGD", "sgd"),
        ("optimizer", "RMSProp", "rmsprop"),
        ("optimizer", "AdamW", "adamw"),
        ("loss", "MSE", "mse"),
        ("loss", "cross_entropy", "cross-entropy"),
        ("loss", "Cross_Entropy:Label_Smoothing=0.1", "cross-entropy:label_smoothing=0.1"),
        ("activation", "ReLU", "relu"),
        ("init", "Kaiming", "kaiming"),
        ("schedule", "Cosine:30", "cosine:30"),
        ("device", torch.device("cpu"), "cpu"),
        ("device", "CPU", "cpu"),
        ("data", "Iris", "iris"),
        ("betas", np.array([0.9, 0.999]), (0.9, 0.999)),
    ],
)
def test_a_name_is_known_however_it_is_written(name, written, known):
    given, plain = (
        nndyn.Training(**{**IRIS, name: value}).describe() for value in (written, known)
    )
    assert given == plain


def test_a_sweep_labels_its_axes_by_the_known_names(tmp_path):
    index = nndyn.sweep(
        "training",
        tmp_path / "study",
        **{k: v for k, v in IRIS.items() if k != "lr"},
        **SHORT,
        epsilon=1e-3,
        dtype=[torch.float32, torch.float64],
        optimizer=["Adam", "SGD"],
        device=torch.device("cpu"),
    )
    assert index["dtype"].values.tolist() == ["float32", "float64"]
    assert index["optimizer"].values.tolist() == ["adam", "sgd"]
    with nndyn.open(index["path"].sel(optimizer="sgd", dtype="float32", seed=0).item()) as run:
        assert run["state"].dtype == np.float32
        assert '"lr": 0.1' in run.attrs["manifest"]  # that of sgd, whatever its capitals


def test_record_takes_the_names_that_a_sweep_takes(tmp_path):
    with nndyn.record("Logistic", tmp_path / "m.nc", r=3.9, **SHORT) as named:
        made = nndyn.record(nndyn.systems.logistic(3.9), tmp_path / "n.nc", **SHORT)
        with made:
            np.testing.assert_array_equal(named["state"], made["state"])
    with nndyn.record("training", tmp_path / "t.nc", seed=4, **IRIS, **SHORT) as named:
        system = nndyn.Training(**IRIS, seed=4)
        with nndyn.record(system, tmp_path / "u.nc", seed=4, **SHORT) as made:
            np.testing.assert_array_equal(named["state"], made["state"])
    for k, make in enumerate((nndyn.systems.logistic, functools.partial(nndyn.systems.henon))):
        nndyn.record(make, tmp_path / f"f{k}.nc", **SHORT).close()


@pytest.mark.parametrize(
    ("system", "options", "error", "message"),
    [
        ("logistik", {}, UnknownNameError, "unknown system 'logistik'; known: logistic"),
        ("logistic", {"rr": 3.0}, UsageError, "logistic has no option 'rr'; known: r, initial"),
        ("training", {"model": "mlp:4-3"}, UsageError, "data is missing"),
        (torch.nn.Linear(2, 2), {}, UsageError, r"expected nndyn.Training\(…\) or one of"),
        (None, {"lr": 1.0}, UsageError, "record has no option 'lr'; known: steps, replicas"),
    ],
)
def test_a_system_that_is_none_is_refused(tmp_path, system, options, error, message):
    system = nndyn.systems.logistic() if system is None else system
    with pytest.raises(error, match=message):
        nndyn.record(system, tmp_path / "m.nc", **options, **SHORT)


def test_numbers_may_be_numpys(tmp_path):
    i, f = np.int64, np.float32
    system = nndyn.Training("mlp:4-3", "iris", lr=f(0.5), momentum=f(0.5), samples=i(60), seed=i(1))
    options = {"steps": i(30), "replicas": i(2), "epsilon": f(1e-6), "evaluate": i(10)}
    run = nndyn.record(system, tmp_path / "a.nc", rescale=i(5), seed=i(2), **options)
    with run:
        results = [
            run.nndyn.lyapunov(confidence=f(0.9), horizon=i(3)),
            run.nndyn.exploration(confidence=f(0.9), walks=i(50), max_lag=i(5)),
            run.nndyn.learning(threshold=f(0.5)),
            nndyn.recurrence(run, replica=i(1), radius=f(0.5), theiler=i(2), stride=i(1)),
        ]
    assert all("parameters" in result.attrs for result in results)
    study = {**SHORT, "seeds": i(2), "workers": None, "r": list(map(f, (3.5, 3.75)))}
    index = nndyn.sweep("logistic", tmp_path / "study", **study)
    assert index["r"].values.tolist() == [3.5, 3.75]
    found = index.nndyn.recurrence(kind="cross", other=i(1), radius=f(0.1), theiler=i(0))
    assert '"other": 1' in found.attrs["parameters"]


@pytest.mark.parametrize("grid", [torch.tensor([3.5, 3.75]), pd.Series([3.5, 3.75])])
def test_a_grid_is_a_list_a_range_or_an_array_of_any_library(tmp_path, grid):
    index = nndyn.sweep("logistic", tmp_path / "s", r=grid, replicas=range(1, 3), steps=3)
    assert index["r"].values.tolist() == [3.5, 3.75]
    assert index["replicas"].values.tolist() == [1, 2]


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_begins_at_home_in_every_function(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("HOME", str(tmp_path))
    nndyn.record("logistic", kind("~/a.nc"), **SHORT).close()
    with nndyn.open(kind("~/a.nc")) as run:
        assert run.encoding["source"] == str(tmp_path / "a.nc")
        nndyn.recurrence(run, kind="cross", other=kind("~/a.nc"), radius=0.1)
    nndyn.sweep("logistic", kind("~/study"), **SHORT)
    assert nndyn.open_study(kind("~/study")).nndyn.recurrence(radius=0.1).attrs["source_path"]
    (tmp_path / "p.csv").write_text("0.1,0.2,0\n0.3,0.1,1\n" * 20)
    assert nndyn.Training("mlp:2-2", kind("~/p.csv"), lr=0.1).dimension == 6
    assert {"a.nc", "study", "p.csv"} <= {p.name for p in tmp_path.iterdir()}


@pytest.mark.parametrize("path", [None, 3, ["a.nc"]])
def test_what_is_no_path_is_refused(path):
    for call in (nndyn.open, nndyn.open_study, lambda p: nndyn.record("logistic", p, **SHORT)):
        with pytest.raises(UsageError, match=r"path is .*, expected the name of a file or folder"):
            call(path)


def test_progress_is_a_bar_or_none_or_a_function(tmp_path, monkeypatch, capsys):
    told = []
    for k, progress in enumerate((True, False, None, lambda done, asked: told.append(done))):
        nndyn.record("logistic", tmp_path / f"{k}.nc", progress=progress, **SHORT).close()
        index = nndyn.sweep("logistic", tmp_path / f"s{k}", progress=progress, **SHORT)
        index.nndyn.recurrence(radius=0.1, progress=progress)
    assert told
    assert capsys.readouterr().err == ""  # no terminal, no bar
    with pytest.raises(UsageError, match="progress is 'yes', expected True, False or a function"):
        nndyn.record("logistic", tmp_path / "no.nc", progress="yes", **SHORT)
    assert not (tmp_path / "no.nc").exists()


def test_a_bar_is_drawn_where_there_is_a_terminal(tmp_path, monkeypatch):
    from nndyn.runtime import progress

    class Bar:
        drawn = 0

    clock = iter(range(0, 10**6, 5))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr("rich.progress.Progress.start", lambda self: setattr(Bar, "drawn", 1))
    with progress.following(True, "a run") as told:
        told(1, 2)
    assert Bar.drawn


KINDS = [UsageError, UnknownNameError, DataError, RecordingError, StoreError]
LONG = [
    torch.optim.Adam(torch.nn.Linear(2, 2).parameters()),
    torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh()),
    pd.DataFrame({"a": range(30), "b": range(30)}),
    np.arange(2000.0).reshape(40, 50),
    torch.arange(400.0).reshape(20, 20),
    list(range(5000)),
]


CALLS = [
    lambda v: nndyn.Training("mlp:4-3", "iris", lr=0.1, optimizer=v),
    lambda v: nndyn.Training("mlp:4-3", "iris", lr=v),
    lambda v: nndyn.Training("mlp:4-3", "iris", lr=0.1, dtype=v),
    lambda v: nndyn.Training("mlp:4-3", "iris", lr=0.1, schedule=v),
    lambda v: nndyn.Training("mlp:4-3", "iris", lr=0.1, device=v),
    lambda v: nndyn.record(v, "x.nc", steps=3),
    lambda v: nndyn.record("logistic", "x.nc", steps=v),
    lambda v: nndyn.record("logistic", "x.nc", steps=3, store=v),
    lambda v: nndyn.sweep(v, "x", steps=3),
    lambda v: nndyn.sweep("logistic", "x", steps=3, workers=v),
    lambda v: nndyn.find_onset("mlp:4-3", "iris", precision=v),
    lambda v: nndyn.open(v),
    lambda v: nndyn.lyapunov(v),
    lambda v: nndyn.recurrence(nndyn.from_array(np.arange(9.0)), radius=v),
    lambda v: nndyn.recurrence(nndyn.from_array(np.arange(9.0)), norm=v),
    lambda v: nndyn.record("logistic", "x.nc", steps=3, perturb=v),
    lambda v: nndyn.record("logistic", "x.nc", steps=3, tangents=v),
    lambda v: nndyn.record("lorenz63", "x.nc", steps=3, method=v),
    lambda v: nndyn.record("henon", "x.nc", steps=3, a=v),
    lambda v: nndyn.sweep("logistic", "x", steps=3, task=v),
    lambda v: nndyn.Map(v, 2),
    lambda v: nndyn.from_array(np.arange(9.0), interval=v),
]


@pytest.mark.parametrize("value", LONG, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_an_error_shows_a_value_on_one_short_line(call, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NndynError) as caught:
        call(value)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) <= 1300


@pytest.mark.parametrize(
    "kind", [UsageError, UnknownNameError, DataError, RecordingError, StoreError]
)
def test_the_first_and_the_last_line_of_a_value_are_shown(kind):
    error = kind("lr is Adam (\nParameter Group 0\n    lr: 0.1\n); give a number")
    assert str(error) == "lr is Adam ( … ); give a number"
    assert str(kind("one line")) == "one line"


def test_a_trial_that_failed_says_how_many_samples_it_took():
    with pytest.raises(UsageError, match=r"does not fit the data: .* \(tried on the first 4 samp"):
        nndyn.Training(torch.nn.Conv2d(1, 2, 3), "iris", lr=0.1)

    def broken(output, target):
        raise ValueError("no")

    with pytest.raises(UsageError, match=r"raises ValueError .* \(tried on the first 4 samples\)"):
        nndyn.Training(torch.nn.Linear(4, 3), "iris", lr=0.1, loss=broken)
