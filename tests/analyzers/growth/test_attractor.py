import numpy as np
import pytest

from analyzers.growth.attractor import attractor
from tests.analyzers.synthetic import piecewise, recording, twins


def logistic(r):
    return lambda x: r * x * (1.0 - x)


def ends(r, **options):
    return attractor(twins(logistic(r), 0.3, 400, replicas=1, discard=2000, **options))


@pytest.mark.parametrize(
    ("r", "name", "period"),
    [
        (2.8, "fixed point", 1),
        (3.2, "cycle of period 2", 2),
        (3.5, "cycle of period 4", 4),
        (3.83, "cycle of period 3", 3),
        (4.0, "none", 0),
    ],
)
def test_attractors_of_the_logistic_map_are_recognised(r, name, period):
    assert ends(r) == (name, period)


def test_approach_to_a_fixed_point_counts_before_it_is_exact():
    run = twins(lambda x: 0.9 * x, 1.0, 200, replicas=1)
    assert attractor(run) == ("fixed point", 1)
    assert attractor(run.drop_vars("state")) == ("fixed point", 1)


def only(lengths, loss=None):
    s = piecewise([0.0], [], len(lengths) - 1)
    return attractor(recording(np.exp(s), step_length=lengths, loss=loss))


def test_slowly_shrinking_steps_are_neither_rest_nor_cycle():
    lengths = np.concatenate([[0.0, 200.0, 100.0], 1.9e-4 * (1.0 - 2e-4) ** np.arange(300)])
    assert only(lengths) == ("none", 0)


def test_vanished_steps_are_a_fixed_point():
    assert only(np.concatenate([np.ones(50), np.zeros(50)])) == ("fixed point", 1)


def test_cycles_show_in_step_lengths_and_loss():
    assert only(np.tile([1.0, 2.0, 3.0], 60)) == ("cycle of period 3", 3)
    assert only(np.ones(180), loss=np.tile([0.1, 0.2], 90)) == ("cycle of period 2", 2)
    assert only(np.ones(180), loss=np.ones(180)) == ("cycle of period 2", 2)


def test_equal_steps_alone_say_nothing():
    assert only(np.ones(180)) == ("unknown", -1)


def test_without_state_and_steps_it_is_unknown():
    assert attractor(recording(np.exp(piecewise([0.0], [], 50)))) == ("unknown", -1)
