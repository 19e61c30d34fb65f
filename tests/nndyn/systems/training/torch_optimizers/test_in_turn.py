"""An optimizer that has no rule here steps for every row itself, bit for bit as in a plain loop."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

import nndyn
from nndyn.errors import UsageError
from nndyn.store import verify
from recorders import request
from tests.nndyn.systems.training.torch_optimizers import plain

OPTIONS = {"replicas": 2, "progress": False}
KINDS = {
    "adadelta": torch.optim.Adadelta,
    "adafactor": torch.optim.Adafactor,
    "own": plain.Signed,
    "holds others": plain.Both,
    "rprop": torch.optim.Rprop,
    "asgd": torch.optim.ASGD,
    "adamax": torch.optim.Adamax,
    "radam": torch.optim.RAdam,
    "nadam": torch.optim.NAdam,
    "maximize": lambda model: torch.optim.SGD(model.parameters(), lr=0.01, maximize=True),
}


def made(optimizer, model=None, sets=None, **options):
    model, sets = model or plain.network(), sets or plain.data()
    reasons = r"is none of nndyn's own; replicas run one|has not;|in float64;"
    with pytest.warns(UserWarning, match=reasons):
        return nndyn.Training(model, sets, optimizer=optimizer, **{"batch_size": 20, **options})


def on(kind, model):
    return kind(model.parameters()) if isinstance(kind, type) else kind(model)


@pytest.mark.parametrize("name", KINDS)
def test_weights_are_those_of_a_plain_loop(tmp_path, name):
    system = made(KINDS[name])
    assert isinstance(system, nndyn.Training)
    run = nndyn.record(system, tmp_path / "r.nc", steps=25, **OPTIONS)
    model = plain.network()
    found = plain.trained(model, on(KINDS[name], model), system.order, plain.data(), 25)
    np.testing.assert_array_equal(run["state"].values[-1, 0], found)
    np.testing.assert_array_equal(run["state"].values[:, 0], run["state"].values[:, -1])
    assert run.attrs["status"] == "complete"
    assert np.isfinite(run["gradient_norm"].values).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_groups_clipping_schedule_dropout_and_statistics_are_as_in_a_plain_loop(tmp_path, dtype):
    def network():
        return plain.network(nn.BatchNorm1d(8), nn.Dropout(0.2), dtype=dtype)

    def schedule(optimizer):
        return lr_scheduler.LambdaLR(optimizer, [lambda t: 0.9**t, lambda t: 1 / (1 + t)])

    def optimizer(model):
        return plain.grouped(model, plain.Signed, lr=0.05)

    sets = plain.data(dtype)
    options = {"clip_norm": 0.3, "schedule": schedule, "seed": 3, "dtype": dtype}
    with pytest.warns(UserWarning, match="not batched"):
        system = made(optimizer, network(), sets, **options)
    run = nndyn.record(system, tmp_path / "r.nc", steps=20, epsilon=1e-4, **OPTIONS)
    model = network()
    own = optimizer(model)
    found = plain.trained(
        model, own, system.order, sets, 20, clip=0.3, schedule=schedule(own), seed=3
    )
    np.testing.assert_array_equal(run["state"].values[-1, 0], found)
    described = json.loads(json.dumps(system.describe()))
    assert [group["options"]["weight_decay"] for group in described["groups"]] == [0.1, 0.0]
    assert described["optimizer"] == "Signed"
    assert described["clip_norm"] == 0.3


def test_a_loader_gives_the_batches_of_replay(tmp_path):
    loader = DataLoader(TensorDataset(*plain.data()), batch_size=16, shuffle=True)
    system = made(torch.optim.Adadelta, sets=loader, batch_size=None, seed=5)
    run = nndyn.record(system, tmp_path / "r.nc", steps=10, **OPTIONS)
    model = plain.network()
    optimizer = torch.optim.Adadelta(model.parameters())
    for t, (x, y) in nndyn.replay(loader, seed=5):
        if t == 10:
            break
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    weights = nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
    np.testing.assert_array_equal(run["state"].values[-1, 0], weights)


def test_evaluations_and_norms_are_those_of_the_training():
    test = plain.data(samples=30)
    options = {"test": test, "batch_size": 20, "lr": 0.1}
    own = nndyn.Training(plain.network(), plain.data(), optimizer="sgd", **options)

    def optimizer(model, lr):
        return torch.optim.SGD(model.parameters(), lr=lr, maximize=True)

    system = made(optimizer, **options)
    assert system.evaluations == own.evaluations
    assert system.evaluate_every == own.evaluate_every == 3
    rows = own.initial() + 0.1 * np.random.default_rng(0).standard_normal((3, own.dimension))
    phases = np.tile(system.initial(), (3, 1))
    phases[:, system.components] = rows
    expected, found = own.observe(rows, 4), system.observe(phases, 4)
    for name in own.evaluations:
        np.testing.assert_allclose(
            found.evaluations[name], expected.evaluations[name], rtol=1e-12, err_msg=name
        )
    np.testing.assert_allclose(found.series["gradient_norm"], expected.series["gradient_norm"])
    stepped = system.advance(phases, 4, 2, (4, 5), evaluate=(4,))
    for name in ("loss", "test_loss", "distance_output"):
        np.testing.assert_array_equal(stepped.evaluations[name], found.evaluations[name])
    np.testing.assert_array_equal(
        stepped.series["gradient_norm"][:1], found.series["gradient_norm"]
    )
    assert not stepped.batch


def test_batches_that_are_drawn_have_a_loss_of_their_own(tmp_path):
    class Noisy(torch.utils.data.IterableDataset):
        def __iter__(self):
            for x, y in zip(*plain.data(), strict=True):
                yield x + 0.1 * torch.randn(6, dtype=torch.float64), y

    system = made(plain.Signed, sets=Noisy(), batch_size=12)
    run = nndyn.record(system, tmp_path / "r.nc", steps=9, **OPTIONS)
    assert run["batch_loss"].shape == (9, 4)
    assert "loss" not in run
    np.testing.assert_array_equal(run["state"].values[:, 0], run["state"].values[:, -1])


@pytest.mark.parametrize("name", ["adafactor", "own", "asgd", "holds others"])
def test_a_run_in_two_parts_is_the_run_in_one(tmp_path, monkeypatch, name):
    monkeypatch.setattr(request, "_BLOCK_STEPS", 8)
    whole, parts = tmp_path / "whole.nc", tmp_path / "parts.nc"
    options = {**OPTIONS, "rescale": 7}
    nndyn.record(made(KINDS[name]), whole, steps=30, **options).close()
    for steps in (12, 30):  # the last of each is evaluated
        nndyn.record(made(KINDS[name]), parts, steps=steps, resume=True, **options).close()
    with nndyn.open(whole) as left, nndyn.open(parts) as right:
        for variable in left.variables.keys() - {"floor_time", "rounding_distance"}:
            np.testing.assert_array_equal(
                left[variable].values, right[variable].values, err_msg=variable
            )
    assert verify(parts).problems == ()


def test_another_optimizer_is_refused_on_resume(tmp_path):
    path = tmp_path / "r.nc"
    nndyn.record(made(torch.optim.Adadelta), path, steps=4, **OPTIONS).close()
    other = made(lambda model: torch.optim.Adadelta(model.parameters(), rho=0.5))
    with pytest.raises(UsageError, match=r"system.groups is .*rho"):
        nndyn.record(other, path, steps=8, resume=True, **OPTIONS)


def test_a_start_gives_the_state(tmp_path):
    system = made(plain.Signed)
    model = plain.network()
    optimizer = plain.Signed(model.parameters())
    plain.trained(model, optimizer, system.order, plain.data(), 7)
    start = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 7}
    later = made(plain.Signed, start=start)
    run = nndyn.record(later, tmp_path / "r.nc", steps=9, **OPTIONS)
    assert run["time"].values[0] == 7
    found = plain.trained(model, optimizer, system.order, plain.data(), 9, start=7)
    np.testing.assert_array_equal(run["state"].values[-1, 0], found)
    other = {"state": {}, "param_groups": [{"params": [0, 1]}]}
    with pytest.raises(UsageError, match="the optimizer's state is of 2 parameters"):
        made(plain.Signed, start={**start, "optimizer": other})


def test_a_state_of_another_kind_is_refused_as_a_start(tmp_path):
    sets = plain.network(), plain.data()
    nndyn.record(made(plain.Signed), tmp_path / "own.nc", steps=3, **OPTIONS).close()
    with pytest.raises(UsageError, match="was recorded with Signed, which stepped for each row"):
        nndyn.Training(*sets, optimizer=plain.Signed, start=tmp_path / "own.nc")
    named = nndyn.Training(*sets, optimizer="adam", lr=0.1)
    nndyn.record(named, tmp_path / "adam.nc", steps=3, **OPTIONS).close()
    with pytest.raises(UsageError, match="was recorded with adam, whose state is none of Signed"):
        made(plain.Signed, start=tmp_path / "adam.nc")


def test_a_start_gives_what_steps_count_in_the_groups():
    model = plain.network()
    optimizer = plain.Counted(model.parameters(), lr=0.2)
    with pytest.warns(UserWarning, match="Counted is none"):
        order = nndyn.Training(plain.network(), plain.data(), optimizer=plain.Counted).order
    plain.trained(model, optimizer, order, plain.data(), 7)
    start = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 7}
    optimizer.param_groups[0]["lr"] = 0.1  # a rate is that of the training that goes on
    with pytest.warns(UserWarning, match="Counted is none"):
        later = nndyn.Training(
            plain.network(), plain.data(), optimizer=plain.Counted, lr=0.1, start=start
        )
    last = later.advance(later.initial()[None], 0, 5, ()).phase[0, later.components]
    found = plain.trained(model, optimizer, order, plain.data(), 5, start=7)
    np.testing.assert_array_equal(last, found)


def test_a_start_has_no_state_of_optimizers_in_another():
    model = plain.network()
    optimizer = plain.Both(model.parameters())
    start = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 7}
    with (
        pytest.raises(UsageError, match=r"Both holds others \(optimizer.inside"),
        pytest.warns(UserWarning, match="Both is none"),
    ):
        nndyn.Training(plain.network(), plain.data(), optimizer=plain.Both, start=start)


def test_a_start_without_a_state_begins_afresh():
    with pytest.warns(UserWarning, match="no state of the optimizer: Signed begins afresh"):
        made(plain.Signed, start={"model": plain.network().state_dict(), "step": 3})


def test_learning_rates_are_swept_of_a_class(tmp_path):
    with pytest.warns(UserWarning, match="one after the other"):
        index = nndyn.sweep(
            "training",
            tmp_path / "study",
            optimizer=torch.optim.Adadelta,
            lr=[0.1, 1.0],
            data="iris",
            samples=40,
            seeds=2,
            steps=8,
            replicas=1,
            progress=False,
        )
    assert (index["status"].values == "complete").all()
    last = []
    for path in index["path"].values.reshape(-1):
        with nndyn.open(tmp_path / "study" / str(path)) as run:
            last.append(run["step_length"].values[-1, 0])
    assert len(set(last)) == 4


def test_optimizers_are_swept_those_with_a_rule_and_those_without(tmp_path):
    with pytest.warns(UserWarning, match="Adadelta is none of nndyn's own"):
        index = nndyn.sweep(
            "training",
            tmp_path / "study",
            optimizer=["sgd", torch.optim.AdamW, torch.optim.Adadelta],
            lr=0.05,
            data="iris",
            samples=40,
            steps=5,
            replicas=1,
            progress=False,
        )
    assert index["optimizer"].values.tolist() == ["sgd", "AdamW-1", "Adadelta-2"]
    assert (index["status"].values == "complete").all()


def test_a_step_that_fails_is_told_with_the_optimizer():
    class Closed(plain.Signed):
        def step(self, closure):
            closure()

    with pytest.raises(UsageError, match="optimizer Closed: step failed at time 0: TypeError"):
        made(Closed)


def test_a_state_that_is_kept_elsewhere_is_found_by_the_control(tmp_path):
    class Counting(plain.Signed):
        calls = 0

        def step(self, closure=None):
            self.calls += 1
            for group in self.param_groups:
                group["lr"] = 0.01 / self.calls
            super().step()

    run = nndyn.record(made(Counting), tmp_path / "r.nc", steps=5, **OPTIONS)
    assert run.attrs["status"] == "stopped"
    assert "is not the same for equal rows" in run.attrs["stop_reason"]


def test_there_are_no_tangents(tmp_path):
    system = made(torch.optim.Adadelta)
    for option in ({"tangents": 1}, {"sharpness": "every:2"}):
        with pytest.raises(UsageError, match="Adadelta is none of nndyn's own, and its step has"):
            nndyn.record(system, tmp_path / "r.nc", steps=4, **option)


def test_a_recording_says_that_rows_took_turns(tmp_path):
    run = nndyn.record(made(torch.optim.Adadelta), tmp_path / "r.nc", steps=4, **OPTIONS)
    manifest = json.loads(run.attrs["manifest"])
    assert manifest["one_by_one"] == "optimizer Adadelta is none of nndyn's own"
    assert manifest["system"]["optimizer_class"] == "torch.optim.adadelta.Adadelta"


def test_the_code_of_an_optimizer_of_ones_own_is_compared():
    class Signed(plain.Signed):
        def step(self, closure=None):
            return super().step(closure)

    kept = made(plain.Signed).describe()["optimizer_sha256"]
    assert kept == made(plain.Signed).describe()["optimizer_sha256"]
    assert kept != made(Signed).describe()["optimizer_sha256"]


def test_steps_that_need_a_closure_are_refused():
    with pytest.raises(UsageError, match="optimizer is LBFGS"):
        nndyn.Training(plain.network(), plain.data(), optimizer=torch.optim.LBFGS)


class Idle(torch.nn.Module):
    """Has a layer that no loss depends on."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = plain.network(), torch.nn.Linear(3, 3).double()

    def forward(self, x):
        return self.used(x)


def test_weights_without_a_gradient_do_not_decay_as_in_torch():
    def decaying(model):
        return torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)

    model = Idle()
    with pytest.warns(UserWarning, match="unused.weight has no gradient, and decaying does not"):
        system = nndyn.Training(model, plain.data(), optimizer=decaying)
    found = plain.trained(model, decaying(model), system.order, plain.data(), 5)
    last = system.advance(system.initial()[None], 0, 5, ()).phase[0, system.components]
    np.testing.assert_array_equal(last, found)
    with pytest.warns(UserWarning, match="has no gradient, and weight decay moves it"):
        nndyn.Training(Idle(), plain.data(), optimizer="adamw", lr=0.01, weight_decay=0.1)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.SparseAdam])
@pytest.mark.filterwarnings("ignore:optimizer SparseAdam")
def test_gradients_may_be_sparse(kind):
    x = torch.randint(5, (12, 3), generator=torch.Generator().manual_seed(1))

    def model():
        torch.manual_seed(0)
        made = nn.Sequential(nn.Embedding(5, 4, sparse=True), nn.Flatten(1))
        return made.double()

    system = nndyn.Training(model(), (x, x[:, 0]), optimizer=kind, lr=0.01)
    own = model()
    found = plain.trained(own, kind(own.parameters(), lr=0.01), system.order, (x, x[:, 0]), 5)
    last = system.advance(system.initial()[None], 0, 5, ()).phase[0, system.components]
    np.testing.assert_allclose(last, found, rtol=0, atol=1e-12)
