"""Training as a system: the protocol, cuts, batches, descriptions, and what it refuses."""

import inspect
import json
from itertools import chain

import numpy as np
import pytest
import torch
from torch import nn

from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.systems.protocol import System
from nndyn.systems.training import Training

X = np.random.default_rng(0).standard_normal((10, 4))
Y = np.arange(10) % 3


def rows(system, R, scale=1e-6):
    phase = np.stack([system.initial(0)] * R)
    phase[1:] += scale * np.random.default_rng(5).standard_normal(phase[1:].shape)
    phase[:, system.components.stop :] = 0
    return phase


def blocks_equal(a, b):
    for name in ("states", "distance_l1", "distance_linf", "gram"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for name in ("arrival", "series", "evaluations"):
        left, right = getattr(a, name), getattr(b, name)
        assert left.keys() == right.keys()
        for key in left:
            np.testing.assert_array_equal(left[key], right[key], err_msg=key)


def test_signature_is_the_public_one():
    names = "model data test loss optimizer lr momentum nesterov dampening weight_decay betas"
    names += " amsgrad alpha eps lr_decay initial_accumulator_value groups clip_norm clip_value"
    names += " accumulate ema batch_size schedule start activation init samples data_dir seed"
    names += " dtype device"
    assert " ".join(inspect.signature(Training).parameters) == names


def test_training_is_a_system():
    system = Training("mlp:4-5-3", "iris", lr=0.1, optimizer="adam")
    assert isinstance(system, System)
    assert (system.kind, system.interval, system.time_unit) == ("training", 1.0, "step")
    assert system.stationary is False
    assert system.components == slice(0, 43)
    assert system.dimension == 3 * 43
    assert system.dtype == np.float64
    assert system.steps_per_epoch == system.evaluate_every == 1
    assert system.series == ("gradient_norm",)
    assert system.arrival == ("step_length",)
    assert [(p.name, p.start, p.shape, p.is_bias) for p in system.parameters] == [
        ("0.weight", 0, (5, 4), False),
        ("0.bias", 20, (5,), True),
        ("2.weight", 25, (3, 5), False),
        ("2.bias", 40, (3,), True),
    ]
    assert system.work(7) > 7 * 2 * 120 * 43
    np.testing.assert_array_equal(system.initial(0), system.initial(1))
    assert not system.initial(0)[43:].any()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.9},
        {"optimizer": "adam"},
        {"batch_size": 32},
        {"batch_size": 32, "optimizer": "adam", "loss": "mse"},
        {"batch_size": 120},
    ],
)
def test_a_run_does_not_depend_on_how_it_is_cut(options):
    system = Training("mlp:4-7-3", "iris", lr=0.05, **options)
    assert system.steps_per_epoch == (1 if options.get("batch_size") in (None, 120) else 4)
    phase = rows(system, 3)
    before = phase.copy()
    times = range(9)
    whole = system.advance(phase, 0, 9, times, evaluate=times)
    np.testing.assert_array_equal(phase, before)
    again = Training("mlp:4-7-3", "iris", lr=0.05, **options)
    for start, steps in ((0, 1), (1, 5), (6, 3)):
        inside = range(start, start + steps)
        alone = again.observe(phase, start)
        part = again.advance(phase, start, steps, inside, evaluate=inside)
        np.testing.assert_array_equal(alone.phase, phase)
        assert alone.arrival == {}
        phase = part.phase
        cut = slice(start, start + steps)
        np.testing.assert_array_equal(part.states, whole.states[cut])
        np.testing.assert_array_equal(part.gram, whole.gram[cut])
        np.testing.assert_array_equal(part.distance_l1, whole.distance_l1[cut])
        np.testing.assert_array_equal(
            part.arrival["step_length"], whole.arrival["step_length"][cut]
        )
        for kind in ("series", "evaluations"):
            for name, values in getattr(part, kind).items():
                np.testing.assert_array_equal(values, getattr(whole, kind)[name][cut])
                first = getattr(alone, kind)[name]
                np.testing.assert_array_equal(first, values[:1], err_msg=name)
        np.testing.assert_array_equal(alone.gram, part.gram[:1])
    np.testing.assert_array_equal(phase, whole.phase)
    np.testing.assert_array_equal(system.bare(before, 0, 9), whole.phase)


def test_one_row_is_a_trajectory_too():
    system = Training("mlp:4-7-3", "iris", lr=0.05)
    block = system.advance(system.initial(0)[None], 0, 3, [0, 2], evaluate=[1])
    assert block.states.shape == (2, 1, system.dimension)
    assert block.gram.shape == (3, 1, 1)
    assert not block.gram.any()
    assert block.evaluations["loss"].shape == (1, 1)
    assert block.evaluations["distance_output"] == 0


def test_part_selects_what_is_stored():
    system = Training("mlp:4-7-3", "iris", lr=0.05, momentum=0.5)
    block = system.advance(rows(system, 2), 0, 2, [1], part=slice(0, system.dimension))
    assert block.states.shape == (1, 2, system.dimension)
    assert block.states[..., system.components.stop :].any()


def test_blocks_share_no_memory_with_later_ones():
    system = Training("mlp:4-7-3", "iris", lr=0.05)
    phase = rows(system, 3)
    first = system.advance(phase, 0, 2, range(2), evaluate=range(2))
    copy = system.advance(phase, 0, 2, range(2), evaluate=range(2))
    system.advance(first.phase, 2, 4, range(2, 6), evaluate=range(2, 6))
    blocks_equal(first, copy)
    for array in (first.phase, first.states, first.gram, *first.evaluations.values()):
        assert array.flags.writeable
        array[...] = 0


def test_batches_are_a_function_of_seed_and_epoch():
    def order(seed, times):
        system = Training("mlp:4-3", (X, Y), lr=0.1, batch_size=4, seed=seed)
        return [system.order.rows(t).tolist() for t in times]

    forward = order(1, range(6))
    assert [len(batch) for batch in forward] == [4, 4, 2, 4, 4, 2]
    assert sorted(chain(*forward[:3])) == sorted(chain(*forward[3:])) == list(range(10))
    assert forward[:3] != forward[3:]
    assert order(1, reversed(range(6))) == forward[::-1]
    assert order(2, range(6)) != forward
    assert Training("mlp:4-3", (X, Y), lr=0.1, batch_size=4).evaluate_every == 3


@pytest.mark.parametrize("batch_size", [None, 50])
def test_reordered_differs_by_rounding_only(batch_size):
    system = Training("mlp:64-16-10", "digits", lr=0.5, batch_size=batch_size)
    twin = system.reordered()
    np.testing.assert_array_equal(system.initial(0), twin.initial(0))
    phase = rows(system, 2)
    a = system.advance(phase, 0, 5, range(5), evaluate=range(5))
    b = twin.advance(phase, 0, 5, range(5), evaluate=range(5))
    difference = np.abs(a.phase - b.phase).max()
    assert 0 < difference < 1e-12
    np.testing.assert_allclose(a.evaluations["loss"], b.evaluations["loss"], rtol=1e-12)
    assert twin.describe() != system.describe()
    blocks_equal(system.advance(phase, 0, 5, range(5), evaluate=range(5)), a)


def test_description_is_json_and_equal_only_for_equal_systems():
    def describe(**options):
        given = {"model": "mlp:4-5-3", "data": (X, Y), "lr": 0.1} | options
        text = json.dumps(Training(given.pop("model"), given.pop("data"), **given).describe())
        return text

    base = describe()
    assert base == describe()
    others = [
        {"lr": 0.2},
        {"momentum": 0.5},
        {"optimizer": "adam"},
        {"optimizer": "adam", "betas": (0.9, 0.99)},
        {"loss": "mse"},
        {"batch_size": 5},
        {"seed": 1},
        {"init": "xavier"},
        {"activation": "relu"},
        {"dtype": "float32"},
        {"data": (X + 1e-9, Y)},
        {"data": (X, (Y + 1) % 3)},
        {"test": (X, Y)},
        {"model": "mlp:4-6-3"},
        {"data": "iris"},
    ]
    texts = [describe(**options) for options in others]
    assert len({base, *texts}) == len(others) + 1


@pytest.mark.parametrize(
    ("name", "train", "test", "width", "classes"),
    [
        ("digits", 1437, 360, 64, 10),
        ("iris", 120, 30, 4, 3),
        ("wine", 142, 36, 13, 3),
        ("breast_cancer", 455, 114, 30, 2),
    ],
)
def test_named_sets_are_split_and_scaled(name, train, test, width, classes):
    system = Training(f"mlp:{width}-{classes}", name, lr=0.1, seed=3)
    a, b = system.task.training, system.task.test
    assert (a.x.shape, b.x.shape) == ((train, width), (test, width))
    shares = np.bincount(b.y, minlength=classes) / np.bincount(np.r_[a.y, b.y], minlength=classes)
    np.testing.assert_allclose(shares, 0.2, atol=0.02)
    if name == "digits":
        assert (a.x.min(), a.x.max()) == (0, 1)
    else:
        np.testing.assert_allclose(a.x.mean(0), 0, atol=1e-12)
        np.testing.assert_allclose(a.x.std(0), 1)
        assert np.abs(b.x.mean(0)).max() > 1e-3
    other = Training(f"mlp:{width}-{classes}", name.replace("_", "-"), lr=0.1)
    np.testing.assert_array_equal(other.task.training.x, a.x)
    assert other.name == system.name == f"{name.replace('_', '-')} mlp:{width}-{classes}"
    assert (other.initial(0) != system.initial(0)).any()


@pytest.mark.parametrize(
    ("init", "weight", "bias"),
    [
        (None, 1.0, 0),
        ("normal:0.5", 0.5, 0),
        ("xavier", np.sqrt(2 / 500), 0),
        ("kaiming", np.sqrt(2 / 200), 0),
        ("default", 1 / np.sqrt(600), 1 / np.sqrt(600)),
    ],
)
def test_initial_weights_have_the_spread_of_their_rule(init, weight, bias):
    state = torch.get_rng_state()
    system = Training("mlp:200-300", (np.ones((2, 200)), [0, 1]), lr=0.1, init=init)
    assert torch.equal(torch.get_rng_state(), state)
    w, b = np.split(system.initial(0), [60000])
    assert w.std() == pytest.approx(weight, rel=0.02)
    assert b.std() == pytest.approx(bias, rel=0.1)
    again = Training("mlp:200-300", (np.ones((2, 200)), [0, 1]), lr=0.1, init=init)
    np.testing.assert_array_equal(system.initial(0), again.initial(0))


def test_init_redraws_the_weights_of_a_module_without_touching_it():
    net = nn.Sequential(nn.Linear(4, 3))
    before = net[0].weight.detach().clone()
    system = Training(net, (X, Y), lr=0.1, init="normal:1")
    assert torch.equal(net[0].weight, before)
    expected = Training("mlp:4-3", (X, Y), lr=0.1).initial(0)
    np.testing.assert_array_equal(system.initial(0), expected)


def test_tensors_and_images_enter_as_arrays_do():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    images = torch.as_tensor(X).reshape(10, 2, 2)
    a = Training(net, (images, torch.as_tensor(Y)), test=(images, torch.as_tensor(Y)), lr=0.1)
    b = Training(net[1:], (X, Y), test=(X.tolist(), Y.tolist()), lr=0.1)
    np.testing.assert_array_equal(a.task.training.x, b.task.training.x)
    block = a.observe(a.initial(0)[None], 0)
    assert block.evaluations["loss"] == block.evaluations["test_loss"]
    spec, flat = (Training("mlp:4-3", (x, Y), lr=0.1).describe() for x in (images, X))
    assert spec == flat


def test_single_precision_runs_near_double():
    options = dict(lr=0.1, init="xavier")
    one = Training("mlp:4-5-3", "iris", dtype="float32", **options)
    two = Training("mlp:4-5-3", "iris", **options)
    phase = rows(two, 3, 1e-2)
    a = one.advance(phase.astype(np.float32), 0, 10, range(10), evaluate=range(10))
    b = two.advance(phase, 0, 10, range(10), evaluate=range(10))
    assert a.states.dtype == a.phase.dtype == np.float32
    assert a.distance_l1.dtype == a.evaluations["loss"].dtype == np.float64
    np.testing.assert_allclose(a.states, b.states, atol=1e-5)
    np.testing.assert_allclose(a.evaluations["loss"], b.evaluations["loss"], rtol=1e-5)


def with_nan():
    x = X.copy()
    x[3, 2] = np.nan
    return x


BAD = [
    ({"model": "mlp:4"}, UsageError, "mlp:4"),
    ({"model": "mlp:4-0-3"}, UsageError, "widths"),
    ({"model": "cnn:8-16"}, UsageError, "takes images"),
    ({"model": "lstm:8"}, UsageError, "mlp:"),
    ({"model": 3}, UsageError, "int"),
    ({"model": nn.Sequential()}, UsageError, "has no parameters"),
    ({"model": nn.Sequential(nn.Conv2d(1, 2, 3))}, UsageError, "does not fit the data"),
    (
        {"model": nn.Sequential(nn.Linear(4, 5), nn.Linear(4, 3))},
        UsageError,
        "cannot be multiplied",
    ),
    ({"model": nn.Sequential(nn.Linear(4, 3)), "activation": "relu"}, UsageError, "activation"),
    ({"model": nn.Sequential(nn.Linear(4, 3).requires_grad_(False))}, UsageError, "are frozen"),
    ({"model": "mlp:5-3"}, UsageError, "4 features and the model takes 5"),
    ({"model": "mlp:4-2"}, UsageError, "label in row 2 is 2"),
    ({"model": "mlp:99999999999-3"}, UsageError, "4 features and the model takes 99999999999"),
    ({"model": "mlp:4-999999999999999-3"}, UsageError, "weights, which do not fit into memory"),
    ({"model": "mlp:4-999999999999999999-3"}, UsageError, "do not fit|has a layer of"),
    ({"model": f"mlp:4-{'9' * 5000}-3"}, UsageError, "is not a spec"),
    ({"model": "collections:OrderedDict", "activation": "relu"}, UsageError, "brings its own"),
    ({"data": "iriss"}, UnknownNameError, "digits, iris, wine, breast-cancer"),
    ({"data": "iris", "test": (X, Y)}, UsageError, "leave test out"),
    ({"data": X}, UsageError, "ndarray"),
    ({"data": (X[:, 0], Y)}, UsageError, r"shape \(10,\)"),
    ({"model": "mlp:2-3", "data": (X.reshape(10, 2, 2), Y)}, UsageError, "4 features"),
    (
        {"model": nn.Sequential(nn.Linear(4, 3)), "data": (X.reshape(10, 2, 2), Y)},
        UsageError,
        "does not fit the data",
    ),
    ({"data": (X[:9], Y)}, UsageError, "9 rows"),
    ({"data": (X[:0], Y[:0])}, UsageError, "no rows"),
    ({"data": (X.astype(str), Y)}, UsageError, "dtype"),
    ({"data": ([[1.0], [1.0, 2.0]], [0, 1])}, UsageError, "not an array"),
    ({"data": (with_nan(), Y)}, DataError, "nan in row 3, column 2"),
    ({"data": (X, Y - 1)}, DataError, "label in row 0 is -1"),
    ({"data": (X, Y * 0 + 1)}, DataError, "all 10 labels are 1"),
    (
        {"loss": "cross-entropy:smooth=1"},
        UsageError,
        "'smooth=1' is no option; cross-entropy takes",
    ),
    ({"loss": "cross-entropy:label_smoothing=2"}, UsageError, r"must lie in \[0, 1\]"),
    ({"loss": "mse:weight=1"}, UsageError, "mse has no options"),
    ({"data": (X, Y * 1.0)}, UsageError, "integer class labels"),
    ({"data": (X, Y * 1.0), "loss": "mse"}, UsageError, "1 columns"),
    ({"test": (X, np.full((10, 3), np.nan)), "loss": "mse"}, DataError, "test: y is nan in row 0"),
    ({"test": (X, np.zeros((10, 3))), "loss": "mse"}, UsageError, "both"),
    ({"test": (X[:, :3], Y)}, UsageError, "test: x has shape"),
    ({"loss": "hinge"}, UnknownNameError, "cross-entropy, mse"),
    ({"optimizer": "lbfgs"}, UnknownNameError, "'sgd', 'adam'"),
    ({"activation": "swish"}, UnknownNameError, "'tanh', 'relu'"),
    ({"init": "ones"}, UnknownNameError, "xavier"),
    ({"init": "normal:0"}, UnknownNameError, "normal:S"),
    ({"init": "normal:x"}, UnknownNameError, "normal:S"),
    ({"dtype": "float16"}, UnknownNameError, "'float64' or 'float32'"),
    ({"device": "cuda"}, UsageError, "'cpu'"),
    ({"lr": 0}, UsageError, "lr is 0"),
    ({"lr": np.inf}, UsageError, "lr is inf"),
    ({"lr": np.nan}, UsageError, "lr is nan"),
    ({"lr": "big"}, UsageError, "lr is 'big'"),
    ({"momentum": 1}, UsageError, "momentum is 1"),
    ({"momentum": -0.1}, UsageError, "momentum is -0.1"),
    ({"momentum": 0.9, "optimizer": "adam"}, UsageError, "applies to sgd"),
    ({"betas": (0.5, 0.5)}, UsageError, "apply to adam"),
    ({"betas": 0.5, "optimizer": "adam"}, UsageError, "two numbers"),
    ({"betas": (0.9, 1.0), "optimizer": "adam"}, UsageError, r"\[0, 1\)"),
    ({"batch_size": 0}, UsageError, "1 to 10"),
    ({"batch_size": 11}, UsageError, "1 to 10"),
    ({"batch_size": 2.5}, UsageError, "batch_size is 2.5"),
    ({"seed": -1}, UsageError, "seed"),
    ({"seed": 1.5}, UsageError, "seed"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD)
def test_wrong_arguments_are_refused_by_name(options, error, message):
    given = {"model": "mlp:4-5-3", "data": (X, Y), "lr": 0.1} | options
    with pytest.raises(error, match=message) as caught:
        Training(given.pop("model"), given.pop("data"), **given)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused():
    net = nn.Sequential(nn.Linear(4, 3))
    with torch.no_grad():
        net[0].weight[1, 1] = torch.inf
    with pytest.raises(DataError, match="weight 5 of 15 is inf"):
        Training(net, (X, Y), lr=0.1)


def test_wrong_calls_are_refused():
    system = Training("mlp:4-5-3", (X, Y), lr=0.1)
    phase = rows(system, 2)
    with pytest.raises(UsageError, match=r"rows, 43"):
        system.advance(phase[:, :-1], 0, 1, ())
    with pytest.raises(UsageError, match="steps is 0"):
        system.advance(phase, 0, 0, ())
    with pytest.raises(UsageError, match=r"keep: times must ascend within \[3, 5\)"):
        system.advance(phase, 3, 2, [5])
    with pytest.raises(UsageError, match="evaluate"):
        system.advance(phase, 3, 2, [], evaluate=[4, 3])


def _batch(systems, R):
    return np.stack([rows(system, R, 1e-6) for system in systems])


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.9},
        {"optimizer": "adam", "batch_size": 32},
        {"batch_size": 50, "loss": "mse"},
    ],
)
@pytest.mark.parametrize(
    ("data", "spec"),
    [("iris", "4-7-5-3"), ("iris", "4-3"), ("wine", "13-30-3"), ("digits", "64-32-10")],
)
def test_runs_together_give_the_bits_they_give_alone(data, spec, options, activation, monkeypatch):
    rates = (0.001, 0.01) if options.get("optimizer") == "adam" else (0.1, 2.0)
    systems = [
        Training(f"mlp:{spec}", data, lr=lr, seed=seed, activation=activation, **options)
        for seed in range(2)
        for lr in rates
    ]
    steps = 6 if data == "digits" else 12
    phases = _batch(systems, 5)
    phases[:, 4] = phases[:, 0]
    times = range(3, 3 + steps)
    for shared in (1, 2**30):  # a run after the other, and all by the same calls
        monkeypatch.setattr("nndyn.systems.training.task.SHARED_VALUES", shared)
        team = systems[0].together(systems[1:])
        found = team.advance(phases, 3, steps, times, evaluate=times)
        for system, phase, block in zip(systems, phases, found, strict=True):
            alone = system.advance(phase, 3, steps, times, evaluate=times)
            np.testing.assert_array_equal(block.phase, alone.phase)
            blocks_equal(block, alone)


def test_runs_together_lay_their_samples_out_once():
    one, two = (Training("mlp:4-7-3", "iris", lr=lr) for lr in (0.1, 0.2))
    one.together([two])
    assert two.task.inputs[0] is one.task.inputs[0]
    assert two.reordered().task.inputs[0].turned is one.task.inputs[0].turned


def test_runs_of_other_shapes_do_not_go_together():
    one = Training("mlp:4-7-3", "iris", lr=0.1)
    with pytest.raises(UsageError, match="must agree in model: it is mlp:4-7-3 in one and mlp:4-8"):
        one.together([Training("mlp:4-8-3", "iris", lr=0.1)])
    with pytest.raises(UsageError, match="must agree in batch_size"):
        one.together([Training("mlp:4-7-3", "iris", lr=0.1, batch_size=10)])
    team = one.together([Training("mlp:4-7-3", "iris", lr=0.1, momentum=0.9)])
    with pytest.raises(UsageError, match="has momentum"):
        team.advance(_batch([one, one], 2), 0, 1, ())


def test_a_loss_of_the_users_on_one_output_has_no_accuracy():
    net = nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))

    def loss(output, target):
        return nn.functional.binary_cross_entropy_with_logits(output, target.to(output))

    system = Training(net, (X, Y % 2), lr=0.1, loss=loss, test=(X, Y % 2))
    block = system.advance(system.initial(0)[None], 0, 2, (), evaluate=(0, 1))
    assert system.evaluations == ("loss", "test_loss", "distance_output")
    assert {name: v.shape for name, v in block.evaluations.items()} == dict.fromkeys(
        system.evaluations, (2, 1)
    )
