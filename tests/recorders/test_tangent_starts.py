"""Where tangent vectors of trainings begin, and the companion that tells when they forget it."""

import json

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.errors import UsageError
from nndyn.store import verify
from recorders import perturbations, request
from recorders.followers import tangents
from tests.recorders.test_training_tangents import iris, same

OPTIMIZERS = {
    "sgd": {"lr": 0.3},
    "momentum": {"lr": 0.05, "momentum": 0.9},
    "adam": {"optimizer": "adam", "lr": 0.01},
    "adamw": {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.01},
    "rmsprop": {"optimizer": "rmsprop", "lr": 0.01},
    "rmsprop with momentum": {"optimizer": "rmsprop", "lr": 0.001, "momentum": 0.9},
}


def begun(system, **options):
    """The vectors of time 0."""
    made = request.make(system, steps=10, **options)
    (asked,) = made.followed
    return tangents.first_vectors(asked, system, made, perturbations.ensemble(system, made))


def options_of(run):
    return json.loads(run.attrs["manifest"])["recording"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_vectors_of_trainings_begin_in_weights_and_biases(optimizer):
    system = iris(**OPTIMIZERS[optimizer])
    D = system.task.network.size
    few, more, all_ = (begun(system, tangents=k) for k in (2, 7, "all"))
    assert few.shape == (system.dimension, 2)
    assert (more[D:] == 0.0).all()
    assert (np.abs(more[:D]).min(axis=0) > 0.0).all()
    np.testing.assert_allclose(more.T @ more, np.eye(7), atol=1e-12)
    np.testing.assert_allclose(more[:, :2], few, atol=1e-12)  # however many there are
    np.testing.assert_allclose(all_[:, :7], more, atol=1e-12)
    np.testing.assert_allclose(all_.T @ all_, np.eye(all_.shape[1]), atol=1e-12)
    assert (all_[:D, D:] == 0.0).all()  # the buffers' directions come behind
    assert (all_[D:, :D] == 0.0).all()


def test_where_they_begin_does_not_hang_on_what_replicas_perturb():
    system = iris(optimizer="adam")
    one = begun(system, tangents=3, perturb="weights")
    np.testing.assert_array_equal(one, begun(system, tangents=3, perturb="all", state="phase"))


def test_the_start_is_in_the_manifest_where_it_is_not_random(tmp_path):
    run = nndyn.record(iris(), tmp_path / "r.nc", steps=5, tangents=2)
    assert options_of(run)["tangent_start"] == "weights"
    run = nndyn.record(iris(), tmp_path / "n.nc", steps=5)
    assert "tangent_start" not in options_of(run)
    henon = nndyn.systems.henon()
    run = nndyn.record(henon, tmp_path / "m.nc", steps=5, replicas=0, tangents=2)
    assert "tangent_start" not in options_of(run)
    assert "tangent_alignment" not in run
    with pytest.raises(UsageError, match="'weights', which henon does not have apart"):
        nndyn.record(henon, tmp_path / "m.nc", steps=5, tangents=2, tangent_start="weights")


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
@pytest.mark.parametrize("start", ["weights", "random"])
def test_the_alignment_is_that_of_two_pushes_that_do_not_know_each_other(
    tmp_path, optimizer, every, start
):
    system = iris(**OPTIMIZERS[optimizer])
    asked = {"tangents": 2, "tangent_every": every, "tangent_start": start, "replicas": 1}
    run = nndyn.record(system, tmp_path / "r.nc", steps=40, rescale=5, **asked)
    made = request.make(system, steps=40, **asked)
    phase = system.initial()
    pair = begun(system, **asked)
    other = tangents.first_companion(made.followed[0], system, made)[:, None]
    cosines = [abs(pair[:, 0] @ other[:, 0])]
    for t in range(0, 40, every):
        at = [t + every]
        pair, other = (system.push(phase, v, t, every, at)[0] for v in (pair, other))
        phase = system.advance(phase[None], t, every, ()).phase[0]
        cosines.append(abs(pair[:, 0] @ other[:, 0]))
    alignment = run["tangent_alignment"]
    assert alignment.dims == run["tangent_log_stretch"].dims[:1]
    np.testing.assert_allclose(alignment.values, cosines, atol=1e-8)
    _, logs = system.push(system.initial(), begun(system, **asked), 0, 40, range(every, 41, every))
    found = np.diff(run["tangent_log_stretch"].values, axis=0)
    np.testing.assert_allclose(found, logs, rtol=1e-8, atol=1e-10)
    assert verify(tmp_path / "r.nc").problems == ()


def as_older_versions(monkeypatch, path, steps):
    """Record as versions did that had no companion, at random, which they did not say."""
    with monkeypatch.context() as older:
        older.setattr(tangents, "WithCompanion", type("Nobody", (), {}))
        run = nndyn.record(
            iris(optimizer="adam"), path, steps=steps, tangents=3, tangent_start="random"
        )
    assert "tangent_start" not in options_of(run)
    assert not {"tangent_alignment", "checkpoint_companion"} & set(run.variables)
    run.close()


@pytest.mark.parametrize("asked", [{}, {"tangent_start": "random"}])
def test_files_of_older_versions_go_on_as_they_began(tmp_path, monkeypatch, asked):
    monkeypatch.setattr(request, "_BLOCK_STEPS", 16)
    whole, part = tmp_path / "whole.nc", tmp_path / "part.nc"
    as_older_versions(monkeypatch, whole, 60)
    as_older_versions(monkeypatch, part, 30)
    system = iris(optimizer="adam")
    run = nndyn.record(system, part, steps=60, tangents=3, resume=True, **asked)
    assert "tangent_start" not in options_of(run)
    assert "was not recorded: nothing is left out" in nndyn.spectrum(run).attrs["reason"]
    run.close()
    with xr.open_dataset(whole) as left, xr.open_dataset(part) as right:
        for name in ("tangent_log_stretch", "state", "distance_l2"):
            np.testing.assert_array_equal(left[name].values, right[name].values, err_msg=name)


def test_a_file_without_a_step_goes_on_as_it_was_to_begin(tmp_path, monkeypatch):
    """Its header says where vectors begin; nothing else does yet."""

    def fail(self):
        raise ArithmeticError

    path, whole = tmp_path / "part.nc", tmp_path / "whole.nc"
    as_older_versions(monkeypatch, whole, 20)
    with monkeypatch.context() as stopped:
        stopped.setattr(tangents._Tangents, "checkpoint", property(fail))
        with pytest.raises(ArithmeticError):
            as_older_versions(monkeypatch, path, 20)
    nndyn.record(iris(optimizer="adam"), path, steps=20, tangents=3, resume=True).close()
    same(whole, path)


def test_another_start_is_no_continuation_of_an_older_file(tmp_path, monkeypatch):
    path = tmp_path / "r.nc"
    as_older_versions(monkeypatch, path, 20)
    message = "tangent_start is not there in the file, weights asked"
    with pytest.raises(UsageError, match=message):
        nndyn.record(
            iris(optimizer="adam"), path, steps=30, tangents=3, tangent_start="weights", resume=True
        )


def test_a_companion_of_a_diverging_run_is_kept_up_to_there(tmp_path):
    system = nndyn.Training("mlp:4-5-3", "iris", lr=1e6, loss="mse")
    run = nndyn.record(system, tmp_path / "r.nc", steps=200, replicas=0, tangents=1)
    assert run.attrs["status"] == "stopped"
    assert run.sizes["time"] == run["tangent_alignment"].size
    assert np.isfinite(run["tangent_alignment"].values[:-2]).all()


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop"])
def test_no_exponent_is_that_of_the_buffers_scale(tmp_path, optimizer):
    system = iris(**OPTIMIZERS[optimizer])
    run = nndyn.record(system, tmp_path / "r.nc", steps=120, replicas=3, tangents=2)
    assert nndyn.lyapunov(run).attrs["verdict"] == "regular"
    assert float(nndyn.spectrum(run)["exponents"].max()) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("lr", [1e-3, 1e-2])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop"])
def test_no_exponent_of_digits_stands_out_where_replicas_are_regular(tmp_path, optimizer, lr):
    """From random starts Adam has 0.1157 [0.11565, 0.11579] here."""
    system = nndyn.Training("mlp:64-32-10", "digits", optimizer=optimizer, lr=lr)
    options = {"replicas": 5, "tangents": 2, "store": "distances"}
    run = nndyn.record(system, tmp_path / "r.nc", steps=400, **options)
    assert nndyn.lyapunov(run).attrs["verdict"] == "regular"
    assert float(nndyn.spectrum(run)["exponents"].max()) < 0.05


def test_the_whole_spectrum_of_a_training_names_the_vectors_of_the_buffers(tmp_path):
    system = nndyn.Training("mlp:4-2-3", "iris", optimizer="adam", lr=0.01)
    run = nndyn.record(system, tmp_path / "r.nc", steps=60, replicas=0, tangents="all")
    found = nndyn.spectrum(run)
    D = system.task.network.size
    note = f"vectors {D + 1} to {3 * D} started in the buffers of the optimizer"
    assert note in found["exponents"].attrs["note"]
    assert float(found["exponents"][:D].max()) < 0.05
    assert float(found["exponent_sum"]) == pytest.approx(system.exponent_sum, abs=1e-8)
