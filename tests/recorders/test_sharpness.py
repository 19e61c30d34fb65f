"""Recorded curvature: how much of the Hessian's spectrum, by how many products, and resumed."""

import numpy as np
import pytest
import torch
import xarray as xr

import nndyn
from nndyn.errors import UsageError
from nndyn.store import verify
from recorders import drive
from recorders.followers import curvature
from tests.recorders.linear import assert_same, values
from tests.recorders.pressing import Press


def small(**options):
    """131 weights: more than are looked at as a whole matrix."""
    return nndyn.Training("mlp:4-16-3", "iris", **({"lr": 1.5} | options))


def digits(**options):
    return nndyn.Training("mlp:64-32-10", "digits", **options)


def dense(system, phase):
    """The Hessian as a matrix."""
    size = system.task.network.size
    point = system.task.curvature(system.order).at(
        torch.from_numpy(np.ascontiguousarray(phase[:size])), torch.zeros(0), None
    )
    return point.hvp(torch.eye(size).double()).numpy().copy()


BOTH = {"sharpness", "sharpness_residual", "curvature_min", "curvature_min_residual"}
TOP = {"sharpness_top", "sharpness_top_residual"}
MIDDLE = {"midpoint_sharpness", "midpoint_sharpness_residual"}


@pytest.mark.parametrize(
    ("option", "names", "spelled"),
    [
        ("every:4", BOTH, "every:4"),
        ("every:4,lowest", BOTH, "every:4"),
        ("every:4,lowest,top:1", BOTH, "every:4"),
        ("every:4,top:1", BOTH - {"curvature_min", "curvature_min_residual"}, "every:4,top:1"),
        ("every:4,lowest,top:3", BOTH | TOP, "every:4,top:3,lowest"),
        ("every:4,midpoint", BOTH | MIDDLE, "every:4,midpoint"),
    ],
)
def test_the_option_says_what_is_looked_for(tmp_path, option, names, spelled):
    system = small()
    run = nndyn.record(system, tmp_path / "r.nc", steps=10, replicas=1, sharpness=option)
    found = {n for n in run.variables if n.split("_")[0] in ("sharpness", "curvature", "midpoint")}
    assert found - {"sharpness_time", "sharpness_products", "midpoint_time"} == names
    assert run["sharpness_time"].values.tolist() == [0, 4, 8, 10]
    assert f'"sharpness": "{spelled}"' in run.attrs["manifest"]
    for i, t in enumerate([0, 4, 8, 10]):
        exact = np.linalg.eigvalsh(dense(system, run["state"].values[t, 0]))
        assert float(run["sharpness"][i]) == pytest.approx(exact[-1], rel=1e-5)
        assert float(run["sharpness_residual"][i]) <= 1e-3 * exact[-1]
        if "curvature_min" in names:
            assert float(run["curvature_min"][i]) == pytest.approx(exact[0], rel=1e-5)
        if "sharpness_top" in names:
            top = run["sharpness_top"].values[i]
            np.testing.assert_allclose(top, exact[::-1][:3], rtol=1e-5)
            assert top[0] == float(run["sharpness"][i])


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("every:0", "expected 'every:K'"),
        ("top:3", "expected 'every:K'"),
        (7, "expected 'every:K'"),
        ("every:5,", "expected every:K, and after it top:N, lowest or midpoint"),
        ("every:5,tpo:3", "expected every:K, and after it top:N, lowest or midpoint"),
        ("every:5,top", "expected every:K, and after it top:N, lowest or midpoint"),
        ("every:5,lowest:2", "expected every:K, and after it top:N, lowest or midpoint"),
        ("every:5,top:1,top:2", "expected every:K, and after it top:N, lowest or midpoint"),
        ("every:5,top:0", "top in sharpness is 0, expected a whole number from 1 to 131"),
        ("every:5,top:132", "top in sharpness is 132, expected a whole number from 1 to 131"),
        ("every:5,top:x", "top in sharpness is 'x', expected a whole number from 1 to 131"),
    ],
)
def test_what_is_no_such_option_is_refused(tmp_path, option, said):
    with pytest.raises(UsageError, match=said):
        nndyn.record(small(), tmp_path / "r.nc", steps=10, sharpness=option)
    assert not (tmp_path / "r.nc").exists()


def counting(system):
    """A system, and a list of the products of every look, counted where they are made."""
    second, made = system._second, []
    given = second._curvature.at

    def at(*arguments):
        point = given(*arguments)

        def hvp(vectors):
            made.append(len(vectors))
            return point.hvp(vectors)

        return type(point)(point.gradient, hvp, point.loss)

    second._curvature.at = at
    return made


def test_the_largest_takes_fifteen_products_on_digits(tmp_path):
    system = digits(lr=2.0)
    made = counting(system)
    options = {"steps": 60, "replicas": 1, "sharpness": "every:5,top:1", "store": "every:10"}
    run = nndyn.record(system, tmp_path / "r.nc", **options)
    products = run["sharpness_products"].values
    assert sum(made) == products.sum()
    assert products[1:].max() <= 15
    assert np.median(products[1:]) <= 12
    for i in (2, 6, 12):
        exact = system.curvature(run["state"].values[i // 2, 0], 5 * i)["sharpness"]
        assert float(run["sharpness"][i]) == pytest.approx(exact, rel=5e-6)


@pytest.mark.slow
@pytest.mark.parametrize("lr", [1.0, 2.0, 3.0])
def test_both_ends_keep_to_their_products_on_digits(tmp_path, lr):
    options = {"steps": 200, "replicas": 1, "store": "every:5"}
    systems = [digits(lr=lr), digits(lr=lr)]
    top = nndyn.record(systems[0], tmp_path / "t.nc", sharpness="every:5,top:1", **options)
    both = nndyn.record(systems[1], tmp_path / "b.nc", sharpness="every:5", **options)
    of_top = top["sharpness_products"].values[1:]
    lowest = both["sharpness_products"].values[1:] - of_top
    assert of_top.max() <= 15
    assert lowest.max() <= 150
    np.testing.assert_array_equal(top["sharpness"], both["sharpness"])
    for i in range(1, 41, 8):
        exact = systems[0].curvature(top["state"].values[i, 0], 5 * i)
        for name in ("sharpness", "curvature_min"):
            assert float(both[name][i]) == pytest.approx(exact[name], rel=1e-5)


@pytest.mark.slow
def test_the_preconditioned_one_is_as_cheap_in_minibatches(tmp_path):
    system = digits(optimizer="adam", lr=0.005, batch_size=64)
    options = {"steps": 200, "replicas": 1, "state": "phase", "store": "every:5"}
    run = nndyn.record(system, tmp_path / "r.nc", sharpness="every:5,top:1", **options)
    products = run["sharpness_products"].values[1:]
    assert np.median(products) <= 30
    for i in range(1, 41, 8):
        exact = system.curvature(run["state"].values[i, 0], 5 * i)
        for name in ("sharpness", "preconditioned_sharpness"):
            assert float(run[name][i]) == pytest.approx(exact[name], rel=1e-5)


def test_the_midpoint_is_the_mean_of_three_times(tmp_path):
    """Where the loss oscillates with period two, the mean lies in the middle of the valley."""
    system = small(lr=3.0)
    run = nndyn.record(
        system, tmp_path / "r.nc", steps=41, replicas=1, sharpness="every:5,midpoint"
    )
    w = run["state"].values[:, 0]
    times = run["midpoint_time"].values
    assert times.tolist() == [5, 10, 15, 20, 25, 30, 35, 40]
    for i, t in enumerate(times.astype(int)):
        mean = (w[t - 1] + 2 * w[t] + w[t + 1]) / 4
        exact = np.linalg.eigvalsh(dense(system, mean))[-1]
        assert float(run["midpoint_sharpness"][i]) == pytest.approx(exact, rel=1e-5)
        assert float(run["midpoint_sharpness_residual"][i]) <= 1e-3 * exact
    apart = run["midpoint_sharpness"].values / run["sharpness"].values[1:9] - 1
    assert np.abs(apart).max() > 1e-2
    plain = nndyn.record(system, tmp_path / "p.nc", steps=41, replicas=1, sharpness="every:5")
    np.testing.assert_array_equal(plain["sharpness"], run["sharpness"])


def test_a_mean_of_three_times_needs_a_time_after(tmp_path):
    path = tmp_path / "r.nc"
    for steps, times in ((5, []), (6, [5.0]), (10, [5.0]), (11, [5.0, 10.0])):
        options = {"replicas": 1, "sharpness": "every:5,midpoint", "resume": True}
        run = nndyn.record(small(), path, steps=steps, **options)
        assert run["midpoint_time"].values.tolist() == times
        run.close()
        assert verify(path).problems == ()


VARIETY = {
    "both ends": ({}, "every:7"),
    "at every step": ({}, "every:1,top:2,midpoint"),
    "at every other": ({"optimizer": "adam", "lr": 0.02}, "every:2,top:1,midpoint"),
    "float32": ({"dtype": "float32"}, "every:3,top:3,lowest,midpoint"),
}


@pytest.mark.filterwarnings("ignore:rounding to float32")
@pytest.mark.parametrize(
    "kind", [*list(VARIETY)[:3], pytest.param("float32", marks=pytest.mark.slow)]
)
def test_a_run_that_is_cut_short_goes_on_to_the_same_bits(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(drive, "_SEGMENT_SECONDS", 1e-9)
    monkeypatch.setattr(drive, "_SEGMENT_WORK", 1.0)
    more, option = VARIETY[kind]
    options = {"steps": 22, "replicas": 1, "sharpness": option}
    whole = nndyn.record(small(**more), tmp_path / "whole.nc", **options)
    last = {n: whole[n].values for n in whole.variables if n.startswith("checkpoint")}
    whole = values(whole)
    assert np.isfinite(whole["sharpness"]).all()
    path = tmp_path / "cut.nc"
    for at in (7, 8, 15, 16):
        with pytest.raises(KeyboardInterrupt):
            nndyn.record(Press(small(**more), at), path, resume=True, **options)
    parts = nndyn.record(small(**more), path, resume=True, **options)
    for name, expected in last.items():
        if name != "checkpoint_step":
            np.testing.assert_array_equal(parts[name].values, expected, err_msg=name)
    assert_same(whole, values(parts))
    assert verify(path).problems == ()


def test_a_run_with_more_steps_is_one_that_had_them_from_the_start(tmp_path):
    options = {"replicas": 1, "sharpness": "every:5,midpoint"}
    whole = values(nndyn.record(small(), tmp_path / "w.nc", steps=30, **options))
    for steps in (10, 20, 30):  # looks of their own: no last step adds another one
        parts = nndyn.record(small(), tmp_path / "p.nc", steps=steps, resume=True, **options)
        found = values(parts)
    assert_same(
        {n: v for n, v in whole.items() if "floor" not in n and "rounding" not in n},
        {n: v for n, v in found.items() if "floor" not in n and "rounding" not in n},
    )


def test_a_file_of_an_earlier_version_goes_on_only_where_that_is_said(tmp_path, monkeypatch):
    path = tmp_path / "r.nc"
    options = {"replicas": 1, "sharpness": "every:5"}
    with monkeypatch.context() as earlier:
        kept = curvature.Curvature.variables
        new = "checkpoint_eigenvectors", "sharpness_products"
        earlier.setattr(
            curvature.Curvature,
            "variables",
            lambda self, system: [v for v in kept(self, system) if v.name not in new],
        )
        nndyn.record(small(), path, steps=10, **options).close()
    assert nndyn.record(small(), path, steps=10, resume=True, **options).sizes["time"] == 11
    said = "its sharpness was searched for in another way; .* `mix=True`"
    with pytest.raises(UsageError, match=said):
        nndyn.record(small(), path, steps=20, resume=True, **options)
    run = nndyn.record(small(), path, steps=20, resume=True, mix=True, **options)
    whole = nndyn.record(small(), tmp_path / "w.nc", steps=20, **options)
    np.testing.assert_allclose(run["sharpness"], whole["sharpness"], rtol=1e-5)
    assert "sharpness_products" not in run


def test_what_does_not_converge_is_nan_beside_its_residual(tmp_path, monkeypatch):
    from nndyn.systems.training.second_order import eigenvalues

    monkeypatch.setattr(eigenvalues, "LIMIT", 1)
    monkeypatch.setattr(eigenvalues, "COLD", 2)
    path = tmp_path / "r.nc"
    nndyn.record(small(), path, steps=5, replicas=1, sharpness="every:5").close()
    with xr.open_dataset(path) as run:
        assert np.isnan(run["sharpness"].values).all()
        assert (run["sharpness_residual"].values > 0).all()
