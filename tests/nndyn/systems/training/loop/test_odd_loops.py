"""Loops that are rare, and right all the same."""

import numpy as np

import nndyn
from tests.nndyn.systems.training.loop import loops


def record(made, path, *, steps=20, epsilon=1e-3, **options):
    return nndyn.record(made.system(), path, steps=steps, replicas=2, epsilon=epsilon, **options)


def test_what_a_step_says_has_no_gap_where_a_finished_recording_goes_on(tmp_path):
    whole = record(loops.sgd(), tmp_path / "whole.nc")
    record(loops.sgd(), tmp_path / "parts.nc", steps=13).close()
    parts = record(loops.sgd(), tmp_path / "parts.nc", resume=True)
    np.testing.assert_array_equal(parts["batch_time"], whole["batch_time"])
    np.testing.assert_array_equal(parts["batch_loss"], whole["batch_loss"])
    whole.close()
    parts.close()
