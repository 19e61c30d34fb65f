"""Rows that stay where a recording is cut back to an earlier time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nndyn.errors import UsageError
from nndyn.store.digests import NAME
from nndyn.store.session import Session
from nndyn.store.written import Written


def kept(writer: Written, times: int, rows: Mapping[str, int]) -> dict[str, int]:
    """Return how many rows of each growing dimension stay.

    Parameters
    ----------
    writer : Written
    times : int
        That stay.
    rows : mapping of str to int
        That stay of some other dimensions; of the rest those that are not after the last time.

    Returns
    -------
    dict of str to int

    Raises
    ------
    UsageError
        If there are not as many, or a row that would stay is after the last time.
    """
    if not 1 <= times <= writer.n_committed:
        raise UsageError(
            f"times is {times}, expected 1 to {writer.n_committed}, the times of {writer.path}"
        )
    if unknown := rows.keys() - (writer.committed.keys() - {"time"}):
        raise UsageError(f"{min(unknown)!r} is no growing dimension of {writer.path} beside time")
    last = writer.read("time", slice(times - 1, times))[0]
    found = {"time": times}
    for dim in writer.committed.keys() - {"time"}:
        most = int(np.searchsorted(writer.read(dim), last, side="right"))
        found[dim] = rows.get(dim, most)
        if not 0 <= found[dim] <= most:
            raise UsageError(
                f"rows has {found[dim]} of {dim}, expected 0 to {most}, those up to time {last:g}"
            )
    return found


def cut(session: Session, kept: Mapping[str, int]) -> None:
    """Let only so many rows of each growing dimension count, in a change of its own.

    Parameters
    ----------
    session : Session
        Without changes that do not stand.
    kept : mapping of str to int
    """
    session.book.cut(session.nc, kept)
    with session.change(session.room(NAME, session.entries) if session.entries else 0):
        session.ends.update(kept)
        session.count()
        session.settle()
    session.committed = dict(session.ends)
    session.n_committed = session.attrs["n_committed"] = session.ends["time"]
    session.book = session.book.anew(session.nc, session.committed)
