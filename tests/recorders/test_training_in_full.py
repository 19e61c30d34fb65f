"""Recordings of trainings of every kind against plain loops of torch, through the public calls."""

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.errors import UsageError
from tests.recorders.kinds import (
    MODELS,
    Transformer,
    batch_norm,
    convolutions,
    criterion,
    digits,
    dropout,
    image_digits,
    perceptron,
)
from tests.recorders.plain_loops import OPTIMIZERS, SCHEDULES, compare, made, record, train

F = nn.functional


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


#: Every optimizer and schedule, in full batch and in minibatches, with and without clipping.
CASES = [
    ("sgd", "warmup:5,cosine:30", None, 0.3),
    ("momentum", "cosine:25", 32, None),
    ("nesterov", "constant", 24, 0.2),
    ("decay", "step:7:0.5", 40, None),
    ("adam", "constant", None, None),
    ("adam, decay", "warmup:6", 24, 0.4),
    ("adamw", "cosine:25", None, None),
    ("nadam", "cosine:25", 32, 0.3),
    ("rmsprop", "warmup:6", 32, None),
    ("rmsprop, momentum", "warmup:5,cosine:30", None, 0.3),
]
#: With those every optimizer twice, every schedule thrice or more.
MORE = [
    ("sgd", "constant", 32, None),
    ("momentum", "step:7:0.5", None, 0.5),
    ("nesterov", "warmup:6", None, None),
    ("decay", "cosine:25", None, None),
    ("adam", "warmup:5,cosine:30", 32, None),
    ("adam, decay", "step:7:0.5", None, None),
    ("adamw", "warmup:5,cosine:30", 32, 0.3),
    ("rmsprop", "constant", None, None),
    ("rmsprop, momentum", "step:7:0.5", 32, None),
]


@pytest.mark.parametrize(
    ("optimizer", "schedule", "batch_size", "clip_norm"),
    [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in MORE)],
)
def test_optimizers_and_schedules_equal_torch(tmp_path, optimizer, schedule, batch_size, clip_norm):
    options, of_torch = OPTIMIZERS[optimizer]
    common = {"batch_size": batch_size, "clip_norm": clip_norm, "seed": 3}
    system = nndyn.Training(
        "mlp:64-12-10",
        "digits",
        samples=100,
        init="xavier",
        schedule=schedule,
        **options,
        **common,
    )
    found = record(
        tmp_path / "r.nc", system, steps=20, replicas=2, epsilon=1e-5, perturb="all", evaluate=1
    )
    plain = train(
        made(perceptron),
        found["state"][0],
        *digits(),
        steps=20,
        optimizer=of_torch,
        scheduler=SCHEDULES[schedule],
        **common,
    )
    compare(found, plain)
    if clip_norm is not None:
        assert (plain["gradient_norm"] > clip_norm).any()


def test_a_cosine_ends_in_rest(tmp_path):
    system = nndyn.Training("mlp:4-6-3", "iris", lr=0.5, schedule="cosine:8")
    found = record(tmp_path / "r.nc", system, steps=12)
    assert (found["step_length"][1:9] > 0).all()
    assert (found["step_length"][9:] == 0).all()
    np.testing.assert_array_equal(found["state"][9:], np.repeat(found["state"][8:9], 4, axis=0))


def test_the_default_epsilon_is_as_sharp_as_rounding_allows(tmp_path):
    options, of_torch = OPTIMIZERS["nesterov"]
    system = nndyn.Training("mlp:64-12-10", "digits", samples=100, init="xavier", **options)
    found = record(tmp_path / "r.nc", system, steps=20, replicas=2)
    plain = train(made(perceptron), found["state"][0], *digits(), steps=20, optimizer=of_torch)
    assert found["distance_linf"][0].max() <= 1e-8
    compare(found, plain, rtol=1e-6)


#: Kinds of which minibatches are something of their own: what they remember, draw or index.
IN_MINIBATCHES = {"embedding", "batch norm", "dropout", "recurrent", "two real targets"}
WAYS = {"full": ("momentum", None), "minibatch": ("rmsprop", 17)}


@pytest.mark.parametrize(
    ("optimizer", "batch_size", "kind"),
    [
        pytest.param(
            *options,
            kind,
            id=f"{way}-{kind}",
            marks=() if way == "full" or kind in IN_MINIBATCHES else pytest.mark.slow,
        )
        for way, options in WAYS.items()
        for kind in MODELS
    ],
)
def test_modules_equal_torch(tmp_path, kind, optimizer, batch_size):
    build, samples, loss = MODELS[kind]
    data, test = samples()
    options, of_torch = OPTIMIZERS[optimizer]
    net = made(build)
    common = {"batch_size": batch_size, "seed": 4}
    system = nndyn.Training(net, data, test=test, loss=loss, **options, **common)
    found = record(
        tmp_path / "r.nc",
        system,
        steps=15,
        replicas=2,
        epsilon=1e-5,
        evaluate=1,
        state="phase",
        store="full",
    )
    size = nn.utils.parameters_to_vector(net.parameters()).numel()
    plain = train(
        net,
        found["state"][0, :, :size],
        data,
        test,
        steps=15,
        optimizer=of_torch,
        loss=criterion(loss),
        **common,
    )
    compare(found, plain)
    moving = plain["statistics"].shape[2]
    assert found["state"].shape[2] == 2 * size + moving
    np.testing.assert_allclose(
        found["state"][..., 2 * size :], plain["statistics"], rtol=1e-8, atol=1e-12
    )
    if moving:
        assert (plain["statistics"][1] != plain["statistics"][0]).any()


def test_the_spec_of_convolutions_is_that_network_on_the_images_of_digits(tmp_path):
    options, of_torch = OPTIMIZERS["momentum"]
    system = nndyn.Training("cnn:4-8", "digits", samples=100, init="kaiming", seed=2, **options)
    found = record(tmp_path / "r.nc", system, steps=15, replicas=2, epsilon=1e-5)
    data, test = image_digits()
    plain = train(made(convolutions), found["state"][0], data, test, steps=15, optimizer=of_torch)
    compare(found, plain)


def test_minibatches_are_evaluated_every_epoch_in_evaluation_mode(tmp_path):
    data, test = digits()
    net = made(batch_norm)
    options, of_torch = OPTIMIZERS["adamw"]
    system = nndyn.Training(net, data, test=test, batch_size=30, **options)
    found = record(tmp_path / "r.nc", system, steps=14, replicas=2, epsilon=1e-5)
    assert found["evaluation_time"].tolist() == [0, 4, 8, 12, 14]
    plain = train(net, found["state"][0], data, test, steps=14, optimizer=of_torch, batch_size=30)
    compare(found, plain, times=found["evaluation_time"].astype(int))
    whole = net.train()(torch.as_tensor(data[0]))  # with the statistics of the samples themselves
    assert F.cross_entropy(whole, torch.as_tensor(data[1])).item() != pytest.approx(
        found["loss"][0, 0], rel=1e-3
    )


def test_replicas_share_the_masks_of_dropout_and_seeds_do_not(tmp_path):
    data, test = digits()
    found = [
        record(
            tmp_path / f"{seed}.nc",
            nndyn.Training(made(dropout), data, test=test, lr=0.1, seed=seed),
            steps=15,
            epsilon=1e-6,
        )
        for seed in (1, 2)
    ]
    # with masks of their own replicas would be apart by a step's length at once
    assert (found[0]["distance_l2"][1:, 1:-1] < 1e-3 * found[0]["step_length"][1:, :1]).all()
    np.testing.assert_array_equal(found[0]["state"][0], found[1]["state"][0])
    assert (found[0]["state"][1, 0] != found[1]["state"][1, 0]).any()


@pytest.mark.parametrize("kind", ["mlp", "cnn", "layer norm"])
def test_float32_measures_what_float64_does(tmp_path, kind):
    build, samples, _ = {**MODELS, "mlp": (perceptron, digits, None)}[kind]
    data, test = samples()
    found = {}
    for dtype in ("float64", "float32"):
        net = made(build).float()  # so that both begin at the same weights
        system = nndyn.Training(net, data, test=test, lr=0.2, momentum=0.5, dtype=dtype)
        path = tmp_path / f"{dtype}.nc"
        found[dtype] = record(path, system, steps=25, replicas=2, epsilon=1e-3)
    assert found["float32"]["state"].dtype == np.float32
    for name in ("distance_l1", "distance_l2", "distance_output"):
        # a weight of 0.1 is rounded by 4e-9, a few 1e-6 of its deviation, in each of 25 steps
        np.testing.assert_allclose(
            found["float32"][name], found["float64"][name], rtol=1e-3, err_msg=name
        )
        assert (found["float32"][name][:, -1] == 0).all()


@pytest.mark.parametrize("model", ["mlp:64-12-10", "cnn:4-8"])
def test_an_epsilon_below_the_rounding_of_float32_is_refused(tmp_path, model):
    system = nndyn.Training(model, "digits", lr=0.1, dtype="float32", samples=100)
    with pytest.raises(UsageError, match="below the rounding of float32"):
        nndyn.record(system, tmp_path / "r.nc", steps=5, epsilon=1e-8)
    assert list(tmp_path.iterdir()) == []


RESUMED = {
    "cnn": ("cnn", {"lr": 0.2, "momentum": 0.9}),
    "dropout": ("dropout", {"optimizer": "adam", "lr": 0.01, "batch_size": 24}),
    "batch norm": ("batch norm", {"lr": 0.1, "batch_size": 24}),
    "rmsprop on a schedule": (
        "layer norm",
        {
            "optimizer": "rmsprop",
            "lr": 0.003,
            "momentum": 0.5,
            "batch_size": 24,
            "schedule": "warmup:5,cosine:30",
            "clip_norm": 0.5,
        },
    ),
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_run_has_the_bits_of_an_unbroken_one(tmp_path, name):
    kind, options = RESUMED[name]
    build, samples, _ = MODELS[kind]
    data, test = samples()
    recording = {"replicas": 2, "epsilon": 1e-6, "state": "phase"}

    def system():
        return nndyn.Training(made(build), data, test=test, **options)

    whole = record(tmp_path / "whole.nc", system(), steps=20, **recording)
    record(tmp_path / "r.nc", system(), steps=10, **recording)
    resumed = record(tmp_path / "r.nc", system(), steps=20, resume=True, **recording)
    assert_same(whole, resumed)


def assert_same(whole, resumed):
    """Compare all but the rounding floor, whose times are those of the length first asked for."""
    assert whole.keys() == resumed.keys()
    for name in whole.keys() - {"checkpoint", "checkpoint_step", "rounding_distance", "floor_time"}:
        np.testing.assert_array_equal(whole[name], resumed[name], err_msg=name)


def test_a_run_of_fewer_than_ten_steps_can_be_extended_beyond_them(tmp_path):
    system = nndyn.Training("mlp:4-5-3", "iris", lr=0.1)
    record(tmp_path / "r.nc", system, steps=9)
    resumed = record(tmp_path / "r.nc", system, steps=20, resume=True)
    assert resumed["time"][-1] == 20


def test_attention_with_an_even_number_of_heads_is_batched(tmp_path):
    data, test = digits()
    net = made(lambda: Transformer(2))
    options, of_torch = OPTIMIZERS["momentum"]
    system = nndyn.Training(net, data, test=test, **options)
    found = record(tmp_path / "r.nc", system, steps=15, replicas=2, epsilon=1e-5)
    compare(found, train(net, found["state"][0], data, test, steps=15, optimizer=of_torch))


class Flawed(nn.Module):
    """A linear map with what a test makes of it."""

    def __init__(self, then):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.calls = 0
        self.register_buffer("seen", torch.zeros(3))
        self.then = then

    def forward(self, x):
        return self.then(self, self.linear(x))


def counting(net, z):
    net.calls += 1
    return z


def shrinking(net, z):
    with torch.no_grad():
        net.linear.weight.mul_(0.99)
    return z


def noting(net, z):
    net.seen += z.detach().sum(0)
    return z


@pytest.mark.parametrize(
    ("net", "cure"),
    [
        (lambda: Flawed(counting), "changes 'calls'.*keep no state in the module"),
        (lambda: Flawed(shrinking), "changes 'linear.weight'.*keep no state"),
        (lambda: Flawed(noting), "changes 'seen'.*keep no state"),
        (lambda: Flawed(lambda net, z: (z, z)), "gives a tuple.*return the tensor"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Tanh()), "has no parameters"),
        (lambda: Flawed(lambda net, z: z[..., None]), r"cross-entropy takes \(samples, classes\)"),
        (lambda: Flawed(lambda net, z: z.mean(0)), "first dimension must be the 4 samples"),
        (lambda: nn.Linear(5, 3), "5 features|mat1 and mat2|4 features"),
    ],
)
def test_a_module_that_cannot_be_trained_is_refused_in_one_line(net, cure):
    with pytest.raises(UsageError, match=cure) as caught:
        nndyn.Training(made(net), "iris", lr=0.1)
    assert "\n" not in str(caught.value)


on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
