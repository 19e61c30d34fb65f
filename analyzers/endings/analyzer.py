"""Ends of the replicas of a training: whether they are connected, and one function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.common.predictions import SAME
from analyzers.endings.beside import other
from analyzers.endings.groups import grouped
from analyzers.endings.judging import judged, warnings
from analyzers.endings.labels import copies, numbers, pairs
from analyzers.endings.segments import segments
from analyzers.growth.separation import require_dataset
from nndyn.checks import share
from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.recording import PERTURBED
from nndyn.results import Recording, result

if TYPE_CHECKING:
    import xarray as xr

#: Barrier of the test error below which two ends are linearly connected.
CONNECTED = 0.02
#: What a result has and its table has no room for.
_BESIDE = {"distance", "distance_output"}


def endings(
    recording: xr.Dataset,
    *,
    connected: float = CONNECTED,
    same: float = SAME,
    beside: Recording | None = None,
) -> xr.Dataset:
    """Barriers between the ends of the replicas, and how far their functions agree.

    The barrier of a quantity L between weights w₀ and w₁ is the maximum over 0 <= a <= 1 of
    L((1 - a) w₀ + a w₁) - [(1 - a) L(w₀) + a L(w₁)]. Two ends are linearly connected where that of
    the error on the test set is small. Units are not aligned: two networks that differ by a
    permutation of hidden units alone may have a barrier, and count as two then.

    Parameters
    ----------
    recording : xarray.Dataset
        Of a training, with ``barrier_loss`` (``barrier=N``). Without, what it has: distances, and
        how far the predictions differ from those of the reference.
    connected : float, default 0.02
        Barrier of the test error below which two ends are linearly connected; of the error on the
        training set where there is no test set.
    same : float, default 0.01
        Share of the test set below which predictions may differ for two ends to be one function.
    beside : Recording, optional
        Another recording with barriers, such as one whose replicas began at the weights of other
        seeds, or what nndyn.barrier returned of two seeds.

    Returns
    -------
    xarray.Dataset
        Numbers: ``groups``, into which the ends fall so that any two of a group are connected, and
        ``output_groups``, so that any two are one function, both by complete linkage, the reference
        being of group 1; ``largest_barrier``, of the error between any two ends, and
        ``largest_disagreement``. Of every copy, with the reference: ``distance``, l2, and
        ``relative_distance``, over the norm of the reference's weights; ``distance_output`` and
        ``disagreement``, the share of the test set that the two class otherwise; ``loss_barrier``,
        ``test_loss_barrier``, ``error_barrier``, ``test_error_barrier``; whether they are
        ``connected``, 1 or 0; its ``group`` and ``output_group``. Of every pair: ``pair_from``,
        ``pair_to``, ``pair_loss_barrier``, ``pair_barrier`` of the error that decides,
        ``pair_disagreement``, and ``pair_excess`` (pair, position), the loss over the straight
        line. With `beside` ``beside_barrier``, ``beside_loss_barrier`` and
        ``beside_disagreement``, the smallest between two ends there.

    Raises
    ------
    UsageError
        If an option is out of range, or `recording` is no recording.
    DataError
        If it is of no training, has no perturbed replica, or `beside` has no barriers.

    Notes
    -----
    The last time alone is read. Outputs and predictions of pairs are those of the ends with running
    statistics, as of batch normalisation, computed anew, as on the segments.

    References
    ----------
    Frankle, J. et al. Linear mode connectivity and the lottery ticket hypothesis. ICML 2020.
    DOI 10.48550/arXiv.1912.05671. Entezari, R. et al. The role of permutation invariance in linear
    mode connectivity of neural networks. ICLR 2022. DOI 10.48550/arXiv.2110.06296.
    """
    require_dataset(recording)
    share("connected", connected)
    share("same", same)
    perturbed = _perturbed(recording)
    of_other = None if beside is None else other(beside)
    found, missing = segments(recording)
    ends = grouped(found, len(perturbed), connected, same, missing)
    verdict, reason = judged(recording, ends)
    quantities = {**numbers(ends), **copies(recording, ends, perturbed)}
    if of_other is not None:
        quantities |= of_other.quantities
        reason = f"{reason}; {of_other.said}"
    of_training = found is not None and found.decides == "error"
    hidden = _BESIDE if of_training else _BESIDE | {"error_barrier"}
    summary = [name for name in quantities if name not in hidden]
    quantities |= pairs(ends)
    coords: dict[str, Any] = {
        "copy": ("copy", [str(r) for r in perturbed], {"long_name": "replica in the recording"})
    }
    if found is not None:
        coords["position"] = ("position", found.positions, {"long_name": "share of the way"})
    return result(
        quantities,
        analyzer="endings",
        recording=recording,
        parameters={"connected": connected, "same": same, "beside": beside},
        summary=summary,
        verdict=verdict,
        reason=reason,
        warnings=warnings(recording, ends),
        coords=coords,
    )


def _perturbed(recording: xr.Dataset) -> Array:
    """Return the perturbed replicas of a training."""
    if "role" not in recording or "time" not in recording:
        raise DataError("the Dataset is no recording; open a file with nndyn.open(path)")
    if int(recording.attrs.get("stationary", 0)):
        raise DataError(
            "the recording is of a motion on an attractor, which has no end; endings are of "
            "trainings"
        )
    found = np.flatnonzero(recording["role"].values == PERTURBED)
    if not found.size:
        raise DataError("the recording has no perturbed replica; record with `replicas`")
    return found
