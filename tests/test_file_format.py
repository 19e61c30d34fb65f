"""The page on the file format: its example runs, and its tables are those of the code."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import nndyn
from nndyn.recording import GROWING, REQUIRED, VARIABLES

PAGE = (Path(__file__).parents[1] / "docs" / "file_format.md").read_text()


def python(with_text):
    """Return the block of Python on the page that has a text in it."""
    (code,) = [c for c in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if with_text in c]
    return code


def test_the_example_makes_a_dataset_by_hand_and_analyzes_it(capsys):
    names = {}
    exec(python("nndyn.validate"), names)
    verdict, exponent = capsys.readouterr().out.split()
    assert verdict == names["result"].attrs["verdict"]
    derived = nndyn.lyapunov(nndyn.from_array(names["x"], stationary=True))
    assert derived.attrs["verdict"] == verdict
    np.testing.assert_allclose(float(exponent), derived["lyapunov_max"], atol=1e-9)


@pytest.fixture
def run_nc(recording_path, tmp_path, monkeypatch):
    """A recording called run.nc in the working directory, of two parameters or more."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(recording_path, "run.nc")
    return tmp_path / "run.nc"


def test_netcdf4_alone_reads_growth_and_weights(run_nc, capsys):
    names = {}
    exec(python("import netCDF4"), names)
    with nndyn.open(run_nc) as run:
        np.testing.assert_array_equal(
            names["weights"], run.nndyn.layer(str(names["names"][0])).isel(replica=0)
        )
        copies = run.isel(replica=names["copies"])
        np.testing.assert_array_equal(
            names["growth"], np.log(copies["distance_l2"]) + copies["log_rescale"]
        )
    assert str(names["names"][0]) in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("ncdump") is None, reason="ncdump is not installed")
def test_ncdump_reads_a_recording(run_nc):
    for command in re.findall(r"^(nc(?:dump|copy) .*?)(?:  +#.*)?$", PAGE, re.MULTILINE):
        subprocess.run(command, shell=True, check=True, cwd=run_nc.parent, capture_output=True)


def test_every_variable_is_on_the_page():
    text = PAGE.replace("`curvature_min`", "`curvature_min` `curvature_min_residual`")
    text += "".join(f"`{name}_residual`" for name in ("sharpness", "preconditioned_sharpness"))
    lacking = [name for name in (*VARIABLES, *GROWING, *REQUIRED) if f"`{name}`" not in text]
    assert lacking == []
