"""What happens to files: each damage changes one, in a folder, and says what it did."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from nndyn.store.chunks import find_layouts, walk

Random = np.random.Generator
Damage = Callable[[Path, Random], str]

#: Values that no key or attribute expects, and some that it might.
HOSTILE: tuple[Any, ...] = (
    None, True, "", "x", "../x", "a\0b", "\x1b[31mred", "9" * 5000, -1, 0, 1, 3, 2**70, 1e308, 0.5,
    float("inf"), float("nan"), [], [1, "a"], {}, {"a": 1},
)  # fmt: skip


def _bytes(change: Callable[[bytearray, Random], str]) -> Damage:
    """Return a damage of all of a file's bytes."""

    def damage(path: Path, rng: Random) -> str:
        raw = bytearray(path.read_bytes())
        said = change(raw, rng)
        with path.open("r+b") as file:  # the same file, by its inode
            file.write(raw)
            file.truncate(len(raw))
        return said

    return damage


def _within(raw: bytearray, rng: Random, end: int | None = None) -> int:
    return int(rng.integers(0, max(1, len(raw) if end is None else min(end, len(raw)))))


def _size(rng: Random, least: int = 512, most: int = 65536) -> int:
    return int(np.exp(rng.uniform(np.log(least), np.log(most))))


@_bytes
def cut(raw: bytearray, rng: Random) -> str:
    """The end is missing."""
    at = _within(raw, rng) if rng.random() < 0.5 else max(0, len(raw) - _size(rng))
    del raw[at:]
    return f"cut at {at}"


@_bytes
def lost_tail(raw: bytearray, rng: Random) -> str:
    """The end is zeros: the length was on disk and the data were not."""
    at = max(0, len(raw) - _size(rng, 512, max(513, len(raw))))
    raw[at:] = bytes(len(raw) - at)
    return f"zeros from {at}"


@_bytes
def zeros(raw: bytearray, rng: Random) -> str:
    """A stretch of 0.5 to 64 kB is zeros."""
    at, size = _within(raw, rng), _size(rng)
    if rng.random() < 0.5:
        at, size = at // 512 * 512, max(512, size // 512 * 512)
    stop = min(at + size, len(raw))
    raw[at:stop] = bytes(stop - at)
    return f"zeros from {at} to {stop}"


@_bytes
def garbage(raw: bytearray, rng: Random) -> str:
    """A stretch of 0.5 to 64 kB is random."""
    at = _within(raw, rng)
    stop = min(at + _size(rng), len(raw))
    raw[at:stop] = rng.bytes(stop - at)
    return f"garbage from {at} to {stop}"


@_bytes
def insertion(raw: bytearray, rng: Random) -> str:
    """Some bytes too many."""
    at, size = _within(raw, rng), _size(rng, 1, 4096)
    raw[at:at] = rng.bytes(size)
    return f"{size} bytes inserted at {at}"


@_bytes
def deletion(raw: bytearray, rng: Random) -> str:
    """Some bytes missing."""
    at, size = _within(raw, rng), _size(rng, 1, 4096)
    del raw[at : at + size]
    return f"{size} bytes deleted at {at}"


@_bytes
def flip(raw: bytearray, rng: Random) -> str:
    """A bit of a value, most likely."""
    return _flipped(raw, _within(raw, rng), rng)


@_bytes
def flip_in_header(raw: bytearray, rng: Random) -> str:
    """A bit of an attribute, a name, an address."""
    return _flipped(raw, _within(raw, rng, 32768), rng)


@_bytes
def flip_in_tree(raw: bytearray, rng: Random) -> str:
    """A bit of a chunk index, which has no checksum."""
    trees = [i for i in range(0, len(raw) - 4, 8) if raw[i : i + 4] == b"TREE"]
    at = int(rng.choice(trees)) + int(rng.integers(0, 400)) if trees else _within(raw, rng)
    return _flipped(raw, min(at, len(raw) - 1), rng)


def _flipped(raw: bytearray, at: int, rng: Random) -> str:
    if raw:
        raw[at] ^= 1 << int(rng.integers(8))
    return f"bit flipped in byte {at}"


def _chunks(path: Path) -> list[tuple[int, int]]:
    """Address and size of every chunk in the order of the file; none of a file that has none."""
    try:
        with netCDF4.Dataset(path) as nc:
            shapes = {
                (*v.chunking(), v.dtype.itemsize)
                for v in nc.variables.values()
                if v.chunking() != "contiguous"
            }
    except (OSError, RuntimeError):
        return []
    found = set()
    with path.open("rb") as file:
        for layout in find_layouts(file.read(1 << 20), shapes):
            for node in walk(file.fileno(), layout):
                if node.level == 0:
                    sizes = node.keys["size"][:-1].tolist()
                    found |= set(zip(node.children.tolist(), sizes, strict=True))
    return sorted(found)


def zeroed_chunk(path: Path, rng: Random) -> str:
    """One whole chunk is zeros, its fletcher32 with it, which then holds."""
    return _on_chunk(path, rng, lambda raw, _: bytes(len(raw)), "zeroed")


def words_turned(path: Path, rng: Random) -> str:
    """Words 0000 of a chunk are FFFF or the reverse, which fletcher32 does not tell apart."""

    def turned(raw: bytes, rng: Random) -> bytes:
        words = np.frombuffer(raw[: len(raw) // 2 * 2], dtype=np.uint16).copy()
        where = np.flatnonzero((words[:-2] == 0) | (words[:-2] == 0xFFFF))
        if where.size:
            some = rng.choice(where, size=min(where.size, int(rng.integers(1, 9))), replace=False)
            words[some] ^= 0xFFFF
        return words.tobytes() + raw[len(raw) // 2 * 2 :]

    return _on_chunk(path, rng, turned, "words 0000 and FFFF exchanged in")


def swapped_chunks(path: Path, rng: Random) -> str:
    """Two chunks of one size have changed places."""
    chunks = _chunks(path)
    sizes = [size for _, size in chunks]
    pairs = [i for i, size in enumerate(sizes) if sizes.count(size) > 1]
    if not pairs:
        return flip(path, rng)
    first = chunks[int(rng.choice(pairs))]
    second = chunks[int(rng.choice([i for i in pairs if chunks[i][1] == first[1]]))]
    with path.open("r+b") as file:
        one = os.pread(file.fileno(), first[1], first[0])
        two = os.pread(file.fileno(), second[1], second[0])
        os.pwrite(file.fileno(), two, first[0])
        os.pwrite(file.fileno(), one, second[0])
    return f"chunks at {first[0]} and {second[0]} swapped"


def _on_chunk(path: Path, rng: Random, change: Callable[[bytes, Random], bytes], what: str) -> str:
    chunks = _chunks(path)
    if not chunks:
        return zeros(path, rng)
    at, size = chunks[int(rng.integers(len(chunks)))]
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), change(os.pread(file.fileno(), size, at), rng), at)
    return f"{what} chunk at {at}"


def changed_value(path: Path, rng: Random) -> str:
    """A value was changed by another program, with right checksums of the file's own."""
    with _opened(path) as nc:
        if nc is None:
            return flip(path, rng)
        names = [n for n, v in nc.variables.items() if v.size and v.dtype != str]
        variable = nc[str(rng.choice(names))]
        variable.set_auto_maskandscale(False)
        variable.set_auto_chartostring(False)
        where = tuple(int(rng.integers(n)) for n in variable.shape)
        new = _value(rng, np.asarray(variable[where]))
        variable[where] = new
        return f"{variable.name}{list(where)} set to {new!r}"


def _value(rng: Random, old: Any) -> Any:
    if old.dtype.kind == "S":
        return b"?"
    if old.dtype.kind == "f":
        return float(rng.choice([np.nan, np.inf, 0.0, -1.0, float(old) + 1e-3, 1e300]))
    return int(old) + int(rng.choice([-1, 1]))


def changed_attribute(path: Path, rng: Random) -> str:
    """An attribute was set, or taken away, by another program."""
    with _opened(path) as nc:
        if nc is None:
            return flip(path, rng)
        owner = nc if rng.random() < 0.7 else nc[str(rng.choice(list(nc.variables)))]
        names = [name for name in owner.ncattrs() if name != "_FillValue"]  # which none can set
        if not names:
            return flip(path, rng)
        name = str(rng.choice(names))
        if rng.random() < 0.15:
            owner.delncattr(name)
            return f"attribute {name} deleted"
        values = [v for v in HOSTILE if isinstance(v, str | int | float) and abs_less(v)]
        new: Any = values[int(rng.integers(len(values)))]
        if rng.random() < 0.3:
            new = np.zeros(int(rng.integers(1, 200)), dtype=str(rng.choice(["i8", "f4", "i1"])))
        owner.setncattr(name, int(new) if isinstance(new, bool) else new)
        return f"attribute {name} set to {new!r:.60}"


def abs_less(value: Any) -> bool:
    """Whether a value fits an attribute."""
    return isinstance(value, str) or abs(value) < 2**62 or value != value


def foreign_addition(path: Path, rng: Random) -> str:
    """A variable, a dimension or an attribute more, as other programs add; all else as before."""
    with _opened(path) as nc:
        if nc is None:
            return flip(path, rng)
        what = str(rng.choice(["variable", "plain variable", "attribute", "group"]))
        if what == "attribute":
            nc.setncattr("history", "Sat Nov 28 2026: ncks -A other.nc run.nc")
        elif what == "group":
            nc.createGroup("elsewhere").createDimension("n", 3)
        else:
            nc.createDimension("of_another", 4)
            plain = {"contiguous": True} if what == "plain variable" else {}
            nc.createVariable("of_another", "f8", ("of_another",), **plain)[:] = np.arange(4.0)
        return f"{what} added"


def renamed_variable(path: Path, rng: Random) -> str:
    """A variable or a dimension has another name."""
    with _opened(path) as nc:
        if nc is None:
            return flip(path, rng)
        if rng.random() < 0.5:
            name = str(rng.choice(list(nc.variables)))
            nc.renameVariable(name, "other")
        else:
            name = str(rng.choice(list(nc.dimensions)))
            nc.renameDimension(name, "other")
        return f"{name} renamed"


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file for changes; None where the library cannot, which may refuse a change too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nc = netCDF4.Dataset(path, "r+")
    except (OSError, RuntimeError, AttributeError):  # it may hold another file of that inode
        yield None
        return
    try:
        with contextlib.suppress(RuntimeError, OSError):
            yield nc
    finally:
        with contextlib.suppress(RuntimeError):
            nc.close()


#: What can happen to a recording or a result.
OF_FILES: dict[str, Damage] = {
    "truncation": cut,
    "lost tail": lost_tail,
    "zeros": zeros,
    "garbage": garbage,
    "insertion": insertion,
    "deletion": deletion,
    "flip": flip,
    "flip in the header": flip_in_header,
    "flip in a tree": flip_in_tree,
    "zeroed chunk": zeroed_chunk,
    "swapped chunks": swapped_chunks,
    "words turned": words_turned,
    "value changed": changed_value,
    "attribute changed": changed_attribute,
    "something added": foreign_addition,
    "something renamed": renamed_variable,
}


def hostile_text(path: Path, rng: Random) -> str:
    """A key of a plan or a note has another value, or is missing; the file is JSON as before."""
    document = json.loads(path.read_text())
    owners: list[tuple[Any, Any]] = []

    def collect(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            owners.append((node, key))
            if isinstance(value, dict | list):
                collect(value)

    collect(document)
    owner, key = owners[int(rng.integers(len(owners)))]
    if rng.random() < 0.2:
        del owner[key]
        said = f"{key!r} deleted"
    elif isinstance(owner, dict) and rng.random() < 0.2:
        new = HOSTILE[int(rng.integers(len(HOSTILE)))]
        owner[str(new)] = owner.pop(key)
        said = f"{key!r} called {new!r:.40}"
    else:
        owner[key] = new = HOSTILE[int(rng.integers(len(HOSTILE)))]
        said = f"{key!r} set to {new!r:.40}"
    path.write_text(json.dumps(document))
    return said


def deep_text(path: Path, rng: Random) -> str:
    """Nested far beyond any reader's stack."""
    depth = int(rng.integers(1000, 200_000))
    one = str(rng.choice(["[", '{"a":']))
    path.write_text(one * depth)
    return f"{depth} of {one}"


def text_of_zeros(path: Path, rng: Random) -> str:
    """As a file system leaves a file that was renamed before its data were on disk."""
    path.write_bytes(bytes(path.stat().st_size if rng.random() < 0.7 else 0))
    return "zeros"


def other_text(path: Path, rng: Random) -> str:
    """Something that is no plan and no note."""
    new = [b"", b"null", b"[]", b"{}", b"\xff\xfe", b"3", b'"x"', b"{" * 9, b"NaN", rng.bytes(400)]
    path.write_bytes(new[int(rng.integers(len(new)))])
    return "another text"


#: What can happen to a plan or a note.
OF_TEXTS: dict[str, Damage] = {
    "hostile text": hostile_text,
    "deep text": deep_text,
    "zeroed text": text_of_zeros,
    "other text": other_text,
    "text cut": cut,
    "flip in text": flip,
}


def copied_cell(study: Path, rng: Random) -> str:
    """One cell's recording lies where another's belongs."""
    one, two = rng.choice(sorted(p.name for p in (study / "cells").glob("*.nc")), 2, replace=False)
    shutil.copy2(study / "cells" / one, study / "cells" / two)
    return f"{one} copied over {two}"


def foreign_cell(study: Path, rng: Random) -> str:
    """A recording of another study lies where a cell belongs."""
    cells = sorted((study / "cells").glob("*.nc"))
    path = cells[int(rng.integers(len(cells)))]
    shutil.copy2(study.parent / "other.nc", path)
    return f"other.nc copied over {path.name}"


def missing_file(study: Path, rng: Random) -> str:
    """One file of a study is gone."""
    files = sorted(p for p in study.rglob("*") if p.is_file())
    path = files[int(rng.integers(len(files)))]
    path.unlink()
    return f"{path.name} removed"


def no_file(study: Path, rng: Random) -> str:
    """Where a file was there is a folder, a pipe, or a link to nothing."""
    files = sorted(p for p in study.rglob("*") if p.is_file())
    path = files[int(rng.integers(len(files)))]
    path.unlink()
    what = str(rng.choice(["folder", "pipe", "link"]))
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere")
    return f"{path.name} is a {what}"


#: What can happen to a study as a whole.
OF_STUDIES: dict[str, Damage] = {
    "copied cell": copied_cell,
    "foreign cell": foreign_cell,
    "missing file": missing_file,
    "no file": no_file,
}
