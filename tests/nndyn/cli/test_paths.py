"""Paths on the command line."""


def test_a_path_begins_at_home_on_the_command_line(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    made = ("record", "map", "logistic", "--steps", 80, "--output=~/m.nc")
    assert cli(*made)[0] == 0
    assert cli("analyze", "recurrence", "~/m.nc", "--output=~/r.nc")[0] == 0
    assert (
        cli("plot", "recurrence", "~/m.nc", "--kind=cross", "--other=~/m.nc", "-o", "~/f.png")[0]
        == 0
    )
    assert {"m.nc", "r.nc", "f.png"} <= {p.name for p in tmp_path.iterdir()}
    code, _, err = cli("analyze", "recurrence", "~nobody-of-that-name/m.nc")
    assert (code, err.count("\n")) == (2, 1)
    assert "there is no such home folder" in err
