"""Last values, and curves, of a quantity of the runs of a study."""

import numpy as np
import pytest
import xarray as xr

from analyzers.exploration.values import values
from nndyn.errors import DataError
from nndyn.figures.curves import curves
from nndyn.figures.orbit import orbit


def run(series, last=None, name="loss", diverged=-1):
    time = ("time", np.arange(float(len(series))), {"units": "step"})
    series = np.asarray(series, np.float64)[:, None]
    kept = {
        "loss": (("time", "replica"), series, {"units": "1", "long_name": "loss"}),
        "state": (("time", "replica", "component"), series[:, :, None]),
        "diverged_at": ("replica", [diverged]),
    }
    return values(xr.Dataset(kept, {"time": time}), quantity=name, last=last)


def logistic(r, steps=400):
    x = np.full(steps, 0.4)
    for t in range(1, steps):
        x[t] = r * x[t - 1] * (1.0 - x[t - 1])
    return x


def test_an_orbit_diagram_of_a_map_shows_its_cycles(tmp_path):
    rates = np.array([2.8, 3.2, 3.5, 3.83])
    runs = [({"r": r}, run(logistic(r), last=48, name="component:0")) for r in rates]
    figure = orbit(runs, "r")
    (axes,) = figure.axes
    places, shown = axes.lines[0].get_data()
    np.testing.assert_array_equal(shown[-48:], logistic(3.83)[-48:])
    cycles = [len(np.unique(np.round(shown[places == r], 3))) for r in rates]
    assert cycles == [1, 2, 4, 3]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == (
        "r",
        "component 0",
        "linear",
    )
    assert figure.caption.get_text() == "4 runs: the last 48 values of each, steps 352 to 399"
    figure.savefig(tmp_path / "f.png")


def test_runs_that_diverged_are_crosses_and_missing_ones_are_told(tmp_path):
    lost = [1.0, 1e200, np.inf, np.nan, np.nan]
    runs = [
        ({"lr": 0.1}, run(np.ones(9), last=2)),
        ({"lr": 1.0}, run(100.0 * np.ones(7), last=3)),
        ({"lr": 10.0}, run(lost, last=2, diverged=2)),
        ({"lr": 10.0}, None),
    ]
    figure = orbit(runs, "lr", size=3)
    (axes,) = figure.axes
    points, crosses = axes.lines
    assert points.get_xdata().tolist() == [0.1, 0.1, 1.0, 1.0, 1.0]
    assert crosses.get_xdata().tolist() == [10.0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    said = (
        "3 runs: the last 2 to 3 values of each, steps 4 to 8; 1 diverged; 1 more has no recording"
    )
    assert figure.caption.get_text() == said
    figure.savefig(tmp_path / "f.png")
    orbit(runs[2:], "lr").savefig(tmp_path / "g.png")


def test_a_study_without_values_or_without_a_number_along_is_refused():
    with pytest.raises(DataError, match="no run of the study has a value"):
        orbit([({"lr": 0.1}, None)], "lr")
    with pytest.raises(DataError, match="no option with numbers is swept"):
        orbit([({"seed": 0}, run([1.0, 2.0]))], "lr")


def test_curves_over_seeds_are_medians_with_a_band_between_quartiles(tmp_path):
    rng = np.random.default_rng(0)
    seeds = rng.uniform(1.0, 2.0, (5, 20))
    runs = [({"lr": 0.1, "seed": s}, run(series)) for s, series in enumerate(seeds)]
    figure = curves("curves", runs, "lr")
    (axes,) = figure.axes
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_ydata(), np.median(seeds, axis=0))
    band = axes.collections[0].get_paths()[0].vertices
    low, high = np.quantile(seeds, [0.25, 0.75], axis=0)
    assert band[:, 1].min() == pytest.approx(low.min())
    assert band[:, 1].max() == pytest.approx(high.max())
    said = "5 runs; lines are medians over seeds, bands reach from quartile to quartile"
    assert figure.caption.get_text() == said
    figure.savefig(tmp_path / "f.png")


def test_curves_go_as_far_as_half_of_the_runs_and_divergence_leaves_the_picture(tmp_path):
    ends = [1.0, 1e250, np.inf, np.nan]
    runs = [({"lr": 1.0, "seed": s}, run(ends, diverged=2)) for s in range(3)]
    runs += [({"lr": 1.0, "seed": s}, run(np.full(n, 2.0 + s))) for s, n in ((3, 9), (4, 6))]
    figure = curves("curves", runs, "lr")
    (axes,) = figure.axes
    middle = axes.lines[0].get_ydata()
    assert np.isfinite(middle).tolist() == [True] * 2 + [False] * 7
    assert axes.get_ylim()[1] < 10.0
    assert figure.caption.get_text().startswith("5 runs, of which 3 diverged; ")
    figure.savefig(tmp_path / "f.png")
