"""Figure of a search: growth and training times, onset and suggestion, whatever was found."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from nndyn.errors import UsageError
from nndyn.figures.onset import onset
from nndyn.finder.found import FoundOnset
from tests.nndyn.finder.made_up import RATES, found


def labels(figure):
    (legend,) = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    return [text.get_text() for text in legend.get_texts()]


def upright(axes):
    return [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1]


@pytest.mark.parametrize("size", [2.5, 4, 8])
def test_both_panels_mark_the_onset_and_the_recommended_rate(size, tmp_path):
    result = found()
    figure = onset(result, size=size)
    named = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes]
    assert named == ["growth (e-foldings)", "training time (step)", "share growing"]
    assert figure.axes[1].get_xlabel() == "learning rate"
    assert figure.axes[0].get_xscale() == "log"
    for axes in figure.axes[:2]:
        assert float(result["onset"]) in upright(axes)
        assert result.suggestion() in upright(axes)
    low, high = result["onset_ci"].values
    assert f"onset {float(result['onset']):.3g} [{low:.3g}, {high:.3g}]" in labels(figure)
    assert f"recommended {result.suggestion():.3g}" in labels(figure)
    assert "growth of 3 e-foldings" in labels(figure)
    figure.savefig(tmp_path / "figure.png")


def test_below_it_stand_the_verdict_and_the_reason_for_the_rate():
    result = found()
    verdict, rate = onset(result).caption.get_text().split("\n")
    assert verdict == f"found: {result.attrs['reason']}"
    assert rate == f"recommended 1: {result['recommended'].attrs['note']}"


def test_without_accuracies_the_growth_alone_is_drawn(tmp_path):
    figure = onset(found(accuracies=False))
    assert [axes.get_ylabel() for axes in figure.axes] == ["growth\n(e-foldings)", "share growing"]
    assert "\nno rate recommended: training times were not measured" in figure.caption.get_text()
    assert not any("recommended" in label for label in labels(figure))
    figure.savefig(tmp_path / "figure.png")


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({"rates": RATES[:3], "why": "half of the seeds begin to grow nowhere"}, "above the grid"),
        ({"rates": RATES[-2:]}, "below the grid"),
        ({"rates": RATES[:1]}, "unresolved"),
        ({"seeds": 3}, "imprecise"),
        ({"limit": 300.0}, "found"),
    ],
)
def test_what_was_not_found_is_drawn_too(options, verdict, tmp_path):
    figure = onset(found(**options))
    assert figure.caption.get_text().startswith(f"{verdict}: ")
    assert figure.axes[0].get_xscale() == "log"
    figure.savefig(tmp_path / "figure.png")


@pytest.mark.parametrize("few", [RATES[-2:], RATES[-3:]])
def test_an_axis_of_few_rates_has_two_numbers_or_more(few):
    figure = onset(found(rates=few))
    figure.canvas.draw()
    low, high = figure.axes[0].get_xlim()
    assert sum(low <= tick <= high for tick in figure.axes[0].get_xticks()) >= 2


def test_it_is_drawn_on_axes_of_the_callers():
    figure = Figure()
    upper, lower = figure.subplots(2)
    assert onset(found(), [upper, lower]) is figure
    assert upper.get_title(loc="left") == "found"
    with pytest.raises(UsageError, match="expected matplotlib axes"):
        onset(found(accuracies=False), [upper, lower])


def test_another_result_is_refused():
    growth = found()
    other = FoundOnset(growth.data_vars, growth.coords, {**growth.attrs, "analyzer": "lyapunov"})
    with pytest.raises(UsageError, match=r"pass what nndyn\.find_onset returned"):
        onset(other)
    assert np.isfinite(growth["onset"])
