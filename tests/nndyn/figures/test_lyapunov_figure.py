import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import nndyn
from analyzers.lyapunov.analyzer import lyapunov as analyze
from nndyn.errors import UsageError
from nndyn.figures.lyapunov import lyapunov
from tests.analyzers.synthetic import piecewise, recording, twins


def transient(slopes, breaks=(), **options):
    return analyze(
        recording(np.exp(piecewise(slopes, list(breaks), 200, **options)), step_length=1.0)
    )


def labels(figure):
    return [t.get_text() for t in figure.axes[0].get_legend().get_texts()]


def test_growing_run_shows_fit_limits_end_and_verdict(tmp_path):
    result = transient([0.3, 0.0], [40])
    figure = lyapunov(result)
    axes = figure.axes[0]
    caption = figure.caption.get_text()
    assert caption.startswith("transient: exponent 0.3")
    assert caption.endswith(result.attrs["reason"])
    assert axes.get_xlabel() == "time (step)"
    shown = " | ".join(labels(figure))
    for text in ("5 replicas", "their mean", "fit, steps 1 to", "growth ends at", "infinitesimal"):
        assert text in shown
    figure.savefig(tmp_path / "figure.png")


def test_what_lies_outside_the_axes_is_not_in_the_legend():
    figure = lyapunov(transient([0.001], noise=0.01))
    assert "rounding" not in labels(figure)


def test_unresolved_run_without_numbers_says_why(tmp_path):
    figure = lyapunov(transient([0.3], epsilon=0.1))
    assert figure.caption.get_text().startswith("unresolved: ")
    figure.savefig(tmp_path / "figure.png")


def test_stationary_run_shows_the_estimate_converging(tmp_path):
    ds = twins(lambda x: 4.0 * x * (1.0 - x), 0.3, 500, rescale=10, stationary=True, rounding=None)
    figure = lyapunov(analyze(ds))
    assert "per step" in figure.axes[0].get_ylabel()
    assert "estimate so far" in labels(figure)
    figure.savefig(tmp_path / "figure.png")


def test_given_axes_are_drawn_on_and_pyplot_is_left_alone():
    import matplotlib.pyplot as plt

    figure = Figure()
    axes = figure.subplots(1, 2)
    assert lyapunov(transient([0.3]), ax=axes[1]) is figure
    assert not axes[0].lines
    assert not plt.get_fignums()


def test_other_results_are_refused():
    with pytest.raises(UsageError, match="needs the result of lyapunov, got 'recurrence'"):
        lyapunov(xr.Dataset(attrs={"analyzer": "recurrence"}))


@pytest.mark.parametrize("count", [2, 12])
def test_growth_by_parameter_has_two_more_panels(tmp_path, count):
    rng = np.random.default_rng(0)
    t = np.arange(60)[:, None]
    states = np.zeros((60, 3, 2 * count))
    states += np.sin(t)[..., None]
    states[:, 1:] += (1e-8 * np.exp(0.2 * t))[..., None] * rng.normal(size=(2, 2 * count))
    names = {f"layer{i}.weight": 2 for i in range(count)}
    figure = lyapunov(analyze(nndyn.from_array(states, names=names), parameter="all"))
    assert [ax.get_ylabel() for ax in figure.axes[1:]] == [
        "ln separation of each",
        "share of squared distance",
    ]
    legend = [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    named = [text for text in legend if text.startswith("layer")]
    assert len(named) == min(count, 7)
    assert ("5 others" in legend) == (count == 12)
    figure.savefig(tmp_path / "figure.png")
