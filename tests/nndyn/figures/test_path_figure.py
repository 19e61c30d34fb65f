import numpy as np
import pytest
import xarray as xr

from analyzers.exploration.components import components
from nndyn.errors import UsageError
from nndyn.figures import draw


def recording(times=60, replicas=3, dimension=80, loss=True):
    rng = np.random.default_rng(2)
    states = np.cumsum(rng.standard_normal((times, replicas, dimension)), axis=0)
    time = ("time", np.arange(float(times)), {"units": "step"})
    found = xr.Dataset({"state": (("time", "replica", "component"), states)}, {"time": time})
    if loss:
        values = np.exp(-0.2 * np.arange(float(times)))[:, None] * np.ones(replicas)
        attrs = {"units": "nat", "long_name": "loss over the training set"}
        found["loss"] = (("time", "replica"), values, attrs)
    return found


def test_a_path_lies_beside_a_random_walk_with_shares_on_the_axes(tmp_path):
    result = components(recording())
    figure = draw("path", result)
    path, walk, shares, bar = figure.axes
    score, share = result["score"].values, result["explained_share"].values
    np.testing.assert_array_equal(path.lines[0].get_xdata(), score[:, 1, 0])
    segments = np.array(path.collections[0].get_segments())
    np.testing.assert_array_equal(segments[:, 1], score[1:, 0, :2])
    np.testing.assert_array_equal(path.collections[0].get_array(), result["path_loss"][1:])
    assert path.get_xlabel() == f"PC1 ({100 * share[0]:.0f} % of the variance)"
    assert bar.get_xlabel() == "loss over the training set (nat)"
    assert bar.get_xscale() == "log"
    np.testing.assert_array_equal(walk.lines[0].get_xdata(), result["random_walk_score"][:, 0])
    np.testing.assert_array_equal(shares.lines[-1].get_ydata(), 100.0 * share)
    for axes in (path, walk):
        names = [text.get_text() for text in axes.get_legend().get_texts()]
        assert names[-2:] == ["start", "end"]
    assert "of random walks of as many states" in figure.caption.get_text()
    figure.savefig(tmp_path / "f.png")


def test_without_a_loss_colour_is_time_and_one_replica_stands_alone(tmp_path):
    figure = draw("path", components(recording(replicas=1, loss=False)), size=3)
    assert figure.axes[-1].get_xlabel() == "time (step)"
    assert len(figure.axes[0].lines) == 2
    figure.savefig(tmp_path / "f.png")


def test_states_of_a_map_are_points_since_lines_would_hide_where_they_lie():
    states = np.random.default_rng(0).uniform(size=(200, 2, 2))
    given = recording(times=200, replicas=2, dimension=2, loss=False)
    given["state"][:] = states
    result = components(given)
    path = draw("path", result).axes[0]
    np.testing.assert_array_equal(path.collections[0].get_offsets(), result["score"][:, 0, :2])
    assert path.lines[0].get_linestyle() == "None"


def test_a_short_run_and_a_flat_loss_are_drawn(tmp_path):
    given = recording(times=3)
    given["loss"][:] = 1.0
    draw("path", components(given)).savefig(tmp_path / "f.png")


def test_other_results_are_refused():
    with pytest.raises(UsageError, match="needs the result of path, got 'lyapunov'"):
        draw("path", xr.Dataset(attrs={"analyzer": "lyapunov"}))
