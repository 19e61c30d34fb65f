"""Trainings that go on from a file, from the command line."""

import numpy as np

import nndyn

TRAINING = ("record", "training", "--data", "iris", "--momentum", 0.9, "--replicas", 1)


def test_a_training_goes_on_from_a_recording(cli):
    assert cli(*TRAINING, "--steps", 12, "--state", "phase", "-o", "whole.nc")[0] == 0
    assert cli(*TRAINING, "--steps", 5, "-o", "a.nc", "--start", "whole.nc:7")[0] == 0
    with nndyn.open("whole.nc") as whole, nndyn.open("a.nc") as part:
        size = part.sizes["component"]
        np.testing.assert_array_equal(part["state"][:, 0], whole["state"][7:, 0, :size])
        np.testing.assert_array_equal(part["time"], whole["time"][7:])


def test_a_start_that_is_missing_is_said_in_a_line(cli):
    code, _, err = cli(*TRAINING, "--steps", 5, "-o", "a.nc", "--start", "nowhere.pt")
    assert code == 2
    assert "nowhere.pt is not there, expected the path of a checkpoint" in err
