"""A write that fails is one line with the system's reason, undone, and can be gone on from."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from nndyn.errors import StoreError
from nndyn.figures import save
from nndyn.store import Writer, save_result
from tests.nndyn.store import recordings
from tests.nndyn.store.recordings import header

pytestmark = pytest.mark.usefixtures("waiting_for_the_disk")

ROOT = Path(__file__).parents[3]


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Give a disk of that size, or skip the test."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, *arguments: object) -> str:
    """Record until it fails, and go on; return what was said."""
    result = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.nndyn.store.full_disk", folder]
        + [str(a) for a in arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
    )
    case = f"{arguments}: {result.stdout}{result.stderr}"
    assert result.returncode == 0, case
    assert result.stdout.count("\n") == 1, case
    assert result.stderr == "", case
    return result.stdout


BESIDE = ("plain", "attributes", "reader")


def disks(count: int, seed: int) -> Iterator[tuple[int, int, int, str]]:
    """Draw bytes left: none, within the header, a few blocks, up to the whole disk."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        most = (4_000, 90_000, 200_000, 500_000, 1_500_000)[i % 5]
        left = int(rng.integers(0, most))
        components = int(rng.choice([5, 50, 500, 2000]))
        yield components, int(rng.choice([4, 8, 16])), left, BESIDE[i % 3]


def full_disks(folder: Path, count: int, seed: int) -> None:
    for i, case in enumerate(disks(count, seed)):
        with small_disk(folder / f"disk{i}", 3072) as disk:
            said = fill(disk, *case, "disk")
        assert "(No space left on device)" in said
        assert "is full" in said


def test_a_disk_that_is_full_at_any_moment(tmp_path: Path) -> None:
    full_disks(tmp_path, 3, seed=2)


@pytest.mark.slow
def test_sixty_full_disks(tmp_path: Path) -> None:
    full_disks(tmp_path, 60, seed=0)


@pytest.mark.parametrize(
    ("left", "beside"),
    [
        (3_000, "plain"),
        (150_000, "attributes"),
        *(
            pytest.param(n, b, marks=pytest.mark.slow)
            for n in range(20_000, 900_000, 90_000)
            for b in BESIDE[:2]
        ),
    ],
)
def test_a_limit_on_the_size_of_files(tmp_path: Path, left: int, beside: str) -> None:
    said = fill(tmp_path, 50, 8, left, beside, "limit")
    assert "(File too large)" in said
    assert "ulimit -f" in said


@pytest.mark.parametrize(
    ("number", "calls"),
    [
        (errno.EIO, 0),
        (errno.EDQUOT, 21),
        *(
            pytest.param(n, c, marks=pytest.mark.slow)
            for n in (errno.EIO, errno.ENOSPC, errno.EDQUOT)
            for c in range(1, 60, 3)
        ),
    ],
)
def test_an_error_of_the_system_in_any_call(tmp_path: Path, number: int, calls: int) -> None:
    said = fill(tmp_path, 50, 8, calls, "plain", number)
    assert os.strerror(number) in said


def test_a_result_and_a_figure_appear_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure, result = Figure(), xr.Dataset({"x": ("time", np.arange(9.0))})
    figure.add_subplot().plot([1, 2, 3])
    written = {
        "r.nc": lambda path: save_result(result, path, overwrite=True),
        **{f"f.{kind}": lambda path: save(figure, path) for kind in ("png", "pdf", "svg")},
    }
    for name, write in written.items():
        path = tmp_path / name
        write(path)
        before = path.read_bytes()
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO):

            def refused(fd: int, number: int = number) -> None:
                raise OSError(number, os.strerror(number))

            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", refused)
                with pytest.raises(StoreError, match=os.strerror(number)) as caught:
                    write(path)
            assert "\n" not in str(caught.value)
            assert path.read_bytes() == before
        write(path)
    assert sorted(os.listdir(tmp_path)) == sorted(written)


def test_a_descriptor_of_the_callers_on_the_same_file_is_left_alone(tmp_path: Path) -> None:
    path, plan = tmp_path / "run.nc", header(components=50)
    writer = Writer.create(path, plan)
    recordings.write(writer, plan, 0, 16)
    with path.open("rb") as own, path.open("r+b") as writable:
        writer.append(recordings.rows(plan, 16, 24))
        writer.__exit__(KeyError, KeyError(), None)
        for file in (own, writable):
            assert os.path.samestat(os.fstat(file.fileno()), path.stat())
            assert file.read() == path.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_standard_output_on_a_full_disk_is_one_line() -> None:
    code = "from nndyn.cli import main; main(['systems'])"
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "No space left on device" in result.stderr
