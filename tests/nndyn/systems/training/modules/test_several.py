"""Models that take several arrays, in order or by name, against plain loops."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nndyn.errors import UsageError
from nndyn.systems.training import Training

GENERATOR = torch.Generator().manual_seed(0)
TOKENS = torch.randint(0, 11, (40, 6), generator=GENERATOR)
MASK = torch.rand(40, 6, generator=GENERATOR) > 0.3
LABELS = (TOKENS * MASK).sum(1) % 3
EXTRA = torch.randn(40, 2, dtype=torch.float64, generator=GENERATOR)
BATCH = {"input_ids": TOKENS, "attention_mask": MASK, "labels": LABELS}


@dataclass
class Output:
    """What models of Hugging Face return."""

    loss: torch.Tensor | None
    logits: torch.Tensor


class Classifier(nn.Module):
    """A mean of embeddings, of what is not masked."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, input_ids, attention_mask, labels=None):
        weight = attention_mask.to(self.head.weight.dtype)[..., None]
        logits = self.head(torch.tanh((self.embed(input_ids) * weight).sum(1)))
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        return Output(loss, logits)


class Two(nn.Module):
    """Takes numbers and tokens."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 3)
        self.head = nn.Linear(5, 3)

    def forward(self, numbers, tokens):
        return self.head(torch.cat([numbers, self.embed(tokens).mean(1)], 1))


def made(kind):
    torch.manual_seed(3)
    return kind().double()


def plain(net, system, loss, steps=25):
    """What torch makes of it."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for t in range(steps):
        optimizer.zero_grad()
        loss(net, torch.from_numpy(system.order.rows(t))).backward()
        optimizer.step()
    return nn.utils.parameters_to_vector(net.parameters()).detach().numpy()


def of_returned(net, rows):
    return net(**{name: part[rows] for name, part in BATCH.items()}).loss


def smoothed(output, batch):
    return functional.cross_entropy(output.logits, batch["labels"], label_smoothing=0.1)


def of_smoothed(net, rows):
    batch = {name: part[rows] for name, part in BATCH.items()}
    return smoothed(net(**batch), batch)


def of_two(net, rows):
    return functional.cross_entropy(net(EXTRA[rows], TOKENS[rows]), LABELS[rows])


CASES = {
    "the loss of the model": (Classifier, BATCH, {}, of_returned),
    "a loss of the batch": (Classifier, BATCH, {"loss": smoothed}, of_smoothed),
    "two in order": (Two, (EXTRA, TOKENS, LABELS), {}, of_two),
    "two by name, and targets": (Two, ({"numbers": EXTRA, "tokens": TOKENS}, LABELS), {}, of_two),
}


@pytest.mark.parametrize("size", [None, 16])
@pytest.mark.parametrize("case", CASES)
def test_they_are_trained_as_by_torch(case, size):
    kind, data, more, loss = CASES[case]
    system = Training(made(kind), data, test=data, lr=0.1, momentum=0.9, batch_size=size, **more)
    rows = system.initial()[None].repeat(3, 0)
    rows[1, :5] += 1e-8
    block = system.advance(rows, 0, 25, range(25), evaluate=[0, 24])
    net = made(kind)
    expected = plain(net, system, loss)
    np.testing.assert_allclose(block.phase[0, : len(expected)], expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(block.phase[0], block.phase[2])
    here = float(loss(made(kind), torch.arange(40)).detach())
    np.testing.assert_allclose(block.evaluations["test_loss"][0, 0], here, rtol=1e-12)
    np.testing.assert_allclose(block.evaluations["loss"][0, 0], here, rtol=1e-12)
    assert (block.evaluations["distance_output"][:, 1] > 0).all()
    assert ("accuracy" in block.evaluations) == (kind is Two)


def test_tangents_are_differences_of_runs():
    system = Training(made(Classifier), BATCH, lr=0.1, momentum=0.9, batch_size=16)
    start = system.initial()
    vectors = np.zeros((system.dimension, 1))
    vectors[:, 0] = np.random.default_rng(0).standard_normal(system.dimension)
    vectors /= np.linalg.norm(vectors)
    _, logs = system.push(start, vectors, 0, 6, [6])
    moved = np.stack([start, start + 1e-6 * vectors[:, 0], start - 1e-6 * vectors[:, 0]])
    after = system.advance(moved, 0, 6, ()).phase
    expected = np.log(np.linalg.norm(after[1] - after[2]) / 2e-6)
    assert logs[0, 0] == pytest.approx(expected, rel=1e-6)


def test_the_description_tells_the_parts_and_their_numbers():
    one = Training(made(Classifier), BATCH, lr=0.1).describe()
    other = Training(made(Classifier), {**BATCH, "attention_mask": ~MASK}, lr=0.1).describe()
    assert one["train"]["x"] == {"input_ids": [40, 6], "attention_mask": [40, 6], "labels": [40]}
    assert one["train"]["sha256"] != other["train"]["sha256"]
    assert one["loss"].endswith("returned_loss")


@pytest.mark.parametrize(
    ("model", "data", "more", "message"),
    [
        (Classifier, {}, {}, "data is an empty dict"),
        (Classifier, {**BATCH, "labels": LABELS[:5]}, {}, "labels has 5 rows and input_ids has 40"),
        (Classifier, {**BATCH, "labels": ["a"] * 40}, {}, "labels has dtype <U1, expected real"),
        (Classifier, {**BATCH, "other": LABELS}, {}, "unexpected keyword argument 'other'"),
        (
            Classifier,
            {"input_ids": TOKENS, "attention_mask": MASK},
            {},
            "returns a Output without a loss; give it labels",
        ),
        (Classifier, BATCH, {"loss": "mse"}, "data is a dict, which goes whole to the model"),
        (Classifier, BATCH, {"test": (TOKENS, LABELS)}, "test has x and data has input_ids"),
        (lambda: "mlp:6-3", BATCH, {}, "takes one array of samples"),
        (Two, (EXTRA, TOKENS[:9], LABELS), {}, "x2 has 9 rows and x1 has 40"),
        (Two, (EXTRA, TOKENS, LABELS[:9]), {}, r"y has shape \(9,\) and x has 40 rows"),
    ],
)
def test_what_does_not_fit_is_refused(model, data, more, message):
    with pytest.raises(UsageError, match=message):
        Training(model() if callable(model) else model, data, lr=0.1, **more)
