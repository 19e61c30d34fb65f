"""Digests of large rows are made beside the write."""

import threading
from pathlib import Path

import pytest

from nndyn.store import Writer, book, open_recording, verify
from tests.nndyn.store.recordings import assert_holds, header, write


def recorded(path: Path) -> bytes:
    """A recording whose states are chunks of their own."""
    plan = header(replicas=3, components=9000, attrs={"recording_id": "a" * 32, "stationary": 0})
    with Writer.create(path, plan) as writer:
        write(writer, plan, 0, 12)
        writer.finish("complete")
    assert verify(path).sound
    with open_recording(path) as run:
        assert_holds(run, plan, 12)
    return path.read_bytes()


def test_the_same_file_with_and_without_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = recorded(tmp_path / "one.nc")
    monkeypatch.setattr(book, "_LARGE", 0)
    started = []
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        started.append(thread)
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert recorded(tmp_path / "two.nc") == expected
    assert started


def test_where_no_thread_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = recorded(tmp_path / "one.nc")
    monkeypatch.setattr(book, "_LARGE", 0)

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert recorded(tmp_path / "two.nc") == expected


def test_what_fails_in_a_thread_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def act() -> None:
        raise MemoryError

    with pytest.raises(MemoryError), book._beside(act):
        pass
