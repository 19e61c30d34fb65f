"""Networks, losses and labels as people have them, recorded beside plain loops of torch."""

import functools
import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import nndyn
from nndyn.cli import nndyn as command
from nndyn.cli.lazy import run as invoke
from nndyn.systems.training.torch_state.randomness import step_key
from tests.recorders.plain_loops import made, record
from tests.recorders.user_networks import (
    FORMS,
    Autoencoder,
    Functional,
    Heteroscedastic,
    Language,
    Physics,
    Recurrent,
    Weighed,
    changed,
    contrastive,
    convolutions,
    evidence,
    frozen,
    likelihood,
    maps,
    penalized,
    perceptron,
    residual,
    residual_of_input,
    targets,
    times,
    tokens,
    vectors,
)

F = nn.functional
CE = F.cross_entropy
WEIGHTS = torch.tensor([1.0, 2.0, 0.5])


def old_weight_norm(layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch, for what people still have
        nn.utils.weight_norm(layer)


def of_labels(loss, **options):
    return functools.partial(loss, **options)


#: Module, samples, loss, and the loss of a plain loop where that is another.
KINDS = {
    "tuple of a variational autoencoder": (Autoencoder, lambda: (vectors()[0],) * 2, evidence),
    "next tokens": (Language, tokens, "cross-entropy", CE),
    "tokens left out": (Language, lambda: tokens(-100), "cross-entropy", CE),
    "padding left out": (
        Language,
        lambda: tokens(0),
        "cross-entropy:ignore_index=0",
        of_labels(CE, ignore_index=0),
    ),
    "segmentation": (convolutions, maps, "cross-entropy", CE),
    "weighed segmentation": (
        convolutions,
        maps,
        nn.CrossEntropyLoss(weight=WEIGHTS, label_smoothing=0.1),
        of_labels(CE, weight=WEIGHTS.double(), label_smoothing=0.1),
    ),
    "weights by name": (
        perceptron,
        vectors,
        "cross-entropy:weight=1,2,0.5:label_smoothing=0.1",
        of_labels(CE, weight=WEIGHTS.double(), label_smoothing=0.1),
    ),
    "weights in a partial": (
        perceptron,
        vectors,
        of_labels(CE, weight=WEIGHTS),
        of_labels(CE, weight=WEIGHTS.double()),
    ),
    "a loss with buffers": (perceptron, vectors, Weighed(), Weighed().double()),
    "jvp in the forward pass": (lambda: Physics("jvp"), times, residual),
    "grad in the forward pass": (lambda: Physics("grad"), times, residual),
    "grad in the loss": (lambda: Physics("loss"), times, residual_of_input),
    "a keyword for the input": (perceptron, vectors, penalized),
    "contrastive": (perceptron, lambda: (vectors()[0], np.repeat([0, 1, 2], 8)), contrastive),
    "contrastive, all first apart": (perceptron, lambda: classes_apart(), contrastive),
    "lstm": (lambda: Recurrent(nn.LSTM), vectors, "cross-entropy", CE),
    "gru": (lambda: Recurrent(nn.GRU), vectors, "cross-entropy", CE),
    "frozen first": (lambda: frozen(0), vectors, "cross-entropy", CE),
    "frozen last": (lambda: frozen(2), vectors, "cross-entropy", CE),
    "pruned": (
        lambda: changed(lambda layer: prune.l1_unstructured(layer, "weight", 0.3)),
        vectors,
        "cross-entropy",
        CE,
    ),
    "weight norm, old": (lambda: changed(old_weight_norm), vectors, "cross-entropy", CE),
    "weight norm": (
        lambda: changed(nn.utils.parametrizations.weight_norm),
        vectors,
        "cross-entropy",
        CE,
    ),
    "functional call": (Functional, vectors, "cross-entropy", CE),
    "a label in a column": (
        perceptron,
        lambda: (vectors()[0], vectors()[1][:, None]),
        "cross-entropy",
        lambda z, y: CE(z, y[:, 0]),
    ),
    "signs as labels": (
        lambda: nn.Sequential(nn.Linear(6, 1), nn.Flatten(0)),
        lambda: (vectors()[0], 2 * (np.arange(24) % 2) - 1),
        lambda z, y: F.softplus(-z * y).mean(),
    ),
    "numbers in integers": (
        perceptron,
        lambda: (vectors()[0], np.arange(72).reshape(24, 3) % 5),
        "mse",
        lambda z, y: F.mse_loss(z, y.double()),
    ),
    "a loss in single precision": (perceptron, vectors, lambda z, y: CE(z.float(), y)),
}
KINDS |= {form: (functools.partial(Heteroscedastic, form), targets, likelihood) for form in FORMS}
#: What differs from another kind in little.
SLOW = {"tokens left out", "segmentation", "weights in a partial", "gru", "frozen last"}
SLOW |= {"contrastive, all first apart", "weight norm, old", "list", "named tuple"}
#: Where torch cannot differentiate twice, or is wrong.
NO_TANGENTS = {"weight norm", "weight norm, old"}


def classes_apart():
    return vectors()[0], np.r_[0:4, np.arange(20) % 4]


def by_hand(build, start, x, y, loss, steps):
    """Return the weights of a plain loop at every time."""
    net = made(build).train()
    weights = [value for value in net.parameters() if value.requires_grad]
    nn.utils.vector_to_parameters(torch.as_tensor(start).clone(), weights)
    optimizer = torch.optim.SGD(weights, lr=0.05, momentum=0.9)
    found = []
    for t in range(steps + 1):
        found.append(nn.utils.parameters_to_vector(weights).detach().numpy().copy())
        taken = torch.as_tensor(x).clone()
        if loss is residual_of_input:
            taken.requires_grad_()
        optimizer.zero_grad()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(step_key(0, t))
            output = net(taken)
            target = torch.as_tensor(y)
            name = {residual_of_input: "x", penalized: "input"}.get(loss)
            loss(output, target, **({name: taken} if name else {})).backward()
        optimizer.step()
    return np.array(found)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind in SLOW else kind for kind in KINDS]
)
def test_what_people_have_is_recorded_as_torch_trains_it(tmp_path, kind):
    build, samples, loss, *plain = KINDS[kind]
    x, y = samples()
    system = nndyn.Training(
        made(build), (x, y), test=(x[:9], y[:9]), loss=loss, lr=0.05, momentum=0.9
    )
    tangents = {} if kind in NO_TANGENTS else {"tangents": 1}
    found = record(
        tmp_path / "r.nc", system, steps=6, replicas=1, epsilon=1e-6, evaluate=3, **tangents
    )
    for r in range(2):
        expected = by_hand(build, found["state"][0, r], x, y, (plain or [loss])[0], 6)
        np.testing.assert_allclose(found["state"][:, r], expected, rtol=0, atol=1e-12)
    assert (found["distance_l2"][:, -1] == 0).all()
    assert (found["distance_output"][:, 1] > 0).all()
    assert system.no_tangents == "" or kind in NO_TANGENTS
    if tangents:
        lengths = np.log(found["distance_l2"][-1, 1] / found["distance_l2"][0, 1])
        assert np.isfinite(lengths)
        assert np.isfinite(found["tangent_log_stretch"]).all()


def test_frozen_weights_are_hashed_listed_and_compared_on_resume(tmp_path, capsys):
    def system(value=0.5):
        net = made(Language)
        with torch.no_grad():
            net.position.weight.fill_(value)
        return nndyn.Training(net, tokens(), lr=0.1)

    path = tmp_path / "r.nc"
    run = nndyn.record(system(), path, steps=3, perturb="all")
    manifest = json.loads(run.attrs["manifest"])
    assert manifest["system"]["layers"]["frozen"]["position.weight"]["shape"] == [5, 8]
    assert "position.weight" not in run["parameter_name"].values
    assert "head.weight" not in run["parameter_name"].values
    run.close()
    capsys.readouterr()
    assert invoke(command, ["info", str(path)]) == 0
    assert "frozen     position.weight (5, 8)" in capsys.readouterr().out
    with pytest.raises(nndyn.NndynError, match=r"layers.frozen.position.weight.sha256 is .* asked"):
        nndyn.record(system(0.6), path, steps=5, perturb="all", resume=True)
    nndyn.record(system(), path, steps=5, perturb="all", resume=True).close()


def test_accuracy_is_over_the_labels_that_count(tmp_path):
    for left_out, loss in ((-100, "cross-entropy"), (0, nn.CrossEntropyLoss(ignore_index=0))):
        x, y = tokens(left_out)
        net = made(Language)
        system = nndyn.Training(net, (x, y), test=(x[3:9], y[3:9]), loss=loss, lr=0.1)
        found = record(tmp_path / f"{left_out}.nc", system, steps=2, replicas=1)
        with torch.no_grad():
            right = net.eval()(torch.as_tensor(x)).argmax(1).numpy() == y
        counts = y != left_out
        assert found["accuracy"][0, 0] == pytest.approx(right[counts].mean(), rel=1e-14)
        assert found["test_accuracy"][0, 0] == pytest.approx(
            right[3:9][counts[3:9]].mean(), rel=1e-14
        )


def test_embeddings_that_are_no_classes_have_no_accuracy(tmp_path):
    net = made(lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 7)))
    system = nndyn.Training(net, vectors(), loss=contrastive, lr=0.1)
    assert "accuracy" not in record(tmp_path / "r.nc", system, steps=2, replicas=1)


def test_a_loss_module_keeps_what_the_user_has():
    loss = nn.CrossEntropyLoss(weight=WEIGHTS.clone())
    system = nndyn.Training(perceptron(), vectors(), loss=loss, lr=0.1)
    loss.weight[:] = 0
    assert system.task.network.criterion.loss.weight.tolist() == [1.0, 2.0, 0.5]
    assert system.task.network.criterion.loss.weight.dtype == torch.float64
    assert loss.weight.dtype == torch.float32


def test_a_loss_with_weights_that_would_train_says_that_they_do_not():
    loss = Weighed()
    loss.temperature.requires_grad_()
    with pytest.warns(UserWarning, match="parameters of its own, temperature, which stay"):
        nndyn.Training(perceptron(), vectors(), loss=loss, lr=0.1)
