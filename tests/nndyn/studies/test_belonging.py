"""A recording in the place of another run of its study is told apart, and never believed."""

import json
import os
import shutil

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.errors import RecordingError
from nndyn.finder.runs import Adaptive
from nndyn.store import facts, sealed
from nndyn.studies.analysis import analyze_study
from nndyn.studies.belonging import foreign
from nndyn.studies.folder import Folder
from nndyn.studies.request import request
from tests.nndyn.studies.small import MAP, TRAINING, logistic, statuses, values


def of(index, name, **at):
    return str(index[name].sel(**at).item())


def copied(study, *, like_the_original=False, notes=True):
    """Copy the run at r 3.5 over that at 4; return the file."""
    source, target = (study / f"cells/r={r}_seed=1.nc" for r in ("3.5", "4"))
    before = target.stat()
    shutil.copyfile(source, target)
    if like_the_original:
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    if not notes:
        for note in (study / "batches").iterdir():
            note.unlink()
    return target


@pytest.mark.parametrize("notes", [True, False])
def test_a_recording_copied_over_another_run_is_named_with_what_is_different(study, notes):
    file = copied(study, notes=notes)
    index = nndyn.open_study(study)
    assert of(index, "status", r=4.0, seed=1) == "foreign"
    assert int((index["status"] == "complete").sum()) == 5
    reason = of(index, "reason", r=4.0, seed=1)
    assert reason.startswith(f"{file} is not the recording of its run: ")
    assert "r is 3.5 in the file, 4.0 in the plan" in reason
    assert ("its recording_id is" in reason) is notes
    assert reason.endswith("put the right one in its place, or move it away and sweep again")
    result = analyze_study(study, "lyapunov")
    assert of(result, "cell_verdict", r=4.0, seed=1) == ""
    assert any(reason in warning for warning in json.loads(result.attrs["warnings"]))


def test_a_copy_with_length_and_time_of_the_original_is_not_analyzed(study):
    target = copied(study, like_the_original=True)
    if target.stat().st_size != (study / "cells/r=3.5_seed=1.nc").stat().st_size:
        pytest.skip("the two have not the same length")
    result = analyze_study(study, "lyapunov")
    assert of(result, "cell_verdict", r=4.0, seed=1) == ""
    failure = of(result, "cell_failure", r=4.0, seed=1)
    assert failure.startswith(f"{target} is not the recording of its run: ")


@pytest.mark.parametrize("resume", [True, False])
def test_a_sweep_goes_on_with_no_recording_of_another_run(study, resume):
    file = copied(study)
    content = file.read_bytes()
    for _ in range(2):
        index = logistic(study, r=(3.5, 3.9, 4.0), seeds=2 + resume, resume=resume)
        assert of(index, "status", r=4.0, seed=1) == "failed"
        assert "r is 3.5 in the file, 4.0 in the plan" in of(index, "reason", r=4.0, seed=1)
        assert int((index["status"] == "complete").sum()) == 5 + 3 * resume
        assert file.read_bytes() == content


def test_the_run_is_recorded_anew_where_the_other_was_moved_away(study):
    expected = values(study / "cells/r=4_seed=1.nc")
    file = copied(study)
    logistic(study)
    file.unlink()
    index = logistic(study)
    assert statuses(index) == {"complete"}
    for name, value in values(file).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert statuses(nndyn.open_study(study)) == {"complete"}


def test_the_run_counts_again_where_its_own_recording_was_put_back(study, tmp_path):
    shutil.copy2(study / "cells/r=4_seed=1.nc", tmp_path / "kept.nc")
    file = copied(study)
    logistic(study)
    shutil.copy2(tmp_path / "kept.nc", file)
    assert statuses(logistic(study)) == {"complete"}


def test_a_run_made_anew_and_killed_is_gone_on_with(study, monkeypatch):
    """Its file was removed: its new identity is no reason to refuse it."""
    file = study / "cells/r=4_seed=1.nc"
    file.unlink()

    def killed(self, batch, known):
        if file.exists():
            raise KeyboardInterrupt
        real(self, batch, known)

    real = Folder.note
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "note", killed)
        with pytest.raises(KeyboardInterrupt):
            logistic(study)
    assert file.exists()
    assert statuses(nndyn.open_study(study)) == {"complete"}
    assert statuses(logistic(study)) == {"complete"}


def test_a_study_copied_without_its_times_is_what_it_was(study, tmp_path):
    shutil.copytree(study, tmp_path / "copy", copy_function=shutil.copyfile)
    assert statuses(nndyn.open_study(tmp_path / "copy")) == {"complete"}


def test_notes_of_earlier_versions_are_read(study):
    for note in (study / "batches").iterdir():
        tree = json.loads(note.read_text())
        del tree["sha256"]
        for one in tree.values():
            del one["mtime"]
        note.write_text(json.dumps(tree))
    index = nndyn.open_study(study)
    assert statuses(index) == {"complete"}
    copied(study)
    assert of(nndyn.open_study(study), "status", r=4.0, seed=1) == "foreign"


GRIDS = [
    ("training", {**TRAINING, "lr": [0.1, 1], "optimizer": ["sgd", "adam"], "init": ["default"]}),
    ("training", {**TRAINING, "momentum": [0.0, 0.5], "model": ["mlp:4-6-3", "mlp:4-8-3"]}),
    ("training", {**TRAINING, "batch_size": [16, 100], "weight_decay": 0.1, "data": ["iris"]}),
    ("training", {**TRAINING, "steps": [3.0, 6.0], "tangents": 2, "activation": ["relu"]}),
    ("henon", {"steps": 20, "a": [1.2, 1.4], "b": 0.3, "discard": 10, "rescale": [3, 5]}),
    ("lorenz63", {"steps": 20, "dt": [0.01, 0.005], "epsilon": 1e-6, "store": ["full", "every:2"]}),
    ("separable", {"steps": 20, "replicas": [1, 2], "tangents": ["all"], "evaluate": 3}),
]


@pytest.mark.parametrize(("system", "options"), GRIDS)
def test_the_recordings_of_a_sweep_belong_to_it(tmp_path, system, options):
    nndyn.sweep(system, tmp_path / "s", **options)
    for note in (tmp_path / "s/batches").iterdir():
        note.unlink()
    assert statuses(nndyn.open_study(tmp_path / "s")) == {"complete"}


def test_a_recording_of_another_seed_is_foreign(study):
    folder = Folder(study)
    planned = folder.design()
    cells = {(cell.at["r"], cell.at["seed"]): cell for cell in planned.cells}
    file = folder.recording(cells[4.0, 1])
    assert foreign(file, planned, cells[4.0, 1], {}, facts(file)) == ""
    said = foreign(file, planned, cells[4.0, 0], {}, facts(file))
    assert "seed is 1 in the file, 0 in the plan" in said


def test_a_function_may_name_its_options_as_it_likes(tmp_path):
    def made(r, lr):
        return nndyn.systems.logistic(r=2 * r + lr)

    index = nndyn.sweep(made, tmp_path / "s", r=[1.9, 1.95], lr=0.1, **MAP)
    for note in (tmp_path / "s/batches").iterdir():
        note.unlink()
    assert statuses(nndyn.open_study(tmp_path / "s")) == statuses(index) == {"complete"}


@pytest.mark.parametrize("part", ["study.json", "batches/*.json"])
def test_a_plan_or_a_note_that_was_changed_is_refused(study, part):
    (file,) = study.glob(part)
    text = file.read_text()
    file.write_text(text.replace("200", "201").replace("complete", "stopped"))
    with pytest.raises(RecordingError, match=r"is not what was written: its checksum differs; "):
        nndyn.open_study(study)
    tree = sealed.read(text, says="", cure="")
    file.write_text(json.dumps(tree))  # as earlier versions wrote it
    assert statuses(nndyn.open_study(study)) == {"complete"}


def test_kept_results_that_were_changed_are_made_anew(study):
    import netCDF4

    expected = analyze_study(study, "lyapunov")
    (kept,) = (study / "results").iterdir()
    sound = kept.read_bytes()
    for change in ("value", "checksum"):
        kept.write_bytes(sound)
        with netCDF4.Dataset(kept, "r+") as nc:
            if change == "value":
                nc["lyapunov_max"][0] = 7.0
            else:
                nc.delncattr("sha256")
        assert analyze_study(study, "lyapunov").identical(expected)
    kept.write_bytes(sound)
    before = kept.stat().st_mtime_ns
    assert analyze_study(study, "lyapunov").identical(expected)
    assert kept.stat().st_mtime_ns == before


def test_a_search_does_not_believe_the_recording_of_another_run(tmp_path):
    asked = request("training", {**TRAINING, "steps": 6}, seeds=1)
    points = [{"lr": 0.1, "seed": 0}, {"lr": 2.0, "seed": 0}]
    runs = Adaptive(Folder(tmp_path / "s"), asked)
    runs.record(points, 6)
    assert runs.lacking(points, 6) == 0
    cells = tmp_path / "s/cells"
    shutil.copyfile(cells / "lr=0.1_seed=0.nc", cells / "lr=2_seed=0.nc")
    again = Adaptive(Folder(tmp_path / "s"), asked)
    assert again.lacking(points, 6) == 6
    with pytest.raises(RecordingError, match=r"lr is 0\.1 in the file, 2\.0 in the plan"):
        again.record(points, 6)
    (cells / "lr=2_seed=0.nc").unlink()
    again.record(points, 6)
    assert again.lacking(points, 6) == 0


def test_a_recording_of_another_model_is_foreign_without_a_note_too(tmp_path):
    models = ["mlp:4-3-3", "mlp:4-5-3"]
    nndyn.sweep("training", tmp_path / "s", **{**TRAINING, "model": models, "lr": 0.1})
    one, other = sorted((tmp_path / "s" / "cells").glob("*.nc"))
    shutil.copyfile(one, other)
    for note in (tmp_path / "s" / "batches").iterdir():
        note.unlink()
    index = nndyn.open_study(tmp_path / "s")
    assert sorted(index["status"].values.ravel()) == ["complete", "foreign"]


def test_what_another_program_wrote_anew_is_foreign(study):
    file = study / "cells/r=4_seed=1.nc"
    with xr.open_dataset(file) as run:
        run.load().assign(distance_l2=2.0 * run["distance_l2"]).to_netcdf(study / "anew.nc")
    (study / "anew.nc").replace(file)
    index = nndyn.open_study(study)
    assert of(index, "status", r=4.0, seed=1) == "foreign"
    assert "another program wrote it anew" in of(index, "reason", r=4.0, seed=1)
