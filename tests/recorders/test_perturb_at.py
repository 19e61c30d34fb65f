"""Replicas that part from the reference at a later step: all is as in a recording from there."""

import json

import numpy as np
import pytest
import torch

import nndyn
from analyzers.common.begins import from_perturbation
from nndyn.errors import DataError, UsageError
from nndyn.store import verify
from recorders import drive, request
from recorders.batch import record_batch
from recorders.trials.cost import estimate
from tests.nndyn.systems.training.loop import loops
from tests.recorders.linear import Linear, assert_same, values
from tests.recorders.pressing import Press

KINDS = {
    "sgd": {"lr": 2.0, "momentum": 0.9, "schedule": "cosine:60"},
    "adamw in minibatches": {"optimizer": "adamw", "lr": 0.02, "batch_size": 32},
    "float32": {"lr": 1.0, "dtype": "float32"},
}
T = 23


def training(kind="sgd", **more):
    return nndyn.Training("mlp:4-6-3", "iris", **KINDS[kind], **more)


@pytest.mark.filterwarnings("ignore:rounding to float32")
@pytest.mark.parametrize("kind", KINDS)
def test_from_there_on_it_is_a_recording_that_begins_there(tmp_path, kind):
    more = {} if kind == "float32" else {"rescale": 4, "pairs": True}
    options = {"replicas": 2, "state": "phase", "evaluate": 1, **more}
    path = tmp_path / "later.nc"
    later = nndyn.record(training(kind), path, steps=60, perturb_at=T, **options)
    begun = training(kind, start=f"{path}:{T}")
    from_there = nndyn.record(begun, tmp_path / "there.nc", steps=60 - T, **options)
    cut = from_perturbation(later)
    for name in from_there.variables:
        if name not in ("checkpoint", "checkpoint_step"):
            found, expected = cut[name].values, from_there[name].values
            if name == "step_length":  # that to the first state is not known to the other
                found, expected = found[1:], expected[1:]
            np.testing.assert_array_equal(found, expected, err_msg=name)
    said = [json.loads(r.attrs["manifest"]) for r in (later, from_there)]
    for key in ("epsilon", "rescale"):
        assert said[0]["recording"][key] == said[1]["recording"][key]
    assert said[0].get("calibration") == said[1].get("calibration")
    for analyzer in (nndyn.lyapunov, nndyn.exploration):
        one, other = analyzer(later), analyzer(from_there)
        assert one.attrs["reason"] == other.attrs["reason"]
        assert all(
            np.array_equal(one[n].values, other[n].values, equal_nan=True)
            for n in one.variables
            if one[n].dtype.kind == "f" and "step" not in n
        )


def test_before_it_replicas_are_the_reference_which_alone_is_computed(tmp_path):
    rows = []

    class Counted:
        def __init__(self, system):
            self.system = system

        def __getattr__(self, attribute):
            return getattr(self.system, attribute)

        def advance(self, phase, start, steps, *arguments, **keywords):
            rows.append((start, start + steps, len(phase)))
            return self.system.advance(phase, start, steps, *arguments, **keywords)

    options = {"steps": 40, "perturb_at": T, "replicas": 2, "store": "every:3"}
    found = nndyn.record(Counted(training()), tmp_path / "r.nc", **options)
    assert {(stop <= T, n) for _, stop, n in rows} == {(True, 1), (False, 4)}
    assert not found.distance_l2.values[:T].any()
    assert (found.distance_l2.values[T:, 1:3] > 0).all()
    assert not found.distance_l2.values[:, 3].any()
    before = found.state.sel(state_time=slice(0, T - 1)).values
    assert (before == before[:, :1]).all()
    assert (found.loss.values[:T] == found.loss.values[:T, :1]).all()
    assert found.perturbation.values[1] > 0 == found.perturbation.values[0]
    alone = nndyn.record(training(), tmp_path / "a.nc", steps=T, replicas=0, tangents=1)
    np.testing.assert_array_equal(found.loss.values[:T, 0], alone.loss.values[:T, 0])
    late = estimate(training(), timed=False, **options).work
    assert late < estimate(training(), timed=False, **{**options, "perturb_at": 0}).work
    assert verify(tmp_path / "r.nc").problems == ()


def test_a_run_that_is_cut_short_before_at_or_after_it_goes_on_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(drive, "_SEGMENT_SECONDS", 1e-9)
    monkeypatch.setattr(drive, "_SEGMENT_WORK", 1.0)

    for kind in KINDS:
        options = {"steps": 60, "replicas": 2, "perturb_at": T, "rescale": 5}
        whole = values(nndyn.record(training(kind), tmp_path / f"{kind} whole.nc", **options))
        path = tmp_path / f"{kind}.nc"
        for at in (3, T - 2, T - 1, T, T + 2, 40):
            with pytest.raises(KeyboardInterrupt):
                nndyn.record(Press(training(kind), at), path, resume=True, **options)
        resumed = nndyn.record(training(kind), path, resume=True, **options)
        assert_same(whole, values(resumed))
        assert verify(path).problems == ()


@pytest.mark.parametrize("kind", ["sgd", "batch_norm"])
def test_a_loop_of_the_users_parts_later_too(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(request, "_BLOCK_STEPS", 8)
    made = loops.ALL[kind]
    options = {"replicas": 2, "epsilon": 1e-3, "perturb_at": 11, "rescale": 3, "progress": False}
    whole = nndyn.record(made().system(), tmp_path / "whole.nc", steps=30, **options)
    assert not whole.distance_l2.values[:11].any()
    assert (whole.distance_l2.values[11:, 1:3] > 0).all()
    assert not whole.distance_l2.values[:, 3].any()
    for steps in (12, 17, 30):
        parts = nndyn.record(
            made().system(), tmp_path / "parts.nc", steps=steps, resume=True, **options
        )
        parts.close()
    with nndyn.open(tmp_path / "parts.nc") as parts:
        for name in ("state", "distance_l2", "log_rescale", "perturbation", "loss"):
            if name in whole:
                np.testing.assert_array_equal(parts[name].values, whole[name].values)


def test_runs_in_one_batch_are_what_they_are_alone(tmp_path):
    options = {"steps": 40, "replicas": 2, "perturb_at": T, "rescale": 5}
    systems = [nndyn.Training("mlp:4-6-3", "iris", lr=lr) for lr in (0.5, 2.0)]
    paths = record_batch(systems, [tmp_path / "0.nc", tmp_path / "1.nc"], workers=1, **options)
    for system, path in zip(systems, paths, strict=True):
        alone = nndyn.record(system, tmp_path / "alone.nc", overwrite=True, **options)
        assert_same(values(alone), values(nndyn.open(path)))
        alone.close()


@pytest.mark.parametrize("name", ["henon", "lorenz63"])
def test_maps_and_flows_part_later_and_are_analyzed_from_there(tmp_path, name):
    found = nndyn.record(name, tmp_path / "r.nc", steps=900, perturb_at=300, replicas=2, rescale=10)
    assert not found.distance_l2.values[:300].any()
    exponent = nndyn.lyapunov(found)
    assert exponent.time.values[0] == found.time.values[300]
    assert float(exponent.lyapunov_max) > 0


def test_a_redrawn_replica_counts_from_the_perturbation(tmp_path):
    found = nndyn.record(
        Linear(0.0, 0.0), tmp_path / "r.nc", steps=13, rescale=4, replicas=2, perturb_at=2
    )
    assert json.loads(found.attrs["redrawn"]) == [[1, 6], [2, 6], [1, 10], [2, 10]]


def test_a_recording_that_ends_before_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(request, "_BLOCK_STEPS", 4)
    path = tmp_path / "r.nc"
    done = []

    def stop(steps, asked):
        done.append(steps)
        if steps > 8:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError):
        nndyn.record(training(), path, steps=60, perturb_at=T, progress=stop)
    with nndyn.open(path) as found, pytest.raises(DataError, match="before step 23"):
        nndyn.lyapunov(found)
    wild = nndyn.record(
        "logistic", tmp_path / "w.nc", r=4.5, initial=[0.5], discard=0, steps=60, perturb_at=50
    )
    assert wild.attrs["status"] == "stopped"
    assert nndyn.lyapunov(wild).attrs["verdict"] == "diverged"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"perturb_at": 40}, "0 to 39"),
        ({"perturb_at": -1}, "0 to 39"),
        ({"perturb_at": 5, "replicas": 0, "tangents": 1}, "no replicas"),
        ({"perturb_at": 5, "quadratic_model": True}, "quadratic_model"),
        ({"perturb_at": 5, "tangents": 1, "tangent_start": "replicas"}, "tangent_start"),
        ({"perturb_at": 5, "epsilon": 1e-20}, "below the rounding"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_first_step(tmp_path, options, said):
    with pytest.raises(UsageError, match=said):
        nndyn.record(training(), tmp_path / "r.nc", steps=40, **options)
    assert not (tmp_path / "r.nc").exists()


def test_a_step_counts_as_the_file_counts_it(tmp_path):
    first = tmp_path / "first.nc"
    nndyn.record(training(), first, steps=10, replicas=1, state="phase").close()
    begun = training(start=f"{first}:10")
    found = nndyn.record(begun, tmp_path / "r.nc", steps=20, replicas=1, perturb_at=15)
    moved = found.distance_l2.values[:, 1] > 0
    assert found.time.values[moved.argmax()] == 15
    with pytest.raises(UsageError, match="from 10 to 29"):
        nndyn.record(begun, tmp_path / "x.nc", steps=20, perturb_at=9)


def test_a_gradient_of_a_minibatch_is_the_direction(tmp_path):
    torch.manual_seed(0)
    x, y = torch.randn(20, 3, dtype=torch.float64), torch.randint(0, 2, (20,))
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    system = nndyn.Training(model, (x.numpy(), y.numpy()), lr=0.3, batch_size=5)
    found = nndyn.record(
        system,
        tmp_path / "r.nc",
        steps=12,
        perturb="gradient",
        perturb_at=6,
        replicas=4,
        pairs=True,
    )
    state = found.state.values[6]
    deviations = state[1:5] - state[0]
    np.testing.assert_allclose(deviations[1], -deviations[0], rtol=1e-6)
    assert abs(deviations[0] @ deviations[2]) < 0.9999 * np.sum(deviations[0] ** 2)
    np.testing.assert_allclose(
        np.linalg.norm(deviations, axis=1), 1e-8 * np.sqrt(state.shape[1] / 3), rtol=1e-6
    )
    model = model.double()
    torch.nn.utils.vector_to_parameters(torch.from_numpy(state[0].copy()), model.parameters())
    for r in (1, 3):
        seed = int(np.random.SeedSequence([0, 6, r]).generate_state(1)[0])
        rows = np.random.default_rng([seed, 1, 0]).permutation(20)[:5]
        loss = torch.nn.functional.cross_entropy(model(x[rows]), y[rows])
        gradient = torch.cat(
            [g.ravel() for g in torch.autograd.grad(loss, list(model.parameters()))]
        ).numpy()
        along = deviations[r - 1] @ gradient / np.linalg.norm(gradient)
        assert along == pytest.approx(np.linalg.norm(deviations[r - 1]), rel=1e-6)


def test_there_is_no_gradient_where_nndyn_takes_none(tmp_path):
    with pytest.raises(UsageError, match="'gradient', and henon"):
        nndyn.record("henon", tmp_path / "r.nc", steps=5, perturb="gradient")
    made = next(iter(loops.ALL.values()))().system()
    with pytest.raises(UsageError, match="'gradient', and"):
        nndyn.record(made, tmp_path / "r.nc", steps=5, perturb="gradient")
