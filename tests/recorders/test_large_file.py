"""A file of more than 8 GB: written, killed, gone on with, verified and analyzed, in little memory.

Run by hand where there is room for it:
``NNDYN_LARGE=1 python -m pytest tests/recorders/test_large_file.py``.
"""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import nndyn
from nndyn.store import verify

GB = 10**9
STEPS, ROWS = 480, 3
SYSTEM = {"model": "mlp:64-10000-10", "data": "digits", "samples": 40, "lr": 0.02}
RUN = {"steps": STEPS, "replicas": 1, "seed": 3, "rescale": 40, "epsilon": 1e-6}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("NNDYN_LARGE" not in os.environ, reason="writes 9 GB; set NNDYN_LARGE=1"),
]


def record(path, **options):
    return nndyn.record(nndyn.Training(**SYSTEM), path, **RUN, **options)


def written(path):
    return path.stat().st_size if path.exists() else 0


def peak():
    """Return the bytes of memory that this process has held at most."""
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def test_a_file_beyond_8_gb_survives_kills_and_is_verified_and_analyzed(tmp_path):
    path = tmp_path / "large.nc"
    script = (
        f"from tests.recorders.test_large_file import record; record({str(path)!r}, resume=True)"
    )
    for size in (1 * GB, 5 * GB, 8.2 * GB):  # before, and after 4 GiB and 8 GB
        process = subprocess.Popen([sys.executable, "-c", script])
        while written(path) < size and process.poll() is None:
            time.sleep(0.01)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        with nndyn.open(path) as run:
            assert run.attrs["status"] == "recording"
    record(path, resume=True).close()
    assert written(path) > 8 * GB
    found = verify(path)
    assert (found.status, found.n_committed) == ("complete", STEPS + 1)

    with record(tmp_path / "small.nc", store="distances") as small, nndyn.open(path) as run:
        for name in small.data_vars.keys() & run.data_vars.keys():
            if small[name].dtype.kind == "f" and "replica" in small[name].dims:
                np.testing.assert_array_equal(run[name], small[name], name)
        for t in (0, 1, 119, 120, 350, STEPS):
            state = run["state"].isel(state_time=t) if "state_time" in run.dims else run["state"][t]
            apart = np.linalg.norm(state.values - state.values[0], axis=1)
            np.testing.assert_allclose(run["distance_l2"][t], apart, rtol=1e-12)
        before = peak()
        whole, part = nndyn.lyapunov(run), nndyn.lyapunov(small)
        assert whole.attrs["verdict"] == part.attrs["verdict"]
        np.testing.assert_array_equal(whole["growth"], part["growth"])
        moved = nndyn.exploration(run)
        np.testing.assert_allclose(
            moved["path_length"], small["step_length"][:, 0].sum(), rtol=1e-12
        )
        assert peak() - before < 1 * GB
