"""Fixtures shared by the packages' tests."""

import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

# a busy machine is slow, and that says nothing of what is tested
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

if "PYTEST_XDIST_WORKER" in os.environ:  # processes side by side share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

FSYNC = os.fsync

# A shell lets what it starts in the background ignore Ctrl-C; tests press it all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk():
    """Power does not fail in a test; fstat refuses what fsync refuses, a file that is closed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture
def waiting_for_the_disk(monkeypatch):
    """For what only a disk says, and when it is asked."""
    monkeypatch.setattr(os, "fsync", FSYNC)


@pytest.fixture(autouse=True)
def _the_same_networks_whatever_ran_before():
    """Draw the weights of a test's networks from one seed, in whichever process it runs."""
    if "torch" in sys.modules:
        # torch.manual_seed writes down the whole stack, for a GPU that may be woken later
        sys.modules["torch"].default_generator.manual_seed(0)


@pytest.fixture(scope="session")
def recording_path(tmp_path_factory):
    """A small complete recording of a training run, for readers; do not change it."""
    import nndyn

    path = tmp_path_factory.mktemp("recordings") / "iris.nc"
    system = nndyn.Training("mlp:4-8-3", "iris", lr=0.5)
    nndyn.record(system, path, steps=60, replicas=3).close()
    return path
