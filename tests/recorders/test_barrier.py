"""Barriers between the ends of replicas against plain loops, and who ends together."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.errors import DataError, UsageError
from tests.recorders.linear import assert_same, values

POINTS = np.linspace(0, 1, 9)  # of barrier=5


def iris(**options):
    return nndyn.Training("mlp:4-8-3", "iris", **{"lr": 0.5, **options})


def recorded(tmp_path, system, name="r.nc", **options):
    given = {"steps": 60, "replicas": 2, "barrier": 5, "store": "distances", **options}
    return nndyn.record(system, tmp_path / name, **given)


def sets(system):
    """Training and test set of a system, as torch takes them."""
    return {
        prefix: (torch.from_numpy(some.x), torch.from_numpy(some.y))
        for prefix, some in (("", system.task.training), ("test_", system.task.test))
    }


def plain(model, first, second, samples, at=POINTS, prepare=lambda model: None):
    """Losses and accuracies along a segment, by a loop over its points."""
    model, found = copy.deepcopy(model).double(), {}
    for a in at:
        row = torch.from_numpy((1 - a) * first + a * second)
        nn.utils.vector_to_parameters(row, model.parameters())
        prepare(model)
        model.eval()
        for prefix, (x, y) in samples.items():
            with torch.no_grad():
                out = model(x)
            loss = float(nn.functional.cross_entropy(out, y))
            found.setdefault(f"barrier_{prefix}loss", []).append(loss)
            right = float((out.argmax(1) == y).double().mean())
            found.setdefault(f"barrier_{prefix}accuracy", []).append(right)
    return {name: np.array(values) for name, values in found.items()}


def over_the_line(curve, at=POINTS):
    return max(v - ((1 - a) * curve[0] + a * curve[-1]) for a, v in zip(at, curve, strict=True))


def two_seeds(tmp_path):
    """A recording of seed 0 whose copies are a twin and, from its initial weights on, seed 1."""
    system, other = iris(), iris(seed=1)
    twin = 1e-9 * np.random.default_rng(0).standard_normal(system.dimension)
    given = np.stack([twin, other.initial() - system.initial()])
    return recorded(tmp_path, system, perturbations=given, store="full"), system


def test_twins_end_together_and_two_seeds_apart_as_a_plain_loop_finds(tmp_path):
    run, system = two_seeds(tmp_path)
    ends, model = run.state.values[-1], system.task.network
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    assert [tuple(p.shape) for p in network.parameters()] == [p.shape for p in model.parameters]
    assert run.barrier_from.values.tolist() == [0, 0, 1]
    assert run.barrier_to.values.tolist() == [1, 2, 2]
    np.testing.assert_array_equal(run.barrier_position, POINTS)
    for s, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
        expected = plain(network, ends[i], ends[j], sets(system))
        for name, curve in expected.items():
            np.testing.assert_allclose(run[name].values[0, s], curve, rtol=1e-12, atol=1e-12)
    result = nndyn.endings(run)
    twin, other = result.loss_barrier.values
    loss = float(run.loss.values[-1, 0])
    assert 0 <= twin < 1e-6 * loss
    assert other > 0.1 * loss
    curves = plain(network, ends[0], ends[2], sets(system))
    for name in ("loss", "test_loss"):
        expected = over_the_line(curves[f"barrier_{name}"])
        assert float(result[f"{name}_barrier"][1]) == pytest.approx(expected, rel=1e-12)
    for name in ("error", "test_error"):
        expected = over_the_line(1 - curves[f"barrier_{name.replace('error', 'accuracy')}"])
        assert float(result[f"{name}_barrier"][1]) == pytest.approx(expected, abs=1e-12)
    assert result.group.values.tolist() == [1, 2]
    assert result.connected.values.tolist() == [1, 0]
    assert result.attrs["verdict"] == "in groups"
    assert "without alignment of units" in result.attrs["reason"]


def test_the_function_gives_the_curves_that_a_recording_has(tmp_path):
    run, system = two_seeds(tmp_path)
    ends = run.state.values[-1]
    found = nndyn.barrier(iris(seed=5, lr=0.1), ends[0], ends[2], points=5)
    np.testing.assert_allclose(found.barrier_loss, run.barrier_loss[0, 1], rtol=1e-12)
    np.testing.assert_allclose(found.barrier_test_accuracy, run.barrier_test_accuracy[0, 1])
    assert float(found.barrier_disagreement) == float(run.barrier_disagreement[0, 1])
    result = nndyn.endings(run, beside=found)
    assert float(found.loss_barrier) == pytest.approx(float(result.loss_barrier[1]), rel=1e-12)
    assert float(result.beside_loss_barrier) == float(found.loss_barrier)
    back = nndyn.barrier(system, ends[2], ends[0], points=5)
    np.testing.assert_allclose(back.barrier_loss[::-1], found.barrier_loss, rtol=1e-12)


def test_what_differs_at_the_ends_is_what_the_last_evaluation_says(tmp_path):
    run, _ = two_seeds(tmp_path)
    of_reference = slice(0, 2)
    for name, recorded in (
        ("barrier_disagreement", "prediction_disagreement"),
        ("barrier_distance_output", "distance_output"),
        ("barrier_distance_l2", "distance_l2"),
    ):
        np.testing.assert_allclose(
            run[name].values[0, of_reference], run[recorded].values[-1, 1:3], rtol=1e-9
        )
    np.testing.assert_allclose(
        run.barrier_norm.values[0], np.linalg.norm(run.state.values[-1], axis=1)
    )


class Normalised(nn.Module):
    """A network with batch normalisation, of which one part never moves."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Linear(4, 6), nn.BatchNorm1d(6)
        self.fixed, self.last = nn.BatchNorm1d(6).eval(), nn.Linear(6, 3)
        self.fixed.running_var.fill_(2.0)

    def forward(self, x):
        return self.last(self.fixed(torch.relu(self.norm(self.first(x)))))


@pytest.mark.parametrize("batch_size", [None, 16])
def test_running_statistics_are_those_of_one_pass_over_the_training_set(tmp_path, batch_size):
    torch.manual_seed(0)
    model = Normalised().double()
    data = sets(iris())
    system = nndyn.Training(model, data[""], test=data["test_"], lr=0.1, batch_size=batch_size)
    given = np.random.default_rng(0).standard_normal((1, system.components.stop))
    run = recorded(tmp_path, system, replicas=1, steps=20, perturbations=given, store="full")
    x, _ = data[""]
    batches = [x]
    if batch_size:  # the first epoch of the run
        order = np.random.default_rng([0, 1, 0]).permutation(len(x))
        batches = [x[order[i : i + batch_size]] for i in range(0, len(x), batch_size)]

    def prepare(model):
        model.train()
        model.fixed.eval()
        model.norm.reset_running_stats()
        model.norm.momentum = None
        with torch.no_grad():
            for batch in batches:
                model(batch)

    expected = plain(model, *run.state.values[-1, :2], data, prepare=prepare)
    for name, curve in expected.items():
        np.testing.assert_allclose(run[name].values[0, 0], curve, rtol=1e-11, atol=1e-12)
    running = run.barrier_test_loss.values[0, 0, 0] - run.test_loss.values[-1, 0]
    assert running != 0.0  # what the run itself had is not what is computed anew


def test_a_run_in_parts_has_the_same_end(tmp_path):
    def end(name, *parts):
        for steps in parts:
            recorded(tmp_path, iris(batch_size=30), name, steps=steps, resume=True).close()
        return nndyn.open(tmp_path / name)

    whole, part = end("w.nc", 40), end("p.nc", 13, 40)
    assert whole.barrier_time.values.tolist() == [40]
    assert part.barrier_time.values.tolist() == [13, 40]
    for name in (n for n in whole.data_vars if whole[n].dims[:1] == ("barrier_time",)):
        np.testing.assert_array_equal(whole[name][0], part[name][1], err_msg=name)
    assert nndyn.endings(part).attrs["reason"] == nndyn.endings(whole).attrs["reason"]


def test_until_a_run_has_come_to_its_end_again_there_is_no_barrier(tmp_path, monkeypatch):
    from recorders.followers import barrier

    for name in ("r.nc", "unbroken.nc"):
        recorded(tmp_path, iris(), name, steps=20).close()
    with monkeypatch.context() as patch:
        patch.setattr(barrier, "curves", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            recorded(tmp_path, iris(), steps=90, resume=True)
    cut = nndyn.open(tmp_path / "r.nc")
    assert cut.attrs["status"] == "recording"
    result = nndyn.endings(cut)
    assert result.attrs["verdict"] == "unresolved"
    assert "resume" in result.attrs["reason"]
    assert np.isnan(result.loss_barrier).all()
    assert result.loss_barrier.attrs["note"] == result.attrs["reason"]
    assert np.isfinite(result.distance).all()
    cut.close()
    resumed = recorded(tmp_path, iris(), steps=90, resume=True)
    unbroken = recorded(tmp_path, iris(), "unbroken.nc", steps=90, resume=True)
    assert resumed.barrier_time.values.tolist() == [20, 90]
    assert_same(values(unbroken), values(resumed))


def test_without_it_what_there_is_is_told_with_the_cure(tmp_path):
    run = recorded(tmp_path, iris(), barrier=None, store="full")
    assert "barrier_loss" not in run
    result = nndyn.endings(run)
    assert result.attrs["verdict"] == "unresolved"
    assert "`barrier=" in result.attrs["reason"]
    np.testing.assert_array_equal(result.distance, run.distance_l2[-1, 1:3])
    norm = np.linalg.norm(run.state[-1, 0])
    np.testing.assert_allclose(result.relative_distance, run.distance_l2[-1, 1:3] / norm)
    np.testing.assert_array_equal(result.disagreement, run.prediction_disagreement[-1, 1:3])
    assert "barrier" in result.groups.attrs["note"]


def test_a_replica_without_an_end_has_no_barrier_and_the_others_do(tmp_path):
    system = iris(lr=0.1)
    given = 1e-9 * np.ones((2, system.dimension))
    given[1] = 1e200
    run = recorded(tmp_path, system, perturbations=given, control=False)
    assert np.isfinite(run.barrier_loss[0, 0]).all()
    assert np.isnan(run.barrier_loss[0, 1:]).all()
    result = nndyn.endings(run)
    assert result.connected.values.tolist()[0] == 1
    assert np.isnan(result.connected.values[1])
    assert "replica 2 from step" in result.loss_barrier.attrs["note"]
    assert result.attrs["verdict"] == "connected"


def test_where_replicas_are_rescaled_their_ends_say_nothing(tmp_path):
    result = nndyn.endings(recorded(tmp_path, iris(), rescale=5))
    assert result.attrs["verdict"] == "unresolved"
    assert "rescale" in result.attrs["reason"]


def test_sketches_and_torch_optimizers_and_single_precision_have_barriers_too(tmp_path):
    data = sets(iris())
    given = {"test": data["test_"], "optimizer": torch.optim.Adadelta, "lr": 1.0}
    with pytest.warns(UserWarning, match="one after the other"):
        own = nndyn.Training(nn.Linear(4, 3), data[""], **given)
    run = recorded(tmp_path, own, "own.nc", steps=10)
    assert nndyn.endings(run).attrs["verdict"] == "connected"
    single = nndyn.Training("mlp:64-16-10", "digits", lr=0.5, samples=200, dtype="float32")
    run = recorded(tmp_path, single, "s.nc", steps=10, epsilon=1e-3, store="sketch:64")
    assert run.barrier_loss.dtype == np.float64
    assert nndyn.endings(run).attrs["verdict"] == "connected"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"barrier": 2}, "barrier is 2"),
        ({"barrier": "many"}, "barrier is 'many'"),
        ({"replicas": 0, "tangents": 1}, "there are none"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, options, match):
    with pytest.raises(UsageError, match=match):
        recorded(tmp_path, iris(), **options)


def test_systems_without_network_and_samples_are_refused_with_the_cure(tmp_path):
    with pytest.raises(UsageError, match=r"nndyn\.barrier"):
        nndyn.record("henon", tmp_path / "r.nc", steps=5, barrier=5)
    model = nn.Linear(4, 3).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = sets(iris())[""]

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    loop = nndyn.Loop(step, model=model, stateful={"optimizer": optimizer})
    with pytest.raises(UsageError, match=r"nndyn\.Training"):
        nndyn.record(loop, tmp_path / "r.nc", steps=5, barrier=5)
    run = nndyn.record(loop, tmp_path / "r.nc", steps=5, replicas=1, control=False)
    ends = run.state.values[-1]
    found = nndyn.barrier(nndyn.Training(model, (x, y), lr=0.1), *ends, points=3)
    assert float(found.loss_barrier) < 1e-12
    with pytest.raises(UsageError, match="first has shape"):
        nndyn.barrier(iris(), ends[0], ends[1])
    with pytest.raises(DataError, match="second has a weight"):
        nndyn.barrier(iris(), np.zeros(67), np.full(67, np.nan))


def test_a_plan_counts_what_it_takes(tmp_path):
    from recorders.trials.cost import estimate

    system = iris()
    options = {"steps": 50, "replicas": 2, "timed": False}
    without, with_it = (estimate(system, **options, barrier=n) for n in (None, 9))
    assert with_it.bytes - without.bytes >= 8 * 3 * 17 * 4
    assert with_it.work > without.work
    assert estimate(system, **{**options, "timed": True}, barrier=9).seconds > 0
