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
        "import os, time\n"
        "from pathlib import Path\n"
        "from nndyn.store.locks import WriterLock\n"
        f"lock = WriterLock(Path({str(path)!r}))\n"
        "here, there = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    lock.release()\n"  # which is the parent's
        "    os.write(there, b'x')\n"
        "    time.sleep(60)\n"
        "    os._exit(0)\n"
        "os.read(here, 1)\n"
        "print(child, flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    try:
        with pytest.raises(BusyError):
            WriterLock(path)
        process.kill()
        process.wait()
        WriterLock(path).release()
    finally:
        os.kill(child, signal.SIGKILL)
        process.stdout.close()
