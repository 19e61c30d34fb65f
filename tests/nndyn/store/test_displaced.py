"""A recording whose file, folder, lock or journal is taken away while it is written."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nndyn.cli import nndyn as command
from nndyn.errors import NndynError, StoreError
from nndyn.store import Writer, open_recording, verify
from nndyn.store.locks import WriterLock
from nndyn.systems import maps
from recorders.batch import record_batch
from recorders.ensemble import record as record_run
from tests.nndyn.store.recordings import assert_holds, header, phase_at, record, rows, write

STRANGER = b"somebody else's file, which nobody may touch"


def removed(path: Path) -> None:
    path.unlink()


def renamed(path: Path) -> None:
    path.rename(path.with_name("moved.nc"))


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(STRANGER)
    other.replace(path)


def renamed_and_replaced(path: Path) -> None:
    renamed(path)
    path.write_bytes(STRANGER)


def replaced_by_a_recording(path: Path) -> None:
    record(path.with_name("another.nc"))
    path.with_name("another.nc").replace(path)


def written_over(path: Path) -> None:
    path.write_bytes(STRANGER)


def folder_renamed(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def folder_renamed_and_made_anew(path: Path) -> None:
    folder_renamed(path)
    path.parent.mkdir()
    path.write_bytes(STRANGER)
    path.with_name(f".{path.name}.lock").write_bytes(STRANGER)
    path.with_name(f".{path.name}.journal").write_bytes(STRANGER)


def folder_removed(path: Path) -> None:
    shutil.rmtree(path.parent)


WAYS: dict[Callable[[Path], None], str] = {
    removed: "was removed while it was being recorded",
    renamed: r"was moved to .*moved.nc while",
    replaced: r"was removed .* another file has that name now, which is left as it is",
    renamed_and_replaced: r"was moved to .*moved.nc .* another file has that name now",
    replaced_by_a_recording: "another file has that name now",
    written_over: "was written over by something else",
    folder_renamed: r"was moved to .*elsewhere/run.nc",
    folder_renamed_and_made_anew: r"was moved to .*elsewhere/run.nc .* another file",
    folder_removed: "was removed while",
}


def before_the_block(writer: Writer, strike: Callable[[], None]) -> None:
    strike()
    write(writer, PLAN, 16, 24)


def in_the_block(writer: Writer, strike: Callable[[], None]) -> None:
    writer.append(rows(PLAN, 16, 24))
    strike()
    writer.commit(phase_at(PLAN, 23), 23)


def in_the_commit(writer: Writer, strike: Callable[[], None]) -> None:
    writer.append(rows(PLAN, 16, 24))
    fsync = os.fsync

    def struck(fd: int) -> None:
        patch.setattr(os, "fsync", fsync)
        fsync(fd)
        strike()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", struck)
        writer.commit(phase_at(PLAN, 23), 23)


def at_the_finish(writer: Writer, strike: Callable[[], None]) -> None:
    strike()
    writer.finish("complete")


def at_the_close(writer: Writer, strike: Callable[[], None]) -> None:
    strike()
    writer.close()


PLAN = header(replicas=5, components=300)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "moment", [before_the_block, in_the_block, in_the_commit, at_the_finish, at_the_close]
)
def test_the_loss_is_said_and_nothing_of_others_is_touched(
    tmp_path: Path, way: Callable[[Path], None], moment: Callable[..., None]
) -> None:
    (tmp_path / "runs").mkdir()
    path = tmp_path / "runs" / "run.nc"
    writer = Writer.create(path, PLAN)
    write(writer, PLAN, 0, 16)
    strangers: dict[str, bytes] = {}

    def strike() -> None:
        before = tree(tmp_path)
        way(path)
        now = tree(tmp_path)
        strangers.update({k: v for k, v in now.items() if v != before.get(k)})

    with pytest.raises(StoreError, match=WAYS[way]) as caught:
        moment(writer, strike)
    assert "\n" not in str(caught.value)
    with pytest.raises(StoreError, match="is closed"):
        writer.append(rows(PLAN, 16, 24))
    writer.close()
    left = tree(tmp_path)
    moved = [name for name in left if name.endswith(("moved.nc", "elsewhere/run.nc"))]
    assert {k: v for k, v in left.items() if k not in moved} == {
        k: v for k, v in strangers.items() if k not in moved and ".run.nc." not in k
    } | {k: v for k, v in strangers.items() if v == STRANGER}
    for name in moved:
        assert verify(tmp_path / name).sound
        with open_recording(tmp_path / name) as run:
            assert_holds(run, PLAN, 16)
        with Writer.resume(tmp_path / name) as again:
            write(again, PLAN, 16, 24)
        with open_recording(tmp_path / name) as run:
            assert_holds(run, PLAN, 24)


_OTHER = """
import sys
from pathlib import Path
from nndyn.store import Writer
from tests.nndyn.store.recordings import header, write
plan = header(replicas=5, components=300)
with Writer.resume(Path(sys.argv[1])) as writer:
    write(writer, plan, 16, 24)
    print("ready", flush=True)
    input()
    write(writer, plan, 24, 32)
"""


def test_a_moved_file_that_another_writer_has_by_then_is_left_to_it(tmp_path: Path) -> None:
    path, moved = tmp_path / "run.nc", tmp_path / "moved.nc"
    writer = Writer.create(path, PLAN)
    write(writer, PLAN, 0, 16)
    path.rename(moved)
    with pytest.raises(StoreError, match="is written in this process already"):
        Writer.resume(moved)
    with subprocess.Popen(
        [sys.executable, "-c", _OTHER, moved],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(StoreError, match="was moved to"):
            write(writer, PLAN, 16, 24)
        other.communicate("\n", timeout=60)
    assert other.returncode == 0
    with open_recording(moved) as run:
        assert_holds(run, PLAN, 32)
    assert verify(moved).sound
    assert os.listdir(tmp_path) == ["moved.nc"]


def test_a_lock_that_was_removed_is_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    with Writer.create(path, PLAN) as writer:
        write(writer, PLAN, 0, 16)
        (tmp_path / ".run.nc.lock").unlink()
        writer.append(rows(PLAN, 16, 24))
        with pytest.raises(StoreError, match="is being written by another process"):
            WriterLock(path)
        writer.commit(phase_at(PLAN, 23), 23)
        writer.finish("complete")
    assert verify(path).sound
    assert os.listdir(tmp_path) == ["run.nc"]


def test_a_journal_that_was_removed_between_blocks_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    with Writer.create(path, PLAN) as writer:
        write(writer, PLAN, 0, 16)
        (tmp_path / ".run.nc.journal").unlink()
        writer.append(rows(PLAN, 16, 24))
        assert (tmp_path / ".run.nc.journal").stat().st_size > 0
        writer.commit(phase_at(PLAN, 23), 23)
    assert verify(path).sound


def test_a_lock_that_another_writer_has_taken_meanwhile_ends_the_first(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    writer = Writer.create(path, PLAN)
    write(writer, PLAN, 0, 16)
    writer.append(rows(PLAN, 16, 24))
    (tmp_path / ".run.nc.lock").unlink()
    lock = WriterLock(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"was opened by another process .* 16 times are safe"):
        writer.commit(phase_at(PLAN, 23), 23)
    assert path.read_bytes() == before
    assert (tmp_path / ".run.nc.lock").exists()
    lock.release()
    with open_recording(path) as run:
        assert_holds(run, PLAN, 16)


def test_a_reader_that_found_no_lock_and_undid_the_block_ends_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    writer = Writer.create(path, PLAN)
    write(writer, PLAN, 0, 16)
    writer.append(rows(PLAN, 16, 24))
    (tmp_path / ".run.nc.lock").unlink()
    (tmp_path / ".run.nc.journal").unlink()
    with pytest.raises(StoreError, match="removed its lock or its journal"):
        writer.commit(phase_at(PLAN, 23), 23)
    assert os.listdir(tmp_path) == ["run.nc"]
    assert verify(path).sound
    with open_recording(path) as run:
        assert_holds(run, PLAN, 16)


def test_leaving_by_another_error_puts_a_moved_file_back_as_well(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    writer = Writer.create(path, PLAN)
    write(writer, PLAN, 0, 16)
    writer.append(rows(PLAN, 16, 24))
    replaced(path)
    writer.__exit__(KeyError, KeyError(), None)
    assert tree(tmp_path) == {"run.nc": STRANGER}


def test_what_is_there_after_the_end_has_to_be_what_was_recorded(tmp_path: Path) -> None:
    path = record_series(tmp_path, lambda: None)
    assert verify(path).sound
    for way in (removed, renamed, replaced, replaced_by_a_recording):
        (folder := tmp_path / way.__name__).mkdir()
        with pytest.raises(StoreError, match="is no longer what was recorded") as caught:
            record_series(folder, lambda folder=folder, way=way: way(folder / "run.nc"))
        assert "\n" not in str(caught.value)


def record_series(folder: Path, strike: Callable[[], None]) -> Path:
    """Record, and strike as soon as the file is closed."""
    close = Writer.close

    def struck(writer: Writer) -> None:
        close(writer)
        patch.setattr(Writer, "close", close)
        strike()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Writer, "close", struck)
        record_run(maps.logistic(r=4.0), folder / "run.nc", steps=200).close()
    return folder / "run.nc"


def test_the_other_runs_of_a_batch_go_on(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.nc" for i in range(5)]
    seen: list[int] = []

    def strike(done: int, total: int) -> None:
        if not seen:
            paths[1].unlink()
            replaced(paths[3])
        seen.append(done)

    with pytest.raises(NndynError, match="was removed while") as caught:
        record_batch(
            [maps.logistic(r=4.0)] * 5,
            paths,
            steps=140_000,
            seeds=range(5),
            replicas=2,
            progress=strike,
        )
    assert len(caught.value.__notes__) == 1
    assert not paths[1].exists()
    assert paths[3].read_bytes() == STRANGER
    for i in (0, 2, 4):
        with open_recording(paths[i]) as run:
            assert run.attrs["status"] == "complete"
            assert np.isfinite(run["state"].values).all()


def test_the_command_line_says_it_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.nc"
    commit = Writer.commit

    def struck(writer: Writer, *args: object) -> None:
        commit(writer, *args)
        replaced(path)

    monkeypatch.setattr(Writer, "commit", struck)
    arguments = ["record", "map", "logistic", "--param", "r=4", "--steps", "500", "-o", str(path)]
    error = CliRunner().invoke(command, arguments).exception
    assert isinstance(error, StoreError)
    assert error.exit_code == 1
    assert "was removed while it was being recorded, its 501 committed times with it" in str(error)
    assert path.read_bytes() == STRANGER
