"""A command line in a folder of its own."""

import pytest

from nndyn.cli import nndyn
from nndyn.cli.lazy import run


@pytest.fixture
def cli(capsys, tmp_path, monkeypatch):
    """Run a command line in a folder of its own; gives (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run(nndyn, [str(a) for a in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call
