"""Seconds of many steps, from a trial that is no longer than it has to be."""

import pytest

from recorders.trials import timing


@pytest.mark.parametrize("step", [1e-5, 4e-3, 1.0])
def test_a_trial_of_a_steady_loop_tells_its_time_in_little_more_than_it_is_to_take(
    step, monkeypatch
):
    clock = [0.0]

    def run(n):
        clock[0] += n * step

    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    assert timing.seconds(run, 10**6) == pytest.approx(10**6 * step)
    assert clock[0] < 3 * step + 0.4


def test_no_more_steps_are_tried_than_there_are(monkeypatch):
    tried = []
    timing.seconds(tried.append, 3)
    assert sum(tried) <= 1 + 2 + 3
