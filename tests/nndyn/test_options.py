"""One table of options: what Python and the command line take is what it says."""

import inspect

import pytest

import nndyn
from nndyn.cli.record import record as command
from nndyn.options import OPTIONS, RECORDING, TRAINING
from nndyn.systems.recipe import Recipe

ROWS = {row.name: row for row in OPTIONS}


def defaults(function, *apart):
    return {
        name: None if found.default is found.empty else found.default
        for name, found in inspect.signature(function).parameters.items()
        if name not in apart
    }


def test_the_signature_of_record_is_the_table():
    taken = defaults(nndyn.record, "system", "path", "resume", "overwrite", "mix", "take_over")
    taken = {k: v for k, v in taken.items() if k not in ("progress", "options")}
    rows = {row.name: row.default for row in OPTIONS if row.group in ("recording", "run")}
    rows |= {"sharpness": None, "quadratic_model": False}
    assert taken == rows


def test_the_signature_of_training_is_the_table():
    taken = defaults(nndyn.Training)
    rows = {row.name: row.default for row in OPTIONS if row.group in ("training", "run")}
    assert taken == rows | {"data": None}  # Python has no data unless they are given


@pytest.mark.parametrize("kind", ["training", "map", "flow", "gd"])
def test_a_command_has_what_the_table_says(kind):
    there = {option.name for option in command.commands[kind].params}
    given = {row.name for row in OPTIONS if row.kind}
    if kind != "training":
        given -= {*TRAINING, "sharpness", "critical_sharpness", "barrier", "quadratic_model"}
    assert {"no_control" if name == "control" else name for name in given} <= there


def test_a_study_has_the_same_options():
    Recipe("training").check(dict.fromkeys((*TRAINING, *RECORDING), None))


def test_no_option_is_there_twice():
    assert len(ROWS) == len(OPTIONS)
