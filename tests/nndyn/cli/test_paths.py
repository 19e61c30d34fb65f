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
    (tmp_path / "s.csv").write_text("x\n" + "".join(f"{0.1 * k:.1f}\n" for k in range(30, 0, -1)))
    series = ("record", "series", "~/s.csv", "--column", "x")
    assert cli(*series, "-o", "~/s.nc")[0] == 0
    code, _, err = cli(*series, "-o", tmp_path / "s.csv", "--overwrite")
    assert (code, "is what is read" in err) == (2, True)
    (tmp_path / "p.tsv").write_text("0.1\t0.2\t0\n0.3\t0.1\t1\n" * 20)
    training = ("record", "training", "--data", "~/p.tsv", "--model", "mlp:2-2", "--steps", 3)
    assert cli(*training, "-o", "~/t.nc")[0] == 0
    code, _, err = cli(*training, "-o", tmp_path / "p.tsv", "--overwrite")
    assert (code, "is what is read" in err) == (2, True)
    code, _, err = cli("analyze", "recurrence", "~nobody-of-that-name/m.nc")
    assert (code, err.count("\n")) == (2, 1)
    assert "there is no such home folder" in err
