"""The barrier between two rows of weights, of one run or of two: `nndyn.barrier`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.checks import whole
from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.barrier import height
from nndyn.recording import ALONG, VARIABLES
from nndyn.systems.protocol import System
from recorders.segments.curves import check, curves, positions

if TYPE_CHECKING:
    import xarray as xr

#: Weights that are evaluated at once.
_ROWS = 4


def barrier(system: System, first: Any, second: Any, *, points: int = 25) -> xr.Dataset:
    """Evaluate a network along the segment between two rows of weights.

    The barrier of a quantity L is the maximum over 0 <= a <= 1 of
    L((1 - a) w₀ + a w₁) - [(1 - a) L(w₀) + a L(w₁)]. Units are not aligned: two networks that
    differ by a permutation of hidden units alone may have one.

    Parameters
    ----------
    system : nndyn.Training
        Of the network and its samples; neither optimizer nor seed matters.
    first, second : array_like (D,) or (P,)
        The weights w₀ and w₁, as in ``state``; of a whole phase what comes after them is left out.
    points : int, default 25
        Points that are looked at, both ends among them; as many less one lie halfway between them.

    Returns
    -------
    xarray.Dataset
        Over ``barrier_position`` the curves ``barrier_loss``, ``barrier_test_loss``,
        ``barrier_accuracy`` and ``barrier_test_accuracy``, as far as there are a test set and
        classes; their barriers ``loss_barrier``, ``test_loss_barrier``, ``error_barrier`` and
        ``test_error_barrier``, numbers, where an error is 1 less an accuracy;
        ``barrier_distance_l2``, the length of the segment; ``barrier_distance_output`` and
        ``barrier_disagreement``, the distance of the test-set outputs of its ends, and the share of
        the test set that they put in different classes. Dimensionless, float64.

    Raises
    ------
    UsageError
        If the system has no network and samples of its own, or the weights are not its.
    DataError
        If a weight is not finite.

    Notes
    -----
    ``2 points - 1`` passes forward over training and test set. Running statistics, as of batch
    normalisation, are computed anew at every point, by one more pass over the training set. Memory
    is that of four rows of weights and their evaluation.

    References
    ----------
    Frankle, J., Dziugaite, G. K., Roy, D. M. & Carbin, M. Linear mode connectivity and the lottery
    ticket hypothesis. ICML 2020. DOI 10.48550/arXiv.1912.05671. Entezari, R. et al. The role of
    permutation invariance in linear mode connectivity of neural networks. ICLR 2022.
    DOI 10.48550/arXiv.2110.06296.
    """
    import xarray as xr

    known, points = check(system), whole("points", points, 3)
    one, other = _weights(system, "first", first), _weights(system, "second", second)
    at = positions(points)
    found = curves(known, one, other, at, _ROWS)
    variables: dict[str, Any] = {}
    for name, values in found.items():
        row = VARIABLES[name]
        variables[name] = (row.dims[2:], values, {"long_name": row.long_name, "units": row.units})
    for name in ALONG:
        if f"barrier_{name}" in found:
            what = name.replace("accuracy", "error")
            sign = 1.0 if what == name else -1.0
            variables[f"{what}_barrier"] = (
                (),
                height(sign * found[f"barrier_{name}"], at),
                {"long_name": f"barrier of the {what.replace('_', ' ')}", "units": "1"},
            )
    dataset = xr.Dataset(variables, coords={"barrier_position": at})
    dataset.attrs = {"points": points, "comment": "units of the two networks are not aligned"}
    return dataset


def _weights(system: System, name: str, given: Any) -> Array:
    """Return the weights (D,) of what is given as a row."""
    try:
        row = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"{name} is no array of numbers") from None
    size = len(range(*system.components.indices(system.dimension)))
    if row.shape not in ((size,), (system.dimension,)):
        raise UsageError(
            f"{name} has shape {row.shape}, expected ({size},): the weights of {system.name}"
        )
    if not np.isfinite(row[:size]).all():
        raise DataError(f"{name} has a weight that is not finite; take an earlier time")
    found: Array = row[:size].astype(system.dtype)
    return found
