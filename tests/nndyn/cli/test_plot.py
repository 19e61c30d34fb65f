"""Figures of recordings, from the command line and the accessor."""

from pathlib import Path

import pytest
import xarray as xr
from matplotlib.image import imread

import nndyn as package
from nndyn.errors import UnknownNameError
from nndyn.figures import FIGURES, draw, result_maker


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_a_figure_is_drawn(cli, recording_path, suffix):
    assert cli("plot", "lyapunov", recording_path, "-o", f"f.{suffix}")[0] == 0
    assert Path(f"f.{suffix}").stat().st_size > 5000


def test_every_figure_is_drawn_by_its_command_and_by_the_accessor(cli, recording_path):
    for name in FIGURES.keys() - {"spectrum", "endings"}:  # tangents, barriers
        code, out, _ = cli("plot", name, recording_path, "-o", f"{name}.png")
        assert code == 0
        with package.open(recording_path) as run:
            result = result_maker(name)(run)
            assert out.startswith(f"{name}.png: {result.attrs['verdict']}: ")
            drawn = run.nndyn.plot(name)
        assert [len(axes.lines) for axes in drawn.axes] == [
            len(axes.lines) for axes in draw(name, result).axes
        ]


def test_a_separation_moves_and_nothing_else_does(cli, recording_path):
    code, out, _ = cli("plot", "lyapunov", recording_path, "-o", "f.gif", "--size", "4")
    assert code == 0
    assert out.startswith("f.gif: ")
    assert Path("f.gif").read_bytes()[:6] == b"GIF89a"
    code, _, err = cli("plot", "path", recording_path, "-o", "g.gif")
    assert code == 2
    assert "this figure does not; expected .png, .pdf or .svg, or `nndyn plot lyapunov`" in err
    assert not Path("g.gif").exists()


def test_a_format_stands_in_for_the_end_of_a_name_and_does_not_contradict_it(cli, recording_path):
    plot = ("plot", "learning", recording_path)
    assert cli(*plot, "-o", "figure", "--format", "svg")[0] == 0
    assert Path("figure").read_bytes()[:5] == b"<?xml"
    code, _, err = cli(*plot, "-o", "f.png", "--format", "pdf")
    assert code == 2
    assert "format is pdf, and f.png ends in .png; leave out one of them" in err
    assert cli(*plot, "-o", "figure")[0] == 2


def test_a_figure_that_there_is_not_is_refused(cli):
    assert cli("record", "map", "logistic", "--steps", 30, "-o", "map.nc")[0] == 0
    code, _, err = cli("plot", "learning", "map.nc", "-o", "f.png")
    assert code == 1
    assert "of no training on class labels" in err
    assert not Path("f.png").exists()
    with (
        package.open("map.nc") as run,
        pytest.raises(UnknownNameError, match="known: lyapunov, exploration, learning"),
    ):
        run.nndyn.plot("spectre")


def test_a_figure_of_an_unknown_kind_is_refused(cli, recording_path):
    code, _, err = cli("plot", "lyapunov", recording_path, "-o", "f.docx")
    assert code == 2
    assert ".png, .pdf or .svg" in err


def test_a_figure_looks_as_asked(cli, recording_path):
    look = ["--title", "T", "--size", "4x3", "--dpi", 150, "--style", "dark_background"]
    assert cli("plot", "lyapunov", recording_path, "-o", "x.png", *look)[0] == 0
    pixels = imread("x.png")
    assert pixels.shape[:2] == (450, 600)
    assert pixels[0, 0, :3].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (["--size", "big"], "size is 'big', expected inches: WIDTHxHEIGHT, such as 4x3, or a"),
        (["--size", "4x3x2"], "size is '4x3x2', expected inches"),
        (["--size", "400x3"], "expected a width, or width and height, of 1 to 50 inches"),
        (["--dpi", "1"], "dpi is 1.0, expected a number of dots per inch"),
        (["--style", "none"], "no style 'none'; expected the path of a .mplstyle file, or one of"),
        (["--along", "lr"], "--along is of studies"),
    ],
)
def test_a_look_that_there_is_not_is_refused_in_one_line(cli, recording_path, look, message):
    code, out, err = cli("plot", "lyapunov", recording_path, "-o", "x.png", *look)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not Path("x.png").exists()


def test_a_result_without_numbers_still_shows_its_warnings(capsys):
    from nndyn.cli.output import print_result
    from nndyn.results import result

    empty = result(
        {},
        analyzer="mine",
        recording=xr.Dataset(),
        parameters={},
        summary=[],
        verdict="seen",
        reason="nothing to count",
        warnings=["look here"],
    )
    print_result(empty)
    out, err = capsys.readouterr()
    assert out == "seen: nothing to count\n"
    assert err == "warning: look here\n"


def test_words_below_a_figure_name_options_as_the_command_line_does(cli):
    options = ("--steps", 500, "--replicas", 2, "--store", "distances")
    assert cli("record", "map", "logistic", *options, "-o", "m.nc")[0] == 0
    code, out, _ = cli("plot", "lyapunov", "m.nc", "-o", "f.svg")
    words = Path("f.svg").read_text()
    assert code == 0
    assert "--rescale" in out
    assert "--rescale" in words
    assert "`" not in words
