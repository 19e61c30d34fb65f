"""A recording that appears whole: written beside its place, which it takes in the end."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nndyn.errors import StoreError
from nndyn.runtime.interrupts import shielded
from nndyn.store.files import part_path, sync_folder
from nndyn.store.layout import Header
from nndyn.store.locks import (
    WriterLock,
    check_own,
    journal_path,
    lock_path,
    stale_parts,
    vacant,
)
from nndyn.store.writer import Writer

#: What a failed write says of a run that can be gone on with, which this is not.
_SAFE = re.compile(r"\d+ times are safe and can be resumed; ")


@contextmanager
def appearing(path: Path, header: Header, *, overwrite: bool) -> Iterator[Writer]:
    """Write a recording that is there whole or not at all.

    Parameters
    ----------
    path : Path
    header : Header
    overwrite : bool
        Replace a file of that name, once the new one is whole.

    Yields
    ------
    Writer
        Of a file beside `path`; it takes that name when this is left, unless by an exception.

    Raises
    ------
    UsageError
        If `path` is taken and `overwrite` is not set, or it is a link.
    StoreError
        If another process writes it, or it cannot be written: then `path` is as it was.
    """
    vacant(path, overwrite=overwrite)
    check_own(path)
    lock, part = WriterLock(path), part_path(path)
    try:
        for stale in stale_parts(path):
            for left in (stale, lock_path(stale), journal_path(stale)):
                left.unlink(missing_ok=True)
        with Writer.create(part, header, overwrite=True) as writer:
            yield writer
        _take_name(part, path, overwrite=overwrite)
    except StoreError as error:
        if type(error) is not StoreError:
            raise
        said = _SAFE.sub("", str(error)).replace(str(part), str(path))
        raise StoreError(said) from error
    finally:
        part.unlink(missing_ok=True)
        lock.release()


@shielded()
def _take_name(part: Path, path: Path, *, overwrite: bool) -> None:
    vacant(path, overwrite=overwrite)  # another may have appeared
    os.replace(part, path)
    journal_path(path).unlink(missing_ok=True)
    sync_folder(path.parent)
