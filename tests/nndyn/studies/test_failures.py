"""Runs that fail are noted with a reason, do not stop the others, and are tried again."""

import json

import numpy as np
import pytest

import nndyn
from nndyn.errors import RecordingError, StoreError
from nndyn.store import Writer
from nndyn.studies import batch_run as module
from nndyn.studies.batch_run import work
from nndyn.studies.folder import Folder
from nndyn.studies.request import request
from nndyn.studies.sweep import plan
from tests.nndyn.studies.small import MAP, arrays, logistic, statuses


def delicate(r, seed, sound=()):
    """A map that fails for the second seed when it is made."""
    if seed == 1 and r not in sound:
        raise ZeroDivisionError("no second seed")
    return nndyn.Map(lambda x: r * x * (1 - x), 1, initial=[0.3], name="delicate")


def brittle(broken, seed):
    """A map that fails while it runs."""

    def step(x):
        if broken and np.any(x > 0.95):
            raise RuntimeError("went\ntoo far")
        return 3.9 * x * (1 - x)

    return nndyn.Map(step, 1, initial=[0.3], name="brittle")


def test_a_run_whose_system_cannot_be_made_is_noted_and_the_others_complete(tmp_path):
    index = nndyn.sweep(delicate, tmp_path / "s", r=[3.5, 3.9], seeds=3, **MAP)
    status = index["status"].sel(r=3.5).values.tolist()
    assert status == ["complete", "failed", "complete"]
    reason = str(index["reason"].sel(r=3.9, seed=1).item())
    assert reason == "delicate failed: ZeroDivisionError: no second seed"
    assert str(index["id"].sel(r=3.9, seed=1).item()) == ""


def test_an_error_in_a_step_is_of_its_run_alone_and_one_line(tmp_path):
    index = nndyn.sweep(brittle, tmp_path / "s", broken=[0, 1], seeds=2, **MAP)
    assert index["status"].sel(broken=0).values.tolist() == ["complete"] * 2
    assert index["status"].sel(broken=1).values.tolist() == ["failed"] * 2
    reason = str(index["reason"].sel(broken=1, seed=0).item())
    assert "went too far" in reason
    assert "\n" not in reason


def test_failed_runs_are_tried_again_by_the_next_sweep(tmp_path, monkeypatch):
    nndyn.sweep(delicate, tmp_path / "s", r=[3.9], seeds=2, **MAP)
    tried = []
    real = module.record_batch
    monkeypatch.setattr(
        module, "record_batch", lambda s, p, **k: tried.extend(p) or real(s, p, **k)
    )
    monkeypatch.setattr(delicate, "__defaults__", ((3.9,),))
    index = nndyn.sweep(delicate, tmp_path / "s", r=[3.9], seeds=2, **MAP)
    assert statuses(index) == {"complete"}
    assert [p.name for p in tried] == ["r=3.9_seed=1.nc"]


def test_a_file_that_cannot_be_gone_on_with_fails_until_it_is_removed(tmp_path):
    first = arrays(logistic(tmp_path / "s"))
    file = tmp_path / "s/cells/r=3.9_seed=1.nc"
    file.write_bytes(file.read_bytes()[:1000])
    index = logistic(tmp_path / "s")
    found = index.sel(r=3.9, seed=1)
    assert str(found["status"].item()) == "failed"
    assert "is cut off: expected" in str(found["reason"].item())
    assert int((index["status"] == "complete").sum()) == 5
    file.unlink()
    again = logistic(tmp_path / "s")
    assert statuses(again) == {"complete"}
    assert arrays(again).keys() == first.keys()


def test_a_recording_of_something_else_in_the_place_of_a_run_is_refused(tmp_path):
    logistic(tmp_path / "s", seeds=1)
    file = tmp_path / "s/cells/r=3.9_seed=0.nc"
    file.unlink()
    nndyn.record(nndyn.systems.henon(), file, **MAP).close()
    index = logistic(tmp_path / "s", seeds=1)
    reason = str(index["reason"].sel(r=3.9, seed=0).item())
    assert "is not the recording of its run: its recording_id is" in reason
    assert "system is 'henon' in the file, 'logistic' in the plan" in reason


def test_a_run_that_was_gone_on_with_by_record_stays_and_counts(tmp_path):
    logistic(tmp_path / "s")
    file = tmp_path / "s/cells/r=3.9_seed=1.nc"
    longer = {**MAP, "steps": 300, "seed": 1, "resume": True}
    nndyn.record(nndyn.systems.logistic(r=3.9), file, **longer).close()
    index = nndyn.open_study(tmp_path / "s")
    assert int(index["steps"].sel(r=3.9, seed=1)) == 300
    index = logistic(tmp_path / "s")
    assert statuses(index) == {"complete"}
    assert int(index["steps"].sel(r=3.9, seed=1)) == 300


def test_a_run_that_another_process_writes_is_left_to_it(tmp_path):
    asked = request("logistic", {**MAP, "r": [3.5, 3.9]})
    folder = Folder(tmp_path / "s")
    (batch,) = plan(folder, asked, resume=False, overwrite=False).batches
    logistic(tmp_path / "s", r=[3.5, 3.9], seeds=1)
    busy = folder.recording(batch.cells[0])
    for note in (tmp_path / "s/batches").iterdir():
        note.unlink()
    with Writer.resume(busy):
        assert work(folder, asked, batch) is False
        index = nndyn.open_study(folder.path)
        assert index["status"].values.ravel().tolist() == ["recording", "complete"]
        assert busy.name not in folder.of(batch)
    assert work(folder, asked, batch) is True
    assert statuses(nndyn.open_study(folder.path)) == {"complete"}


def test_a_batch_that_is_claimed_is_left_and_waited_for(tmp_path, monkeypatch):
    asked = request("logistic", {**MAP, "r": [3.9]})
    folder = Folder(tmp_path / "s")
    (batch,) = plan(folder, asked, resume=False, overwrite=False).batches
    claim = folder.claim(batch)
    assert folder.claim(batch) is None
    assert work(folder, asked, batch) is False
    assert logistic(folder.path, [3.9], 1, task="1/1")["status"].item() == "missing"
    waits = []

    def give_back(seconds):
        if seconds == 1.0:  # between two looks at the batches of others
            waits.append(seconds)
            claim.release()

    monkeypatch.setattr("time.sleep", give_back)
    assert statuses(logistic(folder.path, [3.9], 1)) == {"complete"}
    assert len(waits) == 1


def test_a_study_at_work_is_not_overwritten_and_one_overwritten_not_gone_on_with(tmp_path):
    asked = request("logistic", {**MAP, "r": [3.9]})
    folder = Folder(tmp_path / "s")
    old = plan(folder, asked, resume=False, overwrite=False)
    claim = folder.claim(old.batches[0])
    with pytest.raises(StoreError, match=r"another process records in .*/s; wait for it"):
        logistic(folder.path, overwrite=True)
    assert folder.design() == old
    claim.release()
    assert statuses(logistic(folder.path, overwrite=True)) == {"complete"}
    with pytest.raises(StoreError, match="given to another study in the meantime"):
        work(folder, asked, old.batches[0], study=old.id)


def test_damaged_notes_are_named_with_the_cure(tmp_path):
    logistic(tmp_path / "s", [3.9])
    (note,) = (tmp_path / "s/batches").iterdir()
    known = json.loads(note.read_text())
    for damage in ("{", "[]", "null", '{"a": 1}', '{"a": {"status": "complete"}}', "\x00"):
        note.write_text(damage)
        with pytest.raises(RecordingError, match=r"json is no .*remove it and sweep"):
            nndyn.open_study(tmp_path / "s")
        with pytest.raises(RecordingError, match="json is no"):
            logistic(tmp_path / "s", [3.9])
    note.unlink()
    index = logistic(tmp_path / "s", [3.9])
    assert statuses(index) == {"complete"}
    again = json.loads(note.read_text())
    for tree in (known, again):
        del tree["sha256"]
        for one in tree.values():
            del one["mtime"]
    assert again == known
