"""Every example runs, small."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_table_of_verdicts_is_printed():
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "examples" / "verdicts.py"),
            "--seeds=2",
            "--lr=0.5,3",
            "--steps=120",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = done.stdout.splitlines()
    assert len(rows) == 4
    assert rows[2].startswith("| 0.5 | 2 regular | 2 regular |")
    assert "transient" in rows[3]
