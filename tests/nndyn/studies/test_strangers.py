"""A study that a stranger made: nothing outside it is written, nothing is waited for."""

import os
import time
import warnings
from pathlib import Path

import netCDF4
import pytest

import nndyn
from nndyn.errors import RecordingError, StoreError
from nndyn.store import sealed
from nndyn.studies import plan
from nndyn.studies.analysis import analyze_study
from nndyn.studies.folder import Folder
from nndyn.studies.index import locate
from tests.nndyn.studies.small import logistic


def replaced_by_a_link(folder: Path, to: Path) -> None:
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()
    folder.symlink_to(to)


def test_results_are_not_kept_where_a_link_leads(study, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    replaced_by_a_link(study / "results", home)
    with pytest.warns(UserWarning, match=r"are not kept: .*results is a link"):
        found = analyze_study(study, "lyapunov")
    assert os.listdir(home) == []
    assert (found["cell_verdict"] != "").all()


@pytest.mark.parametrize("part", ["cells", "batches", "results"])
def test_a_study_is_not_gone_on_with_through_a_link(study, tmp_path, part):
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings.json").write_text("{}")
    replaced_by_a_link(study / part, home)
    for more in ({"overwrite": True}, {"resume": True})[: 1 if part == "results" else 2]:
        with pytest.raises(StoreError, match=f"{part} is a link, through which nothing"):
            logistic(study, **more)
    assert os.listdir(home) == ["settings.json"]


def test_a_link_that_has_the_name_of_kept_results_is_replaced(study, tmp_path):
    analyze_study(study, "lyapunov")
    (kept,) = (study / "results").iterdir()
    (tmp_path / "thesis").write_text("the only copy")
    kept.unlink()
    kept.symlink_to(tmp_path / "thesis")
    analyze_study(study, "lyapunov")
    assert (tmp_path / "thesis").read_text() == "the only copy"
    assert not kept.is_symlink()


def test_a_pipe_among_the_files_of_a_study_is_waited_for_by_nobody(study):
    analyze_study(study, "lyapunov")
    (kept,) = (study / "results").iterdir()
    kept.unlink()
    os.mkfifo(kept)
    with pytest.warns(UserWarning, match="are not kept"):
        analyze_study(study, "lyapunov")
    cell = next(iter((study / "cells").iterdir()))
    cell.unlink()
    os.mkfifo(cell)
    index = nndyn.open_study(study)
    at = index["path"].values == str(cell)
    assert index["status"].values[at].tolist() == ["damaged"]
    assert "is a pipe" in index["reason"].values[at].item()
    note = next(iter((study / "batches").glob("*.json")))
    note.unlink()
    os.mkfifo(note)
    with pytest.raises(RecordingError, match=r"it is a pipe, .*; remove it and sweep again"):
        nndyn.open_study(study)


def test_a_plan_or_a_note_without_end_is_refused(study):
    note = next(iter((study / "batches").glob("*.json")))
    with note.open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(RecordingError, match="it is longer than"):
        nndyn.open_study(study)
    with (study / "study.json").open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(RecordingError, match="it is longer than"):
        Folder(study).design()


def test_kept_results_larger_than_their_file_are_made_anew(study):
    expected = analyze_study(study, "lyapunov")
    (kept,) = (study / "results").iterdir()
    with netCDF4.Dataset(kept, "w") as nc:
        nc.createDimension("cell", 2**40)
        nc.createVariable("key", "f8", ("cell",), chunksizes=(2**20,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = analyze_study(study, "lyapunov")
    assert expected.identical(again)


@pytest.mark.parametrize(
    ("axes", "file", "message"),
    [
        ({"r": [3.9]}, "a" * 300, "expected the name of a file"),
        ({"steps_recorded": [1, 2]}, "a.nc", "expected the name of an option that can be swept"),
    ],
)
def test_names_that_would_trip_a_reader_are_refused(study, axes, file, message):
    cell = {"file": file, "at": {**{k: v[0] for k, v in axes.items()}, "seed": 0}}
    tree = {"nndyn_study": 1, "id": "a", "system": "logistic", "options": {"steps": 10}}
    tree |= {"axes": {**axes, "seed": [0]}, "batches": [{"steps": 10, "cells": [cell]}]}
    (study / "study.json").write_text(sealed.written(tree))
    with pytest.raises(RecordingError, match=message):
        nndyn.open_study(study)


def test_a_note_that_is_a_link_to_itself_is_refused(study):
    (study / "batches" / "x.json").symlink_to("x.json")
    with pytest.raises(RecordingError, match=r"x\.json cannot be read"):
        nndyn.open_study(study)


def test_a_reason_that_fills_the_memory_is_refused(study):
    note = {"id": "x", "status": "failed", "reason": "r" * 5000, "committed": 0, "bytes": 0}
    (study / "batches" / "x.json").write_text(sealed.written({"a.nc": note}))
    with pytest.raises(RecordingError, match="expected a text of at most 4000 characters"):
        nndyn.open_study(study)


def test_a_plan_of_many_runs_is_read_at_once():
    cells = [{"file": f"{i}.nc", "at": {"seed": i}} for i in range(20000)]
    tree = {"nndyn_study": 1, "id": "a", "system": "logistic", "options": {"steps": 10}}
    tree |= {"axes": {"seed": list(range(20000))}, "batches": [{"steps": 10, "cells": cells}]}
    began = time.monotonic()
    planned = plan.parse(sealed.written(tree), "study.json")
    assert locate(planned, planned.cells[-1]) == (19999,)
    assert time.monotonic() - began < 20.0
