"""Studies on the command line: sweep, analyze, info, verify and plot of a folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import nndyn as package
from nndyn.studies import design

MAP = ("sweep", "map", "logistic", "--steps", 200, "--replicas", 2, "--store", "distances")
ONE = (*MAP, "--seeds", 1)
RATES = (*MAP, "--param", "r=3.5,3.9,4", "--seeds", 2)
TRAIN = (
    *("sweep", "training", "--data", "iris", "--model", "mlp:4-8-3", "--steps", 100),
    *("--replicas", 3, "--store", "distances"),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trainings over three rates and three seeds; do not change it."""
    path = tmp_path_factory.mktemp("studies") / "trained"
    options = {"model": "mlp:4-8-3", "data": "iris", "steps": 100, "replicas": 3}
    package.sweep("training", path, lr=[0.5, 2.0, 8.0], seeds=3, store="distances", **options)
    return path


def index_of(path="s"):
    return package.open_study(path)


def test_a_sweep_says_in_one_line_what_there_is(cli):
    line = "s: 6 runs (3 r x 2 seeds): 6 complete\n"
    assert cli(*RATES, "-o", "s/") == (0, line, "")
    assert cli(*RATES, "-o", "s") == (0, line, "")
    index = index_of()
    assert index["r"].values.tolist() == [3.5, 3.9, 4.0]
    assert index.attrs["system"] == "logistic"


def test_shares_say_what_is_missing_yet(cli, monkeypatch):
    monkeypatch.setattr(design, "_MOST", 8)  # runs of a batch
    many = (*MAP, "--param", "r=3:4:10")
    code, out, err = cli(*many, "-o", "s", "--task", "2/2")
    assert (code, out, err) == (0, "s: 10 runs (10 r x 1 seed): 8 missing, 2 complete\n", "")
    assert cli(*many, "-o", "s", "--task", "1/2")[1].endswith(": 10 complete\n")


def test_every_kind_of_option_is_a_grid(cli):
    given = ("--lr", "0.5:2:2log", "--epsilon", "1e-6,1e-8", "--rescale", "5,10")
    assert cli(*TRAIN, *given, "--tangents", "0,all", "--steps", 10, "-o", "s")[0] == 0
    index = index_of()
    assert dict(index.sizes) == {"lr": 2, "epsilon": 2, "rescale": 2, "tangents": 2, "seed": 1}
    assert index["epsilon"].values.tolist() == [1e-8, 1e-6]
    assert index["tangents"].values.tolist() == ["0", "all"]
    options = ("--optimizer", "adam", "--betas", "0.8", "0.9", "--pairs", "--replicas", 2)
    assert cli(*TRAIN, *options, "--lr", "0.01,0.1", "--steps", 10, "-o", "t")[0] == 0
    assert json.loads(index_of("t").attrs["options"])["betas"] == [0.8, 0.9]
    schedules = ("--schedule", "cosine:10;warmup:5,step:5")
    assert cli(*TRAIN, *schedules, "--steps", 10, "-o", "u")[0] == 0
    assert index_of("u")["schedule"].values.tolist() == ["cosine:10", "warmup:5,step:5"]


@pytest.mark.parametrize("kind", [("flow", "lorenz63"), ("gd", "cubic")])
def test_flows_and_descent_are_swept(cli, kind):
    option = ("--dt", "0.01,0.02") if kind[0] == "flow" else ("--param", "lr=1.5:2:2")
    code, out, _ = cli("sweep", *kind, *option, "--steps", 50, "-o", "s")
    assert code == 0
    assert out.startswith("s: 2 runs (2 ")


@pytest.mark.parametrize("option", ["epsilon", "evaluate"])
def test_auto_is_one_value_of_an_option_of_numbers(cli, option):
    few = ("--lr", "0.5,1", "--seeds", 1, "--steps", 20, "--replicas", 1)
    assert cli(*TRAIN, *few, f"--{option}", "auto", "-o", "s")[0] == 0
    assert index_of().sizes["lr"] == 2


def test_lists_in_a_file_are_grids(cli):
    Path("c.toml").write_text(
        'data = "iris"\nmodel = ["mlp:4-8-3", "mlp:4-3"]\nlr = [1, 0.5]\nsteps = 10\nseeds = 2\n'
        'rescale = "5,10"\nbetas = [0.9, 0.99]\noptimizer = "adam"\n'
    )
    assert cli("sweep", "training", "--config", "c.toml", "-o", "s")[0] == 0
    assert dict(index_of().sizes) == {"model": 2, "lr": 2, "rescale": 2, "seed": 2}
    Path("m.toml").write_text("steps = 10\n[param]\nr = [3.5, 4.0]\n")
    assert cli("sweep", "map", "logistic", "--config", "m.toml", "-o", "t")[0] == 0
    assert index_of("t")["r"].values.tolist() == [3.5, 4.0]


def test_parameters_of_several_numbers_in_a_file_make_a_recording_again(cli):
    given = ("--param", "curvatures=1,0.5", "--steps", 10)
    assert cli("record", "gd", "quadratic", *given, "-o", "a.nc")[0] == 0
    Path("again.toml").write_text(cli("info", "a.nc", "--config")[1])
    code, _, err = cli("record", "gd", "quadratic", "--config", "again.toml", "-o", "b.nc")
    assert code == 0, err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*MAP, "--param", "r=1:2"), "r is '1:2', expected a number, A,B,C, LO:HI:N or"),
        ((*MAP, "--param", "q=1,2"), "logistic has no parameter 'q'; known: r"),
        ((*MAP, "--param", "r"), "--param is 'r', expected NAME=VALUE or NAME=GRID"),
        ((*MAP, "--replicas", "2,2.5"), "replicas is '2,2.5': 2.5 is no whole number"),
        ((*MAP, "--replicas", "2,2"), "replicas has the value 2 twice"),
        ((*MAP, "--perturb", "all,some"), "'some' is not one of"),
        ((*MAP, "--seeds", "0"), "seeds is 0, expected a whole number, 1 or more"),
        ((*ONE, "--task", "3/2"), "task is '3/2', expected I/N"),
        (
            (*ONE, "--task", "1/2", "--workers", 2),
            "--workers, --scheduler and --task exclude each other",
        ),
        ((*MAP, "--tangents", "1,many"), "tangents is 'many', expected a whole number or 'all'"),
        ((*TRAIN, "--lr", "1,-1"), "lr=-1.0: lr is -1.0"),
        ((*TRAIN, "--model", "mlp:4-3,mlp:5-3"), "model=mlp:5-3: "),
        ((*ONE, "-o", "no/such/folder"), "folder no/such does not exist; create it first"),
        (("sweep", "series", "x.csv"), "No such command 'series'"),
    ],
)
def test_wrong_usage_is_one_line_and_makes_nothing(cli, arguments, message):
    given = arguments if "-o" in arguments else (*arguments, "-o", "s")
    code, out, err = cli(*given)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
    assert list(Path.cwd().iterdir()) == []


def test_another_study_in_the_folder_is_refused_with_both_values(cli):
    assert cli(*RATES, "-o", "s")[0] == 0
    code, out, err = cli(*MAP, "--param", "r=3.5,3.9,4", "--seeds", 3, "-o", "s")
    assert (code, out) == (2, "")
    assert "seed has 2 values (0, 1) in the folder, 3 values (0, 1, 2) asked" in err
    assert "resume to let it grow, or overwrite it" in err
    grown = cli(*MAP, "--param", "r=3.5,3.9,4", "--seeds", 3, "-o", "s", "--resume")
    assert grown == (0, "s: 9 runs (3 r x 3 seeds): 9 complete\n", "")
    assert cli(*ONE, "-o", "s", "--overwrite")[1] == "s: 1 run (1 seed): 1 complete\n"


def test_failed_runs_are_named_and_the_exit_code_is_1(cli):
    assert cli(*RATES, "-o", "s")[0] == 0
    for seed in (0, 1):
        Path(f"s/cells/r=3.9_seed={seed}.nc").write_text("spoilt")
    code, out, err = cli(*RATES, "-o", "s")
    assert code == 1
    assert out == "s: 6 runs (3 r x 2 seeds): 4 complete, 2 failed\n"
    assert err.count("\n") == 2
    assert err.startswith("failed: s/cells/r=3.9_seed=0.nc: ")


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(cli):
    code, out, err = cli(*RATES, "-o", "s", "--dry-run")
    assert (code, err) == (0, "")
    assert "s: 6 runs in 1 batch, 1,200 steps; " in out
    assert out.endswith("Nothing was written.\n")
    assert list(Path.cwd().iterdir()) == []


def test_analysis_of_a_study_is_one_json_object_with_summary_and_series(cli, trained):
    code, out, _ = cli("analyze", "lyapunov", trained, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["analyzer"] == "lyapunov"
    assert found["source"]["path"].endswith("trained")
    assert found["source"]["id"] == index_of(trained).attrs["study_id"]
    assert "onset" in found["results"]
    assert found["results"]["lr"]["value"] == [0.5, 2.0, 8.0]
    series = [n for n, r in found["results"].items() if isinstance(r["value"], list)]
    assert all(len(found["results"][name]["value"]) == 3 for name in series)
    code, out, _ = cli("analyze", "learning", trained, "--json")
    learned = json.loads(out)
    assert code == 0
    assert "fastest" in learned["results"]
    assert "onset" in learned["results"]
    assert len(learned["results"]["median_training_time"]["value"]) == 3


def test_analysis_of_a_study_is_a_table_along_the_swept_option(cli, trained):
    code, out, err = cli("analyze", "learning", trained)
    assert code == 0
    assert "\x1b" not in out
    assert "fastest" in out
    for rate in ("0.5", "2", "8"):
        assert any(line.split()[:1] == [rate] for line in out.splitlines())
    assert all(line.startswith("warning: ") for line in err.splitlines())


def test_a_narrow_terminal_loses_no_column(cli, trained, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("NO_COLOR", "1")
    code, out, _ = cli("analyze", "lyapunov", trained)
    assert code == 0
    assert 40 < max(map(len, out.splitlines())) <= 50
    wide = json.loads(cli("analyze", "lyapunov", trained, "--json")[1])
    values = wide["results"]["median_growth"]["value"]
    assert all(f"{value:.3g}" in out for value in values if value is not None)


def test_a_result_of_a_study_is_saved_with_its_cells(cli, trained):
    assert cli("analyze", "lyapunov", trained, "-o", "result.nc")[0] == 0
    with xr.open_dataset("result.nc") as result:
        assert result["cell_lyapunov_max"].dims == ("lr", "seed")
        assert result.attrs["along"] == "lr"


def test_all_analyzers_go_through_a_study(cli, trained):
    code, out, _ = cli("analyze", "all", trained, "--json")
    analyses = json.loads(out)["analyses"]
    assert code == 0
    assert {"lyapunov", "learning"} <= {a["analyzer"] for a in analyses if a["results"]}
    (exploration,) = (a for a in analyses if a["analyzer"] == "exploration")
    assert "keeps no states" in exploration["reason"]


def test_strict_looks_at_every_combination(cli):
    assert cli(*MAP, "--param", "r=3.5,3.9", "--rescale", "5,10", "-o", "s")[0] == 0
    code, out, _ = cli("analyze", "lyapunov", "s", "--json", "--along", "r")
    verdicts = [part["verdict"] for part in json.loads(out)["combinations"]]
    assert code == 0
    expected = 3 if "unresolved" in verdicts else 0
    assert cli("analyze", "lyapunov", "s", "--along", "r", "--strict")[0] == expected


def test_info_counts_runs_by_status(cli):
    assert cli(*MAP, "--param", "r=3.5,4", "-o", "s")[0] == 0
    Path("s/cells/r=4_seed=0.nc").unlink()
    code, out, _ = cli("info", "s")
    assert code == 0
    assert "status     1 complete, 1 missing" in out
    assert "axes       r 3.5, 4" in out
    facts = json.loads(cli("info", "s", "--json")[1])
    assert facts["status"] == {"complete": 1, "missing": 1}
    assert facts["axes"] == {"r": [3.5, 4.0], "seed": [0]}
    assert cli("info", "s", "--config")[0] == 2


def test_verify_reads_every_recording_of_a_study(cli):
    assert cli(*RATES, "-o", "s")[0] == 0
    code, out, err = cli("verify", "s")
    assert (code, err) == (0, "")
    assert out.startswith("s: 6 recordings, ")
    assert out.endswith(" all checksums hold\n")
    Path("s/cells/r=4_seed=0.nc").unlink()
    code, out, _ = cli("verify", "s")
    assert code == 0
    assert out.endswith(" all checksums hold; 1 of 6 runs not recorded\n")
    damaged = Path("s/cells/r=3.9_seed=1.nc")
    with package.open(damaged) as recording:
        needle = recording["distance_l2"].values[30:40].tobytes()[40:60]
    content = damaged.read_bytes()
    damaged.write_bytes(content.replace(needle, needle[:-1] + bytes([needle[-1] ^ 1])))
    Path("s/cells/r=3.5_seed=0.nc").write_text("spoilt")
    code, out, err = cli("verify", "s")
    assert (code, err) == (4, "")
    assert "s/cells/r=3.9_seed=1.nc: " in out
    assert "s/cells/r=3.5_seed=0.nc is not an nndyn recording" in out
    assert out.splitlines()[-1] == "s: 2 of 5 recordings wrong; 1 of 6 runs not recorded"


@pytest.mark.parametrize("command", [("analyze", "lyapunov"), ("info",), ("verify",)])
def test_a_folder_that_is_no_study_and_a_damaged_one_are_one_line(cli, command):
    Path("empty").mkdir()
    code, out, err = cli(*command, "empty")
    assert (code, out) == (2, "")
    assert err.startswith("nndyn: empty has no study.json; expected the folder of a study, as ")
    assert err.count("\n") == 1
    Path("empty/study.json").write_text("{")
    code, out, err = cli(*command, "empty")
    assert (code, out) == (4, "")
    assert err.startswith("nndyn: empty/study.json is no JSON (")
    assert err.count("\n") == 1


def test_a_study_is_drawn(cli, trained):
    code, out, _ = cli("plot", "study", trained, "-o", "f.png")
    assert code == 0
    assert out.startswith("f.png: ")
    assert Path("f.png").read_bytes()[1:4] == b"PNG"
    for name in ("lyapunov", "learning", "verdicts", "curves", "orbit"):
        code, out, _ = cli("plot", name, trained, "-o", "g.png", "--size", "4")
        assert code == 0
        assert out.startswith("g.png: ")
        assert " runs" in out
    drawn = index_of(trained).nndyn.plot("orbit", quantity="test_accuracy", last=1)
    assert "the last value of each" in drawn.caption.get_text()
    code, _, err = cli("plot", "orbit", trained, "-o", "h.png", "--quantity", "sharpness")
    assert code == 2
    assert "no quantity 'sharpness' in the recording; known: loss, accuracy" in err
    code, _, err = cli("plot", "recurrence", trained, "-o", "h.png")
    assert code == 2
    assert "nndyn plot study, nndyn plot verdicts" in err
    assert cli("analyze", "lyapunov", trained, "--along", "seed")[0] == 2
    assert np.array_equal(index_of(trained)["lr"], [0.5, 2.0, 8.0])
