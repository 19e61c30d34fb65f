"""A study that is recorded once in a process; each test has a copy of its own."""

import shutil

import pytest

from tests.nndyn.studies.small import logistic


@pytest.fixture(scope="session")
def recorded_study(tmp_path_factory):
    """Three parameters and two seeds of the logistic map; do not change it."""
    folder = tmp_path_factory.mktemp("logistic") / "s"
    logistic(folder)
    return folder


@pytest.fixture
def study(recorded_study, tmp_path):
    """A copy, with the times of its files, by which its notes know them."""
    return shutil.copytree(recorded_study, tmp_path / "s")
