import functools

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection

from analyzers.studies.learning import learning_study
from analyzers.studies.lyapunov import onset_study
from nndyn.errors import UsageError
from nndyn.figures.study import log_spaced, study
from tests.analyzers.made_up_studies import evaluated, grew, grown, learned, turning

RATES = np.geomspace(0.5, 8, 12)


def cells(rates=RATES, seeds=8, limit=15.0, sharpness=True):
    rng = np.random.default_rng(0)
    growth = grown(rng, rates, turning(rng, seeds, 0.2), limit=limit)
    lr = np.asarray(rates)[:, None]
    times = 165 / lr * np.maximum(lr / 2.5, 1) ** 3 * np.exp(0.1 * rng.normal(size=growth.shape))
    times[times > 400] = np.nan
    more = {"sharpness_ratio": 0.3 * lr + 0 * growth} if sharpness else {}
    return grew(growth, rates), learned(times, rates, **more)


@functools.cache
def studies(*args, **options):
    lyapunov, learning = cells(*args, **options)
    return onset_study(lyapunov), learning_study(learning, lyapunov=lyapunov)


def labels(figure):
    (legend,) = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    return [text.get_text() for text in legend.get_texts()]


def test_panels_share_the_rate_and_mark_onset_and_fastest(tmp_path):
    lyapunov, learning = studies()
    figure = study(lyapunov, learning)
    named = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes]
    assert named == [
        "exponent (per step)",
        "growth (e-foldings)",
        "training time (step)",
        "lr \N{MULTIPLICATION SIGN} time, over its first",
        "largest sharpness / limit",
        "share growing",
    ]
    assert figure.axes[4].get_xlabel() == "learning rate"
    null, ratio = figure.axes[3].lines[:2]
    np.testing.assert_array_equal(null.get_ydata(), 1.0)
    np.testing.assert_array_equal(ratio.get_ydata(), learning["flow_time_ratio"].dropna("lr"))
    assert figure.axes[0].get_xscale() == "log"
    assert f"onset {float(lyapunov['onset']):.3g} [" in " | ".join(labels(figure))
    assert f"fastest {float(learning['fastest']):.3g} [" in " | ".join(labels(figure))
    for axes in figure.axes[:5]:
        at = [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1]
        assert float(lyapunov["onset"]) in at
        assert float(learning["fastest"]) in at
    both = "\n".join(f"{r.attrs['verdict']}: {r.attrs['reason']}" for r in (lyapunov, learning))
    assert figure.caption.get_text() == both.replace(" * ", " \N{MULTIPLICATION SIGN} ")
    assert figure.get_figwidth() == 4.2
    figure.savefig(tmp_path / "figure.png")


def test_few_seeds_are_said_to_be_few(tmp_path):
    lyapunov, learning = studies(seeds=4)
    assert np.isfinite(learning["coincidence"])
    caption = study(lyapunov, learning).caption.get_text()
    assert "\nunresolved: 4 seeds, and no interval over fewer than 6 holds" in caption


def test_shares_are_drawn_with_their_interval():
    lyapunov, _ = studies()
    beside = study(lyapunov).axes[-1]
    (bars,) = [c for c in beside.collections if isinstance(c, LineCollection)]
    drawn = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(drawn, lyapunov["growing_share_ci"])


@pytest.mark.parametrize("gap", [60, 400])
def test_times_of_coarse_evaluations_are_drawn(gap, tmp_path):
    lyapunov, learning = cells()
    times, earliest = evaluated(learning["training_time"].values, gap)
    times[3], earliest[3] = 0.0, 0.0
    learning = learning.assign(
        training_time=(("lr", "seed"), times),
        training_time_earliest=(("lr", "seed"), earliest - (earliest == 1)),
    )
    figure = study(onset_study(lyapunov), learning_study(learning, lyapunov=lyapunov))
    figure.savefig(tmp_path / "figure.png")


def test_without_learning_the_onset_is_the_verdict(tmp_path):
    lyapunov, _ = studies()
    figure = study(lyapunov)
    assert figure.caption.get_text().startswith("found: half of 8 seeds turn over")
    assert not any("fastest" in label for label in labels(figure))
    figure.savefig(tmp_path / "figure.png")


def test_what_was_not_recorded_has_no_panel():
    assert len(study(*studies(sharpness=False)).axes) == 5


def test_growth_far_beyond_the_threshold_leaves_the_threshold_to_be_seen(tmp_path):
    figure = study(*studies(limit=300.0))
    assert figure.axes[1].get_yscale() == "symlog"
    assert 3.0 in figure.axes[1].get_yticks()
    figure.savefig(tmp_path / "figure.png")


def test_a_stationary_sweep_is_its_exponent_with_zero(tmp_path):
    rates = np.linspace(2.8, 4.0, 200)
    exponent = np.sin(9 * rates)[:, None] + np.zeros((200, 4))
    ds = grew(exponent, rates, name="r", stationary=np.ones((200, 4)), lyapunov_max=exponent)
    figure = study(onset_study(ds))
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_xscale()) == ("r", "linear")
    assert figure.caption.get_text().startswith("stationary: ")
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), 0.0)
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), exponent[:, 0])
    figure.savefig(tmp_path / "figure.png")


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.isel(lr=[3]),
        lambda ds: ds.isel(seed=[3]),
        lambda ds: ds.isel(lr=[3], seed=[3]),
        lambda ds: ds.assign(verdict=ds["verdict"].where(False, "")),
        lambda ds: ds.assign(verdict=ds["verdict"].where(ds["lr"] < 3, "diverged")),
        lambda ds: ds.assign_coords(lr=ds["lr"] - 4.0),
        lambda ds: ds.assign_coords(lr=ds["lr"] * 100),
    ],
    ids=["one rate", "one seed", "one cell", "no result", "diverged", "not positive", "large"],
)
def test_studies_with_little_to_show_are_drawn(change, tmp_path):
    lyapunov, learning = (change(ds) for ds in cells())
    figure = study(onset_study(lyapunov), learning_study(learning, lyapunov=lyapunov))
    figure.savefig(tmp_path / "figure.png")


@pytest.mark.parametrize(
    ("values", "logs"),
    [
        (np.geomspace(0.1, 10, 8), True),
        (np.linspace(0.1, 10, 8), False),
        ([0.0, 0.5, 0.9], False),
        ([1, 2, 5, 10], True),
        ([0.3], True),
    ],
)
def test_the_axis_is_logarithmic_where_values_are_spaced_so(values, logs):
    assert log_spaced(np.asarray(values, float)) is logs


def test_other_results_are_refused():
    with pytest.raises(UsageError, match="needs the result of lyapunov, got None"):
        study(xr.Dataset())
    lyapunov, learning = studies()
    with pytest.raises(UsageError, match="needs the result of learning, got 'lyapunov'"):
        study(lyapunov, lyapunov)
    with pytest.raises(UsageError, match="needs the study of lyapunov, got the result of one run"):
        study(lyapunov.drop_vars("growing_share"))
    assert learning.attrs["analyzer"] == "learning"


def test_a_fastest_that_is_not_found_leaves_the_verdict_to_the_onset():
    lyapunov, learning = cells()
    never = learning.assign(training_time=learning["training_time"] * np.nan)
    figure = study(onset_study(lyapunov), learning_study(never, lyapunov=lyapunov))
    assert figure.caption.get_text().startswith("found: half of 8 seeds turn over")
    assert "training time (step)" not in [a.get_ylabel().replace("\n", " ") for a in figure.axes]
