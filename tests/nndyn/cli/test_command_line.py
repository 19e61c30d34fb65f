"""What the command line takes, offers and says before it works."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import xarray as xr

from nndyn.cli.verbs import nndyn

MAP = ("record", "map", "logistic", "--replicas", 2)
IRIS = ("record", "training", "--data", "iris", "--model", "mlp:4-5-3", "--steps", 3)


def module(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "nndyn", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    ).stdout


def test_the_package_is_a_command():
    assert module("--version").startswith("nndyn, version")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("nndyn an", ["analyze"]),
        ("nndyn record map l", ["logistic", "lozi"]),
        ("nndyn sweep training --optimizer ada", ["adam", "adamw", "adagrad"]),
        ("nndyn analyze le", ["learning"]),
        ("nndyn plot s", ["spectrum", "study"]),
        ("nndyn systems lor", ["lorenz63", "lorenz96"]),
        ("nndyn explain chao", ["chaotic"]),
    ],
)
def test_names_are_completed(words, offered):
    from click.shell_completion import ShellComplete

    *before, last = words.split()[1:]
    found = ShellComplete(nndyn, {}, "nndyn", "_NNDYN_COMPLETE").get_completions(before, last)
    assert [item.value for item in found] == offered


def test_the_shell_is_answered():
    answer = module(
        _NNDYN_COMPLETE="bash_complete", COMP_WORDS="nndyn record gd cu", COMP_CWORD="3"
    )
    assert answer == "plain,cubic\n"


@pytest.mark.parametrize("kind", ["map", "flow", "gd"])
@pytest.mark.parametrize("verb", ["record", "sweep"])
def test_options_of_trainings_are_in_their_help_alone(cli, verb, kind):
    _, trainings, _ = cli(verb, "training", "--help")
    _, others, _ = cli(verb, kind, "--help")
    for option in ("--perturb ", "--state ", "--evaluate ", "--sharpness "):
        assert option in trainings
        assert option not in others
    if verb == "record":
        said = " ".join(others.split())
        assert said.endswith("record trainings as well: --perturb, --state, --evaluate.")


def test_hidden_options_are_taken_all_the_same(cli):
    assert cli(*MAP, "--steps", 5, "--state", "phase", "--evaluate", 2, "-o", "a.nc")[0] == 0


def test_help_is_not_cut(cli):
    _, out, _ = cli("record", "--help")
    assert "coupled_logistic" in out
    assert "..." not in out.replace("[ARGS]...", "")


@pytest.mark.parametrize("steps", ["1e1", "10", "1_0", "10.0"])
def test_whole_numbers_are_taken_however_they_are_written(cli, steps):
    code, out, _ = cli(
        *MAP, "--steps", steps, "--rescale", "5e0", "--tangents", "1e0", "-o", "a.nc"
    )
    assert code == 0
    assert ": logistic, 10 steps" in out


def test_whole_numbers_of_grids_files_and_analyzers_too(cli, tmp_path):
    (tmp_path / "c.toml").write_text("steps = 2e1\n")
    grid = ("sweep", "map", "logistic", "--config", "c.toml", "--rescale", "1e0,5e0", "-o", "s")
    assert "2 runs (2 rescale x 1 seed): 2 complete" in cli(*grid)[1]
    with xr.open_dataset("s/cells/rescale=5_seed=0.nc") as run:
        assert run.sizes["time"] == 21
    code, _, err = cli("analyze", "recurrence", "s", "--theiler", "1e0", "--dimension", "1_")
    assert (code, "'1_', expected a whole number" in err) == (2, True)


@pytest.mark.parametrize(
    "line",
    [
        ("analyze", "lyapunov", "none.nc"),
        ("analyze", "lyapunov", "text.nc"),
        ("analyze", "lyapunov"),
        ("analyze", "all", "none.nc"),
        ("analyze", "lyapunow", "none.nc"),
        ("info", "none.nc"),
        ("onset", "--data", "none.csv"),
        ("onset", "--data", "iris", "--model", "mlp:4-5-3", "--seeds", 1),
    ],
)
def test_a_failure_is_an_object_where_json_is_asked_for(cli, tmp_path, line):
    (tmp_path / "text.nc").write_text("no recording")
    code, out, err = cli(*line)
    assert out == ""
    code_as_json, out, err_as_json = cli(*line, "--json")
    assert (code_as_json, err_as_json) == (code, err)
    assert json.loads(out) == {"error": err.removeprefix("nndyn: ").removesuffix("\n")}


def test_an_internal_error_is_an_object_too(monkeypatch, capsys):
    from nndyn.cli.lazy import unexpected

    monkeypatch.setattr(sys, "argv", ["nndyn", "info", "a.nc", "--json"])
    unexpected(RuntimeError, RuntimeError("two\nlines"), None)
    out, err = capsys.readouterr()
    assert "RuntimeError: two lines" in json.loads(out)["error"]
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--epsilon", 1), "epsilon is 1: deviations that begin so large are not small"),
        (("--lr", 1e9), "lr is 1e+09: above 1000 a training diverges or stands still"),
        (("--optimizer", "adam", "--lr", 20), "lr is 20: above 10 a training"),
    ],
)
def test_what_is_seldom_meant_gets_a_word_before_the_work(cli, tmp_path, option, said):
    code, out, err = cli(*IRIS, *option, "--dry-run", "-o", "a.nc")
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith(f"warning: {said}")
    assert "Nothing was written" in out
    assert cli(*IRIS, *option, "-o", "a.nc")[2].startswith(f"warning: {said}")


def test_a_study_called_as_a_file_gets_a_word(cli):
    line = ("sweep", "map", "logistic", "--steps", 5, "--seeds", 2, "-o", "s.nc")
    assert cli(*line)[2] == "warning: s.nc will be a folder, with a recording for every run\n"
    assert cli(*line)[2] == ""


def test_a_window_beyond_the_recording_gets_a_word(cli, recording_path):
    code, _, err = cli("analyze", "lyapunov", recording_path, "--window", "30:200")
    assert code == 0
    assert "warning: window is 30:200, and the recording is from 0 to 60 step" in err
    plot = ("plot", "lyapunov", recording_path, "-o", "f.png", "--window", "100:200")
    assert cli(*plot)[0] == 2


def test_a_verdict_is_explained_within_the_width(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    code, out, _ = cli("explain", "transient")
    assert code == 0
    assert out.startswith("transient (lyapunov): Deviations grew\nexponentially")
    assert max(map(len, out.splitlines())) <= 50
    _, listed, _ = cli("explain")
    assert {line.split()[0] for line in listed.splitlines()} >= {"chaotic", "foreign", "medians"}


@pytest.mark.parametrize(
    ("how", "again"),
    [
        ({}, "the same command with --resume goes on"),
        ({"resume": True}, "the same command goes on"),
        ({"overwrite": True}, "the same command with --resume instead of --overwrite goes on"),
    ],
)
def test_who_resumes_already_is_not_told_to(tmp_path, monkeypatch, how, again):
    from nndyn import store
    from nndyn.cli.standing import of_recording

    path = tmp_path / "a.nc"
    said = of_recording(path, 100, **{"dry_run": False, "overwrite": False, **how})
    path.write_text("begun")
    found = SimpleNamespace(committed=11, status="recording", stop_reason="")
    monkeypatch.setattr(store, "facts", lambda path: found)
    assert said() == f"steps 0 to 10 of 100 are in {path}; {again}"
