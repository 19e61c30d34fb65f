"""``nndyn compare`` and ``nndyn plot compare``: one table, one object, one figure."""

import json
import re

import numpy as np
import pytest
from matplotlib.image import imread

import nndyn
from nndyn.cli import nndyn as group
from nndyn.cli.lazy import run
from nndyn.comparison.quantities import QUANTITIES
from nndyn.store import load_result
from tests.readme import README, blocks, differences

ORDER = ("run", "map", "lorenz", "series")


@pytest.fixture
def cli(capsys, tmp_path, monkeypatch):
    """Run a command line in a folder of its own; gives (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run(group, [str(a) for a in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_one_object_and_one_file_hold_what_python_gives(cli, kinds, compared):
    paths = [kinds[name] for name in ORDER]
    code, out, _ = cli("compare", *paths, "--json", "-o", "result.nc", "-q")
    assert code == 0
    found = json.loads(out)
    assert [one["path"] for one in found["sources"]] == [str(path) for path in paths]
    for name in (*QUANTITIES, "dimension"):
        entry = found["results"][name]
        values = entry["value"] or [None] * 4
        numbers = [np.nan if value is None else value for value in values]
        np.testing.assert_array_equal(numbers, compared[name].values, err_msg=name)
        assert entry["recording"] == [path.name for path in paths]
    training = found["verdicts"][kinds["run"].name]
    assert training["learning"]["verdict"] == "learned"
    saved = load_result("result.nc")
    np.testing.assert_array_equal(saved["determinism"], compared["determinism"])


def test_the_table_fits_into_eighty_characters_and_pages(cli, kinds, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    paths = [kinds[name] for name in ("map", "lorenz", "series")]
    code, out, err = cli("compare", *paths, "-q")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("determinism") == 1
    assert re.search(r" \[0\.\d+, 0\.\d+\]", out)
    assert "; [" not in out  # intervals stand below their values
    assert "points of map.nc" in err
    monkeypatch.setenv("COLUMNS", "50")
    _, out, _ = cli("compare", *paths, "-q")
    assert out.count("determinism") == 2  # two columns, then one


def test_a_program_gets_a_line_for_each_number(cli, kinds, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    _, out, _ = cli("compare", kinds["map"], kinds["series"], "-q")
    (line,) = [line for line in out.splitlines() if line.startswith(" lyapunov max")]
    assert "; [0.6" in line
    assert "null #" in out
    assert "\n#1 " in out


def test_names_are_neither_markup_nor_control(cli, kinds, monkeypatch):
    from shutil import copy

    monkeypatch.delenv("COLUMNS", raising=False)
    copy(kinds["series"], "[red]<b>$x$\x1b.nc")
    code, out, _ = cli("compare", "[red]<b>$x$\x1b.nc", "-q")
    assert code == 0
    assert r"[red]<b>$x$\x1b.nc" in out
    code, _, _ = cli("plot", "compare", "[red]<b>$x$\x1b.nc", "-o", "fig.svg", "-q")
    assert code == 0
    with open("fig.svg") as file:
        drawn = file.read()
    assert "[red]&lt;b&gt;$x$" in drawn


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "nothing to compare"),
        (["gone.nc"], 2, "gone.nc does not exist"),
        (["text.nc"], 4, "text.nc is not an nndyn recording"),
        (["folder"], 2, "folder has no study.json"),
        (["SERIES", "SERIES"], 2, "x.nc is given twice; give each recording once"),
        (["SERIES", "--rate", "5"], 2, "rate is 5.0, expected a number between 0 and 1"),
        (["SERIES", "-o", "SERIES", "--overwrite"], 2, "nothing was written"),
        (["SERIES", "-o", "table.csv"], 2, "name it table.nc"),
        (["SERIES", "--with", "nothing"], 2, "'nothing' is not 'catalogue'"),
    ],
)
def test_mistakes_are_one_line(cli, kinds, tmp_path, arguments, code, message):
    (tmp_path / "text.nc").write_text("hello\n")
    (tmp_path / "folder").mkdir()
    given = [kinds["series"] if one == "SERIES" else one for one in arguments]
    got, out, err = cli("compare", *given)
    assert (got, out) == (code, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_the_figure_draws_what_analyzers_gave(cli, kinds, compared):
    from nndyn.figures.comparison import comparison

    figure = comparison(compared)
    separations, spectra, displacements, *plots = figure.axes
    assert [ax.get_title(loc="left") for ax in plots] == list(ORDER)
    with nndyn.open(kinds["lorenz"]) as recording:
        lyapunov, explored = nndyn.lyapunov(recording), nndyn.exploration(recording)
    names = [line.get_label() for line in separations.lines]
    x, y = separations.lines[names.index("lorenz")].get_data()
    curve = lyapunov["mean_log_separation"].values
    start = curve[np.isfinite(curve)][0]
    time = lyapunov["time"].values * float(lyapunov["lyapunov_max"])
    known = np.isfinite(y)
    shift = time[np.isfinite(curve)][0]
    np.testing.assert_allclose(
        np.interp(x[known] + shift, time, curve) - start, y[known], atol=1e-9
    )
    _, values = displacements.lines[2].get_data()
    squared = explored["mean_squared_displacement"].values[1:, 0]
    assert set(np.round(values * 2.0 * float(explored["radius_of_gyration"]) ** 2, 6)) <= set(
        np.round(squared, 6)
    )
    ratios = compared["exponent_ratios"].sel(recording="lorenz").values
    drawn = [line.get_ydata() for line in spectra.lines if len(line.get_ydata()) == 3]
    np.testing.assert_array_equal(drawn[0], ratios[np.isfinite(ratios)])
    assert figure.caption.get_text().startswith("Recurrence plots at a rate of 0.05")
    assert "No Lyapunov clock: run, series" in figure.caption.get_text()


def test_plot_compare_writes_a_picture_and_says_what_may_not_be_compared(cli, kinds):
    paths = [kinds[name] for name in ("run", "map")]
    code, out, err = cli("plot", "compare", *paths, "-o", "fig.png", "--dpi", "60", "-q")
    assert code == 0
    assert out.startswith("fig.png: compared: 2 side by side, 1 on an attractor")
    assert "of a window of a transient" in err
    assert imread("fig.png").shape[1] == 600


def test_a_result_draws_itself_and_other_results_are_refused(compared):
    figure = compared.nndyn.plot(title="four", size=5)
    assert figure.get_size_inches()[0] == 5
    assert len(figure.axes) == 7
    from nndyn.figures.comparison import comparison

    with pytest.raises(nndyn.NndynError, match="the figure needs the result of compare"):
        comparison(nndyn.autocorrelation(nndyn.from_array(np.arange(50.0))))


@pytest.mark.slow
def test_the_catalogue_stands_beside(cli, kinds):
    code, out, _ = cli("compare", kinds["map"], "--with", "catalogue", "--json", "-q")
    assert code == 0
    found = json.loads(out)
    rows = dict(
        zip(
            found["results"]["kind"]["recording"],
            found["results"]["lyapunov_max"]["value"],
            strict=True,
        )
    )
    assert rows["logistic"] == pytest.approx(np.log(2.0), abs=0.02)
    assert rows["henon"] == pytest.approx(0.4192, abs=0.03)
    assert rows["lorenz63"] == pytest.approx(0.9056, abs=0.1)
    assert rows["random walk"] is None
    assert found["verdicts"]["limit cycle"]["lyapunov"]["verdict"] == "regular"


def test_the_page_on_comparing_prints_what_it_tells(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, told = (
        block.text
        for block in blocks((README.parent / "docs" / "compare.md").read_text(encoding="utf-8"))
        if block.language == "python" or "Lorenz: chaotic" in block.text
    )
    exec(compile(code, "compare.md", "exec"), {})
    assert differences(told, capsys.readouterr().out, 0.2) == []
