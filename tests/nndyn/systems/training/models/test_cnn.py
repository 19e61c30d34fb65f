"""The spec of a convolutional network."""

import numpy as np
import pytest
import torch
from torch import nn

from nndyn.errors import UnknownNameError, UsageError
from nndyn.systems.training.models.build import build

X = np.random.default_rng(0).random((9, 3 * 9 * 6))
Y = np.arange(9) % 4


def test_a_spec_is_convolutions_activations_averages_and_one_linear_map():
    found = build("cnn:5-7", X, Y, image=(3, 9, 6), activation="gelu")
    by_hand = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),
        nn.GELU(),
        nn.AvgPool2d(2),
        nn.Conv2d(5, 7, 3, padding=1),
        nn.GELU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(7 * 2 * 1, 4),
    ).double()
    assert found.label == "cnn:5-7"
    assert found.size == sum(value.numel() for value in by_hand.parameters())
    nn.utils.vector_to_parameters(torch.as_tensor(found.initial), by_hand.parameters())
    x = torch.as_tensor(X).view(-1, 3, 9, 6)
    with torch.no_grad():
        torch.testing.assert_close(found.module(found.batch(X, Y).x), by_hand(x), rtol=0, atol=0)


def test_weights_are_normal_and_biases_zero_unless_asked():
    found = build("cnn:30", X, Y, image=(3, 9, 6), seed=1)
    parts = {p.name: found.initial[p.start : p.start + p.size] for p in found.parameters}
    biases = [
        values for place in found.parameters if place.is_bias for values in [parts[place.name]]
    ]
    assert len(biases) == 2
    assert not np.concatenate(biases).any()
    assert parts["0.weight"].std() == pytest.approx(1, rel=0.1)
    assert parts["4.weight"].std() == pytest.approx(1, rel=0.1)
    assert not np.array_equal(found.initial, build("cnn:30", X, Y, image=(3, 9, 6), seed=2).initial)


def test_classes_and_targets_give_the_width_of_the_output():
    images = X.reshape(9, 3, 9, 6)
    assert build("cnn:2", images, Y).output == (4,)
    assert build("cnn:2", images, Y, classes=6).output == (6,)
    assert build("cnn:2", images, X[:, :5], loss="mse").output == (5,)


@pytest.mark.parametrize(
    ("spec", "image", "message"),
    [
        ("cnn:", (3, 9, 6), "model 'cnn:' is not a spec; give cnn: and the channels"),
        ("cnn:8-0", (3, 9, 6), "is not a spec"),
        ("cnn:8", None, r"takes images; give x as \(samples, channels, height, width\)"),
        ("cnn:1-1-1", (3, 9, 6), "halves its images 3 times, and they have 9 x 6 pixels"),
    ],
)
def test_specs_that_do_not_fit_are_refused(spec, image, message):
    with pytest.raises(UsageError, match=message):
        build(spec, X, Y, image=image)


def test_an_unknown_activation_lists_the_known():
    with pytest.raises(UnknownNameError, match="activation is 'swish', expected 'tanh'"):
        build("cnn:8", X, Y, image=(3, 9, 6), activation="swish")
