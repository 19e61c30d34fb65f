"""A command line in a folder of its own."""

import pytest

from nndyn.cli import nndyn
from nndyn.cli.lazy import run


@pytest.fixture(scope="session")
def henon_path(tmp_path_factory):
    """A small complete recording of a map, for readers; do not change it."""
    from nndyn import record, systems

    path = tmp_path_factory.mktemp("recordings") / "henon.nc"
    record(systems.henon(), path, steps=60, rescale=5, replicas=2).close()
    return path


@pytest.fixture
def cli(capsys, tmp_path, monkeypatch):
    """Run a command line in a folder of its own; gives (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run(nndyn, [str(a) for a in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call
