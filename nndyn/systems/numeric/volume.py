"""Volume error of a Runge-Kutta flow: its steps against the exact contraction."""

from __future__ import annotations

from typing import Any

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.systems.numeric.push import push_flow

#: Points of the orbit at which steps are compared, and the time in steps over which they lie.
POINTS, SPAN = 64, 4000


def volume_error(
    rate: Any, derivative: Any, orbit: Array, parameters: Array, dt: float, *, compiled: bool
) -> float | None:
    """Return what the integration adds to the sum of all exponents.

    Parameters
    ----------
    rate, derivative : functions
        See `nndyn.systems.numeric.advance` and `nndyn.systems.numeric.push`.
    orbit : (n, P) float64
        Points from which one step of `dt` is compared with two of half of it.
    parameters : (m,) float64
    dt : float
    compiled : bool
        Whether both functions are compiled.

    Returns
    -------
    float or None
        Per unit of time, by Richardson's extrapolation: the rate of change of volumes over a step,
        less that of the flow, on average over the points. None where a step is not finite.

    Notes
    -----
    Every point starts anew, so that chaos does not drive the two apart. Three steps of P vectors a
    point.

    References
    ----------
    E. Hairer, S. P. Nørsett and G. Wanner, Solving Ordinary Differential Equations I, section II.4,
    doi:10.1007/978-3-540-78862-1.
    """
    loop: Any = push_flow if compiled else push_flow.py_func
    P = orbit.shape[1]

    def log_volume(point: Array, step: float, steps: int) -> float:
        diagonal, at = np.empty((steps, P)), np.arange(1, steps + 1)
        loop(
            rate,
            derivative,
            point[None].copy(),
            parameters,
            step,
            np.eye(P),
            0,
            steps,
            at,
            diagonal,
        )
        return float(np.log(diagonal).sum())

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        differences = [log_volume(x, dt, 1) - log_volume(x, 0.5 * dt, 2) for x in orbit]
        error = float(np.mean(differences)) * 16.0 / 15.0 / dt
    return error if np.isfinite(error) else None
