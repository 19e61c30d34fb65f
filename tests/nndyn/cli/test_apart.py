"""No command replaces what it reads."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import nndyn
from nndyn.errors import UsageError
from nndyn.store import save_result

HENON = ("--steps", 60, "--rescale", 5, "--replicas", 2)


@pytest.fixture
def run(cli):
    assert cli("record", "map", "henon", *HENON, "-o", "run.nc")[0] == 0
    Path("deep").mkdir()
    os.symlink("../run.nc", "deep/link.nc")
    os.link("run.nc", "hard.nc")
    os.link("run.nc", "fig.png")
    os.symlink(".", "here")
    return Path("run.nc")


def assert_refused(answer, *files):
    code, out, err = answer
    assert (code, out) == (2, "")
    assert "is what is read, or a part of it" in err
    assert err.count("\n") == 1
    assert all(path.read_bytes() == content for path, content in files)


@pytest.mark.parametrize("name", ["run.nc", "./run.nc", "hard.nc", "deep/link.nc", "here/run.nc"])
def test_a_result_does_not_replace_its_recording(cli, run, name):
    before = (run, run.read_bytes())
    assert_refused(cli("analyze", "lyapunov", run, "-o", name, "--overwrite"), before)
    assert_refused(cli("analyze", "lyapunov", name, "-o", run, "--overwrite"), before)
    with nndyn.open(run) as recording:
        result = nndyn.lyapunov(recording)
    with pytest.raises(UsageError, match="is what is read"):
        save_result(result, name, overwrite=True)
    assert run.read_bytes() == before[1]
    assert cli("analyze", "lyapunov", run, "-o", "result.nc")[0] == 0
    assert cli("analyze", "lyapunov", run, "-o", "result.nc", "--overwrite")[0] == 0


def test_a_figure_does_not_replace_its_recording(cli, run):
    before = (run, run.read_bytes()), (Path("fig.png"), run.read_bytes())
    assert_refused(cli("plot", "lyapunov", run, "-o", "fig.png"), *before)
    assert_refused(cli("plot", "lyapunov", "fig.png", "-o", "fig.png"), *before)


def test_a_result_or_a_figure_does_not_replace_another_recording_it_is_of(cli, run):
    assert cli("record", "map", "henon", *HENON, "--seed", 1, "-o", "mine.nc")[0] == 0
    files = [(path, run.read_bytes()) for path in (run, Path("fig.png"))]
    cross = ("recurrence", "mine.nc", "--kind", "cross", "--other")
    assert_refused(cli("analyze", *cross, run, "-o", "hard.nc", "--overwrite"), *files)
    assert_refused(cli("analyze", *cross, "deep/link.nc", "-o", run, "--overwrite"), *files)
    assert_refused(cli("plot", *cross, run, "-o", "fig.png"), *files)
    with nndyn.open("mine.nc") as recording:
        result = nndyn.recurrence(recording, kind="cross", other=run)
    with pytest.raises(UsageError, match="is what is read"):
        save_result(result, "hard.nc", overwrite=True)
    assert run.read_bytes() == files[0][1]
    assert cli("analyze", *cross, run, "-o", "result.nc")[0] == 0


def test_a_result_or_a_figure_replaces_nothing_of_its_study(cli):
    assert cli("sweep", "map", "logistic", "--param", "r=3.5,4", *HENON, "-o", "s")[0] == 0
    assert cli("analyze", "lyapunov", "s", "-o", "s/result.nc")[0] == 0
    files = [(p, p.read_bytes()) for p in Path("s").rglob("*") if p.is_file()]
    cell = next(iter(Path("s/cells").iterdir()))
    kept = next(iter(Path("s/results").iterdir()))
    for name in ("s/study.json", cell, kept):
        assert_refused(cli("analyze", "lyapunov", "s", "-o", name, "--overwrite"), *files)
    os.link(cell, "fig.png")
    os.link(cell, "s/cells/fig.png")
    assert_refused(cli("plot", "study", "s", "-o", "s/cells/fig.png"), *files)
    assert cli("analyze", "lyapunov", "s", "-o", "s/result.nc", "--overwrite")[0] == 0


def test_a_recording_does_not_replace_its_options_or_its_data(cli):
    Path("c.toml").write_text("steps = 9\n")
    options = ("record", "map", "henon", "--config", "c.toml", "--overwrite")
    files = [(Path("c.toml"), Path("c.toml").read_bytes())]
    assert_refused(cli(*options, "-o", "c.toml"), *files)
    x = np.random.default_rng(0).normal(size=(30, 3))
    np.savez("d.npz", x=x, y=np.arange(30) % 2)
    training = ("training", "--data", "d.npz", "--model", "mlp:3-4-2", "--steps", 3, "--overwrite")
    data = (Path("d.npz"), Path("d.npz").read_bytes())
    assert_refused(cli("record", *training, "-o", "d.npz"), data)
    system = nndyn.Training("mlp:3-4-2", "d.npz", lr=0.1)
    with pytest.raises(UsageError, match="is what is read"):
        nndyn.record(system, "d.npz", steps=3, overwrite=True)
    np.save("x.npy", x)
    series = (Path("x.npy"), Path("x.npy").read_bytes())
    assert_refused(cli("record", "series", "x.npy", "-o", "x.npy", "--overwrite"), series)
    assert cli("record", "series", "x.npy", "-o", "x.nc")[0] == 0
    again = (Path("x.nc"), Path("x.nc").read_bytes())
    words = ("--variable", "time", "-o", "x.nc", "--overwrite")
    assert_refused(cli("record", "series", "x.nc", *words), again)


def test_a_sweep_does_not_remove_what_it_reads(cli):
    x = np.random.default_rng(0).normal(size=(30, 3))
    np.savez("d.npz", x=x, y=np.arange(30) % 2)
    options = (
        "sweep",
        "training",
        "--model",
        "mlp:3-4-2",
        "--steps",
        3,
        "--lr",
        "0.1,1",
        "-o",
        "s",
    )
    assert cli(*options, "--data", "d.npz")[0] == 0
    shutil.move("d.npz", "s/cells/d.npz")
    Path("s/batches/c.toml").write_text('data = "s/cells/d.npz"\n')
    files = [(p, p.read_bytes()) for p in Path("s").rglob("*") if p.is_file()]
    for words in (("--data", "s/cells/d.npz"), ("--config", "s/batches/c.toml")):
        assert_refused(cli(*options, *words, "--overwrite"), *files)
