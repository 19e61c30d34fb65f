import json

import numpy as np
import pytest
import xarray as xr

from nndyn.errors import DataError, UsageError
from nndyn.figures.curves import curves
from nndyn.figures.verdicts import maps, verdicts


def curve(slope, verdict="regular"):
    time = ("time", np.arange(30.0), {"units": "step"})
    values = ("time", slope * np.arange(30.0))
    attrs = {"verdict": verdict, "parameters": json.dumps({"threshold": 0.9})}
    return xr.Dataset({"mean_log_separation": values}, {"time": time}, attrs)


def study_of(shape, dims):
    cells = np.resize(["regular", "chaotic", ""], shape)
    coords = {name: np.arange(n) * 0.5 for name, n in zip(dims, shape, strict=True)}
    attrs = {"analyzer": "lyapunov", "along": "lr"}
    return xr.Dataset({"cell_verdict": (dims, cells)}, coords, attrs)


def test_curves_of_all_runs_and_their_medians_are_drawn(tmp_path):
    runs = [
        ({"lr": lr, "seed": s}, curve(lr * (1 + s), "chaotic")) for lr in (0.1, 1.0) for s in (0, 1)
    ]
    figure = curves("lyapunov", [*runs, ({"lr": 2.0, "seed": 0}, None)], "lr")
    (axes,) = figure.axes
    assert len(axes.lines) == 6
    np.testing.assert_allclose(axes.lines[2].get_ydata(), 0.15 * np.arange(30))
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["learning rate 0.1", "learning rate 1"]
    assert figure.caption.get_text() == "4 runs: 4 chaotic; 1 more has no curve"
    figure.savefig(tmp_path / "f.png")


def test_values_that_swing_over_a_long_time_are_drawn_as_medians_of_its_parts():
    values = np.tile([0.0, 1.0, 2.0], 1000)
    time = ("time", np.arange(3000.0), {"units": "step"})
    attrs = {"units": "1", "long_name": "component 0", "of_state": True}
    run = xr.Dataset({"value": ("time", values, attrs), "diverged": False}, {"time": time})
    figure = curves("curves", [({"r": 1.0}, run)], "r")
    (drawn, *_) = figure.axes[0].lines
    assert len(drawn.get_xdata()) == 151
    np.testing.assert_array_equal(drawn.get_ydata()[:-1], 1.0)
    assert "medians of 150 parts" in figure.caption.get_text()


def test_a_study_without_a_curve_is_refused():
    with pytest.raises(DataError, match="no run of the study has one"):
        curves("lyapunov", [({"lr": 1.0}, None)], "lr")


def test_a_map_over_one_option_has_a_row_for_every_seed(tmp_path):
    figure = verdicts(study_of((4, 3), ("lr", "seed")))
    (axes,) = figure.axes
    assert axes.images[0].get_array().shape[:2] == (3, 4)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning rate", "seed")
    assert figure.caption.get_text() == "12 runs: 4 regular, 4 chaotic, 4 without a result"
    figure.savefig(tmp_path / "f.png")


def test_a_map_over_two_options_has_the_seeds_side_by_side():
    figure = verdicts(study_of((2, 4, 3), ("momentum", "lr", "seed")))
    assert figure.axes[0].images[0].get_array().shape[:2] == (2, 12)
    assert "the 3 seeds from left to right" in figure.caption.get_text()


def test_of_more_options_there_is_a_map_for_each():
    result = study_of((2, 3, 4, 2), ("momentum", "width", "lr", "seed"))
    found = dict(maps(result))
    assert list(found) == ["momentum=0.0", "momentum=0.5"]
    verdicts(found["momentum=0.5"])
    with pytest.raises(UsageError, match="3 swept options, expected one or two"):
        verdicts(result)
