"""Pages in a browser, where there is one: nothing on the console, and nothing that runs."""

import shutil
import subprocess

import pytest

import nndyn
from nndyn.reports import page as pages
from nndyn.reports.recordings import collect
from tests.nndyn.reports.test_hostile_page import HOSTILE, spoiled, walk

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no chromium"),
]
walk = walk  # a fixture


def shown(path, tmp_path, *options):
    """Open a page; return what its console says, and the tree it became."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", *options, "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line], done.stdout


@pytest.mark.parametrize("options", [("--window-size=500,800",), ("--window-size=1600,900",)])
def test_a_report_has_no_error_in_a_browser(trained_page, tmp_path, options):
    console, tree = shown(trained_page, tmp_path, *options)
    assert console == []
    assert tree.count("<svg") == 4


def test_a_study_has_no_error_in_a_browser(small_study, tmp_path):
    page = nndyn.report(small_study, tmp_path / "s.html")
    assert shown(page, tmp_path, "--force-dark-mode")[0] == []


def test_what_is_hostile_runs_nothing(walk, tmp_path):
    page = tmp_path / "p.html"
    subject = collect(walk, "walk", "r0")
    page.write_text(pages.subjects("t", [spoiled(subject, text) for text in HOSTILE]))
    console, tree = shown(page, tmp_path)
    assert console == []
    assert "<script" not in tree
    assert "<img" not in tree
