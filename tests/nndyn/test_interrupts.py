"""Ctrl-C waits where something has to be done whole, and is not forgotten."""

import os
import signal
import threading
import time

import pytest

from nndyn.runtime import interrupts
from nndyn.runtime.interrupts import deferred, shielded
from nndyn.store.locks import WriterLock, lock_path


def press():
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_nobody_asked_about_comes_on_leaving():
    def work():
        with deferred() as pressed:
            press()
            assert pressed()

    with pytest.raises(KeyboardInterrupt):
        work()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_comes_before_what_failed_meanwhile():
    def work():
        with deferred():
            press()
            raise ValueError("full")

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    assert isinstance(caught.value.__context__, ValueError)


def test_a_second_interrupt_comes_at_once():
    reached = []

    def work():
        with deferred():
            press()
            reached.append(1)
            press()
            reached.append(2)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == [1]


def test_an_interrupt_is_not_put_off_for_longer_than_it_takes_to_end_in_order(monkeypatch):
    monkeypatch.setattr(interrupts, "PATIENCE", 0.01)
    reached = []

    def work():
        with deferred() as pressed:
            press()
            reached.append(pressed())
            time.sleep(30)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == [True]


def test_what_is_shielded_is_done_whole():
    done = []

    def work():
        with shielded():
            press()
            with shielded():
                press()
            done.append(1)
        done.append(2)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]


def test_an_interrupt_of_something_shielded_counts_around_it():
    def work():
        with deferred() as pressed:
            with shielded():
                press()
                assert not pressed()
            assert pressed()

    with pytest.raises(KeyboardInterrupt):
        work()


def test_where_ctrl_c_is_ignored_it_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred() as pressed, shielded():
            os.kill(os.getpid(), signal.SIGINT)
        assert not pressed()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_may_defer_and_shield():
    found = []

    def use():
        with deferred() as pressed, shielded():
            found.append(pressed())

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert found == [False]


def test_a_lock_that_an_interrupt_left_without_an_owner_is_given_back(tmp_path):
    path = tmp_path / "r.nc"

    def claim():
        lock = WriterLock(path)
        press()
        lock.release()

    with pytest.raises(KeyboardInterrupt):
        claim()
    assert not lock_path(path).exists()
