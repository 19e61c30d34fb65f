"""Ctrl-C in a command: exit code 130 and one line that is true of it and of the moment."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

import nndyn
from nndyn.finder.runs import Adaptive
from recorders import drive
from recorders.drive import Drive

HENON = ("record", "map", "henon", "--steps", 2000, "-o", "h.nc")
ONSET = ("onset", "--data", "iris", "--model", "mlp:4-5-3", "--steps", 30, "--seeds", 3)
SWEEP = ("sweep", "map", "logistic", "--param", "r=3.6,3.9", "--steps", 50, "-o", "s")


def press(*arguments, **options):
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def press_after(monkeypatch):
    """Press Ctrl-C once, after a method was called; the command is then deferring it, or not."""

    def patch(owner, name):
        true, once = getattr(owner, name), iter([True])

        def pressing(*arguments, **options):
            value = true(*arguments, **options)
            if next(once, False):
                press()
            return value

        monkeypatch.setattr(owner, name, pressing)

    return patch


def test_a_search_interrupted_in_the_last_steps_of_a_round_says_that_its_runs_are_gone(
    cli, press_after, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    press_after(Drive, "finish")
    code, out, err = cli(*ONSET)
    assert code == 130
    assert out == ""
    assert err.splitlines()[-1] == (
        "nndyn: interrupted; the runs were not kept; with -o they are, and the same command goes on"
    )
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_search_that_keeps_its_runs_goes_on_with_the_same_command(cli, press_after, tmp_path):
    press_after(Adaptive, "record")
    code, _, err = cli(*ONSET, "-o", "s")
    assert code == 130
    assert err.splitlines()[-1] == (
        "nndyn: interrupted; what was done is in s; the same command goes on"
    )
    assert not list(tmp_path.rglob(".*"))


def test_a_recording_says_how_far_it_came_and_how_it_goes_on(cli, press_after, monkeypatch):
    monkeypatch.setattr(drive, "_SEGMENT_WORK", 1.0)
    press_after(Drive, "_advance")
    code, _, err = cli(*HENON, "--overwrite")
    assert code == 130
    with nndyn.open("h.nc") as recording:
        last = recording.sizes["time"] - 1
    assert 0 < last < 2000
    assert err == (
        f"nndyn: interrupted; steps 0 to {last:,} of 2,000 are in h.nc; the same command with "
        "--resume instead of --overwrite goes on\n"
    )
    assert cli(*HENON, "--resume")[0] == 0


def test_a_recording_interrupted_in_its_last_steps_says_that_it_is_complete(cli, press_after):
    press_after(Drive, "finish")
    code, _, err = cli(*HENON)
    assert code == 130
    assert err == "nndyn: interrupted; h.nc is complete, with 2,000 steps\n"


def test_a_recording_interrupted_before_it_began_leaves_no_file(cli, monkeypatch, tmp_path):
    monkeypatch.setattr("recorders.trials.cost.estimate", press)
    code, _, err = cli(*HENON)
    assert code == 130
    assert err == "nndyn: interrupted; nothing was recorded, there is no h.nc\n"
    (tmp_path / "h.nc").write_bytes(b"mine")
    code, _, err = cli(*HENON, "--overwrite")
    assert code == 130
    assert err == "nndyn: interrupted; nothing was recorded, h.nc is as it was\n"
    code, _, err = cli(*HENON, "--overwrite", "--dry-run")
    assert err == "nndyn: interrupted; nothing was written\n"
    assert (tmp_path / "h.nc").read_bytes() == b"mine"


def test_a_sweep_goes_on_with_the_same_command_but_not_by_overwriting(cli, press_after):
    press_after(Drive, "finish")
    code, _, err = cli(*SWEEP, "--overwrite")
    assert code == 130
    assert err == (
        "nndyn: interrupted; what was done is in s; the same command without --overwrite goes on\n"
    )
    assert cli(*SWEEP)[0] == 0


def test_a_command_that_keeps_nothing_is_simply_interrupted(cli, monkeypatch, recording_path):
    monkeypatch.setattr("nndyn.store.verify", press)
    assert cli("verify", recording_path) == (130, "", "nndyn: interrupted\n")


def ended(before, *arguments):
    """Run a command in a process where `before` is run first; gives (exit code, stdout, stderr)."""
    script = f"import os, signal, sys\n{before}\nfrom nndyn.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


PRESS = "press = lambda *_: os.kill(os.getpid(), signal.SIGINT)"
#: What becomes of an interrupt: it cannot leave a destructor, an import makes it another error.
LOST = {
    "in a destructor": """
class Dropped:
    __del__ = press
def systems():
    Dropped()
    time.sleep(60)
""",
    "made an ImportError": """
def systems():
    try:
        press()
    except KeyboardInterrupt as error:
        raise ImportError("initialization failed") from error
""",
    "swallowed": """
def systems():
    with contextlib.suppress(KeyboardInterrupt):
        press()
""",
}


@pytest.mark.parametrize("how", LOST)
def test_an_interrupt_that_gets_lost_in_the_machinery_of_python_is_heard(how):
    before = (
        f"import contextlib, time\n{PRESS}\n{LOST[how]}\n"
        "import nndyn.cli.systems as module\n"
        "module.systems.callback = lambda **options: systems()"
    )
    assert ended(before, "systems") == (130, "", "nndyn: interrupted\n")


def test_an_import_is_not_interrupted_in_its_midst(tmp_path):
    (tmp_path / "fragile.py").write_text(
        "import os, signal, time\n"
        "try:\n"
        "    for _ in range(2):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(0.2)\n"
        "except KeyboardInterrupt:\n"
        "    os.abort()\n"
    )
    before = f"import time\nsys.path.append({str(tmp_path)!r})\n" + (
        "import nndyn.cli.systems as module\n"
        "def systems(**options):\n"
        "    import fragile\n"
        "    time.sleep(60)\n"
        "module.systems.callback = systems"
    )
    assert ended(before, "systems") == (130, "", "nndyn: interrupted\n")


@pytest.mark.slow
def test_an_import_of_torch_that_takes_long_is_left_without_an_exception(tmp_path):
    (tmp_path / "torch.py").write_text(
        "import os, signal, time\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    os.abort()\n"
    )
    before = f"sys.path.insert(0, {str(tmp_path)!r})"
    assert ended(before, *ONSET) == (130, "", "nndyn: interrupted\n")


def test_an_interrupt_while_python_leaves_ends_quietly():
    before = f"import atexit\n{PRESS}\nimport nndyn.cli.interrupts as module\n" + (
        "true = module.Listener.ending\n"
        "def ending(self, *arguments):\n"
        "    true(self, *arguments)\n"
        "    atexit.register(press)\n"
        "module.Listener.ending = ending"
    )
    code, out, err = ended(before, "systems")
    assert (code, err) == (130, "nndyn: interrupted; all was done\n")
    assert "logistic" in out


def test_a_command_that_is_to_ignore_ctrl_c_does():
    before = (
        f"{PRESS}\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "import nndyn.cli.systems as module\ntrue = module.systems.callback\n"
        "module.systems.callback = lambda **options: (press(), true(**options))[1]"
    )
    code, out, err = ended(before, "systems")
    assert (code, err) == (0, "")
    assert "logistic" in out


def test_what_other_modules_do_at_exit_is_done():
    before = "import atexit\nimport nndyn.cli.interrupts as module\n" + (
        "true = module.Listener.ending\n"
        "def ending(self, *arguments):\n"
        "    true(self, *arguments)\n"
        "    import multiprocessing.util\n"
        "    multiprocessing.util.Finalize(None, print, ('last words',), exitpriority=0)\n"
        "module.Listener.ending = ending"
    )
    code, out, _ = ended(before, "systems")
    assert code == 0
    assert out.splitlines()[-1] == "last words"
