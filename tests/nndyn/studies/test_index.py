"""What the index of a study says of every run."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.errors import RecordingError, UsageError
from nndyn.store import Writer, sealed
from nndyn.studies.folder import MissingStudyError
from nndyn.studies.plan import parse, text
from tests.nndyn.studies.small import MAP, logistic, statuses


def status_of(folder, **at):
    found = nndyn.open_study(folder).sel(**at)
    return str(found["status"].item()), str(found["reason"].item())


@pytest.fixture
def file(study):
    return study / "cells/r=3.9_seed=1.nc"


def test_the_index_is_over_the_swept_options_and_leads_to_the_recordings(study):
    index = nndyn.open_study(f"{study}/")
    assert index["status"].dims == ("r", "seed")
    assert index["r"].values.tolist() == [3.5, 3.9, 4.0]
    assert statuses(index) == {"complete"}
    assert index.attrs["system"] == "logistic"
    assert json.loads(index.attrs["options"])["steps"] == 200
    with nndyn.open(str(index["path"].sel(r=3.9, seed=1).item())) as recording:
        assert recording.attrs["recording_id"] == str(index["id"].sel(r=3.9, seed=1).item())
        assert json.loads(recording.attrs["manifest"])["system"]["parameters"]["r"] == 3.9
    assert len(set(index["id"].values.ravel().tolist())) == 6


def test_an_index_is_saved_and_opened_as_any_dataset(study, tmp_path):
    index = logistic(study)
    index.to_netcdf(tmp_path / "index.nc")
    with xr.open_dataset(tmp_path / "index.nc") as again:
        assert (again["path"].values == index["path"].values).all()


def test_notes_are_believed_without_opening_recordings(study, monkeypatch):
    monkeypatch.setattr("nndyn.studies.index.facts", None)
    assert statuses(nndyn.open_study(study)) == {"complete"}


def test_a_missing_file_and_a_study_not_begun(study, file, tmp_path):
    file.unlink()
    status, reason = status_of(study, r=3.9, seed=1)
    assert status == "missing"
    assert reason == f"{file} is gone; sweep again"
    index = logistic(tmp_path / "t", r=np.linspace(3, 4, 70), seeds=1, task="2/2")
    assert index["status"].values.ravel().tolist().count("missing") == 64


def test_a_damaged_file_says_what_is_wrong_and_the_cure(study, file):
    file.write_bytes(file.read_bytes()[:-100])
    status, reason = status_of(study, r=3.9, seed=1)
    assert status == "damaged"
    assert "is cut off: expected" in reason
    assert reason.endswith("or remove it and sweep again")
    file.write_text("no recording")
    assert status_of(study, r=3.9, seed=1)[0] == "damaged"


def test_a_run_under_way_is_recording(study, file):
    with Writer.resume(file):
        assert status_of(study, r=3.9, seed=1)[0] == "recording"
    assert status_of(study, r=3.9, seed=1)[0] == "complete"


def test_recordings_whose_batch_was_not_noted_are_what_they_are(study, file):
    for note in (study / "batches").iterdir():
        note.unlink()
    assert statuses(nndyn.open_study(study)) == {"complete"}
    with Writer.resume(file) as writer:
        writer.finish("recording")
    assert status_of(study, r=3.9, seed=1)[0] == "interrupted"
    file.write_bytes(b"")
    assert status_of(study, r=3.9, seed=1)[0] == "damaged"


def test_a_run_that_was_gone_on_with_or_replaced_shows_what_it_is_now(study, file):
    longer = {**MAP, "steps": 300, "seed": 1, "resume": True}
    before = nndyn.open_study(study)
    nndyn.record(nndyn.systems.logistic(r=3.9), file, **longer).close()
    index = nndyn.open_study(study)
    assert int(index["steps"].sel(r=3.9, seed=1)) == 300
    assert index["id"].equals(before["id"])
    file.unlink()
    nndyn.record(nndyn.systems.logistic(r=3.9), file, seed=1, **MAP).close()
    status, reason = status_of(study, r=3.9, seed=1)
    assert status == "foreign"
    assert f"{before['id'].sel(r=3.9, seed=1).item()} was noted" in reason


def test_combinations_that_a_study_does_not_have_are_unplanned(study):
    plan = parse((study / "study.json").read_text(), "")
    tree = sealed.read(text(plan), says="", cure="")
    tree["batches"][0]["cells"] = tree["batches"][0]["cells"][:4]
    (study / "study.json").write_text(sealed.written(tree))
    index = nndyn.open_study(study)
    assert index["status"].sel(r=4.0).values.tolist() == ["unplanned"] * 2
    assert index["path"].sel(r=4.0).values.tolist() == ["", ""]


def test_what_is_no_study_is_refused_with_what_was_found(tmp_path):
    with pytest.raises(MissingStudyError, match=r"none does not exist; expected the folder of a"):
        nndyn.open_study(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"has no study.json; expected the folder"):
        nndyn.open_study(tmp_path)
    (tmp_path / "file.nc").write_text("")
    with pytest.raises(UsageError, match=r"file.nc is no folder; expected the folder"):
        nndyn.open_study(tmp_path / "file.nc")
    (tmp_path / "study.json").write_bytes(b"\xff\xfe")
    with pytest.raises(RecordingError, match=r"study.json cannot be read"):
        nndyn.open_study(tmp_path)
    (tmp_path / "study.json").write_text('{"title": "another program"}')
    with pytest.raises(RecordingError, match=r"study.json is no plan of a study"):
        nndyn.open_study(tmp_path)


def test_a_run_whose_process_was_killed_in_a_block_is_interrupted_not_damaged(tmp_path):
    options = "steps=10**7, replicas=9, store='distances'"
    script = f"import nndyn, sys\nnndyn.sweep('logistic', sys.argv[1], r=[4.0], {options})"
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "s")])
    file = tmp_path / "s/cells/r=4_seed=0.nc"
    try:
        deadline = time.monotonic() + 60
        while not (file.exists() and file.stat().st_size > 10**6):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert statuses(nndyn.open_study(tmp_path / "s")) == {"recording"}
    finally:
        process.kill()
        process.wait()
    assert statuses(nndyn.open_study(tmp_path / "s")) == {"interrupted"}
