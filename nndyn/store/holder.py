"""Holder of a lock, as the lock file names it: host, boot, process and recording.

``flock`` tells whether a process of this machine lives. Where a shared folder has no locks across
machines (NFS with ``local_lock``, Lustre without ``flock``) it tells nothing of the processes of
others: of these the file says which they are, and its time when they were heard of last.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from nndyn.errors import is_number, is_whole
from nndyn.store.regular import read_regular
from nndyn.words.text import escaped

#: Seconds without a word after which a lock of another host is free.
PATIENCE = 600.0
#: Blocks that may take longer than that.
BLOCKS = 3
#: Bytes of a lock file; more than any has.
LENGTH, MOST = 1024, 4096

_BEGINNING = b'{"host": '
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_LONGEST_BLOCK = 30 * 86400.0  # s
_WIDEST = 64  # characters of a name, as Linux has them


@functools.cache
def here() -> tuple[str, str]:
    """Return the name of this host and the identity of its boot, empty if the system has none.

    Returns
    -------
    host, boot : str, str
    """
    try:
        boot = read_regular(_BOOT, MOST).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        boot = ""
    return platform.node()[:_WIDEST], boot


@dataclass(frozen=True)
class Holder:
    """The process that made a lock file.

    Attributes
    ----------
    host, boot : str
        As of `here`. Containers of one machine share its boot.
    pid : int
        For people: containers have numbers of their own.
    recording : str
        Identity of what is written, or its beginning; empty until it is known.
    block : float
        Seconds that the longest block took, where that is long.
    """

    host: str
    boot: str
    pid: int
    recording: str = ""
    block: float = 0.0

    @property
    def elsewhere(self) -> bool:
        """Whether it is on another host: of that ``flock`` may tell nothing."""
        host, boot = here()
        return self.host != host and not (boot and self.boot == boot)

    @property
    def patience(self) -> float:
        """Seconds without a word after which it is taken for gone."""
        return max(PATIENCE, BLOCKS * self.block)

    def packed(self) -> bytes:
        """Return the content of a lock file; always of one length, to be replaced at once."""
        short = replace(self, recording=self.recording[:_WIDEST])
        return json.dumps(asdict(short)).encode().ljust(LENGTH - 1) + b"\n"

    def __str__(self) -> str:
        """Return words for a message."""
        return f"process {self.pid} on {escaped(self.host)}"


def parsed(raw: bytes) -> Holder | None:
    """Return whom the content of a lock file names.

    Parameters
    ----------
    raw : bytes

    Returns
    -------
    Holder or None
        None of what an earlier version made, which is empty, and of what is no content of a lock.
    """
    if len(raw) > LENGTH:
        return None
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(tree, dict):
        return None
    texts = [tree.get(key) for key in ("host", "boot", "recording")]
    pid, block = tree.get("pid"), tree.get("block", -1)
    sound = all(isinstance(text, str) and len(text) <= _WIDEST for text in texts)
    if not (sound and texts[0] and is_whole(pid) and 0 < pid < 1 << 31):
        return None
    if not (is_number(block) and 0 <= block <= _LONGEST_BLOCK):
        return None
    host, boot, recording = map(str, texts)
    return Holder(host, boot, pid, recording, float(block))


def is_lock(fd: int) -> bool:
    """Whether a file may be written as a lock: it has one name, and what a lock has, or nothing."""
    about, raw = os.fstat(fd), os.pread(fd, MOST, 0)
    text = raw.rstrip(b"\0")  # of one that was just made when the power failed, there may be zeros
    made = not text or parsed(raw) is not None or _BEGINNING.startswith(text[: len(_BEGINNING)])
    return about.st_nlink <= 1 and about.st_size <= LENGTH and made


@dataclass(frozen=True)
class Standing:
    """How a lock file was found.

    Attributes
    ----------
    held : bool
        Whether a living process of this host, or of any with locks across hosts, has it.
    holder : Holder or None
        Whom it names.
    renewed : float
        When that process was heard of last, s since 1970 by the clock of the file system.
    """

    held: bool
    holder: Holder | None
    renewed: float

    @classmethod
    def of(cls, fd: int, *, held: bool) -> Standing:
        """Return how the lock file `fd` stands."""
        return cls(held, parsed(os.pread(fd, MOST, 0)), os.fstat(fd).st_mtime)

    @property
    def elsewhere(self) -> bool:
        """Whether it is of another host."""
        return self.holder is not None and self.holder.elsewhere

    def writes(self, now: float) -> bool:
        """Whether somebody is to be taken for writing at the time `now`."""
        if self.held or self.holder is None or not self.elsewhere:
            return self.held
        return now - self.renewed < self.holder.patience

    def __str__(self) -> str:
        """Return words for a message: who, and since when."""
        if self.holder is None:
            return "another process"
        return f"{self.holder}, heard of last {_moment(self.renewed)}"


def clock(folder: Path) -> float:
    """Return the time by the clock of the file system, which may be that of no host.

    Parameters
    ----------
    folder : Path
        A file is made in it and removed.

    Returns
    -------
    float
        s since 1970; by the clock of this host where nothing can be written.
    """
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".nndyn-") as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def _moment(seconds: float) -> str:
    try:
        when = datetime.fromtimestamp(seconds).astimezone()
        return f"at {when.isoformat(sep=' ', timespec='seconds')}"
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f} s after 1970"
