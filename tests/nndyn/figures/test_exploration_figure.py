import numpy as np
import pytest
import xarray as xr

from analyzers.exploration.analyzer import exploration as analyze
from nndyn.errors import DataError, UsageError
from nndyn.figures.exploration import exploration


def recording(states, step="step"):
    """Wrap (T, R, D) states."""
    states = np.asarray(states, np.float64)
    return xr.Dataset(
        {"state": (("time", "replica", "component"), states)},
        {"time": ("time", np.arange(len(states), dtype=float), {"units": step})},
    )


def walk(times, replicas=3, dimension=4):
    rng = np.random.default_rng(3)
    return np.cumsum(rng.standard_normal((times, replicas, dimension)), axis=0)


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_random_walk_shows_guides_fit_steps_and_angles(tmp_path):
    result = analyze(recording(walk(600)))
    figure = exploration(result)
    by_lag, lengths, directions = figure.axes
    value = float(result["msd_exponent"])
    assert legend(by_lag) == ["reference", "straight", "random walk", f"lag^{value:.2g}"]
    assert by_lag.get_xscale() == by_lag.get_yscale() == lengths.get_yscale() == "log"
    assert len(lengths.lines) == 3
    np.testing.assert_array_equal(
        lengths.lines[-1].get_ydata()[1:], result["step_length"].values[1:, 0]
    )
    degrees = np.degrees(result["turning_angle"].values[:, 0])
    np.testing.assert_array_equal(directions.lines[0].get_ydata(), degrees)
    assert figure.caption.get_text() == f"diffusive: {result.attrs['reason']}"
    figure.savefig(tmp_path / "figure.png")


def test_the_fit_lies_on_the_curve_it_was_made_from():
    figure = exploration(analyze(recording(np.arange(400.0)[:, None, None] * np.ones(3))))
    lag, curve = figure.axes[0].lines[0].get_data()
    fit_lag, fit = figure.axes[0].lines[-1].get_data()
    np.testing.assert_allclose(fit, curve[np.searchsorted(lag, fit_lag)], rtol=1e-9)


def test_a_long_run_is_drawn_as_medians_of_its_parts(tmp_path):
    result = analyze(recording(walk(3000, replicas=2)))
    figure = exploration(result)
    time, lengths = figure.axes[1].lines[-1].get_data()
    assert len(time) == 150
    part = result["step_length"].values[1:20, 0]
    assert lengths[0] == np.median(part)
    figure.savefig(tmp_path / "figure.png")


@pytest.mark.parametrize("states", [np.ones((60, 2, 3)), walk(2), walk(3), walk(2000)[:, :1]])
def test_still_and_short_runs_are_drawn_without_a_warning(states, tmp_path):
    figure = exploration(analyze(recording(states)))
    figure.savefig(tmp_path / "figure.png")


def test_a_run_that_ended_at_once_and_other_results_are_refused():
    ds = recording(np.full((20, 1, 2), np.nan)).assign(diverged_at=("replica", [1]))
    with pytest.raises(DataError, match="there is no curve to draw: the reference is not finite"):
        exploration(analyze(ds))
    with pytest.raises(UsageError, match="needs the result of exploration, got 'lyapunov'"):
        exploration(xr.Dataset(attrs={"analyzer": "lyapunov"}))
