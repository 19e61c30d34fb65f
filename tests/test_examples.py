"""Every example runs, small."""

import gzip
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nndyn

EXAMPLES = Path(__file__).parents[1] / "examples"
COMMAND = Path(sys.executable).with_name("nndyn")


def output(*words, **options):
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_table_of_verdicts_is_printed():
    printed = output(
        sys.executable, EXAMPLES / "verdicts.py", "--seeds=1", "--lr=0.5,3", "--steps=120"
    )
    rows = printed.splitlines()
    assert len(rows) == 4
    assert rows[2].startswith("| 0.5 | 1 regular | 1 regular |")
    assert "transient" in rows[3]


@pytest.mark.slow
def test_the_table_of_exploration_is_printed():
    printed = output(
        sys.executable, EXAMPLES / "exploration.py", "--seeds=2", "--lr=0.5,3", "--steps=110"
    )
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in printed.splitlines()]
    assert len(cells) == 4
    assert cells[2][4] == "not reached (not reached, not reached)"
    calm, wild = (float(row[1].split()[0]) for row in cells[2:])
    assert 1.0 <= calm < wild / 2
    calm, wild = (float(row[3].split()[0]) for row in cells[2:])
    assert calm > wild + 0.2


@pytest.mark.slow
def test_every_figure_is_drawn_on_one_sheet(tmp_path):
    path = tmp_path / "sheet.png"
    printed = output(sys.executable, EXAMPLES / "figures.py", "--small", "--output", path)
    assert len(printed.splitlines()) >= 16
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_edge_of_stability_is_drawn(tmp_path):
    path = tmp_path / "figure.png"
    words = [EXAMPLES / "edge_of_stability.py", "--steps=60", "--every=20", "--output", path]
    printed = output(sys.executable, *words)
    assert printed.startswith("transient: deviations grew by 4.")
    assert "sharpness * lr / 2 last exceeds 1 at step " in printed
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_onset_is_told_and_drawn(tmp_path):
    words = ["--rates=3", "--seeds=3", "--steps=60", "--study", tmp_path / "study"]
    path = tmp_path / "figure.png"
    printed = output(sys.executable, EXAMPLES / "onset.py", *words, "--output", path)
    rows = printed.splitlines()
    assert rows[2].startswith("| 0.5 |")
    assert rows[2].count("|") == 7
    assert "of 3 seeds turn over at lr = " in printed
    assert path.read_bytes().startswith(b"\x89PNG")
    again = output(sys.executable, EXAMPLES / "onset.py", *words, "--output", path)
    assert again == printed


def test_a_network_of_ones_own_is_recorded_by_python(tmp_path, monkeypatch, capsys):
    path = tmp_path / "run.nc"
    monkeypatch.setattr(sys, "argv", ["own_model.py", "--steps=10", f"--output={path}"])
    runpy.run_path(str(EXAMPLES / "own_model.py"), run_name="__main__")
    printed = capsys.readouterr().out
    with nndyn.open(path) as run:
        assert run.attrs["status"] == "complete"
        assert run.sizes["time"] == 11
        assert "block.self_attn.in_proj_weight" in run["parameter_name"].values
        result = nndyn.lyapunov(run)
    assert printed.splitlines()[-1] == f"{result.attrs['verdict']}: {result.attrs['reason']}"


@pytest.mark.slow  # docs/own_loop.md is run by default
def test_a_loop_of_ones_own_is_recorded_and_drawn(tmp_path):
    path = tmp_path / "figure.png"
    printed = output(sys.executable, EXAMPLES / "own_loop.py", "--steps=12", "--output", path)
    rows = printed.splitlines()
    assert rows[0].startswith("test accuracy 0.")
    assert rows[2].startswith("regular: ")
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_two_networks_against_each_other_are_recorded_and_drawn(tmp_path):
    path = tmp_path / "figure.png"
    printed = output(sys.executable, EXAMPLES / "gan.py", "--steps=12", "--output", path)
    rows = printed.splitlines()
    assert " of 8 modes found" in rows[0]
    assert rows[2].partition(":")[0] in ("regular", "transient", "unresolved")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_checkpoints_of_plain_loops_become_a_recording(tmp_path, monkeypatch, capsys):
    path = tmp_path / "run.nc"
    words = ["--steps=20", f"--folder={tmp_path / 'runs'}", f"--output={path}"]
    monkeypatch.setattr(sys, "argv", ["checkpoints.py", *words])
    runpy.run_path(str(EXAMPLES / "checkpoints.py"), run_name="__main__")
    printed = capsys.readouterr().out
    with nndyn.open(path) as run:
        assert run.sizes["time"] == 21
        assert run["role"].values.tolist() == [0, 1, 1, 2]
        assert not run["distance_l2"].values[:, 3].any()
        result = nndyn.lyapunov(run)
    assert printed.splitlines()[-1] == f"{result.attrs['verdict']}: {result.attrs['reason']}"


@pytest.mark.slow  # in this process it is recorded by tests/nndyn/cli/test_training_options.py
def test_the_same_network_is_recorded_by_one_command(tmp_path):
    path = tmp_path / "run.nc"
    options = ["--data", "digits", "--model", "own_model:Net", "--lr", "0.5", "--steps", "6"]
    output(COMMAND, "record", "training", *options, "--output", path, cwd=EXAMPLES)
    with nndyn.open(path) as run:
        assert run.sizes["time"] == 7
        assert "block.self_attn.in_proj_weight" in run["parameter_name"].values


def write_images(folder, part, count):
    """Write noise as the files that Fashion-MNIST consists of."""
    rng = np.random.default_rng(count)
    labels = np.arange(count) % 10
    images = rng.integers(0, 256, (count, 28, 28))
    for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
        header = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">u4").tobytes()
        content = gzip.compress(header + values.astype(np.uint8).tobytes())
        (folder / f"{part}-{kind}-ubyte.gz").write_bytes(content)


@pytest.mark.slow
def test_fashion_mnist_is_recorded_analyzed_and_drawn(tmp_path):
    images, out = tmp_path / "the images", tmp_path / "the results"
    images.mkdir()
    write_images(images, "train", 200)
    write_images(images, "t10k", 40)
    small = {"DATA_DIR": images, "OUT": out, "STEPS": 12, "SAMPLES": 100, "CNN_SAMPLES": 50}
    settings = {key: str(value) for key, value in (small | {"NNDYN": COMMAND}).items()}
    printed = output("sh", EXAMPLES / "fashion_mnist.sh", env=os.environ | settings)
    assert printed.count("lyapunov_max") == 2
    for name, model, samples in (("mlp", "mlp:784-64-10", 100), ("cnn", "cnn:8-16", 50)):
        with nndyn.open(out / f"{name}.nc") as run:
            assert model in run.attrs["manifest"]
            assert f'"samples": {samples}' in run.attrs["manifest"]
            assert run.sizes["time"] == 13
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
