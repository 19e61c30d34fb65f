"""How far a computation is: drawn while it is under way, and not where it is short."""

import io
import sys
import threading
import time
import types

import pytest

import nndyn
from nndyn.runtime import progress
from nndyn.runtime.progress import Bar, progress_bar


class Seen:
    """A face that keeps what it is shown."""

    first = every = 0.02

    def __init__(self):
        self.shown, self.closed = [], 0

    def show(self, bar):
        self.shown.append((bar.title, bar.standing()))

    def close(self, bar):
        self.closed += 1


@pytest.fixture
def seen(monkeypatch):
    face = Seen()
    monkeypatch.setattr(progress, "_face", lambda: face)
    monkeypatch.setattr(progress, "_TERMINAL", 0.02)
    return face


def wait_for(what, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert what()


def test_it_is_drawn_though_nothing_is_told(seen):
    with progress_bar("a run") as bar:
        bar.doing("preparing")
        wait_for(lambda: len(seen.shown) > 2)
    assert seen.shown[0] == ("a run: preparing", "0:00")
    assert seen.closed == 1
    assert not Bar.drawn


def test_what_is_short_is_not_drawn(seen):
    seen.first = 60.0
    with progress_bar("a run") as bar:
        for done in range(1000):
            bar(done, 1000)
    assert seen.shown == []


def test_telling_costs_next_to_nothing(seen):
    seen.every = 10.0
    with progress_bar("a run") as bar:
        began = time.perf_counter()
        for done in range(20_000):
            bar(done, 20_000)
        spent = time.perf_counter() - began
    assert spent < 1.0
    assert len(seen.shown) <= 1


def test_inside_a_bar_there_is_no_other(seen):
    with progress_bar("outer"), progress_bar("inner") as bar:
        bar(1, 2)
        wait_for(lambda: len(seen.shown) > 2)
    assert {title for title, _ in seen.shown} == {"outer"}


def test_a_face_that_cannot_be_drawn_ends_nothing(seen, monkeypatch):
    def closed(bar):
        raise OSError("closed")

    monkeypatch.setattr(seen, "show", closed)
    with progress_bar("a run") as bar:
        wait_for(lambda: bar.face is None)
        bar(1, 2)
    assert not [t for t in threading.enumerate() if t.name == "draw"]


def test_it_says_what_is_done_how_fast_and_how_long_it_takes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    bar = Bar("r.nc", "steps", None)
    assert bar.standing() == "0:00"
    for now[0], done in ((10.0, 1000), (12.0, 2000), (14.0, 3000)):
        bar(done, 10_000)
    assert bar.standing() == "3,000/10,000 steps, 500/s, 0:14 left"
    assert bar.standing(short=True) == "30 %, 0:14 left"
    bar(200, 400)  # something else
    assert bar.standing() == "200/400 steps, 0:14"
    bar.share("lines", 0.5)
    now[0] += 3700.0
    bar.share("lines", 0.75)
    assert bar.title == "r.nc: lines"
    assert bar.standing() == "75 %, 0.0068 %/s, 1:01:40 left"


def test_a_log_has_a_line_every_ten_seconds(monkeypatch, capsys):
    assert (progress._Log.first, progress._Log.every) == (10.0, 10.0)
    monkeypatch.setattr(progress._Log, "first", 0.02)
    monkeypatch.setattr(progress._Log, "every", 0.02)
    with progress_bar("r\x1b.nc") as bar:
        bar(3, 10)
        time.sleep(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert lines[0].endswith(".nc: 3/10 steps, 0:00")
    assert "\x1b" not in "".join(lines)


def test_a_terminal_shows_a_bar_that_goes(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(progress._Terminal, "first", 0.02)
    with progress_bar("a [run].nc") as bar:
        bar.doing("recording", 30, 100)
        wait_for(lambda: "30/100 steps" in terminal.getvalue())
    assert "a [run].nc: recording" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K")  # the line is empty again


def test_a_notebook_shows_a_line_that_stays(monkeypatch):
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data["text/plain"])

    def display(data, *, raw, display_id):
        shown.append(data["text/plain"])
        return Handle()

    module = types.ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setattr(progress._Notebook, "first", 0.02)
    with progress.following(None, "a run") as told:  # somebody looks
        told(50, 100)
        wait_for(lambda: shown)
        told(100, 100)
    assert shown[0].startswith("a run  ████████████░░░░░░░░░░░░ 50/100 steps")
    assert shown[-1] == "a run: 100/100 steps, in 0:00"


def test_what_ended_before_its_budget_has_no_time_left():
    bar = progress.Bar("onset", "steps", None)
    bar(3720, 7200)
    assert bar.outcome() == "onset: 3,720/7,200 steps, in 0:00"
    bar.share("exponent", 0.5)
    assert bar.outcome() == "onset: in 0:00"


def test_steps_are_told_while_a_block_is_under_way(tmp_path):
    def slow(x):
        time.sleep(0.001)
        return 3.9 * x * (1 - x)

    told = []
    system, path = nndyn.Map(slow, 1, discard=0), tmp_path / "r.nc"
    options = {"steps": 300, "replicas": 1, "control": False}
    with nndyn.record(system, path, **options, progress=lambda *c: told.append(c)) as r:
        assert r.attrs["block"] > 300
    assert len([done for done, total in told if 0 < done < total]) >= 2
    assert told == sorted(told)
    assert told[-1] == (300, 300)


def test_analyzers_tell_how_far_they_are(tmp_path):
    from analyzers.common.progress import telling

    with nndyn.record("henon", tmp_path / "r.nc", steps=400, replicas=2, rescale=10) as recording:
        for name in ("lyapunov", "exploration", "recurrence"):
            told = []
            alone = getattr(nndyn, name)(recording)
            with telling(lambda what, share, told=told: told.append((what, share))):
                assert getattr(nndyn, name)(recording).identical(alone)
            assert told
            assert all(what and 0.0 <= share <= 1.0 for what, share in told)
            if name != "recurrence":  # several passes for one radius
                assert [share for _, share in told] == sorted(share for _, share in told)
