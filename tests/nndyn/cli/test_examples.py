"""The examples are copied whole, and never over what is there."""

from pathlib import Path

from nndyn.cli import nndyn as command
from nndyn.cli.lazy import run

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_the_examples_are_copied_into_a_new_folder(tmp_path, capsys):
    folder = tmp_path / "deep" / "own"
    assert run(command, ["examples", str(folder)]) == 0
    names = {path.name for path in EXAMPLES.glob("*.*")}
    assert {path.name for path in folder.iterdir()} == names
    assert {Path(line).name for line in capsys.readouterr().out.splitlines()} == names
    for name in names:
        assert (folder / name).read_bytes() == (EXAMPLES / name).read_bytes()


def test_nothing_is_replaced_unasked_and_nothing_copied_in_part(tmp_path, capsys):
    (tmp_path / "verdicts.py").write_text("mine")
    assert run(command, ["examples", str(tmp_path)]) == 2
    assert "verdicts.py exists; choose another folder, or --overwrite it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["verdicts.py"]
    assert run(command, ["examples", str(tmp_path), "--overwrite"]) == 0
    assert (tmp_path / "verdicts.py").read_bytes() == (EXAMPLES / "verdicts.py").read_bytes()


def test_a_link_is_not_written_through(tmp_path, capsys):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "verdicts.py").symlink_to(victim)
    assert run(command, ["examples", str(tmp_path / "own"), "--overwrite"]) == 2
    assert victim.read_text() == "mine"
    assert run(command, ["examples", str(victim)]) == 2
    assert "victim is a file; name a folder" in capsys.readouterr().err
