"""A function that makes systems is searched as a training is; what it must do is said."""

from functools import partial

import cloudpickle
import numpy as np
import pytest
import torch

import nndyn
from nndyn.errors import UsageError
from nndyn.finder.request import asked_of
from tests.nndyn.finder.loops import make, tiny

#: Coarse, so that it takes seconds.
CALL = {"lr": (0.5, 20.0), "steps": 30, "seeds": 6, "replicas": 2, "precision": 2.0}
CALL |= {"threshold": 0.8}
NUMBERS = ("onset", "recommended", "training_time_at_onset", "training_time_below", "steps_spent")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "runs"
    return nndyn.find_onset(make, path=folder, **CALL), folder


@pytest.mark.slow
def test_a_loop_has_the_onset_of_the_training_that_it_states(own):
    found, _ = own
    training = nndyn.find_onset("mlp:4-8-3", "iris", **CALL)
    assert training.attrs["verdict"] in ("found", "imprecise")
    low, high = training["onset_ci"].values
    assert low < float(found["onset"]) < high
    for name in NUMBERS:
        assert float(found[name]) == pytest.approx(float(training[name]), rel=1e-3), name
    assert found.suggestion() == float(found["recommended"])


@pytest.mark.slow
def test_the_same_call_goes_on_in_its_folder_without_a_run(own):
    found, folder = own
    lines = []
    again = nndyn.find_onset(make, path=folder, say=lines.append, **CALL)
    assert lines == []
    assert again.equals(found)
    assert nndyn.open_study(folder).attrs["system"] == "make"


def test_a_function_that_was_changed_since_is_not_mixed_with_its_former_runs(tmp_path):
    call = {**CALL, "budget": 90}
    nndyn.find_onset(make, path=tmp_path / "runs", **call)

    def changed(lr, seed):
        return make(lr, seed, evaluated="loss") if seed else tiny(lr, seed)

    changed.__name__ = "make"
    with pytest.raises(UsageError, match=r"holds runs of another make, different in .*weights"):
        nndyn.find_onset(changed, path=tmp_path / "runs", **call)


@pytest.mark.slow  # as of a Training, in tests/nndyn/test_finder.py
def test_no_growth_within_the_bounds_is_a_null_with_the_reason():
    call = {**CALL, "lr": (0.1, 0.3), "seeds": 3}
    found = nndyn.find_onset(tiny, **call)
    assert found.attrs["verdict"] == "above the grid"
    assert found.suggestion() is None
    assert "no onset" in found["recommended"].attrs["note"]


def test_a_function_may_make_a_training_and_take_options_of_its_own():
    def training(lr, seed, width):
        return nndyn.Training(f"mlp:4-{width}-3", "iris", lr=lr, seed=seed)

    call = {**CALL, "budget": 90, "tangents": 1}
    found = nndyn.find_onset(training, width=6, **call)
    assert found.attrs["verdict"] == "unresolved"
    assert found.suggestion() is None
    with pytest.raises(UsageError, match="training has no option 'wide'; known: lr, width"):
        nndyn.find_onset(training, wide=6, **call)


@pytest.mark.parametrize("function", [partial(tiny, draw=True), lambda lr, seed: tiny(lr, 0)])
def test_what_is_made_elsewhere_is_the_same(function):
    """As processes get it, and as it is when it is made anew."""
    asked = asked_of(function, None, (0.1, 1.0), 30, 0, {})
    twin = cloudpickle.loads(cloudpickle.dumps(asked))
    systems = [one.recipe.make({"lr": 0.5}, 3) for one in (asked, twin)]
    assert systems[0].describe() == systems[1].describe()


@pytest.mark.parametrize(
    ("function", "warned"),
    [
        (tiny, False),
        pytest.param(lambda lr, seed: tiny(lr, 0), True, marks=pytest.mark.slow),
        (lambda lr: tiny(lr, 0), True),
    ],
    ids=["drawn", "not drawn", "no seed"],
)
def test_seeds_that_begin_at_the_same_weights_are_a_warning(function, warned):
    call = {**CALL, "budget": 90, "lr": (0.1, 0.2)}
    said = nndyn.find_onset(function, **call).attrs["warnings"]
    assert ("all seeds begin at the same weights" in said) is warned


def fails(lr, seed):
    raise KeyError("no such file")


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (make, {"lr": None}, r"lr is not given.*such as lr=\(0.01, 10\)"),
        (make, {"data": "iris"}, "data is given beside a function that makes systems"),
        (make, {"momentum": 0.9}, "make has no option 'momentum'; known: lr, dtype"),
        (lambda seed: None, {}, "a function without a parameter `lr`"),
        (torch.nn.Linear, {}, "Linear, a function without a parameter `lr`"),
        (print, {}, "print, a function without a parameter `lr`"),
        (fails, {}, "fails failed: KeyError: 'no such file'"),
        (lambda lr, seed: None, {}, "returned NoneType, expected a system: nndyn.Loop"),
        (partial(tiny, draw=False), {}, r"different in its initial weights.*manual_seed\(seed\)"),
        (partial(tiny, rate=0.5), {}, "the same system at lr=0.5 and at lr=20, to the last bit"),
        (make, {"dtype": torch.float32}, "epsilon 1e-08 is below the rounding of float32"),
        (make, {"evaluate": [1, 2]}, "evaluate is a grid; sweep it instead"),
    ],
    ids=lambda value: "" if callable(value) else None,
)
def test_what_makes_no_sense_is_refused_before_a_run(tmp_path, function, options, message):
    with pytest.raises(UsageError, match=message):
        nndyn.find_onset(function, path=tmp_path / "runs", **{**CALL, **options})
    assert not (tmp_path / "runs").exists()


def test_a_narrow_loop_is_searched_with_an_epsilon_that_it_can_hold():
    narrow = {"dtype": torch.float32, "epsilon": 1e-4, "evaluated": "loss"}
    found = nndyn.find_onset(make, **{**CALL, "budget": 90, **narrow})
    assert int(found["runs"]) == 3
    assert np.isnan(found["recommended"])
