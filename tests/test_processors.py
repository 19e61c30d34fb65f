"""What has to be equal bit for bit, as other processors compute it and with other threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: Tests that compare bits of runs: alone and among others, whole and resumed, in every place.
BITS = [
    "tests/nndyn/systems/training/perceptron/test_places.py",
    "tests/nndyn/systems/training/test_system.py::test_runs_together_give_the_bits_they_give_alone",
    "tests/recorders/test_batch.py",
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"MKL_CBWR": "AVX2"},
        {"MKL_CBWR": "COMPATIBLE"},
        {"MKL_ENABLE_INSTRUCTIONS": "AVX2"},  # Intel's processors alone heed it
        {"OMP_NUM_THREADS": "1"},
        {"OMP_NUM_THREADS": "2"},
    ],
    ids=lambda environment: "=".join(*environment.items()),
)
def test_bits_are_equal_wherever_they_are_computed(environment):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow", *BITS],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
