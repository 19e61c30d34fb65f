"""Size, title, resolution, style, axes of the caller, and what is written to files."""

import functools
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from analyzers.exploration.analyzer import exploration
from analyzers.exploration.components import components
from analyzers.learning.analyzer import learning as analyze
from analyzers.lyapunov.analyzer import lyapunov as analyze_lyapunov
from analyzers.recurrence.analyzer import recurrence as analyze_recurrence
from analyzers.studies.learning import learning_study
from analyzers.studies.lyapunov import onset_study
from nndyn.errors import UsageError
from nndyn.figures import draw, save
from nndyn.figures.lyapunov import lyapunov
from nndyn.figures.study import study
from nndyn.systems.known import known_exponents
from tests.analyzers.synthetic import piecewise, recording
from tests.nndyn.figures.test_learning_figure import rising, run
from tests.nndyn.figures.test_study_figure import cells


@functools.cache
def learned():
    return analyze(run(rising([20, 22, 30])))


@functools.cache
def studies():
    lyapunov, learning = cells()
    return onset_study(lyapunov), learning_study(learning, lyapunov=lyapunov)


@functools.cache
def results():
    """Give a result of each figure of a run that can be made without recording."""
    growth = np.exp(piecewise([0.3, 0.0], [40], 200))
    walk = np.cumsum(np.random.default_rng(0).standard_normal((200, 1, 2)), axis=0)
    states = xr.Dataset(
        {"state": (("time", "replica", "component"), walk)},
        {"time": ("time", np.arange(200.0), {"units": "step"})},
    )

    return {
        "learning": learned(),
        "lyapunov": analyze_lyapunov(recording(growth, step_length=1.0)),
        "exploration": exploration(states),
        "path": components(states),
        "recurrence": analyze_recurrence(states),
    }


FIGURES = {
    name: lambda name=name, **look: draw(name, results()[name], **look)
    for name in ("learning", "lyapunov", "exploration", "path", "recurrence")
} | {"study": lambda **look: study(*studies(), **look)}


@pytest.mark.parametrize("size", [None, 4, 8, (4, 3), (3, 6)])
def test_nothing_is_cut_off_at_any_size(size):
    for make in FIGURES.values():
        figure = make(size=size)
        figure.draw_without_rendering()
        renderer = figure.canvas.get_renderer()
        texts = [figure.caption]
        texts += [axes.get_legend() for axes in figure.axes if axes.get_legend()]
        for one in texts:
            box = one.get_window_extent(renderer)
            assert box.x0 >= -1
            assert box.x1 <= figure.bbox.width + 1
            assert box.y0 >= -1
            assert box.y1 <= figure.bbox.height + 1


def test_a_figure_made_smaller_keeps_its_legend_inside():
    figure = draw("learning", learned(), size=8)
    figure.set_size_inches(2.5, 3)
    figure.draw_without_rendering()
    legend = figure.axes[0].get_legend().get_window_extent(figure.canvas.get_renderer())
    assert legend.x1 <= figure.bbox.width + 1


def test_size_title_and_resolution_are_those_asked_for(tmp_path):
    figure = draw("learning", learned(), size=(4, 3), dpi=150, title="Training of a $net")
    assert figure.get_size_inches().tolist() == [4, 3]
    assert figure.get_suptitle() == "Training of a $net"
    figure.savefig(tmp_path / "a.png")
    save(figure, tmp_path / "b.png")
    for name in ("a.png", "b.png"):
        assert plt.imread(tmp_path / name).shape[:2] == (450, 600)
    assert draw("learning", learned(), size=8).get_figwidth() == 8


def test_python_saves_as_large_as_the_command_line(tmp_path):
    figure = draw("learning", learned())
    figure.savefig(tmp_path / "a.png")
    save(figure, tmp_path / "b.png")
    assert plt.imread(tmp_path / "a.png").shape == plt.imread(tmp_path / "b.png").shape


@pytest.mark.parametrize("twice", [False, True])
def test_fonts_are_embedded_and_text_stays_text(tmp_path, twice):
    figure = draw("learning", learned(), title="Look here")
    if twice:
        figure.savefig(tmp_path / "first.png")
    figure.savefig(tmp_path / "f.pdf")
    figure.savefig(tmp_path / "f.svg")
    pdf = (tmp_path / "f.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    svg = (tmp_path / "f.svg").read_text()
    assert ">Look here</text>" in svg
    assert ">test accuracy</text>" in svg


def test_a_style_changes_paper_and_colours_and_nothing_else(tmp_path):
    before = dict(plt.rcParams)
    figure = draw("learning", learned(), style="dark_background")
    figure.savefig(tmp_path / "dark.png")
    assert plt.imread(tmp_path / "dark.png")[0, 0, :3].tolist() == [0, 0, 0]
    assert dict(plt.rcParams) == before
    cycle = plt.style.library["dark_background"]["axes.prop_cycle"].by_key()["color"]
    assert figure.axes[0].lines[-1].get_color() in cycle[:3]
    with plt.style.context("ggplot"):
        own = draw("learning", learned())
    assert own.axes[0].get_facecolor() == pytest.approx((0.898, 0.898, 0.898, 1), abs=0.01)


@pytest.mark.parametrize(
    ("look", "message"),
    [
        ({"size": 0}, "size is 0, expected a width, or width and height, of 1 to 50 inches"),
        ({"size": (4, 3, 2)}, "size is"),
        ({"size": "4x3"}, "size is '4x3'"),
        ({"size": float("nan")}, "size is nan"),
        ({"dpi": 5}, "dpi is 5, expected a number of dots per inch from 20 to 2400"),
        ({"size": 40, "dpi": 1200}, "million dots; expected at most 200 million"),
        ({"style": "none_such"}, "no style 'none_such'; expected .*ggplot"),
    ],
)
def test_a_look_that_there_is_not_is_refused(look, message):
    with pytest.raises(UsageError, match=message):
        draw("learning", learned(), **look)


def test_a_size_without_room_for_the_axes_is_refused_and_nothing_written(tmp_path):
    figure = draw("learning", learned(), size=1)
    with pytest.raises(UsageError, match=r"^size is 1 x .* no room for the axes"):
        save(figure, tmp_path / "f.png")
    assert not list(tmp_path.iterdir())


def test_axes_of_the_caller_get_as_many_panels_as_there_are():
    figure, axes = plt.subplots(1, 2)
    assert study(*studies(), axes) is figure
    assert all(ax.lines for ax in axes)
    assert draw("learning", learned(), axes[0], title="(a)") is figure
    assert axes[0].get_title(loc="left") == "(a)"
    with pytest.raises(UsageError, match="expected matplotlib axes, or a list of up to 1"):
        draw("learning", learned(), axes)
    plt.close(figure)
    assert isinstance(draw("learning", learned(), Figure().add_subplot()), Figure)


def test_limits_of_a_rescaled_run_are_no_stairs():
    result = analyze_lyapunov(recording(np.exp(piecewise([0.3], [], 200)), step_length=1.0))
    stairs = 3.0 * (np.arange(201) // 10)
    result["saturation"] = ("time", stairs[: result.sizes["time"]] + 1.0)
    result.attrs["source_made"] = json.dumps({"rescale": 10})
    (line,) = [
        one
        for one in lyapunov(result).axes[0].lines
        if one.get_label() == "no longer infinitesimal"
    ]
    assert np.ptp(np.diff(line.get_ydata())) == 0.0


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("logistic", {"r": 4.0}, (0.693147,)),
        ("logistic", {"r": 3.9}, ()),
        ("henon", {}, (0.41923, -1.62321)),
        ("henon", {"a": 1.3}, ()),
        ("quadratic", {"lr": 1.0, "curvatures": [0.5, 1.5]}, (-0.693147, -0.693147)),
        ("cubic", {"lr": 3.0}, (0.693147,)),
        ("double_well", {"lr": 2.0}, (1.098612,)),
        ("heavy_ball", {}, (-0.0526803, -0.0526803)),
        ("digits", {}, ()),
    ],
)
def test_known_exponents_are_those_of_the_parameters(name, parameters, expected):
    assert known_exponents(name, parameters) == pytest.approx(expected, abs=1e-6)


def test_known_exponents_are_those_that_the_catalogue_writes():
    from nndyn.systems.catalogue import CATALOGUE

    for name in ("tent", "skew_tent", "henon", "ikeda", "lozi", "standard", "cat", "lorenz63"):
        written = [float(n) for n in re.findall(r"\d+(?:\.\d+)?", CATALOGUE[name].exponents)]
        for value in known_exponents(name, {}):
            assert min(abs(abs(value) - n) for n in written) < 1e-6


def test_a_notebook_is_given_a_picture_without_pyplot():
    from nndyn.figures.sheet import Sheet

    sheet = Sheet(figsize=(3, 2))
    sheet.subplots().plot([0, 1])
    assert sheet._repr_png_().startswith(b"\x89PNG")
