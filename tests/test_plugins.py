"""Analyzers of other distributions: a tiny one, found as an installed one is."""

import json
import os
import subprocess
import sys

import pytest

MODULE = '''
import xarray as xr
from nndyn.results import Quantity, result

def drift(recording: xr.Dataset, *, scale: float = 1.0) -> xr.Dataset:
    """Distance of the reference from its start.

    Parameters
    ----------
    recording : xarray.Dataset
    scale : float, default 1
        Factor to report it in.
    """
    way = recording["state"][-1, 0] - recording["state"][0, 0]
    value = scale * float((way**2).sum()) ** 0.5
    return result(
        {"drift": Quantity(value, "1", "distance from the start")},
        analyzer="drift",
        recording=recording,
        parameters={"scale": scale},
        summary=["drift"],
    )
'''


@pytest.fixture
def installed(tmp_path):
    """A folder on the path with the distribution ``tiny`` in it, one entry of which is broken."""
    (tmp_path / "tiny.py").write_text(MODULE)
    info = tmp_path / "tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[nndyn.analyzers]\ndrift = tiny:drift\nbroken = tiny_not_there:f\n"
    )
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def run(environment, *arguments):
    script = "from nndyn.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_its_analyzer_is_a_command_with_its_options(installed, recording_path):
    done = run(installed, "analyze", "drift", recording_path, "--json", "--scale", 2)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["parameters"] == {"scale": 2.0}
    assert found["results"]["drift"]["value"] > 0
    assert "Factor to report it in." in run(installed, "analyze", "drift", "--help").stdout


def test_its_analyzer_is_a_function_and_a_method(installed, recording_path):
    code = (
        f"import nndyn\nrun = nndyn.open({str(recording_path)!r})\n"
        "print(float(nndyn.drift(run).drift) == float(run.nndyn.drift(scale=1.0).drift))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=installed
    )
    assert done.stdout.strip() == "True"


def test_a_broken_one_is_named_in_one_line_and_stops_nobody(installed, recording_path):
    listing = run(installed, "analyze", "--help")
    assert listing.returncode == 0
    assert "drift" in listing.stdout
    assert "lyapunov" in listing.stdout
    assert listing.stderr.startswith("warning: the analyzer 'broken' of tiny cannot be loaded")
    assert listing.stderr.count("\n") == 1
    used = run(installed, "analyze", "broken", recording_path)
    assert used.returncode == 2
    assert "tiny_not_there" in used.stderr
