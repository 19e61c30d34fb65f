"""What is of another kind in a file ends every command with exit code 4 and one line."""

import json
import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from nndyn.store import digests, sealed

READ = [("info",), ("info", "--json"), ("info", "--config"), ("analyze", "lyapunov")]
READ += [("analyze", "all", "--json"), ("plot", "lyapunov", "-o", "f.png")]
READ += [("report", "-o", "p.html")]


@pytest.fixture
def run(cli, henon_path):
    Path("run.nc").write_bytes(henon_path.read_bytes())
    return Path("run.nc")


@pytest.fixture
def study(cli):
    words = ("--steps", 40, "--rescale", 5, "--replicas", 2, "-o", "s")
    assert cli("sweep", "map", "logistic", "--param", "r=3.5,3.9", *words)[0] == 0
    return Path("s")


def assert_one_line(answer, *said, code=4):
    found, out, err = answer
    assert (found, out, err.count("\n")) == (code, "", 1), (out, err)
    for part in said:
        assert part in err


def as_lines(answer):
    """An answer without the object that is printed where JSON is asked for, once it is checked."""
    code, out, err = answer
    assert json.loads(out) == {"error": err.removeprefix("nndyn: ").removesuffix("\n")}
    return code, "", err


@pytest.mark.parametrize(
    ("attrs", "said"),
    [
        ({"manifest": "[" * 20_000}, "manifest is JSON of too many levels"),
        ({"manifest": '{"steps": "x"}'}, "manifest.steps is 'x', expected a whole number"),
        ({"nndyn_schema": "one"}, "nndyn_schema is 'one', expected a whole number"),
        ({"stationary": np.array([0.5, 1.0])}, "stationary is array([0.5, 1. ]), expected one of"),
        ({"redrawn": '[["a"]]'}, "redrawn[0] is ['a'], expected a list of 2"),
    ],
)
def test_every_command_refuses_a_header_of_other_types(cli, run, attrs, said):
    with netCDF4.Dataset(run, "r+") as nc:
        nc.setncatts(attrs)
        digests.seal(nc)
    for command in READ:
        answer = cli(*command, run)
        answer = as_lines(answer) if "--json" in command else answer
        assert_one_line(answer, "nndyn: run.nc is damaged: ", said)
    words = ("--rescale", 5, "--replicas", 2, "-o", run, "--resume")
    assert_one_line(cli("record", "map", "henon", "--steps", 50, *words), said)
    code, out, err = cli("verify", run)
    assert (code, out.count("\n"), err) == (4, 1, "")
    assert said in out


@pytest.mark.parametrize("key", ["steps", "system", "recording"])
def test_commands_that_need_a_key_name_it(cli, run, key):
    with netCDF4.Dataset(run, "r+") as nc:
        manifest = json.loads(nc.getncattr("manifest"))
        del manifest[key]
        nc.setncattr("manifest", json.dumps(manifest))
        digests.seal(nc)
    said = f"run.nc is damaged: manifest.{key} is missing, expected"
    assert_one_line(cli("info", run), said)
    words = ("--rescale", 5, "--replicas", 2, "-o", run, "--resume")
    assert_one_line(cli("record", "map", "henon", "--steps", 50, *words), said)
    assert cli("analyze", "lyapunov", run)[0] == 0


@pytest.mark.parametrize("key", ["system.parameters", "recording.rescale"])
def test_a_system_may_describe_itself_otherwise_but_has_no_options_then(cli, run, key):
    with netCDF4.Dataset(run, "r+") as nc:
        manifest = json.loads(nc.getncattr("manifest"))
        folder, name = key.split(".")
        del manifest[folder][name]
        nc.setncattr("manifest", json.dumps(manifest))
        digests.seal(nc)
    assert cli("info", run)[0] == 0
    assert_one_line(cli("info", "--config", run), f"manifest.{key} is missing, as whe", code=2)
    words = ("--rescale", 5, "--replicas", 2, "-o", run, "--resume")
    assert_one_line(cli("record", "map", "henon", "--steps", 50, *words), "not there in", code=2)


def test_every_command_refuses_a_plan_of_other_types(cli, study):
    plan = sealed.read((study / "study.json").read_text(), says="", cure="")
    plan["batches"][0]["steps"] = 1e308
    (study / "study.json").write_text(sealed.written(plan))
    said = "batches[0].steps is 1e+308, expected a whole number"
    for command in (
        ("info",),
        ("verify",),
        ("analyze", "lyapunov"),
        ("plot", "study", "-o", "f.png"),
    ):
        assert_one_line(cli(*command, study), "nndyn: s/study.json is no plan of a study", said)
    words = ("--steps", 40, "--rescale", 5, "--replicas", 2, "--param", "r=3.5,3.9", "-o", study)
    for more in ((), ("--resume",)):
        assert_one_line(cli("sweep", "map", "logistic", *words, *more), said)


def test_a_copied_run_is_named_by_every_command(cli, study):
    shutil.copyfile(study / "cells/r=3.5_seed=0.nc", study / "cells/r=3.9_seed=0.nc")
    said = "r=3.9_seed=0.nc is not the recording of its run: its recording_id is"
    assert "1 complete, 1 foreign" in cli("info", study)[1]
    code, out, _ = cli("verify", study)
    assert code == 4
    assert said in out
    code, _, err = cli("analyze", "lyapunov", study)
    assert code == 0
    assert said in err
    words = ("--steps", 40, "--rescale", 5, "--replicas", 2, "--param", "r=3.5,3.9", "-o", study)
    for more in ((), ("--resume",)):
        code, out, err = cli("sweep", "map", "logistic", *words, *more)
        assert code == 1
        assert said in err
        assert "1 complete, 1 failed" in out
    assert cli("sweep", "map", "logistic", *words, "--overwrite")[0] == 0
    assert "2 complete" in cli("info", study)[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 20_000 + "]" * 20_000, "too many levels"),
        ("steps = " + "9" * 5000, "is not TOML"),
        ("steps = [1, 2]", "steps is [1, 2], expected integer"),
        ("steps = {a = 1}", "steps is {'a': 1}, expected integer"),
        ("steps = true", "steps is True, expected integer"),
        ("steps = nan", "steps is nan, expected integer"),
        ("store = 1979-05-27", "store is datetime.date(1979, 5, 27), expected"),
        ("param = 5", "Value must be an iterable"),
        ("param = [[1]]", "param is '[1]', expected NAME=VALUE"),
        ("[param]\na" + ".x" * 900 + " = 1", "parameter a is"),
        ("x" + ".x" * 5000 + " = 1", "unknown option 'x'"),
        ("steps" + ".x" * 900 + " = 1", "steps is {'x': {'x': {...}}}, expected integer"),
    ],
)
def test_options_of_other_types_are_refused_in_one_line(cli, text, said):
    Path("c.toml").write_text(text)
    words = () if text.startswith("steps") else ("--steps", 9)
    answer = cli("record", "map", "henon", "--config", "c.toml", *words, "-o", "r.nc")
    assert_one_line(answer, said, code=2)
