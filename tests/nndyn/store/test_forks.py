"""Locks and processes that fork from a writer."""

import os
import signal
import subprocess
import sys

import pytest

from nndyn.store.locks import BusyError, WriterLock


def test_a_process_that_was_forked_has_no_lock(tmp_path):
    """Workers of a loader outlive a killed writer by some seconds, and must not take its lock."""
    path = tmp_path / "r.nc"
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from nndyn.store.locks import WriterLock\n"
        f"lock = WriterLock(Path({str(path)!r}))\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    lock.release()\n"  # which is the parent's
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "    os._exit(0)\n"
        "print(child, flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    said = {process.stdout.readline().strip() for _ in range(2)}
    (child,) = (int(line) for line in said - {"ready"})
    try:
        with pytest.raises(BusyError):
            WriterLock(path)
        process.kill()
        process.wait()
        WriterLock(path).release()
    finally:
        os.kill(child, signal.SIGKILL)
