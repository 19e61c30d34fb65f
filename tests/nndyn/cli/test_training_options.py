"""Every option of `record training` reaches the run, and a run's options make it again."""

import json
import os
import textwrap
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.systems.defaults import MODELS
from nndyn.systems.training.data import loading, scikit_learn


def system(path):
    with xr.open_dataset(path) as recording:
        return json.loads(recording.attrs["manifest"])["system"]


def states(path):
    with xr.open_dataset(path) as recording:
        return recording["state"].values


IRIS = ("record", "training", "--data", "iris", "--model", "mlp:4-5-3", "--steps", 6)
OPTIONS = {
    "nesterov": ("--momentum", 0.9, "--nesterov", "--lr", 0.05),
    "adamw": ("--optimizer", "adamw", "--weight-decay", 0.01, "--betas", 0.8, 0.99),
    "rmsprop": ("--optimizer", "rmsprop", "--alpha", 0.9, "--momentum", 0.5, "--lr", 0.01),
    "beside": ("--tangents", 2, "--sharpness", "every:4", "--quadratic-model", "--momentum", 0.5),
    "schedule": ("--schedule", "warmup:3,cosine:6", "--clip-norm", 0.5, "--lr", 0.2),
    "samples": ("--samples", 30, "--batch-size", 8, "--dtype", "float32", "--epsilon", 1e-3),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_options_of_a_run_make_it_again(cli, name):
    code, _, err = cli(*IRIS, *OPTIONS[name], "-o", "a.nc")
    assert code == 0, err
    _, toml, _ = cli("info", "--config", "a.nc")
    with open("a.toml", "w") as file:
        file.write(toml)
    code, _, err = cli("record", "training", "--config", "a.toml", "-o", "b.nc")
    assert code == 0, err
    assert system("a.nc") == system("b.nc")
    np.testing.assert_array_equal(states("a.nc"), states("b.nc"))
    cli(*IRIS, "--lr", system("a.nc")["lr"], "-o", "plain.nc")
    assert not np.array_equal(states("a.nc"), states("plain.nc"))


@pytest.mark.parametrize(("optimizer", "lr"), [("sgd", 0.1), ("adam", 0.001), ("rmsprop", 0.001)])
def test_there_is_a_learning_rate_for_every_optimizer(cli, optimizer, lr):
    assert cli(*IRIS, "--optimizer", optimizer, "-o", "a.nc")[0] == 0
    assert system("a.nc")["lr"] == lr


def test_a_network_of_the_user_is_recorded_by_one_command(cli, tmp_path):
    (tmp_path / "mine.py").write_text(
        textwrap.dedent(
            """
            from torch import nn

            class Net(nn.Sequential):
                def __init__(self):
                    super().__init__(nn.Linear(4, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 3))

            def pair():
                class Pair(Net):
                    def forward(self, x):
                        return super().forward(x), x
                return Pair()
            """
        )
    )
    command = ("record", "training", "--data", "iris", "--steps", 5)
    code, out, err = cli(*command, "--model", "mine:Net", "-o", "a.nc")
    assert (code, err) == (0, "")
    assert "iris mine:Net, 5 steps, 7 replicas" in out
    _, toml, _ = cli("info", "--config", "a.nc")
    assert 'model = "mine:Net"' in toml
    code, out, err = cli(*command, "--model", "mine:pair", "-o", "b.nc")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "tuple" in err
    code, _, err = cli(*command, "--model", "mine:Nett", "-o", "b.nc")
    assert code == 2
    assert "Net, pair" in err
    assert not (tmp_path / "b.nc").exists()


def test_a_table_of_the_user_is_recorded_from_its_file(cli, tmp_path):
    rng = np.random.default_rng(0)
    lines = ["a,b,label"]
    lines += [
        f"{x:.3f},{y:.3f},{'yes' if x > 0 else 'no'}" for x, y in rng.standard_normal((40, 2))
    ]
    (tmp_path / "points.csv").write_text("\n".join(lines))
    command = ("record", "training", "--data", "points.csv", "--steps", 5, "-o", "a.nc")
    code, out, err = cli(*command, "--model", "mlp:2-4-2")
    assert (code, err) == (0, "")
    assert "points.csv mlp:2-4-2" in out
    found = system("a.nc")
    assert (found["data"], found["train"]["x"], found["test"]["x"]) == (
        "points.csv",
        [32, 2],
        [8, 2],
    )


WRONG = [
    (("--device", "cuda:99"), "device is 'cuda:99'"),
    (("--device", "tpu"), "'cpu', 'cuda' or 'cuda:N'"),
    (("--nesterov",), "nesterov needs a momentum"),
    (("--schedule", "cosine"), "cosine"),
    (("--schedule", "sine:3"), "sine"),
    (("--samples", 0), "samples is 0"),
    (("--samples", 5000), "120"),
    (("--data-dir", "here"), "--data-dir applies to"),
    (("--weight-decay", -1), "--weight-decay is -1"),
    (("--clip-norm", 0), "--clip-norm is 0"),
    (("--alpha", 0.5), "alpha applies to rmsprop"),
    (("--dtype", "float32", "--epsilon", 1e-8), "below the rounding of float32"),
    (("--model", "cnn:8"), "images"),
    (("--model", "nosuch:Net"), "no module 'nosuch'"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_a_wrong_option_is_one_line_and_writes_nothing(cli, tmp_path, options, message):
    code, out, err = cli(*IRIS, *options, "-o", "a.nc")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
    assert not list(tmp_path.iterdir())


def test_a_control_that_departs_is_said(cli, monkeypatch):
    from nndyn.cli.record import _warnings

    assert cli(*IRIS, "-o", "a.nc")[2] == ""
    with xr.open_dataset("a.nc") as recording:
        recording = recording.load()
    assert list(_warnings(recording)) == []
    recording["distance_l2"][4, -1] = 3e-13
    (said,) = _warnings(recording)
    assert "control departs from the reference, up to 3e-13" in said


def test_a_pipe_is_not_replaced(cli, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    code, _, err = cli(*IRIS, "--overwrite", "-o", "pipe")
    assert code == 2
    assert "pipe is a device or a pipe" in err
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("start", ["weights", "random"])
def test_the_options_of_a_run_say_where_its_tangents_began(cli, start):
    """A file without a word began at random; the options made of it do not mean anything else."""
    code, _, err = cli(*IRIS, "--tangents", 2, "--tangent-start", start, "-o", "r.nc")
    assert code == 0, err
    code, out, _ = cli("info", "--config", "r.nc")
    assert code == 0
    assert f'tangent_start = "{start}"' in out
    Path("options.toml").write_text(out)
    code, _, err = cli("record", "training", "--config", "options.toml", "-o", "again.nc")
    assert code == 0, err
    with xr.open_dataset("r.nc") as one, xr.open_dataset("again.nc") as other:
        for name in ("tangent_log_stretch", "tangent_alignment"):
            np.testing.assert_array_equal(one[name].values, other[name].values)


def test_tangents_and_curvature_are_recorded_by_one_command(cli):
    words = ("record", "training", "--data", "iris", "--model", "mlp:4-5-3", "--steps", 60)
    words += ("--optimizer", "adam", "--tangents", 2, "--tangent-start", "replicas")
    words += ("--tangent-every", 3, "--sharpness", "every:25", "--quadratic-model")
    code, _, err = cli(*words, "-o", "r.nc")
    assert code == 0, err
    with xr.open_dataset("r.nc") as run:
        assert run.sizes["vector"] == 2
        assert run["sharpness_time"].values.tolist() == [0.0, 25.0, 50.0, 60.0]
        assert run["tangent_time"].values.tolist() == list(range(0, 61, 3))
        assert run["preconditioned_sharpness"].dims == ("sharpness_time",)
        assert run["quadratic_log_growth"].dims == ("time", "replica")
    code, out, _ = cli("analyze", "lyapunov", "r.nc", "--json")
    assert code == 0
    names = {"unstable_until", "quadratic_exponent", "quadratic_growth"}
    assert names <= json.loads(out)["results"].keys()


def test_data_with_a_name_have_a_model(cli):
    assert cli("record", "training", "--data", "Iris", "--steps", 2, "-o", "a.nc")[0] == 0
    assert system("a.nc")["model"] == "mlp:4-10-3"
    assert nndyn.Training(data="iris", lr=0.1).describe()["model"] == "mlp:4-10-3"
    assert "--model" not in cli("onset", "--data", "iris", "--steps", 3)[2]
    code, _, err = cli("record", "training", "--data", "mine.csv", "--steps", 2, "-o", "b.nc")
    assert code == 2
    assert "model is missing; only digits, iris, wine" in err


def test_every_named_data_set_has_a_model_that_fits():
    assert set(MODELS) == set(loading.NAMES)
    for name in scikit_learn.NAMES:
        loaded = loading.load(name)
        widths = [int(width) for width in MODELS[name].removeprefix("mlp:").split("-")]
        assert widths[0] == loaded.training.x[0].size
        assert widths[-1] == len(np.unique(loaded.training.y))
