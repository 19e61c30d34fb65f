"""Files that somebody else put there: reading writes into none of them, and waits for none."""

import contextlib
import hashlib
import os
import shutil
import struct
import time
from pathlib import Path

import pytest

from nndyn.errors import NndynError, RecordingError, StoreError, UsageError
from nndyn.store import Writer, facts, open_recording, save_result, saving, verify
from nndyn.store.chunks import SIGNATURE, Layout, TreeError, endless_heap, walk
from nndyn.store.files import part_path, write_whole
from nndyn.store.journal import Journal
from nndyn.store.locks import WriterLock, has_writer, journal_path, lock_path
from tests.nndyn.store.recordings import assert_holds, header, record, rows, write

VICTIM = b"not a recording: the only copy of a thesis, 730660ad22243f8bbb40ebe1dfd95c5e " * 200
IDENTITY = "730660ad22243f8bbb40ebe1dfd95c5e"


def forged(path: Path, identity: str, *, old: bool, inode: int | None = None) -> None:
    """Put a journal beside `path` that says its first bytes are others."""
    file = path.stat()
    size, name = file.st_size, identity.encode()
    head = struct.pack("<QII", size, 1, len(name))
    if not old:
        head = struct.pack("<QQII", size, file.st_ino if inode is None else inode, 1, len(name))
    content = b"x" * size if VICTIM in path.read_bytes() else path.read_bytes()[:-1] + b"x"
    body = (b"nndynJ1\n" if old else b"nndynJ2\n") + head + name
    body += struct.pack("<QQ", 0, size) + content
    body += hashlib.blake2b(body, digest_size=32).digest()
    (path.parent / f".{path.name}.journal").write_bytes(body)


def by_link(victim: Path, path: Path) -> None:
    path.symlink_to(victim)


def by_name(victim: Path, path: Path) -> None:
    os.link(victim, path)


@pytest.mark.parametrize("read", [open_recording, verify, facts])
@pytest.mark.parametrize("way", [by_link, by_name])
@pytest.mark.parametrize("identity", [IDENTITY, "", "thesis"])
@pytest.mark.parametrize("old", [True, False])
def test_a_forged_journal_makes_no_reader_write_into_a_file(tmp_path, read, way, identity, old):
    (tmp_path / "home").mkdir()
    (tmp_path / "strangers").mkdir()
    victim, path = tmp_path / "home" / "thesis", tmp_path / "strangers" / "x.nc"
    victim.write_bytes(VICTIM)
    way(victim, path)
    forged(path, identity, old=old)
    with pytest.raises(NndynError):
        read(path)
    assert victim.read_bytes() == VICTIM
    assert os.listdir(tmp_path / "home") == ["thesis"]


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("identity", ["", "its own"])
def test_a_journal_of_another_file_changes_no_recording_that_is_read(tmp_path, identity, old):
    path = tmp_path / "run.nc"
    record(path)
    with open_recording(path) as run:
        own = run.attrs["recording_id"]
    before = path.read_bytes()
    forged(path, own if identity else "", old=old, inode=path.stat().st_ino + 1)
    with contextlib.suppress(RecordingError):
        open_recording(path).close()
    assert path.read_bytes() == before


def left_in_a_block(folder: Path) -> Path:
    """Return a recording whose writer died after the rows of a block, before its commit."""
    folder.mkdir()
    path, plan = folder / "run.nc", header()
    with Writer.create(path, plan) as writer:
        write(writer, plan, 0, 16)
        writer.append(rows(plan, 16, 24))
        writer._session.nc.sync()
        content, saved = path.read_bytes(), journal_path(path).read_bytes()
    path.write_bytes(content)  # the same file, as a kill would have left it
    journal_path(path).write_bytes(saved)
    return path


def test_a_block_left_unfinished_is_undone_through_a_link_too(tmp_path):
    path = left_in_a_block(tmp_path / "runs")
    link = tmp_path / "link.nc"
    link.symlink_to(path)
    with open_recording(link) as run:
        assert_holds(run, header(), 16)
    assert not journal_path(path).exists()


def test_a_reader_leaves_a_copied_block_alone_and_who_resumes_undoes_it(tmp_path):
    path = left_in_a_block(tmp_path / "runs")
    copy = tmp_path / "copy"
    shutil.copytree(path.parent, copy)
    before = (copy / "run.nc").read_bytes()
    with pytest.raises(RecordingError, match=r"was copied in the middle .*resume"):
        open_recording(copy / "run.nc")
    assert (copy / "run.nc").read_bytes() == before
    with Writer.resume(copy / "run.nc") as writer:
        assert writer.n_committed == 16
    with open_recording(copy / "run.nc") as run:
        assert_holds(run, header(), 16)


def test_nothing_is_recorded_through_a_link(tmp_path):
    path, link = tmp_path / "run.nc", tmp_path / "link.nc"
    record(path)
    link.symlink_to(path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"link\.nc is a link.*run\.nc"):
        Writer.resume(link)
    with pytest.raises(UsageError, match=r"link\.nc is a link"):
        Writer.create(link, header(), overwrite=True)
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["link.nc", "run.nc"]


def test_a_link_in_the_place_of_a_journal_a_lock_or_a_part_is_not_written_through(tmp_path):
    victim, path = tmp_path / "thesis", tmp_path / "run.nc"
    victim.write_bytes(VICTIM)
    plan = record(path)
    journal_path(path).symlink_to(victim)
    for attempt in (Writer.resume, open_recording):
        with pytest.raises(RecordingError, match="it is a link"):
            attempt(path)
    Journal(path).close()  # one made anew takes the name
    assert victim.read_bytes() == VICTIM
    lock_path(path).symlink_to(tmp_path / "made")
    with pytest.raises(StoreError, match="it is a link"):
        Writer.resume(path)
    assert not (tmp_path / "made").exists()
    with open_recording(path) as run:
        result = run[["distance_l2"]].load()
    lock_path(path).unlink()
    for name, make in (
        ("new.nc", lambda p: Writer.create(p, plan).close()),
        ("result.nc", lambda p: save_result(result, p)),
        ("text", lambda p: write_whole(p, b"text")),
    ):
        part_path(tmp_path / name).symlink_to(victim)
        make(tmp_path / name)
        assert (tmp_path / name).is_file()
    assert victim.read_bytes() == VICTIM


def test_what_has_the_name_of_a_journal_and_is_none_is_refused_and_kept(tmp_path):
    path = tmp_path / "run.nc"
    record(path)
    journal_path(path).write_bytes(VICTIM)
    with pytest.raises(RecordingError, match="is no journal of nndyn's; move it away"):
        open_recording(path)
    assert journal_path(path).read_bytes() == VICTIM
    with journal_path(path).open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(RecordingError, match=r"is no journal of nndyn's; .*longer than"):
        open_recording(path)


def test_a_pipe_in_the_place_of_a_file_is_waited_for_by_nobody(tmp_path):
    path = tmp_path / "run.nc"
    os.mkfifo(path)
    for read in (open_recording, verify, facts, Writer.resume):
        with pytest.raises(RecordingError, match="is a pipe, expected a recording"):
            read(path)
    path.unlink()
    plan = record(path)
    os.mkfifo(journal_path(path))
    with open_recording(path) as run:
        assert_holds(run, plan, 40)
    with pytest.raises(RecordingError, match="it is a pipe"):
        Writer.resume(path)
    journal_path(path).unlink()
    os.mkfifo(lock_path(path))
    assert not has_writer(path)
    with open_recording(path) as run:
        assert_holds(run, plan, 40)
    with pytest.raises(StoreError, match="it is a pipe"):
        WriterLock(path)


def test_an_endless_device_is_no_recording(tmp_path):
    link = tmp_path / "run.nc"
    link.symlink_to("/dev/zero")
    with pytest.raises(RecordingError, match="is a device, expected a recording"):
        open_recording(link)


def test_a_lock_with_other_names_or_another_content_is_left_alone(tmp_path):
    """A hard link, or a text of the user's, by the name of the lock beside a block to undo."""
    path = left_in_a_block(tmp_path / "runs")
    victim = tmp_path / "victim.txt"
    for content in (b"mine " * 2000, b"mine"):
        victim.write_bytes(content)
        for link in (os.link, shutil.copyfile):
            lock_path(path).unlink(missing_ok=True)
            link(victim, lock_path(path))
            with pytest.raises(RecordingError, match=r"is no lock of nndyn's, or has other names"):
                open_recording(path)
            assert victim.read_bytes() == lock_path(path).read_bytes() == content


def test_heaps_within_heaps_do_not_take_for_ever(tmp_path):
    head = b"GCOL\1\0\0\0" + struct.pack("<3Q", 2**30, 1, 16)
    began = time.monotonic()
    assert endless_heap(SIGNATURE + head * 2**15)
    assert time.monotonic() - began < 20.0


def test_a_tree_whose_nodes_share_their_children_is_none(tmp_path):
    key, depth, first = struct.pack("<II2Q", 1, 0, 0, 0), 8, 64
    size = 24 + 64 * (len(key) + 8) + len(key)
    content = b"\0" * first
    for level in range(depth, -1, -1):
        child = first + size * (depth - level + 1)
        content += b"TREE\x01" + struct.pack("<BH", level, 64) + b"\xff" * 16
        content += (key + struct.pack("<Q", child)) * 64 + key
    (tmp_path / "tree").write_bytes(content)
    with open(tmp_path / "tree", "rb") as file, pytest.raises(TreeError, match="child of two"):
        for _ in walk(file.fileno(), Layout(0, (8, 8), first)):
            pass


def test_a_journal_of_zeros_is_not_read_whole(tmp_path):
    path = tmp_path / "run.nc"
    plan = record(path)
    journal_path(path).touch()
    os.truncate(journal_path(path), 2**25)
    assert saving.read(journal_path(path), 2**26) == b""
    with open_recording(path) as run:
        assert_holds(run, plan, 40)
    assert not journal_path(path).exists()
