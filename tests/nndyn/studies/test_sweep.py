"""A sweep: every recording is the one that `nndyn.record` makes, and studies go on and grow."""

from contextlib import suppress

import numpy as np
import pytest

import nndyn
from nndyn.errors import UsageError
from nndyn.systems.training.data import scikit_learn
from tests.nndyn.studies.small import (
    MAP,
    TRAINING,
    arrays,
    assert_same_arrays,
    assert_same_recordings,
    logistic,
    statuses,
    values,
)


def tent(slope, seed):
    """A map of the user's, another one for every seed."""
    start = [0.1 + 0.05 * seed]
    return nndyn.Map(lambda x: slope * np.minimum(x, 1 - x), 1, initial=start, name="mine")


def alone(tmp_path, system, seed, options):
    nndyn.record(system, tmp_path / "alone.nc", seed=seed, overwrite=True, **options).close()
    return values(tmp_path / "alone.nc")


def run_of(index, **at):
    return values(str(index["path"].sel(**at).item()))


def test_recordings_of_trainings_are_those_of_record(tmp_path):
    options = {k: v for k, v in TRAINING.items() if k not in ("model", "data")}
    index = nndyn.sweep(
        "training", tmp_path / "s", lr=[0.5, 2.0], optimizer=["sgd", "adam"], seeds=2, **TRAINING
    )
    assert dict(index.sizes) == {"lr": 2, "optimizer": 2, "seed": 2}
    assert statuses(index) == {"complete"}
    assert (index["steps"] == 30).all()
    for at in (
        {"lr": 2.0, "optimizer": "sgd", "seed": 1},
        {"lr": 0.5, "optimizer": "adam", "seed": 0},
    ):
        system = nndyn.Training(
            "mlp:4-8-3", "iris", lr=at["lr"], optimizer=at["optimizer"], seed=at["seed"]
        )
        expected = alone(tmp_path, system, at["seed"], options)
        assert_same_arrays(run_of(index, **at), expected)


def test_the_runs_of_a_batch_share_their_samples(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        "nndyn.studies.batch_run.record_batch", lambda systems, paths, **_: made.append(systems)
    )
    with suppress(KeyError):  # nothing was recorded
        nndyn.sweep("training", tmp_path / "s", lr=[0.5, 2.0], seeds=2, **TRAINING)
    first, *others = (system.task.training.x for system in made[0])
    assert len(others) == 3
    assert all(np.shares_memory(x, first) for x in others)


def test_the_rate_is_that_of_the_optimizer_where_none_is_given(tmp_path):
    index = nndyn.sweep("training", tmp_path / "s", optimizer=["sgd", "adam"], **TRAINING)
    lengths = [run_of(index, optimizer=o, seed=0)["step_length"][1, 0] for o in ("sgd", "adam")]
    system = nndyn.Training("mlp:4-8-3", "iris", lr=0.001, optimizer="adam")
    options = {k: v for k, v in TRAINING.items() if k not in ("model", "data")}
    assert alone(tmp_path, system, 0, options)["step_length"][1, 0] == lengths[1]
    assert lengths[0] != lengths[1]


@pytest.mark.parametrize(
    ("name", "grid", "make"),
    [
        ("henon", {"a": [1.2, 1.4]}, lambda a: nndyn.systems.henon(a=a)),
        ("lorenz63", {"dt": [0.01, 0.02]}, lambda dt: nndyn.systems.lorenz63(dt=dt)),
        ("cubic", {"lr": [1.5, 2.0]}, lambda lr: nndyn.systems.cubic(lr=lr)),
        (
            "coupled_logistic",
            {"sites": [4, 8]},
            lambda sites: nndyn.systems.coupled_logistic(sites=sites),
        ),
    ],
)
def test_recordings_of_systems_are_those_of_record(tmp_path, name, grid, make):
    index = nndyn.sweep(name, tmp_path / "s", seeds=2, **grid, **MAP)
    ((option, labels),) = grid.items()
    for label in labels:
        expected = alone(tmp_path, make(**{option: label}), 1, MAP)
        assert_same_arrays(run_of(index, **{option: label, "seed": 1}), expected)


def test_a_function_of_the_users_makes_the_systems(tmp_path):
    index = nndyn.sweep(tent, tmp_path / "s", slope=[1.5, 1.9], seeds=2, **MAP)
    assert index.attrs["system"] == "tent"
    for slope in (1.5, 1.9):
        expected = alone(tmp_path, tent(slope, 1), 1, MAP)
        assert_same_arrays(run_of(index, slope=slope, seed=1), expected)


def test_steps_and_other_options_of_the_recording_are_swept_too(tmp_path):
    index = logistic(tmp_path / "s", r=[4.0], steps=[100, 200], epsilon=[1e-8, 1e-6], seeds=1)
    assert statuses(index) == {"complete"}
    assert index["steps"].values.tolist() == [100, 200]
    recorded = index["steps_recorded"].sel(epsilon=1e-6, seed=0, r=4.0)
    assert recorded.values.tolist() == [100, 200]
    expected = alone(
        tmp_path, nndyn.systems.logistic(r=4.0), 0, {**MAP, "steps": 100, "epsilon": 1e-6}
    )
    assert_same_arrays(run_of(index, r=4.0, steps=100, epsilon=1e-6, seed=0), expected)


def test_the_same_command_again_records_nothing(tmp_path, monkeypatch):
    first = arrays(logistic(tmp_path / "s"))
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "s/cells").iterdir()}
    monkeypatch.setattr("nndyn.studies.batch_run.record_batch", None)
    told = []
    index = logistic(f"{tmp_path}/s/", progress=lambda done, total: told.append((done, total)))
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "s/cells").iterdir()} == stamps
    assert told == [(1200, 1200)]
    assert_same_recordings(arrays(index), first)


def test_progress_ends_at_all_steps_of_all_runs(tmp_path):
    told = []
    logistic(tmp_path / "s", progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 1200)
    assert told[-1] == (1200, 1200)
    assert told == sorted(told)


def test_a_missing_file_is_recorded_again(tmp_path):
    index = logistic(tmp_path / "s")
    first = arrays(index)
    gone = tmp_path / "s/cells/r=3.9_seed=1.nc"
    gone.unlink()
    assert str(nndyn.open_study(tmp_path / "s")["status"].sel(r=3.9, seed=1).item()) == "missing"
    assert_same_recordings(arrays(logistic(tmp_path / "s")), first)


def test_a_study_grows_in_values_seeds_and_steps(tmp_path):
    small = logistic(tmp_path / "s", r=[3, 4], seeds=1, steps=100)
    kept = {p.name for p in (tmp_path / "s/cells").iterdir()}
    ids = set(small["id"].values.ravel().tolist())
    with pytest.raises(UsageError, match=r"r has 2 values .* resume to let it grow, or overwrite"):
        logistic(tmp_path / "s", r=[3.0, 3.9, 4.0], seeds=1, steps=100)
    grown = logistic(tmp_path / "s", r=[3.0, 3.9, 4.0], seeds=2, steps=200, resume=True)
    assert grown.attrs["study_id"] == small.attrs["study_id"]
    names = {p.name for p in (tmp_path / "s/cells").iterdir()}
    assert kept < names
    assert len(names) == 6
    assert ids < set(grown["id"].values.ravel().tolist())
    whole = logistic(tmp_path / "whole", r=[3.0, 3.9, 4.0], seeds=2, steps=200)
    for place in ({"r": r, "seed": s} for r in (3.0, 3.9, 4.0) for s in (0, 1)):
        assert_same_arrays(run_of(grown, **place), run_of(whole, **place))
    with pytest.raises(UsageError, match="steps is 200 in the folder, 100 asked"):
        logistic(tmp_path / "s", r=[3.0, 3.9, 4.0], seeds=2, steps=100, resume=True)


def test_overwrite_leaves_nothing_of_the_study_before(tmp_path):
    (tmp_path / "s").mkdir()
    before = logistic(tmp_path / "s")
    before.nndyn.lyapunov()
    (tmp_path / "s/notes.txt").write_text("mine")
    after = logistic(tmp_path / "s", r=[3.7], seeds=1, overwrite=True)
    assert before.attrs["study_id"] != after.attrs["study_id"]
    assert [p.name for p in (tmp_path / "s/cells").iterdir()] == ["r=3.7_seed=0.nc"]
    assert list((tmp_path / "s/results").iterdir()) == []
    assert len(list((tmp_path / "s/batches").iterdir())) == 1
    assert (tmp_path / "s/notes.txt").read_text() == "mine"


def test_a_damaged_plan_can_be_overwritten(tmp_path):
    logistic(tmp_path / "s")
    (tmp_path / "s/study.json").write_text("{")
    assert statuses(logistic(tmp_path / "s", overwrite=True)) == {"complete"}


def test_runs_that_diverge_are_stopped_and_not_tried_again(tmp_path, monkeypatch):
    options = {**TRAINING, "activation": "relu", "loss": "mse", "init": "normal:3"}
    index = nndyn.sweep("training", tmp_path / "s", lr=[0.001, 1e90], **options)
    assert index["status"].values.ravel().tolist() == ["complete", "stopped"]
    assert "not finite" in str(index["reason"].sel(lr=1e90, seed=0).item())
    monkeypatch.setattr("nndyn.studies.batch_run.record_batch", None)
    again = nndyn.sweep("training", tmp_path / "s", lr=[0.001, 1e90], **options)
    assert again.equals(index)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resume": True, "overwrite": True}, "`resume` and `overwrite` exclude each other"),
        ({"workers": 2, "task": "1/2"}, "`workers`, `scheduler` and `task` exclude each other"),
        ({"workers": 0}, "workers is 0, expected a whole number, 1 or more"),
        ({"workers": True}, "workers is True, expected a whole number, 1 or more"),
        ({"task": "0/3"}, "task is '0/3', expected I/N with I from 1 to N, such as 1/3"),
        ({"task": "4/3"}, "task is '4/3', expected I/N"),
        ({"task": (1, 2, 3)}, "expected I/N"),
        ({"task": "1/3", "overwrite": True}, "every task would remove what the others recorded"),
        ({"task": 1}, "task is 1, expected I/N"),
    ],
)
def test_wrong_ways_to_run_are_refused_before_anything_is_made(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        logistic(tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()


def test_a_folder_that_is_none_or_something_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"folder .*deep does not exist; create it first"):
        logistic(tmp_path / "deep/s")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file is a file; name a folder"):
        logistic(tmp_path / "file")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.tex").write_text("")
    with pytest.raises(UsageError, match=r"is not empty and no study: there is thesis.tex in it"):
        logistic(tmp_path / "other")
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["thesis.tex"]
    with pytest.raises(UsageError, match="has no option 'q'"):
        logistic(tmp_path / "typo", q=1)
    assert not (tmp_path / "typo").exists()


def test_a_folder_is_made_and_one_that_was_left_before_its_plan_is_used(tmp_path):
    for part in ("cells", "batches", "results"):
        (tmp_path / "s" / part).mkdir(parents=True)
    (tmp_path / "s/.study.json.1.part").write_text("{")
    assert statuses(logistic(tmp_path / "s", r=[4.0])) == {"complete"}
    (tmp_path / "full/cells").mkdir(parents=True)
    (tmp_path / "full/cells/a.nc").write_text("")
    with pytest.raises(UsageError, match="is not empty and no study: there is cells in it"):
        logistic(tmp_path / "full", r=[4.0])


def test_samples_that_all_batches_name_are_read_once(tmp_path, monkeypatch):
    read, asked = scikit_learn.read, []
    monkeypatch.setattr(scikit_learn, "read", lambda name: asked.append(name) or read(name))
    options = {**TRAINING, "steps": 2}
    nndyn.sweep("training", tmp_path / "s", optimizer=["sgd", "adam"], lr=0.1, seeds=1, **options)
    assert asked == ["iris"] * 2  # to plan the study, and for both of its batches
