"""Files of earlier versions, whose digests are SHA-256, beside new ones: each keeps its hash."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xxhash

from nndyn.errors import RecordingError
from nndyn.store import Header, Writer, digests, open_recording, verify
from tests.nndyn.store.recordings import assert_holds, header, rows, write

ID = "a" * 32
PLAN = header(attrs={"recording_id": ID, "stationary": 0, "manifest": '{"system": {"name": "x"}}'})
FREE = header(
    attrs=PLAN.attrs,
    variables=tuple(v for v in PLAN.variables if not v.name.startswith("checkpoint")),
)


@pytest.fixture
def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let new files be as the versions made them whose files do not name their hash."""
    define = digests.define

    def defined(nc: netCDF4.Dataset, *given: list[str]) -> None:
        define(nc, *given)
        nc.delncattr(digests.HASH)
        covered = nc.getncattr(digests.ATTRIBUTES).split()
        nc.setncattr(digests.ATTRIBUTES, " ".join(a for a in covered if a != digests.HASH))

    monkeypatch.setattr(digests, "define", defined)


def made(path: Path, times: int, plan: Header = PLAN) -> Path:
    with Writer.create(path, plan) as writer:
        if plan is PLAN:
            write(writer, plan, 0, times)
        else:
            writer.append(rows(plan, 0, times))
            writer.commit()
    return path


def by_hand(hashed: Callable[[bytes], bytes], name: str, chunk: int, values: np.ndarray) -> bytes:
    """Return the digest of a chunk."""
    number = np.array(chunk, dtype="<u8").tobytes()
    return hashed(f"{ID} {name}\n".encode() + number + values.astype("<f8").tobytes())


def xxh3(raw: bytes) -> bytes:
    return xxhash.xxh3_128_intdigest(raw).to_bytes(16, "big")


def sha256(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()[:16]


def assert_digests(path: Path, hashed: Callable[[bytes], bytes]) -> None:
    """Assert that a file of 43 times has the digests that the documentation says."""
    with netCDF4.Dataset(path) as nc:
        names = nc.getncattr(digests.VARIABLES).split()
        assert nc.recording_id == ID
        entries = np.asarray(nc["digest"][:])
    for name in ("time", "distance_l1"):
        for chunk, part in ((4, slice(32, 40)), (5, slice(40, 43))):
            mine = (entries[:, 0] == names.index(name)) & (entries[:, 1] == chunk)
            found = entries[mine][-1]
            assert found[2] == part.stop - part.start
            expected = by_hand(hashed, name, chunk, rows(PLAN, 0, 43)[name][part])
            assert found[3:].astype("<i8").tobytes() == expected


def assert_a_flipped_bit_is_refused(path: Path) -> None:
    with netCDF4.Dataset(path, "r+") as nc:  # the library's checksum holds
        nc["distance_l1"][9, 1] = np.nextafter(nc["distance_l1"][9, 1], 0)
    said = "distance_l1: rows 8 to 15 are not what was written"
    with pytest.raises(RecordingError, match=said), open_recording(path) as run:
        run.load()
    assert verify(path).problems == (said,)


def test_the_digests_of_a_new_file_are_what_the_documentation_says(tmp_path: Path) -> None:
    path = made(tmp_path / "run.nc", 43)
    with netCDF4.Dataset(path) as nc:
        assert nc.digest_hash == "XXH3-128"
        assert "digest_hash" in nc.digest_attributes.split()
    assert_digests(path, xxh3)
    # on every machine, by every version of the library
    found = by_hand(xxh3, "time", 1, np.arange(8.0, 16.0))
    assert found.hex() == "16969771aab38a6a975608159f47c802"


@pytest.mark.usefixtures("as_before")
def test_a_file_of_an_earlier_version_keeps_its_hash(tmp_path: Path) -> None:
    whole, path = made(tmp_path / "whole.nc", 43), made(tmp_path / "run.nc", 24)
    with netCDF4.Dataset(path) as nc:
        assert not {"digest_hash"} & {*nc.ncattrs(), *nc.digest_attributes.split()}
    with open_recording(path) as run:
        assert_holds(run, PLAN, 24)
    with Writer.resume(path) as writer:
        write(writer, PLAN, 24, 43)
    assert path.read_bytes() == whole.read_bytes()
    assert_digests(path, sha256)
    assert verify(path).problems == ()
    assert_a_flipped_bit_is_refused(path)


def test_a_new_file_is_resumed_with_its_hash(tmp_path: Path) -> None:
    whole, path = made(tmp_path / "whole.nc", 43), made(tmp_path / "run.nc", 24)
    with Writer.resume(path) as writer:
        write(writer, PLAN, 24, 43)
    assert path.read_bytes() == whole.read_bytes()
    assert verify(path).problems == ()
    assert_a_flipped_bit_is_refused(path)


@pytest.mark.usefixtures("as_before")
def test_what_stays_of_a_chunk_that_is_cut_through_has_a_digest_of_the_same_hash(
    tmp_path: Path,
) -> None:
    path = made(tmp_path / "run.nc", 50, FREE)
    with Writer.resume(path) as writer:
        writer.cut(43)
    assert_digests(path, sha256)
    with Writer.resume(path) as writer:
        writer.cut(37)
        writer.append(rows(FREE, 37, 43))
        writer.commit()
    assert_digests(path, sha256)
    assert verify(path).problems == ()


def test_a_hash_that_is_not_known_is_named(tmp_path: Path) -> None:
    path = made(tmp_path / "run.nc", 8)
    with netCDF4.Dataset(path, "r+") as nc:
        nc.setncattr(digests.HASH, "XXH4")
        digests.seal(nc)
    said = "has digests by 'XXH4'.* knows XXH3-128 and SHA-256.* later version.*; update nndyn, or"
    for read in (open_recording, Writer.resume):
        with pytest.raises(RecordingError, match=said):
            read(path)
    assert "XXH4" in verify(path).problems[0]


@pytest.mark.parametrize("name", ["SHA-256", None])
def test_a_file_that_lost_the_name_of_its_hash_is_refused(tmp_path: Path, name: str | None) -> None:
    path = made(tmp_path / "run.nc", 8)
    with netCDF4.Dataset(path, "r+") as nc:
        if name is None:
            nc.delncattr(digests.HASH)
        else:
            nc.setncattr(digests.HASH, name)
    with pytest.raises(RecordingError, match="header"):
        open_recording(path)
