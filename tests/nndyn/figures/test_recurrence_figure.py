import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.errors import UsageError
from nndyn.figures.recurrence import recurrence


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_plot_stands_beside_its_lines_by_length(tmp_path):
    result = nndyn.recurrence(nndyn.from_array(np.sin(0.07 * np.arange(600)), interval=0.5))
    figure = recurrence(result)
    plot, lines = figure.axes
    np.testing.assert_array_equal(plot.images[0].get_array(), result["picture"])
    assert plot.images[0].get_extent() == [0.0, 300.0, 0.0, 300.0]
    assert plot.get_xlabel() == plot.get_ylabel() == "time (time unit)"
    assert labels(lines) == ["recurrence times", "vertical lines", "diagonal lines"]
    length, number = lines.lines[-1].get_data()
    np.testing.assert_array_equal(number, result["diagonal_lines"].sel(length=length))
    assert number.min() > 0
    assert figure.caption.get_text() == f"recurrent: {result.attrs['reason']}"
    figure.savefig(tmp_path / "figure.png")


def test_measures_of_sliding_windows_are_drawn_against_their_middle(tmp_path):
    x = np.cumsum(np.random.default_rng(0).standard_normal(400))
    result = nndyn.recurrence(nndyn.from_array(x), sliding_width=100, sliding_step=50)
    figure = recurrence(result)
    shares = figure.axes[1]
    assert labels(shares) == ["recurrence rate", "determinism", "laminarity"]
    for line, name in zip(
        shares.lines, ("recurrence_rate", "determinism", "laminarity"), strict=True
    ):
        middle, share = line.get_data()
        np.testing.assert_array_equal(middle, result["sliding_time"])
        np.testing.assert_array_equal(share, result[f"sliding_{name}"])
    figure.savefig(tmp_path / "figure.png")


def test_a_cross_plot_has_the_times_of_either_trajectory():
    states = np.stack([np.sin(np.arange(50.0)), np.cos(np.arange(50.0))], axis=1)[..., None]
    time = ("time", 10.0 + np.arange(50.0), {"units": "step"})
    recording = xr.Dataset({"state": (("time", "replica", "component"), states)}, {"time": time})
    figure = recurrence(nndyn.recurrence(recording, kind="cross", other=1))
    assert figure.axes[0].images[0].get_extent() == [10.0, 60.0, 10.0, 60.0]


@pytest.mark.parametrize("x", [np.ones(40), np.arange(40.0), [0.0, 1.0]])
def test_full_empty_and_tiny_plots_are_drawn_without_a_warning(x, tmp_path):
    figure = recurrence(nndyn.recurrence(nndyn.from_array(x), radius=0.0))
    figure.savefig(tmp_path / "figure.png")
    minor = figure.axes[1].get_yticklabels(minor=True)
    assert not any(label.get_text() for label in minor)


def test_results_of_other_analyzers_are_refused():
    with pytest.raises(UsageError, match="needs the result of recurrence, got 'lyapunov'"):
        recurrence(xr.Dataset(attrs={"analyzer": "lyapunov"}))
