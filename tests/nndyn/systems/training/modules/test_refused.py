"""What a module, a loss or samples must not be: refused in one line before anything runs."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.systems.training.models.build import build
from tests.recorders.user_networks import Tripled

X = np.random.default_rng(0).standard_normal((12, 6))
Y = np.arange(12) % 3


class Net(nn.Module):
    """A linear map, then what a test makes of its output."""

    def __init__(self, then=lambda self, x, z: z, **attributes):
        super().__init__()
        self.linear = nn.Linear(6, 3)
        self.then = then
        self.register_buffer("noted", torch.zeros(3))
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x):
        return self.then(self, x, self.linear(x))


def counts(self, x, z):
    self.calls += 1
    return z


def remembers(self, x, z):
    self.last = z.detach()
    return z


def notes(self, x, z):
    self.noted += z.detach().mean(0)
    return z


def decays(self, x, z):
    with torch.no_grad():
        self.linear.weight *= 0.99
    return z


def collects(self, x, z):
    self.seen.append(len(x))
    return z


def draws_elsewhere(self, x, z):
    return z + next(self.numbers)


def without(**kinds):
    net = Net()
    for name, value in kinds.items():
        setattr(net.linear, name, value)
    return net


def lazily():
    return nn.Sequential(nn.LazyLinear(3))


def thaws(self, x, z):
    self.linear.bias.requires_grad_(False)
    return z


def overwrites(self, x, z):
    x.mul_(2)
    return z


def infinite():
    net = Net()
    with torch.no_grad():
        net.linear.weight[1, 2] = torch.inf
    return net


def scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as such
        return torch.jit.trace(nn.Linear(6, 3), torch.zeros(2, 6))


def unpicklable():
    return Net(numbers=(n for n in range(3)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "model is builtins.int, expected a spec"),
        (nn.Sequential(nn.Flatten(), nn.Tanh()), "Sequential has no parameters"),
        (lambda: Net().requires_grad_(False), "all 2 parameters of Net are frozen; let one train"),
        (lambda: Net(thaws), "changes which parameters require a gradient; freeze them before"),
        (lambda: Net(overwrites), "changes the samples it is given; let it copy them"),
        (lambda: nn.Linear(6, 3, dtype=torch.complex64), "'weight' is complex"),
        (lambda: nn.Linear(6, 3, device="meta"), "'weight' is on the device meta"),
        (lazily, "'0.weight' has no shape yet.*run one forward first"),
        (scripted, "is a TopLevelTracedModule of TorchScript; give the torch.nn.Module"),
        (unpicklable, "Net cannot be copied: cannot pickle 'generator'"),
        (lambda: Net(lambda self, x, z: (z, x)), "gives a tuple, not a tensor; return the tensor"),
        (lambda: Net(lambda self, x, z: {"logits": z}), "gives a dict, not a tensor"),
        (lambda: Net(lambda self, x, z: z.argmax(1)), "output of torch.int64"),
        (lambda: Net(lambda self, x, z: z.mean(0)), r"first dimension must be the 4 samples"),
        (lambda: Net(lambda self, x, z: z[:, 0]), r"shape \(4,\); cross-entropy takes"),
        (lambda: Net(lambda self, x, z: z.detach()), "the model's output has no derivative"),
        (lambda: nn.Linear(5, 3), r"x of shape \(4, 6\) float64 raises RuntimeError: mat1 and"),
        (lambda: Net(counts, calls=0), "changes 'calls'; a step may depend on nothing"),
        (lambda: Net(remembers), "changes 'last'"),
        (lambda: Net(notes), "changes 'noted'"),
        (lambda: nn.Sequential(Net(collects, seen=[])), "changes '0.seen'"),
        (lambda: Net(decays), "changes 'linear.weight'"),
        (lambda: Net(draws_elsewhere, numbers=itertools.count()), "torch seed differ"),
        (
            lambda: nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(6, 3))),
            "changes '0.parametrizations.weight.0._u'",
        ),
    ],
)
def test_modules_that_cannot_be_trained_are_refused(model, message):
    state = torch.get_rng_state()
    made = model() if callable(model) and not isinstance(model, nn.Module) else model
    with torch.random.fork_rng(devices=[]), pytest.raises(UsageError, match=message) as caught:
        build(made, X, Y)
    assert "\n" not in str(caught.value)
    torch.set_rng_state(state)


def test_a_failed_trial_names_every_form_it_tried():
    with pytest.raises(UsageError, match=r"\(4, 6\) float64 raises.*\(4, 1, 2, 3\) float64 raises"):
        build(nn.Conv1d(2, 2, 3), X, Y, image=(1, 2, 3))


def test_numbers_that_are_not_finite_and_labels_that_are_no_class_are_data_errors():
    with pytest.raises(DataError, match=r"weight 8 of 18 in 'linear.weight' is inf, not finite"):
        build(infinite(), X, Y)
    with pytest.raises(DataError, match="label in row 2 is 2; the model takes labels 0 to 1"):
        build(nn.Sequential(nn.Linear(6, 2), nn.Softplus()), X, Y)
    found = build(Net(), X, Y)
    with pytest.raises(DataError, match="test: label in row 1 is 3"):
        found.batch(X[:2], np.array([0, 3]), "test")


def test_state_that_does_not_change_is_no_state():
    def looks(self, x, z):
        self.scale = 1.5
        return z * self.scale * self.table["a"][0]

    net = Net(looks, scale=1.5, table={"a": [torch.tensor(2.0, dtype=torch.float64)]})
    assert build(net, X, Y).batched


def wrong(message, **kinds):
    return pytest.param(kinds.pop("loss"), kinds.pop("error", UsageError), message)


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        wrong("unknown loss 'hinge'; known: cross-entropy, mse", loss="hinge"),
        wrong("loss is 3, expected", loss=3),
        wrong("returns a float; it must return a scalar tensor", loss=lambda z, y: 1.0),
        wrong(
            r"returns a tensor of shape \(4,\); it must return a scalar",
            loss=nn.CrossEntropyLoss(reduction="none"),
        ),
        wrong("has no derivative", loss=lambda z, y: z.detach().mean()),
        wrong("is nan at the initial weights", loss=lambda z, y: z.mean() * torch.nan),
        wrong(
            r"raises ValueError for an output of shape \(4, 3\) and a target of shape \(4,\) int64",
            loss=nn.BCEWithLogitsLoss(),
        ),
    ],
)
def test_losses_that_are_none_are_refused(loss, error, message):
    with pytest.raises(error, match=message):
        build(Net(), X, Y, loss=loss)


def test_an_error_about_kinds_of_numbers_says_which_to_give():
    held = torch.ones(3)
    with pytest.raises(UsageError, match=r"what the loss holds must be float64: in an nn.Module"):
        build(Net(), X, X[:, :3], loss=lambda z, y: (held @ (z - y).T).mean())
    with pytest.raises(UsageError, match="integers in y stay integers: give float64"):
        build(Net(), X, np.arange(36).reshape(12, 3), loss=lambda z, y: (z @ y.T).mean())


@pytest.mark.parametrize(
    ("then", "y", "message"),
    [
        (lambda self, x, z: z[:, None].repeat(1, 5, 1), (12, 5), "output.movedim"),
        (lambda self, x, z: z, (12, 5), r"takes \(samples, classes, 5\) for labels of.*\(4, 5\)"),
    ],
)
def test_classes_in_another_place_are_refused_with_the_cure(then, y, message):
    with pytest.raises(UsageError, match=message):
        build(Net(then), X, np.zeros(y, np.int64))


def test_labels_that_are_no_class_are_named_by_their_place():
    spread = Net(lambda self, x, z: z[:, :, None].repeat(1, 1, 5))
    y = np.zeros((12, 5), np.int64)
    y[7, 2] = 3
    with pytest.raises(DataError, match=r"label in row 7, position 2 is 3; .* 0 to 2.* -100"):
        build(spread, X, y)
    with pytest.raises(DataError, match="all labels are -100, which the loss leaves out"):
        build(spread, X, np.full((12, 5), -100))


def test_a_loss_that_keeps_state_or_draws_elsewhere_is_refused():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, output, target):
            self.calls += 1
            return output.square().mean()

    numbers = itertools.count()
    with pytest.raises(UsageError, match=r"Counting changes its 'calls'.*no state in the loss"):
        build(Net(), X, Y, loss=Counting())
    with pytest.raises(UsageError, match="differs for the same output, target and torch seed"):
        build(Net(), X, Y, loss=lambda z, y: z.square().mean() + next(numbers))


def test_targets_must_suit_loss_and_output():
    real = X[:, :3]
    with pytest.raises(UsageError, match="takes integer class labels"):
        build(Net(), X, real)
    with pytest.raises(UsageError, match=r"shape \(4, 3\); mse takes that of.*, \(4, 2\)"):
        build(Net(), X, X[:, :2], loss="mse")
    for shape in ((12,), (12, 1)):  # one number a sample, written either way
        build(nn.Sequential(nn.Linear(6, 1), nn.Identity()), X, X[:, 0].reshape(shape), loss="mse")
        single = Net(lambda self, x, z: z[:, 0])
        build(single, X, X[:, 0].reshape(shape), loss="mse")
    with pytest.raises(UsageError, match=r"shape \(4, 3, 1\); mse on labels"):
        build(Net(lambda self, x, z: z[..., None]), X, Y, loss="mse")
    with pytest.raises(UnknownNameError, match="unknown init"):
        build(Net(), X, Y, init="glorot")


def test_a_test_set_that_the_module_cannot_evaluate_is_refused():
    alone = nn.Sequential(
        nn.Linear(6, 5), nn.BatchNorm1d(5, track_running_stats=False), nn.Linear(5, 3)
    )
    build(alone, X, Y, test=X[:2])
    with pytest.raises(UsageError, match=r"^test: .*an evaluation on x .*more than 1 value"):
        build(alone, X, Y, test=X[:1])


def test_a_head_of_zeros_hides_nothing():
    hidden = {
        "differs": lambda self, x, z: 2 * z if self.training else z,
        "mixes": lambda self, x, z: z - z.mean(0),
        "wrong": lambda self, x, z: Tripled.apply(z),
    }
    found = {}
    for name, forward in hidden.items():
        net = Net(forward)
        nn.init.zeros_(net.linear.weight)
        nn.init.zeros_(net.linear.bias)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found[name] = build(net, X, Y)
    assert found["differs"].differs
    assert not found["mixes"].independent
    assert not found["mixes"].independent_evaluation
    assert found["wrong"].reason == "its results differ"


def test_a_last_batch_too_small_for_a_step_is_refused():
    net = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    build(net, X, Y, batch_size=5)
    with pytest.raises(UsageError, match=r"batches of 11 samples leave one of 1; .*batch_size"):
        build(net, X, Y, batch_size=11)


class Peeks(nn.Module):
    """What vmap cannot batch: control flow that depends on numbers."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 3)

    def forward(self, x):
        z = self.linear(x)
        return z if z.sum().item() > 0 else 2 * z


def test_what_cannot_be_batched_runs_one_by_one_and_one_warning_says_why():
    with pytest.warns(UserWarning, match=r"Peeks is not batched: .*item.*one after") as seen:
        found = build(Peeks(), X, Y)
    assert len(seen) == 1
    assert not found.batched
    assert "item" in found.reason


def test_operations_without_a_batching_rule_are_named():
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(6, 3))
    for _ in range(2):
        with pytest.warns(UserWarning, match="has no batching rule for aten::_weight_norm"):
            build(normed, X, Y)


def test_a_wrong_batching_rule_is_noticed():
    with pytest.warns(UserWarning, match="Net is not batched: its results differ"):
        found = build(Net(lambda self, x, z: Tripled.apply(z)), X, Y)
    assert not found.batched
