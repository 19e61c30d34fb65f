"""Whatever happened to its files, nndyn refuses or is right: the campaign in small."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.damage.campaign import drawn, outcomes


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    """A folder with all subjects."""
    folder = tmp_path_factory.mktemp("subjects")
    command = [sys.executable, "-m", "tests.damage.worker", str(folder), "--make"]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    return folder


@pytest.mark.parametrize(("count", "seed"), [(6, 1), pytest.param(300, 2, marks=pytest.mark.slow)])
def test_every_answer_is_a_refusal_or_right(subjects, count, seed):
    beside = "PYTEST_XDIST_WORKER" in os.environ  # other tests, on the other core
    workers = 1 if beside else min(2, os.cpu_count() or 1)
    found = list(outcomes(drawn(count, seed), subjects, workers=workers))
    faults = [f"{o.case}: {o.done}: {fault}" for o in found for fault in o.faults]
    assert faults == []
    assert len(found) == count
    assert sum(o.refused for o in found) > count  # of some five answers each
    assert sum(o.right for o in found) > count / 2


def test_a_campaign_can_be_made_again():
    assert drawn(200, 3) == drawn(200, 3)
    assert {case.damage for case in drawn(600, 3)} == {case.damage for case in drawn(2000, 4)}
