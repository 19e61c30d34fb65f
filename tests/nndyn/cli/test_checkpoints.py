"""``nndyn record checkpoints``: what it says, and how it refuses."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import nndyn


@pytest.fixture
def folders(cli):
    """Three runs of four checkpoints in the folder of the command."""
    rng = np.random.default_rng(0)
    for name in ("ref", "a", "b"):
        Path(name).mkdir()
        for t in (0, 5, 10, 20):
            np.savez(f"{name}/step{t}.npz", **{"net.w": rng.random((3, 2)), "net.n": np.arange(2)})


@pytest.mark.usefixtures("folders")
def test_checkpoints_become_a_recording(cli):
    words = ["record", "checkpoints", "ref", "a", "--control", "b", "-o", "run.nc"]
    code, out, err = cli(*words)
    assert code == 0
    assert out.startswith("run.nc: 4 checkpoints, step 0 to 20, of 3 replicas with 6 components, ")
    left_out, departs = err.splitlines()
    assert left_out.startswith("warning: left out, as no tensors of floating-point numbers")
    assert departs.startswith("warning: the unperturbed control departs from the reference")
    with nndyn.open("run.nc") as run:
        assert run["role"].values.tolist() == [0, 1, 2]
        assert run["parameter_name"].values.tolist() == ["net.w"]
    code, out, _ = cli("info", "run.nc")
    assert re.search(r"notes +left out, as no .* net\.n; the unperturbed", out)
    code, out, _ = cli("info", "run.nc", "--json")
    assert json.loads(out)["manifest"]["system"]["kind"] == "checkpoints"
    assert "made apart" in cli("info", "run.nc", "--config")[2]
    assert cli(*words)[0] == 2
    code, out, err = cli(*words[:4], "--overwrite", "--key", "net", "--steps", 3, "-o", "run.nc")
    assert "step 0 to 9, of 2 replicas" in out
    assert "give it as --control" in err
    options = ["--overwrite", "--steps", "0,1,2,1e2", "-q"]
    assert "step 0 to 100" in cli(*words, *options)[1]


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("ref -o x.nc", 2, "Missing argument 'COPY...'"),
        ("ref a", 2, "Missing option '-o'"),
        ("ref a -o x.npz", 2, "will be a netCDF file; name it x.nc"),
        ("ref gone -o x.nc", 2, "gone does not exist; give the folder of its checkpoints"),
        ("ref a --steps 1,2 -o x.nc", 2, "steps has 2 entries, ref has 4 checkpoints"),
        ("ref a --steps x -o x.nc", 2, "'x', expected a whole number"),
        ("ref a --key model -o x.nc", 1, "has no names that begin with 'model'; it has net"),
        ("ref a -o none/x.nc", 2, "folder none does not exist"),
    ],
)
def test_a_refusal_is_one_line_and_writes_nothing(cli, words, code, message):
    found, out, err = cli("record", "checkpoints", *words.split())
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert message in err
    assert not Path("x.nc").exists()
