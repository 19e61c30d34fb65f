"""What a user selects from a recording before analyzing it."""

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.errors import DataError, UnknownNameError, UsageError


@pytest.fixture(scope="module")
def paired(tmp_path_factory):
    path = tmp_path_factory.mktemp("selections") / "pairs.nc"
    system = nndyn.Training("mlp:4-8-3", "iris", lr=2.0, optimizer="adam")
    with nndyn.record(system, path, steps=60, replicas=4, pairs=True, state="phase") as recording:
        return recording.load()


def test_whole_pairs_may_be_selected(paired):
    assert np.isfinite(nndyn.lyapunov(paired.isel(replica=[0, 1, 2]))["growth"])


@pytest.mark.parametrize("chosen", [[0, 3, 4], [0, 1, 3], [0, 1]])
def test_a_selection_that_tears_pairs_apart_is_refused(paired, chosen):
    with pytest.raises(DataError, match="mirrored partner of replica 1"):
        nndyn.lyapunov(paired.isel(replica=chosen))


@pytest.mark.parametrize("chosen", [[1, 2], [5, 1, 2], 1])
def test_a_selection_without_the_reference_is_refused(paired, chosen):
    with pytest.raises(DataError, match="replica 0 is not the reference"):
        nndyn.lyapunov(paired.isel(replica=chosen))


def test_the_buffers_in_a_phase_do_not_count_in_distances(paired):
    stored = nndyn.lyapunov(paired)
    derived = nndyn.lyapunov(paired.drop_vars(["distance_l1", "distance_l2", "distance_linf"]))
    for name in ("log_separation", "lyapunov_max", "growth"):
        np.testing.assert_allclose(derived[name], stored[name], rtol=1e-9)


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        ("run.nc", {}, UsageError, r"open a file with nndyn\.open"),
        (xr.Dataset(), {}, DataError, "variable 'time' is missing"),
        (
            None,
            {"distance": "l3"},
            UsageError,
            "distance is 'l3', expected 'l1', 'l2', 'linf' or 'output'",
        ),
        (None, {"window": [5]}, UsageError, r"window is \[5\], expected two times"),
        (None, {"confidence": "high"}, UsageError, "confidence is 'high', expected a number"),
        (None, {"horizon": -1.0}, UsageError, "horizon is -1.0, expected a time above 0"),
        (None, {"horizon": 0.5}, DataError, "horizon is 0.5, shorter than a sample of 1 step"),
    ],
    ids=["path", "empty", "distance", "window", "confidence", "horizon", "short"],
)
def test_what_is_no_recording_or_no_option_is_named(paired, given, options, error, message):
    with pytest.raises(error, match=message):
        nndyn.lyapunov(paired if given is None else given, **options)


def test_a_window_may_be_an_array(paired):
    asked = nndyn.lyapunov(paired, window=np.array([5, 30]))
    assert asked["window"].values.tolist() == [5, 30]


def test_a_layer_is_its_part_of_the_state(paired):
    layer = paired.nndyn.layer("0.bias")
    assert layer.shape == (61, 6, 8)
    np.testing.assert_array_equal(layer.values, paired["state"].values[..., 32:40])
    with pytest.raises(UnknownNameError, match=r"unknown parameter 'bias'; known: 0\.weight"):
        paired.nndyn.layer("bias")
    with pytest.raises(DataError, match="keeps no states"):
        paired.drop_vars("state").nndyn.layer("0.bias")
