"""Tasks side by side: all are done, or all leave in order where one fails or Ctrl-C is pressed."""

import signal
import threading
import time

import pytest

from nndyn.runtime import interrupts
from nndyn.runtime.tasks import side_by_side


def until_told(stop):
    """Leave when told to, as what records does."""
    deadline = time.monotonic() + 20
    while not stop():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    raise KeyboardInterrupt


def test_what_tasks_return_comes_in_their_order():
    def later(n):
        return lambda stop: time.sleep(0.05 * (n == 0)) or n

    assert side_by_side([later(n) for n in range(5)], 2) == [0, 1, 2, 3, 4]


def test_so_many_are_under_way_at_once_and_the_next_waits_for_none_but_a_thread():
    both, first = threading.Barrier(2, timeout=20), threading.Event()
    tasks = [
        lambda stop: both.wait() >= 0 and first.wait(20),
        lambda stop: both.wait() >= 0,
        lambda stop: first.set() or True,
    ]
    assert side_by_side(tasks, 2) == [True] * 3


def test_where_one_fails_the_others_are_told_and_none_begins():
    begun = []

    def fail(stop):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        side_by_side([until_told, fail, begun.append], 2)
    assert begun == []


@pytest.mark.parametrize("fails", [False, True])
def test_ctrl_c_is_told_to_all_and_comes_when_they_have_left(fails):
    left = []

    def leave(stop):
        try:
            until_told(stop)
        finally:
            left.append(stop)
            if fails:
                raise OSError("while it was leaving")

    def press(stop):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        leave(stop)

    with pytest.raises(KeyboardInterrupt):
        side_by_side([leave, press, left.append], 2)
    assert len(left) == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_twice_comes_when_all_have_left_too(monkeypatch):
    monkeypatch.setattr(interrupts, "PATIENCE", 0.3)
    left = []

    def stay(stop):
        time.sleep(0.6)  # longer than there is to end in order
        left.append(stop)

    def press(stop):
        for _ in range(2):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.1)
        stay(stop)

    with pytest.raises(KeyboardInterrupt):
        side_by_side([stay, press], 2)
    assert len(left) == 2
