"""What recurrence says of orbits whose answer is known, and of input that has none."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr

import nndyn
from analyzers.recurrence import analyzer, counting, points, wide
from nndyn.errors import DataError, UsageError
from tests.analyzers.recurrence.plain import distances
from tests.analyzers.recurrence.test_measures import agree, recording


def logistic(n, r=4.0):
    x = np.empty(n)
    x[0] = 0.3
    for i in range(n - 1):
        x[i + 1] = r * x[i] * (1.0 - x[i])
    return x


def test_a_periodic_orbit_is_all_diagonal_lines():
    x = np.tile([0.1, 0.5, 0.9, 0.3, 0.7], 60)
    result = nndyn.recurrence(nndyn.from_array(x), radius=0.0)
    assert float(result["determinism"]) == 1.0
    assert float(result["recurrence_rate"]) == 0.2
    assert int(result["max_diagonal_length"]) == 295
    # 4 points between two visits, but for those that the border cuts in three of five columns
    assert float(result["mean_recurrence_time"]) == pytest.approx(5 * 240 / (5 * 60 + 3))
    assert float(result["laminarity"]) == 0.0


def test_white_noise_has_the_determinism_of_independent_points():
    x = np.random.default_rng(4).standard_normal(4000)
    result = nndyn.recurrence(nndyn.from_array(x), radius="rate:0.05")
    p = float(result["rate_obtained"])
    assert p == pytest.approx(0.05, abs=1e-6)
    assert float(result["determinism"]) == pytest.approx(2 * p - p**2, rel=0.02)
    assert "independent points give 9.75 %" in result.attrs["reason"]


def test_a_chaotic_map_is_far_more_deterministic_than_noise_and_less_than_an_orbit():
    x = logistic(4000)
    result = nndyn.recurrence(nndyn.from_array(x))
    shuffled = nndyn.recurrence(nndyn.from_array(np.random.default_rng(0).permutation(x)))
    assert float(result["determinism"]) == pytest.approx(0.66, abs=0.02)
    assert float(result["mean_diagonal_length"]) == pytest.approx(3.0, abs=0.1)
    assert float(shuffled["determinism"]) < 0.12


@pytest.mark.parametrize(
    ("lr", "rates", "laminarity"),
    [(0.5, (0.06, 0.33), (0.96, 0.99)), (3.0, (0.03, 0.36), (0.3, 0.8))],
)
def test_a_training_recurs_the_more_the_more_it_settles(tmp_path, lr, rates, laminarity):
    system = nndyn.Training("mlp:64-32-10", "digits", lr=lr, seed=1)
    options = {"steps": 399, "replicas": 1, "control": False, "evaluate": 0}
    with nndyn.record(system, tmp_path / "run.nc", **options) as run:
        result = nndyn.recurrence(run, sliding_width=100)
    for name in ("recurrence_rate", "trapping_time"):
        assert (np.diff(result[f"sliding_{name}"]) > 0.0).all()
    rate = result["sliding_recurrence_rate"].values
    np.testing.assert_allclose(rate[[0, -1]], rates, atol=0.03)
    first, *later = result["sliding_laminarity"].values
    assert laminarity[0] < first < laminarity[1]
    assert min(later) > 0.999
    assert float(result["sliding_determinism"].min()) > 0.97


@pytest.mark.parametrize("threads", [2, 3])
def test_results_do_not_depend_on_threads(threads, monkeypatch):
    x = np.cumsum(np.random.default_rng(5).standard_normal((700, 80)), axis=0)
    results = []
    for n in (1, threads):
        monkeypatch.setattr(analyzer, "Team", lambda n=n: counting.Team(n))
        results.append(nndyn.recurrence(recording(x)))
    xr.testing.assert_identical(*results)


def test_many_components_from_products_of_states_are_decided_exactly():
    rng = np.random.default_rng(6)
    x = 1e6 + np.cumsum(1e-4 * rng.standard_normal((260, 100)), axis=0)  # products keep no digit
    D = distances(x, x, "l2")
    radius = float(np.mean(np.quantile(D, 0.3, method="lower") + np.array([0.0, 1e-9])))
    agree(nndyn.recurrence(recording(x), radius=radius), radius >= D, 1, True)


@pytest.mark.parametrize("kept", [wide.KEPT_BYTES, 0])
def test_a_rate_of_many_components_is_reached_by_a_distance_and_not_by_a_product(kept, monkeypatch):
    monkeypatch.setattr(wide, "KEPT_BYTES", kept)
    rng = np.random.default_rng(9)
    x = 1e6 + np.cumsum(1e-4 * rng.standard_normal((260, 100)), axis=0)
    pairs = np.sort(distances(x, x, "l2")[np.triu_indices(260, 1)])
    result = nndyn.recurrence(recording(x), radius="rate:0.05")
    smallest = pairs[int(np.ceil(0.05 * pairs.size)) - 1]
    np.testing.assert_allclose(float(result["radius"]), smallest, rtol=1e-12)
    assert float(result["rate_obtained"]) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize("norm", ["l1", "max"])
@pytest.mark.parametrize("components", [65, 514, 1027])
def test_distances_of_any_number_of_components_are_those_of_plain_numpy(norm, components):
    from analyzers.recurrence.kernels.distances import measure

    rng = np.random.default_rng(10)
    x, y = rng.standard_normal((67, components)), rng.standard_normal((71, components))
    keys = np.full((67, 71), np.nan)
    for part in range(2):
        measure(x, y, analyzer.NORMS[norm], len(x), keys, part, 2)
    np.testing.assert_allclose(keys, distances(x, y, norm), rtol=1e-13)


@pytest.mark.parametrize(("rows", "first"), [(200, 0), (200, 128), (130, 64)])
def test_blocks_below_the_diagonal_are_left_out_and_all_others_are_the_same(rows, first):
    from analyzers.recurrence.kernels.distances import measure

    x = np.random.default_rng(11).standard_normal((200, 70))
    whole, half = np.full((2, rows, 200 - first), np.nan)
    measure(x[:rows], x[first:], analyzer.NORMS["l1"], rows, whole, 0, 1)
    measure(x[:rows], x[first:], analyzer.NORMS["l1"], first, half, 0, 1)
    blocks = np.arange(200) // 64
    wanted = blocks[:rows, None] <= blocks[None, first:]
    np.testing.assert_array_equal(half, np.where(wanted, whole, 0.0))


def test_dask_backed_and_opened_states_give_what_states_in_memory_give(tmp_path):
    x = np.cumsum(np.random.default_rng(7).standard_normal((150, 90)), axis=0)
    plain = nndyn.recurrence(recording(x))
    recording(x).to_netcdf(tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc") as opened:
        lazily = nndyn.recurrence(opened)
    for found in (lazily, nndyn.recurrence(recording(x).chunk({"time": 40}))):
        for name in plain.data_vars:
            np.testing.assert_array_equal(found[name].values, plain[name].values, err_msg=name)


def test_panels_that_are_read_again_give_what_one_panel_gives(monkeypatch):
    x = np.cumsum(np.random.default_rng(8).standard_normal((300, 70)), axis=0)
    one = nndyn.recurrence(recording(x).chunk({"time": 50}))
    monkeypatch.setattr(wide, "PANEL_BYTES", 64 * 70 * 8)
    monkeypatch.setattr(wide, "KEPT_BYTES", 0)
    several = nndyn.recurrence(recording(x).chunk({"time": 50}))
    xr.testing.assert_identical(one, several)


@pytest.mark.parametrize(("norm", "kept"), [("l1", 0), ("l2", wide.KEPT_BYTES)])
def test_one_panel_of_states_is_in_memory_at_a_time(tmp_path, monkeypatch, norm, kept):
    x = np.random.default_rng(11).standard_normal((640, 4000))  # 10 blocks of 2 MB
    recording(x).to_netcdf(tmp_path / "x.nc")
    block = 64 * 4000 * 8
    monkeypatch.setattr(wide, "PANEL_BYTES", 5 * block)
    monkeypatch.setattr(wide, "PASSING_BYTES", block)
    monkeypatch.setattr(wide, "KEPT_BYTES", kept)
    for module in (wide, points):
        monkeypatch.setattr(module, "BLOCK_BYTES", block // 8)
    with xr.open_dataset(tmp_path / "x.nc", cache=False) as opened:
        nndyn.recurrence(opened.isel(time=slice(100)), norm=norm)
        tracemalloc.start()
        nndyn.recurrence(opened, norm=norm)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 8.5 * block  # a panel, a block that passes by, and 2 MB of keys


@pytest.mark.parametrize("radius", ["rate:0.05", 0.0])
def test_a_constant_series_is_a_full_plot(radius):
    result = nndyn.recurrence(nndyn.from_array(np.ones(50)), radius=radius)
    assert result.attrs["verdict"] == "full"
    assert float(result["recurrence_rate"]) == 1.0
    assert float(result["determinism"]) == 1.0 - 2 / (50 * 49)  # the corners are one point long
    assert np.isnan(result["mean_recurrence_time"])
    assert result["mean_recurrence_time"].attrs["note"] == "all points recur"


def test_distances_that_tie_are_a_warning():
    result = nndyn.recurrence(nndyn.from_array(np.tile([0.0, 1.0], 40)))
    assert "the rate is 0.494 instead of 0.05" in result.attrs["warnings"]


def test_no_recurrences_are_nulls_with_a_reason():
    result = nndyn.recurrence(nndyn.from_array(np.arange(30.0)), radius=0.0)
    assert result.attrs["verdict"] == "none"
    assert float(result["recurrence_rate"]) == pytest.approx(1 / 30)
    for name in ("determinism", "mean_diagonal_length", "divergence", "diagonal_entropy"):
        assert np.isnan(result[name])
        assert result[name].attrs["note"] == "no two points recur"
    assert result["trapping_time"].attrs["note"] == "no vertical line of at least 2 points"


def test_two_trajectories_that_never_meet_have_a_cross_plot_without_a_point():
    states = np.stack([np.zeros((20, 1)), np.ones((20, 1))], axis=1)
    result = nndyn.recurrence(recording(states), kind="cross", other=1, radius=0.5)
    assert result.attrs["verdict"] == "none"
    assert np.isnan(result["laminarity"])
    assert int(result["max_recurrence_time"]) == 20


def test_a_run_that_diverges_is_analyzed_up_to_there():
    x = np.cumsum(np.ones((40, 2, 3)), axis=0)
    x[25:, 0] = np.nan
    ds = recording(x).assign(diverged_at=("replica", [25, -1]))
    result = nndyn.recurrence(ds)
    assert result.attrs["verdict"] == "diverged"
    assert result.attrs["reason"].startswith("the reference is not finite from step 25 on; before")
    assert result.sizes["row_time"] == 25
    assert nndyn.recurrence(ds, replica=1).sizes["row_time"] == 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": -1.0}, "radius is -1.0, expected a finite number, 0 or more"),
        ({"radius": np.inf}, "radius is inf, expected a finite number"),
        ({"radius": np.nan}, "radius is nan, expected a number, rate:R or scale:S"),
        ({"radius": "rate:0"}, "radius is 'rate:0', expected a rate above 0 and at most 1"),
        ({"radius": "often"}, "radius is 'often', expected a number, rate:R or scale:S"),
        ({"norm": "l3"}, "norm is 'l3', expected 'l1', 'l2' or 'max'"),
        ({"theiler": -1}, "theiler is -1, expected a whole number, 0 or more"),
        ({"min_diagonal": 0}, "min_diagonal is 0, expected a whole number, 1 or more"),
        ({"min_vertical": None}, "min_vertical is None"),
        ({"dimension": 2}, "`dimension=2` embeds a scalar series, the states have 3 components"),
        ({"component": 3}, "component is 3, expected one of 0 … 2"),
        ({"replica": 2}, "there is no replica 2, expected one of 0 … 1"),
        ({"kind": "cross"}, "kind='cross' takes another trajectory: give other"),
        ({"other": 1}, "kind='auto' takes no other trajectory"),
        ({"kind": "cross", "other": 1, "theiler": 2}, "theiler is 2, cross recurrence has no main"),
        ({"window": (8, 2)}, "window is 8:2, expected two times in order"),
        ({"sliding_width": 50}, "sliding_width is 50, there are 40 points"),
        ({"sliding_step": 5}, "sliding_step is given without sliding_width"),
        ({"stride": 0}, "stride is 0, expected a whole number, 1 or more"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    ds = recording(np.random.default_rng(0).standard_normal((40, 2, 3)))
    with pytest.raises(UsageError, match="^" + message.replace("(", r"\(")):
        nndyn.recurrence(ds, **options)


def test_input_without_an_answer_is_a_line_that_says_so():
    with pytest.raises(DataError, match="expected at least 2 states, found 1"):
        nndyn.recurrence(nndyn.from_array([1.0]))
    with pytest.raises(DataError, match="no pairs of points at least 9 apart among 5"):
        nndyn.recurrence(nndyn.from_array(np.arange(5.0)), theiler=9)
    with pytest.raises(DataError, match="5 states cannot be embedded with `dimension=4`"):
        nndyn.recurrence(nndyn.from_array(np.arange(5.0)), dimension=4, delay=2)
    with pytest.raises(DataError, match="not finite at step 3; choose a window"):
        nndyn.recurrence(recording(np.array([0.0, 1.0, 2.0, np.nan, 4.0])))
    with pytest.raises(DataError, match="keeps no states"):
        nndyn.recurrence(xr.Dataset())
    with pytest.raises(DataError, match="thin them out with stride=2"):
        nndyn.recurrence(nndyn.from_array(np.zeros(2_000_000)))
    with pytest.raises(UsageError, match="expected a recording"):
        nndyn.recurrence(np.zeros(5))
