import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from nndyn.errors import RecordingError, StoreError, UsageError
from nndyn.store import (
    InParts,
    MissingRecordingError,
    Writer,
    facts,
    layout,
    open_recording,
    verify,
)
from nndyn.store.locks import WriterLock, lock_path
from tests.nndyn.store.recordings import assert_holds, header, phase_at, record, rows, write

pytestmark = pytest.mark.usefixtures("waiting_for_the_disk")


def test_recorded_values_come_back(tmp_path: Path) -> None:
    plan = record(tmp_path / "run.nc")
    with open_recording(tmp_path / "run.nc") as run:
        assert_holds(run, plan, 40)
        assert run.attrs["status"] == "complete"
        assert run["parameter_name"].values.tolist() == ["0.weight", "0.biais é"]
        assert run["time"].attrs["units"] == "step"
        assert run.encoding["source"] == str(tmp_path / "run.nc")


def test_plain_xarray_reads_the_same(tmp_path: Path) -> None:
    plan = record(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc", engine="netcdf4") as run:
        assert_holds(run, plan, 40)
        assert run["parameter_name"].values.tolist() == ["0.weight", "0.biais é"]
        assert run["role"].attrs["flag_meanings"] == "reference perturbed control"


def test_a_clean_close_leaves_nothing_but_the_recording(tmp_path: Path) -> None:
    record(tmp_path / "run.nc")
    assert os.listdir(tmp_path) == ["run.nc"]


def test_every_variable_is_checksummed_unfilled_and_in_the_chunks_that_are_written_whole(
    tmp_path: Path,
) -> None:
    netCDF4 = pytest.importorskip("netCDF4")
    record(tmp_path / "run.nc", header(components=5, block=8))
    with netCDF4.Dataset(tmp_path / "run.nc") as nc:
        assert nc["distance_l2"].chunking() == [8, 3]
        assert nc["state"].chunking() == [8, 1, 5]
        assert nc["checkpoint"].chunking() == [1, 1, 7]
        for variable in nc.variables.values():
            assert variable.filters()["fletcher32"], variable.name
            assert "_FillValue" not in variable.ncattrs(), variable.name


@pytest.mark.parametrize(
    ("components", "block", "rows_per_chunk"), [(50_890, 24, 1), (2_410, 112, 8), (2, 97, 97)]
)
def test_a_state_chunk_holds_at_most_256_kib_or_one_state(
    components: int, block: int, rows_per_chunk: int
) -> None:
    plan = header(components=components, block=block)
    state = next(v for v in plan.variables if v.name == "state")
    assert plan.chunk(state) == (rows_per_chunk, 1, components)


@pytest.mark.parametrize(
    ("components", "length"), [(2**20, 2**20), (2**20 + 1, 2**19 + 1), (3_000_000, 1_000_000)]
)
def test_a_state_of_many_components_is_cut_into_chunks_that_are_read_alone(
    components: int, length: int
) -> None:
    """Of one length: chunks are stored whole, and a short last one would be padded."""
    plan = header(components=components, block=1)
    state = next(v for v in plan.variables if v.name == "state")
    assert plan.chunk(state) == (1, 1, length)


def test_a_state_cut_into_chunks_is_sound_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_CHUNK_COMPONENTS", 2)
    plan = header(components=5, block=4)
    record(tmp_path / "run.nc", plan)
    with Writer.resume(tmp_path / "run.nc") as writer:
        n = writer.n_committed
        write(writer, plan, n, n + 6)
        writer.finish("complete")
    assert verify(tmp_path / "run.nc").problems == ()
    with open_recording(tmp_path / "run.nc") as run:
        assert run["state"].encoding["chunksizes"][2] == 2
        np.testing.assert_array_equal(run["state"].values, rows(plan, 0, n + 6)["state"])


@pytest.mark.parametrize("width", [2, 2**20])
def test_states_are_written_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """As bytes and digests of what is held as a whole; the chunks of states have room for more."""
    monkeypatch.setattr(layout, "_CHUNK_COMPONENTS", width)
    plan, most = header(components=5, block=4), []
    with Writer.create(tmp_path / "run.nc", plan) as writer:
        for start in range(7):
            made = rows(plan, start, start + 1)
            states = made["state"]

            def part(where: tuple[slice, ...], states: np.ndarray = states) -> np.ndarray:
                most.append(states[where].size)
                return states[where]

            writer.append(made | {"state": InParts(states.shape, part)})
            writer.commit(phase_at(plan, start), start)
        writer.finish("complete")
    assert max(most) == min(width, 5)
    assert verify(tmp_path / "run.nc").problems == ()
    with open_recording(tmp_path / "run.nc") as run:
        assert_holds(run, plan, 7)


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(1, 20), min_size=1, max_size=6), data=st.data())
def test_any_cut_into_blocks_and_sessions_gives_the_same_recording(
    cuts: list[int], data: st.DataObject
) -> None:
    plan = header(replicas=2, components=3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.nc"
        writer = Writer.create(path, plan)
        total = 0
        for cut in cuts:
            write(writer, plan, total, total + cut, block=cut)
            total += cut
            if data.draw(st.booleans(), label="another session"):
                writer.close()
                writer = Writer.resume(path)
        writer.finish("complete")
        writer.close()
        with open_recording(path) as run:
            assert_holds(run, plan, total)
        assert verify(path).problems == ()


def test_resume_knows_where_it_is(tmp_path: Path) -> None:
    plan = header()
    with Writer.create(tmp_path / "run.nc", plan) as writer:
        write(writer, plan, 0, 16)
        write(writer, plan, 16, 21)
    with Writer.resume(tmp_path / "run.nc") as writer:
        assert writer.n_committed == 21
        assert writer.committed == {"time": 21, "evaluation_time": 7, "floor_time": 5}
        assert writer.attrs["status"] == "recording"
        phase, step = writer.checkpoint()
        assert step == 20
        np.testing.assert_array_equal(phase, phase_at(plan, 20))
        np.testing.assert_array_equal(
            writer.read("log_rescale", last=1), rows(plan, 20, 21)["log_rescale"]
        )
        assert writer.read("log_rescale").shape == (21, 3)


def test_a_complete_run_can_be_extended_with_a_longer_manifest(tmp_path: Path) -> None:
    path, plan = tmp_path / "run.nc", record(tmp_path / "run.nc")
    for session in range(1, 4):
        with Writer.resume(path) as writer:
            writer.finish("recording")
            writer.set_attrs(manifest="{" + " " * 7000 * session + "}")
            writer.set("diverged_at", np.array([-1, session, -1]))
            write(writer, plan, 40 * session, 40 * session + 40)
            writer.finish("stopped", "the reference diverged")
    with open_recording(path) as run:
        assert_holds(run, plan, 160)
        assert len(run.attrs["manifest"]) == 21002
        assert run.attrs["stop_reason"] == "the reference diverged"
        assert run["diverged_at"].values.tolist() == [-1, 3, -1]
    assert verify(path).problems == ()


def test_leaving_by_an_exception_undoes_what_was_not_committed(tmp_path: Path) -> None:
    path, plan = tmp_path / "run.nc", header()

    def interrupted() -> None:
        with Writer.create(path, plan) as writer:
            write(writer, plan, 0, 16)
            writer.append(rows(plan, 16, 24))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == ["run.nc"]
    with open_recording(path) as run:
        assert_holds(run, plan, 16)
        assert run.attrs["status"] == "recording"
    with Writer.resume(path) as writer:
        write(writer, plan, 16, 40)
    with open_recording(path) as run:
        assert_holds(run, plan, 40)


def test_attributes_set_while_rows_wait_are_written_with_the_commit(tmp_path: Path) -> None:
    path, plan = tmp_path / "run.nc", header()
    with Writer.create(path, plan) as writer:
        writer.append(rows(plan, 0, 8))
        writer.set_attrs(note="seen")
        assert "note" not in writer.attrs
        writer.commit(phase_at(plan, 7), 7)
        assert writer.attrs["note"] == "seen"
    with open_recording(path) as run:
        assert run.attrs["note"] == "seen"


def test_an_attribute_that_is_so_already_is_not_written_again(tmp_path: Path, monkeypatch) -> None:
    with Writer.create(tmp_path / "run.nc", header()) as writer:
        writer.set_attrs(note="seen", count=3)
        synced = []
        monkeypatch.setattr(os, "fsync", synced.append)
        writer.set_attrs(note="seen", count=3)
        assert not synced
        writer.set_attrs(note="more", count=3)
        assert synced
        monkeypatch.undo()
        assert (writer.attrs["note"], writer.attrs["count"]) == ("more", 3)


def test_how_a_run_ended_is_written_as_the_file_is_closed(tmp_path: Path, monkeypatch) -> None:
    plan, said, synced = header(), {}, {}
    for close in (False, True):
        path = tmp_path / f"{close}.nc"
        with Writer.create(path, plan) as writer:
            write(writer, plan, 0, 8)
            assert writer.left is None
            counted = []
            monkeypatch.setattr(os, "fsync", lambda fd: counted.append(fd))  # noqa: B023
            writer.finish("stopped", "enough", close=close)
            writer.close()
            monkeypatch.undo()
        left, found = writer.left, facts(path)
        assert (left.id, left.status, left.stop_reason) == (found.id, "stopped", "enough")
        assert (left.committed, left.file.st_size) == (found.committed, found.bytes)
        assert left.stands(path)
        os.utime(path)
        assert not left.stands(path)
        path.rename(tmp_path / "away.nc")
        assert not left.stands(path)
        with open_recording(tmp_path / "away.nc") as run:
            assert_holds(run, plan, 8)
            said[close] = {k: v for k, v in run.attrs.items() if k != "recording_id"}
        synced[close] = len(counted)
        with pytest.raises(StoreError, match="is closed"):
            writer.set_attrs(note="late")
    assert said[False] == said[True]
    assert synced[True] == synced[False] - 2


def test_an_existing_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    record(path)
    with pytest.raises(UsageError, match=r"exists; choose another name, or overwrite"):
        Writer.create(path, header())
    first = verify(path)
    assert first.n_committed == 40
    with Writer.create(path, header(), overwrite=True) as writer:
        assert writer.n_committed == 0
        write(writer, header(), 0, 8)
    assert verify(path).n_committed == 8


def test_a_missing_folder_or_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"folder .*nowhere does not exist; create it"):
        Writer.create(tmp_path / "nowhere" / "run.nc", header())
    with pytest.raises(MissingRecordingError, match=r"run\.nc does not exist") as caught:
        Writer.resume(tmp_path / "run.nc")
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.exit_code == 2
    assert os.listdir(tmp_path) == []


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    with Writer.create(path, header()):
        with pytest.raises(StoreError, match=r"is being written by another process"):
            Writer.resume(path)
        with pytest.raises(StoreError, match=r"is being written by another process"):
            Writer.create(path, header(), overwrite=True)
    Writer.resume(path).close()


def test_a_lock_file_removed_between_opening_and_locking_is_not_taken_for_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flock, calls = tmp_path / "run.nc", fcntl.flock, []

    def late(fd: int, operation: int) -> None:
        calls.append(fd)
        if len(calls) == 1:
            lock_path(path).unlink()
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    lock = WriterLock(path)
    assert len(calls) == 2
    with pytest.raises(StoreError, match="is being written by another process"):
        WriterLock(path)
    lock.release()
    assert os.listdir(tmp_path) == []


def test_parts_of_a_dead_writer_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".run.nc.99999.part", ".other.nc.99999.part", ".run.nc.part", ".run.nc.lock"):
        (tmp_path / name).write_text("left behind" if name.endswith("part") else "")
    record(tmp_path / "run.nc", header())
    assert sorted(os.listdir(tmp_path)) == [".other.nc.99999.part", ".run.nc.part", "run.nc"]


def test_too_little_space_is_said_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"will take 1,000,000 TB, .* free; store less"):
        Writer.create(tmp_path / "run.nc", header(expected_bytes=10**18))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block": 0}, "block is 0"),
        ({"dtype": "float16"}, "dtype is 'float16'"),
        ({"fixed": {}}, "role does not grow and is not in fixed"),
        ({"sizes": {"replica": 3}}, "lies on component, whose size is None"),
    ],
)
def test_an_inconsistent_header_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Writer.create(tmp_path / "run.nc", header(**change))
    assert os.listdir(tmp_path) == []


def test_rows_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    plan = header()
    with Writer.create(tmp_path / "run.nc", plan) as writer:
        good = rows(plan, 0, 8)
        with pytest.raises(UsageError, match=r"rows along time lack state"):
            writer.append({k: v for k, v in good.items() if k != "state"})
        with pytest.raises(UsageError, match=r"has 7 rows, others along time have 8"):
            writer.append({**good, "distance_l1": good["distance_l1"][:7]})
        with pytest.raises(UsageError, match=r"state has shape \(8, 3, 4\)"):
            writer.append({**good, "state": good["state"][:, :, :4]})
        with pytest.raises(UsageError, match=r"'role' is not a variable .* that grows"):
            writer.append({"role": np.zeros(3)})
        with pytest.raises(UsageError, match=r"'time' cannot be set"):
            writer.set("time", np.zeros(8))
        with pytest.raises(UsageError, match=r"status 'done' is unknown"):
            writer.finish("done")
        with pytest.raises(RecordingError, match=r"no checkpoint of its last commit \(0 times\)"):
            writer.checkpoint()
        writer.append(good)
        with pytest.raises(UsageError, match=r"checkpoint is of step 8, the last time is 7"):
            writer.commit(phase_at(plan, 8), 8)
        with pytest.raises(UsageError, match=r"not committed; commit them first"):
            writer.finish("complete")
        writer.commit(phase_at(plan, 7), 7)
    with pytest.raises(StoreError, match=r"is closed; resume it"):
        writer.append(good)


def test_a_dataset_open_in_the_same_process_does_not_hinder_resuming(tmp_path: Path) -> None:
    path, plan = tmp_path / "run.nc", record(tmp_path / "run.nc")
    run = open_recording(path)
    with Writer.resume(path) as writer:
        write(writer, plan, 40, 48)
    assert_holds(run, plan, 40)
    run.close()
    with open_recording(path) as run:
        assert_holds(run, plan, 48)


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


_LIMITED = """
import gc, resource, sys
from pathlib import Path
from nndyn.errors import StoreError
from nndyn.store import Writer, open_recording
from nndyn.store.locks import WriterLock, lock_path
from tests.nndyn.store.recordings import header, write
path, plan = Path(sys.argv[1]), header(components=2000)
writer = Writer.create(path, plan)
write(writer, plan, 0, 8)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 700_000, hard))
try:
    write(writer, plan, 8, 400)
except StoreError as error:
    print(error, file=sys.stderr)
del writer
gc.collect()
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
with Writer.resume(path) as writer:
    write(writer, plan, 16, 32)
"""


def test_a_write_the_system_refuses_keeps_every_commit(tmp_path: Path) -> None:
    path, plan = tmp_path / "run.nc", header(components=2000)
    result = run_python(_LIMITED, path)
    assert "run.nc failed (File too large); 16 times are safe and can be resumed" in result.stderr
    assert result.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["run.nc"]
    with open_recording(path) as run:
        assert_holds(run, plan, 32)
    with Writer.resume(path) as writer:
        write(writer, plan, 32, 48)
    with open_recording(path) as run:
        assert_holds(run, plan, 48)
    assert verify(path).problems == ()


_FULL = """
import sys
from pathlib import Path
from nndyn.errors import StoreError
from nndyn.store import Writer, open_recording
from nndyn.store.locks import WriterLock, lock_path
from tests.nndyn.store.recordings import assert_holds, header, write
path, plan = Path(sys.argv[1]), header(components=2000)
filler = path.with_name("filler")
filler.write_bytes(bytes(1_000_000))
try:
    write(Writer.create(path, plan), plan, 0, 4000)
except StoreError as error:
    print(error)
filler.unlink()
with Writer.resume(path) as writer:
    kept = writer.n_committed
    write(writer, plan, kept, kept + 8)
with open_recording(path) as run:
    assert_holds(run, plan, kept + 8)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_keeps_every_commit_and_the_same_process_can_go_on(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        result = run_python(_FULL, disk / "run.nc")
        assert "is full" in result.stdout
        assert "free space" in result.stdout
        assert result.stdout.count("\n") == 1
        assert result.stderr == ""
        with open_recording(disk / "run.nc") as run:
            assert run.attrs["n_committed"] >= 16
            assert_holds(run, header(components=2000), int(run.attrs["n_committed"]))
        assert verify(disk / "run.nc").problems == ()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_rows_that_are_no_numbers_end_the_session_and_leave_the_file(tmp_path: Path) -> None:
    plan = header()
    with Writer.create(tmp_path / "run.nc", plan) as writer:
        write(writer, plan, 0, 8)
        wrong = {**rows(plan, 8, 16)}
        wrong["state"] = np.full(wrong["state"].shape, "text", dtype=object)
        with pytest.raises((ValueError, TypeError)):
            writer.append(wrong)
        with pytest.raises(StoreError, match="is closed; resume it to write more"):
            writer.append(rows(plan, 8, 16))
    with Writer.resume(tmp_path / "run.nc") as writer:
        write(writer, plan, 8, 40)
    with open_recording(tmp_path / "run.nc") as run:
        assert_holds(run, plan, 40)


def test_a_folder_that_has_the_name_of_a_journal_is_refused(tmp_path: Path) -> None:
    record(tmp_path / "run.nc")
    before = (tmp_path / "run.nc").read_bytes()
    (tmp_path / ".run.nc.journal").mkdir()
    with pytest.raises(StoreError, match=r"journal is a folder; move it away"):
        Writer.create(tmp_path / "run.nc", header(), overwrite=True)
    assert (tmp_path / "run.nc").read_bytes() == before
