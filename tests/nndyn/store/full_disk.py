"""Record until it fails, make room, look at what there is, and go on: run with a folder to fill.

Arguments: folder, components, block, bytes left, what happens beside (``plain``, ``attributes``,
``reader``), what refuses to write (``disk``, ``limit``, or the number of an error of the system).
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

from nndyn.errors import StoreError
from nndyn.store import Writer, handles, open_recording, session, verify
from tests.nndyn.store.recordings import assert_holds, header, write

folder, components, block, left, beside, how = sys.argv[1:]
path = Path(folder) / "run.nc"
plan = header(components=int(components), block=int(block))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)


def refuse() -> None:
    """Leave so many bytes to be written."""
    if how == "disk":
        room = os.statvfs(folder)
        filler = max(0, room.f_bavail * room.f_frsize - int(left))
        path.with_name("filler").write_bytes(bytes(filler))
    elif how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(left), hard))


def make_room() -> None:
    if how == "disk":
        path.with_name("filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def inject(number: int, calls: int) -> None:
    """Let one of the calls that write fail, and those after it."""

    def failing(call):
        def called(*arguments):
            nonlocal calls
            calls -= 1
            if calls < 0:
                raise OSError(number, os.strerror(number))
            return call(*arguments)

        return called

    for module, name in ((os, "fsync"), (os, "pwrite"), (session, "reserve"), (handles, "reserve")):
        real = getattr(module, name)
        setattr(module, name, failing(real))
        undone.append((module, name, real))


undone: list = []
refuse()
if how not in ("disk", "limit"):
    inject(int(how), int(left))
try:
    writer = Writer.create(path, plan)
    for at in range(0, 100_000, plan.block):
        write(writer, plan, at, at + plan.block)
        if beside == "attributes" and at < 20 * plan.block:
            writer.set_attrs(manifest="{" + " " * (at * 40 % 9000) + "}")
        if beside == "reader":
            run = open_recording(path)
            assert float(run["state"][-1, 0, 0]) == float(run["state"].values[-1, 0, 0])
except StoreError as error:
    print(error)
for module, name, real in undone:
    setattr(module, name, real)
make_room()
names = {p.name for p in Path(folder).iterdir()}
undoable = how in ("disk", "limit")  # else the injected error hinders undoing too
assert names <= {"run.nc"} if undoable else names <= {"run.nc", ".run.nc.journal"}, names
if path.exists():
    with open_recording(path) as run:
        kept = int(run.attrs["n_committed"])
        assert_holds(run, plan, kept)
    with Writer.resume(path) as writer:
        write(writer, plan, kept, kept + 9)
        writer.finish("complete")
else:
    kept = 0
    with Writer.create(path, plan) as writer:
        write(writer, plan, 0, 9)
with open_recording(path) as run:
    assert_holds(run, plan, kept + 9)
assert verify(path).sound
assert os.listdir(folder) == ["run.nc"]
