"""Fixtures shared by the packages' tests."""

import os
import signal
import sys

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # processes side by side share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell lets what it starts in the background ignore Ctrl-C; tests press it all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _the_same_networks_whatever_ran_before():
    """Draw the weights of a test's networks from one seed, in whichever process it runs."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def recording_path(tmp_path_factory):
    """A small complete recording of a training run, for readers; do not change it."""
    import nndyn

    path = tmp_path_factory.mktemp("recordings") / "iris.nc"
    system = nndyn.Training("mlp:4-8-3", "iris", lr=0.5)
    nndyn.record(system, path, steps=60, replicas=3).close()
    return path
