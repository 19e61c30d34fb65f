"""The command line as a user meets it: results, errors in one line, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import nndyn as package

LEAN = ("--store", "distances")
TRAIN = ("record", "training", "--data", "iris", "--model", "mlp:4-8-3", "--lr", "0.5")


def test_record_then_analyze_in_json(cli):
    code, out, _ = cli(*TRAIN, "--steps", 60, "--replicas", 3, "-o", "r.nc")
    assert code == 0
    assert "60 steps, 5 replicas" in out
    code, out, _ = cli("analyze", "lyapunov", "r.nc", "--json")
    result = json.loads(out)
    assert code == 0
    assert result["analyzer"] == "lyapunov"
    assert result["source"]["path"].endswith("r.nc")
    assert len(result["source"]["id"]) == 32
    assert result["verdict"] == "regular"
    for name in ("lyapunov_max", "window", "growth", "transient_end"):
        assert {"value", "ci", "unit"} <= result["results"][name].keys()
    assert result["results"]["lyapunov_max"]["unit"] == "per step"
    assert result["results"]["transient_end"]["value"] is None
    assert result["results"]["transient_end"]["note"]


def test_a_table_is_for_readers_and_has_no_colour_in_a_pipe(cli, recording_path):
    code, out, _ = cli("analyze", "lyapunov", recording_path)
    assert code == 0
    assert out.startswith("regular: ")
    assert "lyapunov_max" in out
    assert "\x1b" not in out
    assert not any(line.endswith(" ") for line in out.splitlines()[1:])


def test_a_result_is_saved_whole(cli, recording_path):
    assert cli("analyze", "lyapunov", recording_path, "-o", "result.nc")[0] == 0
    with xr.open_dataset("result.nc") as result:
        assert result.attrs["analyzer"] == "lyapunov"
        assert result["log_separation"].dims == ("time", "replica")
    code, _, err = cli("analyze", "lyapunov", recording_path, "-o", "result.nc")
    assert code == 2
    assert "result.nc exists" in err
    assert cli("analyze", "lyapunov", recording_path, "-o", "result.nc", "--overwrite")[0] == 0


def test_options_of_an_analyzer_are_those_of_its_signature(cli, recording_path):
    code, out, _ = cli("analyze", "lyapunov", "--help")
    assert code == 0
    for option in ("--distance", "--confidence", "--json", "--output", "--strict"):
        assert option in out
    wide = json.loads(cli("analyze", "lyapunov", recording_path, "--json")[1])
    narrow = json.loads(
        cli("analyze", "lyapunov", recording_path, "--json", "--confidence", "0.5")[1]
    )
    width = [np.ptp(r["results"]["lyapunov_max"]["ci"]) for r in (wide, narrow)]
    assert width[1] < width[0]


@pytest.mark.parametrize(
    ("arguments", "exponent", "tolerance"),
    [
        (("map", "logistic", "--param", "r=4", "--steps", 100000), np.log(2), 1e-4),
        (("map", "henon", "--steps", 100000), 0.41923, 0.003),
        (("flow", "lorenz63", "--dt", 0.01, "--steps", 100000), 0.9056, 0.015),
    ],
)
def test_known_exponents_through_the_command_line(cli, arguments, exponent, tolerance):
    assert cli("record", *arguments, "--rescale", 10, *LEAN, "-o", "m.nc")[0] == 0
    code, out, _ = cli("analyze", "lyapunov", "m.nc", "--json")
    found = json.loads(out)["results"]["lyapunov_max"]
    assert code == 0
    assert found["value"] == pytest.approx(exponent, abs=tolerance)
    assert found["ci"][0] < exponent < found["ci"][1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("record", "training", "--data", "mnits", "--model", "mlp:4-3", "--lr", 1), 2, "mnits"),
        (("record", "training", "--data", "iris", "--model", "resnet", "--lr", 1), 2, "resnet"),
        (("record", "training", "--data", "iris", "--model", "mlp:5-3", "--lr", 1), 2, "5"),
        (("record", "training", "--data", "iris", "--model", "mlp:4-2", "--lr", 1), 2, "2"),
        (("record", "training", "--data", "iris", "--model", "mlp:4-3", "--lr", "nan"), 2, "lr"),
        (
            ("record", "map", "tend"),
            2,
            "unknown map 'tend'; known: logistic, tent, skew_tent, henon",
        ),
        (("record", "map", "lorenz63"), 2, "unknown map 'lorenz63'"),
        (("record", "map", "henon", "--param", "c=1"), 2, "no parameter 'c'; known: a, b"),
        (("record", "map", "henon", "--param", "a"), 2, "expected NAME=VALUE"),
        (("record", "map", "henon", "--param", "a=x"), 2, "parameter a is 'x'"),
        (("record", "map", "henon", "--param", "a=3"), 1, "left every bound"),
        (("record", "flow", "lorenz63", "--dt", 0), 2, "dt is 0.0"),
        (("record", "map", "henon", "--steps", 0), 2, "steps is 0"),
        (("record", "map", "henon", "--replicas", 0), 2, "replicas is 0"),
        (("record", "map", "henon", "--epsilon", 0), 2, "epsilon is 0.0"),
        (("record", "map", "henon", "--epsilon", "nan"), 2, "epsilon is nan"),
        (("record", "map", "henon", "--epsilon", 1e-18), 2, "rounding of float64"),
        (("record", "map", "henon", "-o", "no/such/r.nc"), 2, "no/such"),
        (("record", "map", "henon", "--config", "none.toml"), 2, "none.toml"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_culprit(cli, arguments, code, message):
    given = list(arguments)
    if "--steps" not in given:
        given += ["--steps", 10]
    if "-o" not in given:
        given += ["-o", "r.nc"]
    found, out, err = cli(*given)
    assert (found, out) == (code, "")
    assert err.startswith("nndyn: ")
    assert err.count("\n") == 1
    assert message in err
    assert list(Path.cwd().iterdir()) == []


def test_an_output_that_exists_is_kept(cli):
    assert cli("record", "map", "henon", "--steps", 10, "-o", "r.nc")[0] == 0
    before = Path("r.nc").read_bytes()
    code, _, err = cli("record", "map", "henon", "--steps", 10, "-o", "r.nc")
    assert code == 2
    assert "overwrite or resume" in err
    assert Path("r.nc").read_bytes() == before


@pytest.mark.parametrize("command", [("analyze", "lyapunov"), ("info",), ("verify",)])
def test_a_file_that_is_no_recording_is_refused_with_4(cli, command):
    Path("text.nc").write_text("time,loss\n0,1\n")
    xr.Dataset({"x": ("t", [1.0])}).to_netcdf("foreign.nc")
    for name in ("text.nc", "foreign.nc"):
        code, out, err = cli(*command, name)
        assert (code, out) == (4, "")
        assert name in err
        assert err.count("\n") == 1
    code, _, err = cli(*command, "missing.nc")
    assert code == 2
    assert "missing.nc" in err


def test_a_recording_too_short_to_fit_is_refused_in_one_line(cli):
    assert cli("record", "map", "henon", "--steps", 2, "-o", "r.nc")[0] == 0
    code, out, err = cli("analyze", "lyapunov", "r.nc")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1


def test_a_run_that_diverges_is_recorded_with_a_warning_and_analyzed_as_such(cli):
    options = ("--activation", "relu", "--loss", "mse", "--init", "normal:3")
    code, _, err = cli(*TRAIN[:-1], "1e90", *options, "--steps", 50, "-o", "r.nc")
    assert code == 0
    assert "warning: the reference is not finite from step" in err
    code, out, _ = cli("analyze", "lyapunov", "r.nc", "--json")
    assert code == 0
    assert json.loads(out)["verdict"] == "diverged"


def test_strict_exits_with_3_where_the_data_cannot_tell(cli, recording_path, monkeypatch):
    import analyzers

    real = analyzers.load("lyapunov")

    def unresolved(recording, **options):
        return real(recording, **options).assign_attrs(verdict="unresolved")

    monkeypatch.setattr(analyzers, "load", lambda name: unresolved)
    monkeypatch.setattr(analyzers, "options", lambda function: [])
    assert cli("analyze", "lyapunov", recording_path, "--strict")[0] == 3
    assert cli("analyze", "lyapunov", recording_path)[0] == 0


def test_a_dry_run_writes_nothing_and_says_what_it_would_take(cli):
    code, out, _ = cli(*TRAIN, "--steps", 100, "-o", "r.nc", "--dry-run")
    assert code == 0
    assert "100 steps of 7 replicas with 67 components" in out
    assert list(Path.cwd().iterdir()) == []


def test_the_configuration_of_a_recording_makes_it_again(cli):
    first = (*TRAIN, "--steps", 20, "--rescale", 5, "--seed", 3, "--optimizer", "adam")
    assert cli(*first, "-o", "first.nc")[0] == 0
    code, toml, _ = cli("info", "first.nc", "--config")
    assert code == 0
    Path("again.toml").write_text(toml)
    assert cli("record", "training", "--config", "again.toml", "-o", "second.nc")[0] == 0
    with package.open("first.nc") as a, package.open("second.nc") as b:
        np.testing.assert_array_equal(a["state"].values, b["state"].values)
        np.testing.assert_array_equal(a["log_rescale"].values, b["log_rescale"].values)


def test_the_configuration_of_a_map_makes_it_again(cli):
    assert cli("record", "map", "henon", "--param", "a=1.3", "--steps", 20, "-o", "a.nc")[0] == 0
    Path("again.toml").write_text(cli("info", "a.nc", "--config")[1])
    assert cli("record", "map", "henon", "--config", "again.toml", "-o", "b.nc")[0] == 0
    with package.open("a.nc") as a, package.open("b.nc") as b:
        np.testing.assert_array_equal(a["state"].values, b["state"].values)


def test_an_option_comes_before_the_file_and_an_unknown_key_is_refused(cli):
    Path("c.toml").write_text('steps = 7\nreplicas = 2\nstore = "distances"\n')
    assert cli("record", "map", "henon", "--config", "c.toml", "--steps", 9, "-o", "r.nc")[0] == 0
    with package.open("r.nc") as recording:
        assert recording.sizes["time"] == 10
        assert recording.sizes["replica"] == 4
    Path("c.toml").write_text("step = 7\n")
    code, _, err = cli("record", "map", "henon", "--config", "c.toml", "-o", "x.nc")
    assert code == 2
    assert "unknown option 'step'; known:" in err
    Path("c.toml").write_text("steps = = 7\n")
    code, _, err = cli("record", "map", "henon", "--config", "c.toml", "-o", "x.nc")
    assert code == 2
    assert "c.toml is not TOML" in err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("steps = 7.5", "steps is 7.5, expected integer"),
        ("epsilon = [1e-8]", "epsilon is [1e-08], expected float"),
        ("pairs = 1", "pairs is 1, expected boolean"),
        ("store = 5", "store is 5, expected text"),
        ("seed = true", "seed is True, expected integer"),
    ],
)
def test_a_value_of_the_wrong_kind_in_a_file_is_named(cli, line, message):
    Path("c.toml").write_text(line + "\n")
    code, out, err = cli("record", "map", "henon", "--config", "c.toml", "--steps", 9, "-o", "r.nc")
    assert (code, out) == (2, "")
    assert message in err


def test_a_dry_run_looks_at_the_path_as_the_real_one_does(cli):
    arguments = ("record", "map", "henon", "--steps", 10, "--dry-run")
    assert cli(*arguments, "-o", "no/r.nc")[0] == 2
    Path("there.nc").write_text("")
    assert cli(*arguments, "-o", "there.nc")[0] == 2
    assert cli(*arguments, "-o", "there.nc", "--overwrite")[0] == 0
    assert Path("there.nc").read_text() == ""


def test_info_tells_a_reader_and_a_program(cli, recording_path):
    code, out, _ = cli("info", recording_path)
    assert code == 0
    assert "complete (60 of 60 steps)" in out
    facts = json.loads(cli("info", recording_path, "--json")[1])
    assert facts["manifest"]["system"]["data"] == "iris"
    assert facts["sizes"]["time"] == 61


def test_verify_reads_every_byte(cli, recording_path):
    code, out, _ = cli("verify", recording_path)
    assert code == 0
    assert "all checksums hold" in out
    damaged = Path("damaged.nc")
    content = bytearray(recording_path.read_bytes())
    with package.open(recording_path) as recording:
        needle = recording["state"].values[30, 0].tobytes()
    at = content.index(needle)
    content[at + 3] ^= 1
    damaged.write_bytes(content)
    code, out, err = cli("verify", damaged)
    assert code == 4
    assert "state" in out + err
    code, out, err = cli("analyze", "lyapunov", damaged)
    assert code in (0, 4)  # stored distances do not need the state


def test_systems_are_listed_and_shown(cli):
    code, out, _ = cli("systems")
    assert [line.split()[0] for line in out.splitlines()] == list(package.systems.CATALOGUE)
    code, out, _ = cli("systems", "henon")
    assert code == 0
    assert "x' = 1 - a x² + y" in out
    assert "0.41923" in out
    code, _, err = cli("systems", "henno")
    assert code == 2
    assert "known: logistic" in err


def test_unknown_commands_list_the_known(cli):
    code, _, err = cli("analyse")
    assert code == 2
    assert "known: demo, record, sweep, analyze, onset, compare, plot" in err


def test_a_narrow_terminal_loses_no_number(cli, recording_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    code, out, _ = cli("analyze", "lyapunov", recording_path)
    assert code == 0
    assert 30 < max(map(len, out.splitlines())) <= 40
    value = json.loads(cli("analyze", "lyapunov", recording_path, "--json")[1])
    assert f"{value['results']['lyapunov_max']['value']:.6g}" in out.replace("\n", "")


def test_a_failure_of_nndyn_itself_is_one_line_without_debug():
    script = (
        "import sys\nfrom nndyn.cli import main\nimport nndyn.cli.systems as s\n"
        "s.CATALOGUE = None\nsys.argv = ['nndyn', 'systems']\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "internal error" in done.stderr


def test_all_analyzers_that_apply_run_at_once(cli):
    assert cli("record", "map", "henon", "--steps", 200, "-o", "h.nc")[0] == 0
    code, out, _ = cli("analyze", "all", "h.nc")
    assert code == 0
    assert "does not apply: the recording has no test_accuracy" in out
    _, out, _ = cli("analyze", "all", "h.nc", "--json")
    found = {entry["analyzer"]: entry for entry in json.loads(out)["analyses"]}
    assert found["lyapunov"]["results"]["lyapunov_max"]["value"] is not None
    assert found["exploration"]["results"]["path_length"]["value"] > 0
    assert found["learning"]["results"] == {}
