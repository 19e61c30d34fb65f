"""Figures of recordings, from the command line and the accessor."""

from pathlib import Path

import pytest
import xarray as xr

import nndyn as package
from nndyn.errors import UnknownNameError
from nndyn.figures import FIGURES, draw


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_a_figure_is_drawn(cli, recording_path, suffix):
    assert cli("plot", "lyapunov", recording_path, "-o", f"f.{suffix}")[0] == 0
    assert Path(f"f.{suffix}").stat().st_size > 5000


def test_every_figure_is_drawn_by_its_command_and_by_the_accessor(cli, recording_path):
    for name in FIGURES.keys() - {"spectrum"}:  # that needs tangents
        code, out, _ = cli("plot", name, recording_path, "-o", f"{name}.png")
        assert code == 0
        with package.open(recording_path) as run:
            result = getattr(run.nndyn, name)()
            assert out.startswith(f"{name}.png: {result.attrs['verdict']}: ")
            drawn = run.nndyn.plot(name)
        assert [len(axes.lines) for axes in drawn.axes] == [
            len(axes.lines) for axes in draw(name, result).axes
        ]


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
