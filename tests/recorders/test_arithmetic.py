"""A run goes on only where its steps would have the bits of those before."""

import json

import numpy as np
import pytest

import nndyn
from nndyn.errors import UsageError
from nndyn.runtime import provenance
from nndyn.store import Writer, verify

OPTIONS = {"steps": 40, "replicas": 1}


def begun(path, steps=20, **changes):
    """A recording to be gone on with, its manifest changed."""
    nndyn.record(nndyn.systems.henon(), path, **{**OPTIONS, "steps": steps}).close()
    with Writer.resume(path) as writer:
        manifest = {**json.loads(writer.attrs["manifest"]), **changes}
        writer.set_attrs(manifest=json.dumps({k: v for k, v in manifest.items() if v is not None}))


def manifest_of(path):
    with nndyn.open(path) as recording:
        return json.loads(recording.attrs["manifest"])


def test_a_recording_says_how_it_was_computed(tmp_path):
    begun(tmp_path / "r.nc")
    manifest = manifest_of(tmp_path / "r.nc")
    assert manifest["arithmetic"] == provenance.ARITHMETIC
    assert manifest["hardware"]["processor"]
    assert "instructions" in manifest["hardware"]
    assert "continued" not in manifest


@pytest.mark.parametrize("arithmetic", [None, 1, 99])
def test_another_arithmetic_is_refused_and_nothing_is_written(tmp_path, arithmetic):
    path = tmp_path / "r.nc"
    begun(path, arithmetic=arithmetic, versions={"nndyn": "0.0.7"})
    before = path.read_bytes()
    with pytest.raises(
        UsageError, match=r"by nndyn 0\.0\.7 .* record anew, or go on with `mix=True`"
    ):
        nndyn.record(nndyn.systems.henon(), path, **OPTIONS, resume=True)
    with pytest.raises(UsageError, match="cannot be resumed"):
        nndyn.record_batch([nndyn.systems.henon()], [path], **OPTIONS, resume=True)
    assert path.read_bytes() == before


def test_a_mixed_run_goes_on_and_says_so(tmp_path):
    path = tmp_path / "r.nc"
    begun(path, arithmetic=1)
    nndyn.record(nndyn.systems.henon(), path, **OPTIONS, resume=True, mix=True).close()
    manifest = manifest_of(path)
    assert manifest["arithmetic"] == 1
    (session,) = manifest["continued"]
    assert session["from_step"] == 21
    assert session["arithmetic"] == provenance.ARITHMETIC
    assert verify(path).sound
    # what it went on with is what it goes on with
    nndyn.record(nndyn.systems.henon(), path, **{**OPTIONS, "steps": 60}, resume=True).close()
    assert len(manifest_of(path)["continued"]) == 1


def test_a_complete_run_of_another_arithmetic_is_left_alone(tmp_path):
    path = tmp_path / "r.nc"
    begun(path, arithmetic=1)
    before = path.read_bytes()
    nndyn.record(nndyn.systems.henon(), path, **{**OPTIONS, "steps": 20}, resume=True).close()
    assert path.read_bytes() == before


def test_going_on_elsewhere_is_noted(tmp_path, monkeypatch):
    path = tmp_path / "r.nc"
    begun(path)
    elsewhere = {**provenance.provenance(), "hardware": {"processor": "another"}}
    monkeypatch.setattr(provenance, "provenance", lambda: elsewhere)
    nndyn.record(nndyn.systems.henon(), path, **OPTIONS, resume=True).close()
    (session,) = manifest_of(path)["continued"]
    assert session["hardware"] == {"processor": "another"}


def test_variables_of_a_later_version_are_ignored(tmp_path):
    path = tmp_path / "r.nc"
    begun(path)
    with nndyn.open(path) as recording:
        whole = recording.load()
    whole["novelty"] = ("time", np.arange(whole.sizes["time"]))
    whole.to_netcdf(tmp_path / "later.nc")
    with nndyn.open(tmp_path / "later.nc") as recording:
        assert "novelty" in recording
        assert nndyn.lyapunov(recording).attrs["verdict"] in ("chaotic", "unresolved", "saturated")


def test_a_sweep_goes_on_with_runs_of_another_arithmetic_only_where_told(tmp_path):
    options = {"a": [1.3, 1.4], "steps": 30, "replicas": 1}
    index = nndyn.sweep("henon", tmp_path / "study", **options)
    path = tmp_path / "study" / str(index["path"].values.ravel()[0])
    with Writer.resume(path) as writer:
        manifest = {**json.loads(writer.attrs["manifest"]), "arithmetic": 1}
        writer.set_attrs(manifest=json.dumps(manifest))
    longer = {**options, "steps": 40, "resume": True}
    index = nndyn.sweep("henon", tmp_path / "study", **longer)
    assert sorted(index["status"].values.ravel()) == ["complete", "failed"]
    assert "cannot be resumed" in "".join(index["reason"].values.ravel())
    index = nndyn.sweep("henon", tmp_path / "study", **longer, mix=True)
    assert (index["status"] == "complete").all()
    assert manifest_of(path)["continued"][0]["from_step"] == 31
