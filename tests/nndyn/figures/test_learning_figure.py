import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from analyzers.learning.analyzer import learning as analyze
from nndyn.errors import UsageError
from nndyn.figures.learning import learning

ROLE = np.array([0, 1, 1])


def run(accuracy):
    """Wrap accuracies (T, 3) of a reference and two perturbed replicas."""
    return xr.Dataset(
        {
            "test_accuracy": (("time", "replica"), np.asarray(accuracy, float)),
            "role": ("replica", ROLE),
            "diverged_at": ("replica", np.full(3, -1)),
        },
        {"time": ("time", np.arange(len(accuracy)) * 1.0, {"units": "step"})},
    )


def rising(times, T=101):
    return np.where(np.arange(T)[:, None] >= np.asarray(times), 0.95, 0.1)


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_time_of_a_run_that_learned_is_marked(tmp_path):
    accuracy = rising([20, 22, 30])
    accuracy[40] = 0.5  # lost again, and found
    figure = learning(analyze(run(accuracy)))
    axes = figure.axes[0]
    assert labels(axes) == [
        "replicas",
        "reference",
        "threshold 0.93",
        "reached at 22",
        "reached and held at 41",
    ]
    assert figure.caption.get_text().startswith("learned: test accuracy reaches 0.93 at step 22")
    np.testing.assert_array_equal(axes.lines[3].get_ydata(), accuracy[:, 0])
    figure.savefig(tmp_path / "figure.png")


def test_a_time_that_was_held_is_marked_once():
    assert labels(learning(analyze(run(rising([20, 22, 30])))).axes[0])[3:] == [
        "reached and held at 22"
    ]


def test_a_time_between_two_evaluations_is_one_by_which_it_was_reached(tmp_path):
    coarse = run(rising([20, 22, 30])).isel(time=slice(None, None, 25))
    figure = learning(analyze(coarse))
    assert labels(figure.axes[0])[3:] == ["reached and held by 25"]
    figure.savefig(tmp_path / "figure.png")


def test_a_run_that_does_not_learn_shows_its_threshold_and_says_so(tmp_path):
    figure = learning(analyze(run(rising([500, 500, 20])), threshold=0.5))
    assert labels(figure.axes[0])[2:] == ["threshold 0.5"]
    assert figure.caption.get_text().startswith("not learned: ")
    figure.savefig(tmp_path / "figure.png")


def test_an_interval_without_end_stays_inside_the_axes(tmp_path):
    result = analyze(run(rising([20, 22, 500])))
    assert result["training_time_ci"][1] == np.inf
    learning(result).savefig(tmp_path / "figure.png")


@pytest.mark.parametrize("evaluations", [1, 2, 5000])
def test_any_number_of_evaluations_is_drawn(evaluations, tmp_path):
    learning(analyze(run(rising([0, 1, 2], evaluations)))).savefig(tmp_path / "figure.png")


def test_given_axes_are_drawn_on():
    figure = Figure()
    axes = figure.subplots(1, 2)
    assert learning(analyze(run(rising([20, 22, 30]))), ax=axes[1]) is figure
    assert not axes[0].lines


def test_other_results_are_refused():
    with pytest.raises(UsageError, match="needs the result of learning, got None"):
        learning(xr.Dataset())
