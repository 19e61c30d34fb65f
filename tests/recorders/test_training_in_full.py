"""Recordings of trainings of every kind against plain loops of torch, through the public calls."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

import nndyn
from nndyn.errors import UsageError
from nndyn.systems.training.data import load
from tests.recorders.plain_loops import made, separations, train

F = nn.functional


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def perceptron():
    return nn.Sequential(nn.Linear(64, 12), nn.Tanh(), nn.Linear(12, 10))


def convolutions():
    """What ``cnn:4-8`` stands for on digits."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


class Transformer(nn.Module):
    """One block on the eight rows of a digit."""

    def __init__(self, heads, dropout=0.0):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, heads, 16, dropout=dropout, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.block(x.view(-1, 8, 8)).mean(1))


class Memory(nn.Module):
    """A recurrent net on the rows of a digit, which has no batching rule."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Linear(6, 10)

    def forward(self, x):
        return self.head(self.lstm(x.view(-1, 8, 8))[0][:, -1])


class Tied(nn.Module):
    """Encodes and decodes with the same weights; its output has the shape of its input."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(5, 4))
        self.shift = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        return torch.tanh(x @ self.weight.T) @ self.weight + self.shift


def digits():
    """Training and test set, as ``data='digits', samples=100`` gives them."""
    found = load("digits", samples=100)
    return (found.training.x, found.training.y), (found.test.x, found.test.y)


def as_images(pair):
    return pair[0].reshape(-1, 1, 8, 8), pair[1]


def tokens():
    rng = np.random.default_rng(5)
    x = rng.integers(0, 20, (80, 6))
    y = x.sum(1) % 4
    return (x[:60], y[:60]), (x[60:], y[60:])


def curves(outputs):
    """Real targets, (N,) where `outputs` is 0."""
    rng = np.random.default_rng(6)
    x = rng.standard_normal((60, 4))
    y = np.sin(x @ rng.standard_normal((4, outputs or 1)))
    y = y if outputs else y[:, 0]
    return (x[:45], y[:45]), (x[45:], y[45:])


def itself():
    x = np.random.default_rng(7).standard_normal((50, 4))
    return (x[:40], x[:40]), (x[40:], x[40:])


def run(path, system, **options):
    """Record and return every variable as an array."""
    with nndyn.record(system, path, **options) as recording:
        assert recording.attrs["status"] == "complete"
        return {str(name): values.values for name, values in recording.variables.items()}


def compare(found, plain, *, rtol=1e-6, times=slice(None)):
    """Hold a recording to plain loops; the control, its last replica, to the reference."""
    inner = slice(1, -1)
    apart = separations(plain)
    assert apart["distance_l1"][:, inner].min() > 0
    for name, expected in apart.items():
        expected = expected[times] if name == "distance_output" else expected
        np.testing.assert_allclose(
            found[name][:, inner], expected[:, inner], rtol=rtol, err_msg=name
        )
        assert (found[name][:, -1] == 0.0).all(), name
        assert (found[name][:, 0] == 0.0).all(), name
    np.testing.assert_array_equal(found["state"][:, -1], found["state"][:, 0])
    size = plain["state"].shape[2]
    np.testing.assert_allclose(found["state"][..., :size], plain["state"], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found["gradient_norm"], plain["gradient_norm"], rtol=1e-8)
    lengths = np.linalg.norm(np.diff(plain["state"], axis=0), axis=2)
    np.testing.assert_allclose(found["step_length"][1:], lengths, rtol=1e-7, atol=1e-15)
    for name in ("loss", "test_loss"):
        np.testing.assert_allclose(found[name], plain[name][times], rtol=1e-9, err_msg=name)
    for name in ("accuracy", "test_accuracy"):
        assert (name in found) == (name in plain)
        if name in plain:
            np.testing.assert_allclose(found[name], plain[name][times], rtol=1e-14, err_msg=name)


def constant(optimizer):
    return lr_scheduler.ConstantLR(optimizer, 1.0, 1)


def cosine(steps):
    return lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, steps)


def warmup(steps):
    return lambda optimizer: lr_scheduler.LinearLR(optimizer, 1 / steps, total_iters=steps - 1)


def staircase(steps, gamma):
    return lambda optimizer: lr_scheduler.StepLR(optimizer, steps, gamma)


def warm_cosine(optimizer):
    return lr_scheduler.ChainedScheduler([warmup(5)(optimizer), cosine(30)(optimizer)], optimizer)


SCHEDULES = {
    "constant": constant,
    "cosine:25": cosine(25),
    "warmup:6": warmup(6),
    "step:7:0.5": staircase(7, 0.5),
    "warmup:5,cosine:30": warm_cosine,
}


def sgd(**options):
    return options, lambda weights: torch.optim.SGD(weights, **options)


def adam(**options):
    return {"optimizer": "adam", **options}, lambda weights: torch.optim.Adam(weights, **options)


def adamw(**options):
    return {"optimizer": "adamw", **options}, lambda weights: torch.optim.AdamW(weights, **options)


def rmsprop(**options):
    return (
        {"optimizer": "rmsprop", **options},
        lambda weights: torch.optim.RMSprop(weights, **options),
    )


OPTIMIZERS = {
    "sgd": sgd(lr=0.5),
    "momentum": sgd(lr=0.2, momentum=0.9),
    "nesterov": sgd(lr=0.2, momentum=0.8, nesterov=True),
    "decay": sgd(lr=0.3, momentum=0.5, weight_decay=0.02),
    "adam": adam(lr=0.01, betas=(0.8, 0.99)),
    "adam, decay": adam(lr=0.01, weight_decay=0.05),
    "adamw": adamw(lr=0.02, weight_decay=0.1),
    "rmsprop": rmsprop(lr=0.003, alpha=0.9),
    "rmsprop, momentum": rmsprop(lr=0.002, momentum=0.7, weight_decay=0.01),
}

#: Every optimizer twice, every schedule thrice or more, in full batch and in minibatches, with and
#: without clipping.
CASES = [
    ("sgd", "constant", 32, None),
    ("sgd", "warmup:5,cosine:30", None, 0.3),
    ("momentum", "cosine:25", 32, None),
    ("momentum", "step:7:0.5", None, 0.5),
    ("nesterov", "warmup:6", None, None),
    ("nesterov", "constant", 24, 0.2),
    ("decay", "step:7:0.5", 40, None),
    ("decay", "cosine:25", None, None),
    ("adam", "constant", None, None),
    ("adam", "warmup:5,cosine:30", 32, None),
    ("adam, decay", "step:7:0.5", None, None),
    ("adam, decay", "warmup:6", 24, 0.4),
    ("adamw", "cosine:25", None, None),
    ("adamw", "warmup:5,cosine:30", 32, 0.3),
    ("rmsprop", "warmup:6", 32, None),
    ("rmsprop", "constant", None, None),
    ("rmsprop, momentum", "step:7:0.5", 32, None),
    ("rmsprop, momentum", "warmup:5,cosine:30", None, 0.3),
]


@pytest.mark.parametrize(("optimizer", "schedule", "batch_size", "clip_norm"), CASES)
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
    found = run(
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
    found = run(tmp_path / "r.nc", system, steps=12)
    assert (found["step_length"][1:9] > 0).all()
    assert (found["step_length"][9:] == 0).all()
    np.testing.assert_array_equal(found["state"][9:], np.repeat(found["state"][8:9], 4, axis=0))


def test_the_default_epsilon_is_as_sharp_as_rounding_allows(tmp_path):
    options, of_torch = OPTIMIZERS["nesterov"]
    system = nndyn.Training("mlp:64-12-10", "digits", samples=100, init="xavier", **options)
    found = run(tmp_path / "r.nc", system, steps=20, replicas=2)
    plain = train(made(perceptron), found["state"][0], *digits(), steps=20, optimizer=of_torch)
    assert found["distance_linf"][0].max() <= 1e-8
    compare(found, plain, rtol=1e-6)


def layer_norm():
    return nn.Sequential(nn.Linear(64, 13), nn.LayerNorm(13), nn.Tanh(), nn.Linear(13, 10))


def batch_norm():
    # without the bias that it takes out: its gradient is 0 but for rounding, which RMSprop enlarges
    return nn.Sequential(
        nn.Linear(64, 11, bias=False), nn.BatchNorm1d(11), nn.Tanh(), nn.Linear(11, 10)
    )


def images_with_batch_norm():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, bias=False),
        nn.BatchNorm2d(4, momentum=0.3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(36, 10),
    )


def dropout():
    return nn.Sequential(nn.Linear(64, 14), nn.Tanh(), nn.Dropout(0.3), nn.Linear(14, 10))


def embedding():
    return nn.Sequential(
        nn.Embedding(20, 4), nn.Flatten(), nn.Linear(24, 9), nn.GELU(), nn.Linear(9, 4)
    )


def regression(outputs):
    tail = [nn.Flatten(0)] if outputs == 0 else []
    return lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, outputs or 1), *tail)


def smooth_l1(output, target):
    return F.smooth_l1_loss(output, target, beta=0.2)


def smoothed(output, target):
    return F.cross_entropy(output, target, label_smoothing=0.1)


def image_digits():
    train_set, test_set = digits()
    return as_images(train_set), as_images(test_set)


#: Module, samples, loss.
MODELS = {
    "cnn": (convolutions, image_digits, "cross-entropy"),
    "layer norm": (layer_norm, digits, "cross-entropy"),
    "transformer": (lambda: Transformer(1), digits, "cross-entropy"),
    "embedding": (embedding, tokens, "cross-entropy"),
    "batch norm": (batch_norm, digits, "cross-entropy"),
    "batch norm of images": (images_with_batch_norm, image_digits, "cross-entropy"),
    "dropout": (dropout, digits, "cross-entropy"),
    "dropout and attention": (lambda: Transformer(2, dropout=0.2), digits, "cross-entropy"),
    "recurrent": (Memory, digits, "cross-entropy"),
    "real targets": (regression(0), lambda: curves(0), smooth_l1),
    "two real targets": (regression(2), lambda: curves(2), smooth_l1),
    "labels with a loss of one's own": (perceptron, digits, smoothed),
    "tied weights": (Tied, itself, "mse"),
}
#: What vmap cannot batch.
ONE_BY_ONE = {"recurrent", "dropout and attention"}


def criterion(loss):
    return {"cross-entropy": F.cross_entropy, "mse": F.mse_loss}.get(loss, loss)


def training(net, data, test, kind, **options):
    with warnings.catch_warnings():
        if kind in ONE_BY_ONE:
            warnings.filterwarnings("ignore", message=".*cannot be batched")
        return nndyn.Training(net, data, test=test, **options)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    ("optimizer", "batch_size"), [("momentum", None), ("rmsprop", 17)], ids=["full", "minibatch"]
)
def test_modules_equal_torch(tmp_path, kind, optimizer, batch_size):
    build, samples, loss = MODELS[kind]
    data, test = samples()
    options, of_torch = OPTIMIZERS[optimizer]
    net = made(build)
    common = {"batch_size": batch_size, "seed": 4}
    system = training(net, data, test, kind, loss=loss, **options, **common)
    found = run(
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
    found = run(tmp_path / "r.nc", system, steps=15, replicas=2, epsilon=1e-5)
    data, test = image_digits()
    plain = train(made(convolutions), found["state"][0], data, test, steps=15, optimizer=of_torch)
    compare(found, plain)


def test_minibatches_are_evaluated_every_epoch_in_evaluation_mode(tmp_path):
    data, test = digits()
    net = made(batch_norm)
    options, of_torch = OPTIMIZERS["adamw"]
    system = nndyn.Training(net, data, test=test, batch_size=30, **options)
    found = run(tmp_path / "r.nc", system, steps=14, replicas=2, epsilon=1e-5)
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
        run(
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
        found[dtype] = run(path, system, steps=25, replicas=2, epsilon=1e-3)
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
        nndyn.record(system, tmp_path / "r.nc", steps=5)
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

    whole = run(tmp_path / "whole.nc", system(), steps=20, **recording)
    run(tmp_path / "r.nc", system(), steps=10, **recording)
    resumed = run(tmp_path / "r.nc", system(), steps=20, resume=True, **recording)
    assert_same(whole, resumed)


def assert_same(whole, resumed):
    """Compare all but the rounding floor, whose times are those of the length first asked for."""
    assert whole.keys() == resumed.keys()
    for name in whole.keys() - {"checkpoint", "checkpoint_step", "rounding_distance", "floor_time"}:
        np.testing.assert_array_equal(whole[name], resumed[name], err_msg=name)


@pytest.mark.xfail(
    strict=True,
    raises=UsageError,
    reason="the file has no rounding_distance, which a run of 10 steps and more writes",
)
def test_a_run_of_fewer_than_ten_steps_can_be_extended_beyond_them(tmp_path):
    system = nndyn.Training("mlp:4-5-3", "iris", lr=0.1)
    run(tmp_path / "r.nc", system, steps=9)
    resumed = run(tmp_path / "r.nc", system, steps=20, resume=True)
    assert resumed["time"][-1] == 20


@pytest.mark.xfail(
    strict=True,
    raises=UserWarning,
    reason="a trial lets attention take its fast path, which vmap cannot batch and a run forbids",
)
def test_attention_with_an_even_number_of_heads_is_batched(tmp_path):
    data, test = digits()
    net = made(lambda: Transformer(2))
    options, of_torch = OPTIMIZERS["momentum"]
    system = nndyn.Training(net, data, test=test, **options)
    found = run(tmp_path / "r.nc", system, steps=15, replicas=2, epsilon=1e-5)
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


@pytest.fixture(scope="module")
def on_both(tmp_path_factory):
    """Return a function that records a model on the CPU once and on the GPU twice."""
    folder = tmp_path_factory.mktemp("devices")
    kept = {}

    def recorded(model, batch_size):
        if (model, batch_size) not in kept:
            kept[model, batch_size] = [
                run(
                    folder / f"{model[:3]}-{batch_size}-{i}.nc",
                    nndyn.Training(
                        model,
                        "digits",
                        samples=100,
                        init="xavier",
                        lr=0.1,
                        momentum=0.5,
                        batch_size=batch_size,
                        device=device,
                    ),
                    steps=30,
                    replicas=3,
                    epsilon=1e-4,
                    evaluate=1,
                )
                for i, device in enumerate(["cpu", "cuda", "cuda"])
            ]
        return kept[model, batch_size]

    return recorded


@pytest.mark.gpu
@on_a_gpu
@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize("model", ["mlp:64-12-10", "cnn:4-8"])
class TestOnAGpu:
    def test_distances_are_those_of_the_cpu(self, on_both, model, batch_size):
        cpu, gpu, _ = on_both(model, batch_size)
        np.testing.assert_array_equal(cpu["state"][0], gpu["state"][0])
        for name in ("distance_l1", "distance_l2", "distance_linf", "distance_output"):
            np.testing.assert_allclose(
                gpu[name][:, 1:-1], cpu[name][:, 1:-1], rtol=1e-6, err_msg=name
            )
        for name in ("loss", "test_loss", "gradient_norm", "step_length"):
            np.testing.assert_allclose(gpu[name], cpu[name], rtol=1e-8, atol=1e-15, err_msg=name)
        np.testing.assert_array_equal(gpu["accuracy"], cpu["accuracy"])

    def test_the_control_stays_within_rounding(self, on_both, model, batch_size):
        _, gpu, _ = on_both(model, batch_size)
        control = gpu["distance_l2"][:, -1]
        floor = gpu["rounding_distance"]
        assert (control[gpu["floor_time"].astype(int)] <= 10 * floor).all()
        assert (control <= 1e-8 * gpu["distance_l2"][:, 1:-1].min(1)).all()

    def test_two_runs_have_the_same_bits(self, on_both, model, batch_size):
        _, one, two = on_both(model, batch_size)
        assert one.keys() == two.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], two[name], err_msg=name)

    def test_states_arrive_whole_and_in_order(self, on_both, model, batch_size):
        cpu, gpu, _ = on_both(model, batch_size)
        np.testing.assert_allclose(gpu["state"], cpu["state"], rtol=1e-9, atol=1e-11)
        # distances are computed where the states live, before they are copied
        apart = np.abs(gpu["state"] - gpu["state"][:, :1])
        np.testing.assert_array_equal(gpu["distance_linf"], apart.max(2))
        np.testing.assert_allclose(gpu["distance_l1"], apart.sum(2), rtol=1e-12)
