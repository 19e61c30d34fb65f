"""Groups of ends in which any two are close to one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from analyzers.endings.segments import Segments
from nndyn.numerics.arrays import Array


def groups(apart: Array, limit: float) -> Array:
    """Return the group of every row, by complete linkage.

    Complete, so that of a group it can be said that any two of it are closer than `limit`: being
    connected is no relation that goes on from one pair to the next.

    Parameters
    ----------
    apart : (R, R) float64
        Symmetric, 0 on its diagonal, not negative; NaN in rows that are nowhere.
    limit : float
        Two rows that are as far apart, or further, are in no group together.

    Returns
    -------
    (R,) float64
        From 1 on, in the order in which groups first appear; NaN where a row is nowhere.
    """
    found = np.full(len(apart), np.nan)
    there = np.flatnonzero(np.isfinite(apart).sum(axis=1) > 1)
    if not len(there):
        return found
    pairs = squareform(apart[np.ix_(there, there)], checks=False)
    below = np.nextafter(limit, 0.0)  # the criterion takes what is equal, too
    labels = fcluster(linkage(pairs, "complete"), below, "distance")
    _, at, inverse = np.unique(labels, return_index=True, return_inverse=True)
    found[there] = 1 + np.argsort(np.argsort(at))[inverse]
    return found


@dataclass(frozen=True)
class Ends:
    """The ends of a reference and its copies.

    Attributes
    ----------
    segments : Segments or None
    missing : str
        Why there are none.
    barriers : (S,) float64 or None
        Of the error that decides, between any two ends.
    connected, same : float
        Barrier and share below which two ends are connected, and one function.
    group, output_group : (R,) float64
        Of the reference and every copy, by barrier and by predictions; NaN where they are not
        known.
    """

    segments: Segments | None
    missing: str
    barriers: Array | None
    connected: float
    same: float
    group: Array
    output_group: Array


def grouped(
    found: Segments | None, copies: int, connected: float, same: float, missing: str
) -> Ends:
    """Group the ends by barrier, and by the predictions that differ.

    Parameters
    ----------
    found : Segments or None
    copies : int
    connected : float
        Barrier of the error from which two ends are in no group together.
    same : float
        Share of the predictions, likewise.
    missing : str
        Why there are no segments.

    Returns
    -------
    Ends
    """
    unknown = np.full(1 + copies, np.nan)
    if found is None:
        return Ends(None, missing, None, connected, same, unknown, unknown)
    barriers = found.barriers(found.decides) if found.decides else None
    group, output_group = (
        unknown if values is None else groups(found.matrix(values), limit)
        for values, limit in ((barriers, connected), (found.disagreement, same))
    )
    return Ends(found, "", barriers, connected, same, group, output_group)
