"""Which known name is meant by one that is not known."""

import pytest

from nndyn.options import CHOICES
from nndyn.systems.training.data import loading
from nndyn.systems.training.optimizers import arguments
from nndyn.systems.training.perceptron import activations, losses
from nndyn.systems.training.torch_state.device import DTYPES
from nndyn.words.names import OPTIONS, did_you_mean, meant


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("lyapunv", ("lyapunov", "learning"), ["lyapunov"]),
        ("lyap", ("lyapunov", "learning"), ["lyapunov"]),
        ("RQA", ("lyapunov", "recurrence"), ["recurrence"]),
        ("weight_decay", ("weight-decay",), ["weight-decay"]),
        ("entropy", ("lyapunov", "learning"), []),
        (3.5, ("lyapunov",), []),
        ("", ("lyapunov",), []),
    ],
)
def test_a_name_is_known_by_its_spelling_or_its_meaning(name, known, expected):
    assert meant(name, known) == expected


def test_of_several_meanings_the_first_that_is_known_counts():
    assert meant("eps", ("radius", "epsilon"), OPTIONS) == ["epsilon"]
    assert meant("eps", ("radius", "norm"), OPTIONS) == ["radius"]


def test_a_message_ends_with_a_question_or_not_at_all():
    assert did_you_mean("adma", ("sgd", "adam")) == "; did you mean 'adam'?"
    assert did_you_mean("lion", ("sgd", "adam")) == ""


def test_names_for_completion_are_those_that_options_take():
    assert CHOICES["data"] == loading.NAMES
    assert CHOICES["activation"] == tuple(activations.ACTIVATIONS)
    assert CHOICES["loss"] == tuple(losses.LOSSES)
    assert CHOICES["dtype"] == tuple(DTYPES)
    assert CHOICES["optimizer"] == tuple(arguments.OPTIMIZERS)
