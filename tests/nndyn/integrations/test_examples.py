"""The examples of trainers run, small; without their library they say what to install."""

import runpy
import sys
from pathlib import Path

import pytest

import nndyn

EXAMPLES = Path(__file__).parents[3] / "examples"
LIBRARIES = {
    "lightning_module.py": "lightning",
    "hugging_face.py": "transformers",
    "optuna_range.py": "optuna",
}

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries, about themselves


def printed(name, words, monkeypatch, capsys):
    """Run an example in this process; return the lines that it prints."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("name", LIBRARIES)
def test_without_its_library_an_example_says_what_to_install(name, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, LIBRARIES[name], None)
    with pytest.raises(SystemExit, match=r"this example needs .*'nndyn\[integrations\]'"):
        printed(name, [], monkeypatch, capsys)


@pytest.mark.parametrize("name", ["lightning_module.py", "hugging_face.py"])
def test_a_trainer_is_recorded_and_called_for_copies(name, tmp_path, monkeypatch, capsys):
    pytest.importorskip(LIBRARIES[name], reason="pip install 'nndyn[integrations]'")
    path, words = tmp_path / "run.nc", ["--steps=40", "--replicas=1"]
    rows = printed(name, [*words, "--output", path], monkeypatch, capsys)
    assert any(row.startswith(f"{path}: 41 states of ") for row in rows)
    with nndyn.open(path) as run, nndyn.open(tmp_path / "run_twins.nc") as twins:
        assert run.attrs["status"] == "complete"
        assert float(run["batch_loss"][-1, 0]) < float(run["batch_loss"][0, 0])
        assert twins["role"].values.tolist() == [0, 1, 2]
        assert not twins["distance_l2"].values[:, 2].any()
        growth = nndyn.lyapunov(twins)
    assert rows[-1] == f"{growth.attrs['verdict']}: {growth.attrs['reason']}"


def test_trials_that_diverge_are_pruned(monkeypatch, capsys):
    pytest.importorskip("optuna", reason="pip install 'nndyn[integrations]'")
    rows = printed("optuna_range.py", ["--trials=6"], monkeypatch, capsys)
    trials = [row for row in rows if row.startswith("lr ")]
    assert len(trials) == 6
    assert all(("diverged" in row) == row.endswith("pruned") for row in trials)
    assert rows[-1].startswith("best: lr ")
