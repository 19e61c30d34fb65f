"""Components know the parameter they belong to, and nobody pays for it who does not ask."""

import pickle
import time
import tracemalloc

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.errors import DataError
from nndyn.store import components
from tests.nndyn.systems.training import networks  # noqa: F401  (torch before tracemalloc)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("components") / "run.nc"
    system = nndyn.Training("mlp:4-8-3", "iris", lr=0.5, momentum=0.5)
    nndyn.record(system, path, steps=5, replicas=1, state="phase").close()
    return path


NAMES = ["0.weight"] * 32 + ["0.bias"] * 8 + ["2.weight"] * 24 + ["2.bias"] * 3


def test_every_component_has_the_name_of_its_parameter(path):
    with nndyn.open(path) as run:
        assert run["parameter"].dims == ("component",)
        assert run["parameter"].values.tolist() == NAMES + ["buffers"] * 67
        assert run.isel(component=[40, 3])["parameter"].values.tolist() == ["2.weight", "0.weight"]
        assert run.isel(component=66)["parameter"].item() == "2.bias"
        strided = run.isel(component=slice(60, 70, 3))["parameter"].values.tolist()
        assert strided == ["2.weight", "2.weight", "2.bias", "buffers"]


@pytest.mark.parametrize("chunks", [None, {}])
def test_states_are_grouped_by_parameter(path, chunks):
    with nndyn.open(path, chunks=chunks) as run:
        norms = (run.state**2).groupby("parameter").sum()
        assert norms.sizes == {"time": 6, "replica": 3, "parameter": 5}
        layer = run.nndyn.layer("2.weight")
        expected = (layer.values**2).sum(-1)
        np.testing.assert_allclose(norms.sel(parameter="2.weight"), expected, rtol=1e-12)
        assert set(layer["parameter"].values) == {"2.weight"}


def test_a_layer_of_selected_components_is_theirs(path):
    with nndyn.open(path) as run:
        some = run.isel(component=slice(30, 42))
        np.testing.assert_array_equal(some.nndyn.layer("0.bias"), run["state"][..., 32:40])
        assert some.nndyn.layer("2.bias").sizes["component"] == 0
    with xr.open_dataset(path) as plain:
        np.testing.assert_array_equal(plain.nndyn.layer("0.bias"), plain["state"][..., 32:40])
        with pytest.raises(DataError, match="components were selected, and which is not known"):
            plain.isel(component=slice(30, 42)).nndyn.layer("0.bias")


def test_columns_of_a_series_are_components_with_their_names():
    series = nndyn.from_array(np.arange(12.0).reshape(4, 3), names=["a", "b", "c"])
    assert series["parameter"].values.tolist() == ["a", "b", "c"]
    assert series.nndyn.layer("b").values.ravel().tolist() == [1.0, 4.0, 7.0, 10.0]


def test_a_recording_copied_by_xarray_or_sent_elsewhere_keeps_the_names(path, tmp_path):
    with nndyn.open(path) as run:
        assert pickle.loads(pickle.dumps(run))["parameter"].values[40] == "2.weight"
        run.to_netcdf(tmp_path / "copy.nc")
    with xr.open_dataset(tmp_path / "copy.nc") as copy:
        assert copy["parameter"].values.tolist() == NAMES + ["buffers"] * 67
    with xr.open_dataset(path, engine="nndyn") as run:
        assert run["parameter"].values[0] == "0.weight"


@pytest.mark.filterwarnings("ignore:.* was written anew by another program")
def test_a_piece_keeps_the_names_of_its_components_or_has_none(path, tmp_path):
    some = slice(30, 42)
    with nndyn.open(path) as run, xr.open_dataset(path) as plain:
        bias = run["state"][..., 32:40].values
        run.isel(component=some).to_netcdf(tmp_path / "named.nc")
        plain.isel(component=some).to_netcdf(tmp_path / "bare.nc")
        plain.drop_vars("parameter_start").to_netcdf(tmp_path / "less.nc")
    with nndyn.open(tmp_path / "named.nc") as piece:
        assert piece["parameter"].values.tolist() == NAMES[some]
        np.testing.assert_array_equal(piece.nndyn.layer("0.bias"), bias)
    with nndyn.open(tmp_path / "bare.nc") as piece:
        assert "parameter" not in piece.coords
        with pytest.raises(DataError, match="components were selected, and which is not known"):
            piece.nndyn.layer("0.bias")
    with nndyn.open(tmp_path / "less.nc") as piece:
        assert "parameter" not in piece.coords


def test_without_states_there_are_no_components_to_name(tmp_path):
    system = nndyn.systems.logistic()
    with nndyn.record(system, tmp_path / "m.nc", steps=5, store="distances") as run:
        assert "parameter" not in run.coords


def test_opening_a_large_network_makes_no_names(tmp_path, monkeypatch):
    system = nndyn.Training("mlp:64-680-10", "digits", lr=0.1)
    assert system.dimension > 50_000
    nndyn.record(system, tmp_path / "large.nc", steps=1, replicas=1, evaluate=0).close()

    def refused(self, key):
        raise AssertionError("names were made")

    with monkeypatch.context() as patched:
        patched.setattr(components.ParameterNames, "_names", refused)
        with nndyn.open(tmp_path / "large.nc") as run:
            assert run.nndyn.layer("0.weight")[-1, 0].values.shape == (64 * 680,)
            repr(run), run._repr_html_()
    with nndyn.open(tmp_path / "large.nc") as run:
        began = time.perf_counter()
        bare = run.drop_vars("parameter")
        tracemalloc.start()
        for _ in range(10):
            components.named(bare)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.perf_counter() - began < 1.0
        assert used < 200_000
        assert run.nndyn.recurrence(radius=1.0).attrs["verdict"]
