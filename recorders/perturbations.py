"""The initial ensemble, and putting deviations back to their first length."""

from __future__ import annotations

import numpy as np

from nndyn.errors import DataError, UsageError
from nndyn.recording import CONTROL, PERTURBED, REFERENCE
from nndyn.systems.protocol import Array, Parameter, System, WithRest
from recorders.plan import NAMED, Plan

#: Keys of the random streams drawn from a recording's seed; systems own 0 and 1, tangents 4 and 5.
_PERTURBATION, _REDRAW = 2, 3
#: Roundings of the largest component that a perturbation is as large as, at least.
FEWEST_UNITS = 16
#: Relative rounding of dtypes that autocast computes in.
_HALF_UNITS = {"bfloat16": "2⁻⁸", "float16": "2⁻¹¹"}


def roles(plan: Plan) -> Array:
    """Role of every row ``(R,)``: reference, perturbed, control."""
    last = [CONTROL] if plan.control else []
    return np.array([REFERENCE, *[PERTURBED] * plan.replicas, *last], dtype=np.int8)


def ensemble(system: System, plan: Plan) -> Array:
    """Make the phases at time 0: the reference, its perturbed replicas, its control.

    Each perturbation has a random stream of its own, so that it does not depend on how many there
    are.

    Returns
    -------
    (R, P) array

    Raises
    ------
    DataError
        If the initial state is not finite.
    UsageError
        If a perturbation vanishes, or nearly, in the rounding of the state.
    """
    reference = system.initial(plan.seed)
    if not np.isfinite(reference).all():
        raise DataError(f"the initial state of {system.name} is not finite")
    phase = np.repeat(reference[None], plan.rows, axis=0)
    for r in range(1, plan.replicas + 1):
        if plan.perturbations is not None:
            deviation = plan.perturbations[r - 1]
        elif plan.pairs and r % 2 == 0:
            deviation = -deviation
        else:
            deviation = _draw(system, plan, [plan.seed, _PERTURBATION, r])
        phase[r, system.components] += deviation.astype(system.dtype)
    if isinstance(system, WithRest):
        phase = system.representable(phase)
    if plan.replicas:
        _check_size(system, plan, phase)
    for followed in plan.followed:
        followed.check_start(system, plan, phase)
    return phase


def perturbed(system: System, perturb: str) -> list[Parameter]:
    """Return the parameters that perturbations move.

    Parameters
    ----------
    system : System
    perturb : str
        ``weights``, ``all`` or ``parameters:NAME,…``, whose names are those of parameters.

    Returns
    -------
    list of Parameter
    """
    if perturb.startswith(NAMED):
        names = perturb.removeprefix(NAMED).split(",")
        return [p for p in system.parameters if p.name in names]
    return [p for p in system.parameters if perturb == "all" or not p.is_bias]


def changed(system: System, plan: Plan, phase: Array) -> Array:
    """Return of what a perturbation moves the share that it really changed.

    Returns
    -------
    (R,) float64
        The rest rounded back to where the reference is. NaN where nothing was to be moved.
    """
    state = phase[:, system.components]
    share = np.full(len(state), np.nan)
    parts = perturbed(system, plan.perturb)
    for r in range(1, plan.replicas + 1):
        if plan.perturbations is not None:
            meant = plan.perturbations[r - 1] != 0.0
            share[r] = np.mean(state[r, meant] != state[0, meant])
        else:
            places = [slice(p.start, p.start + p.size) for p in parts]
            moved = sum(int(np.count_nonzero(state[r, at] != state[0, at])) for at in places)
            share[r] = moved / sum(p.size for p in parts)
    return share


def swallowed(system: System, plan: Plan, phase: Array) -> str:
    """Return how much of the perturbations steps do not see, in words; empty where all of it."""
    seen = system.computed(phase) if isinstance(system, WithRest) and plan.replicas else None
    if seen is None:
        return ""
    dtype, rows = seen
    share = float(np.mean(changed(system, plan, rows)[1 : plan.replicas + 1]))
    return (
        f"steps round the weights to {dtype} (autocast), where a perturbation below "
        f"{_HALF_UNITS.get(dtype, 'half a unit')} of a weight is swallowed: {share:.1%} of what "
        "is perturbed differs there"
    )


def resolution(system: System, phase: Array) -> float:
    """Return the rounding of the largest component of a state ``(P,)``, as the system holds it."""
    _, coarser = held(system)
    return float(np.spacing(np.abs(phase[system.components]).max())) * coarser


def held(system: System) -> tuple[str, float]:
    """Return the narrowest dtype of weights, and its rounding over that of the phase."""
    return system.coarsest if isinstance(system, WithRest) else (system.dtype.name, 1.0)


def pairs(plan: Plan) -> Array:
    """Index of the mirrored partner of every row, -1 where there is none."""
    partner = np.full(plan.rows, -1, dtype=np.int32)
    if plan.pairs:
        for r in range(1, plan.replicas + 1):
            partner[r] = r + 1 if r % 2 else r - 1
    elif plan.perturbations is not None:
        rows = [row.tobytes() for row in plan.perturbations + 0.0]
        mirrored = [row.tobytes() for row in -plan.perturbations + 0.0]
        for i, row in enumerate(rows):
            if row in mirrored:
                partner[i + 1] = mirrored.index(row) + 1
    return partner


def lengths(phase: Array) -> Array:
    """l2 lengths ``(R,)`` of the deviations from row 0, in float64."""
    return _norms((phase - phase[0]).astype(np.float64, copy=False))


def _norms(rows: Array) -> Array:
    norms: Array = np.sqrt(np.einsum("rp,rp->r", rows, rows))
    return norms


def rescale(
    system: System, plan: Plan, phase: Array, targets: Array, t: int
) -> tuple[Array, Array, list[int]]:
    """Divide each whole deviation by one number, back to its target length.

    Parameters
    ----------
    system : System
    plan : Plan
    phase : (R, P)
    targets : (R,) float64
        l2 lengths; a row with target 0 (reference, control) is left alone.
    t : int
        Time, which keys the stream of a redrawn row.

    Returns
    -------
    phase : (R, P)
    log_factor : (R,) float64
        ln of the l2 distance of the state before over that after, both of rounded states.
    redrawn : list of int
        Rows that coincided with the reference: they start again from a new perturbation, and
        their factor is 0.
    """
    part = system.components
    deviations = (phase - phase[0]).astype(np.float64, copy=False)
    length = _norms(deviations)
    log_factor = np.zeros(len(phase))
    redrawn = []
    for r in np.flatnonzero((targets > 0) & (length == 0)):
        direction = _draw(system, plan, [plan.seed, _REDRAW, int(r), t])
        scale = targets[r] / _norms(direction[None])[0]
        phase[r, part] += (direction * scale).astype(phase.dtype)
        redrawn.append(int(r))
    rows = np.flatnonzero((targets > 0) & (length > 0) & (length < np.inf))
    scale = (targets[rows] / length[rows])[:, None]
    phase[rows] = (phase[0] + deviations[rows] * scale).astype(phase.dtype)
    if isinstance(system, WithRest):
        phase = system.representable(phase)
    before = _norms(deviations[rows, part])
    after = _norms((phase[rows, part] - phase[0, part]).astype(np.float64, copy=False))
    # where states coincide, as only buffers differ or the reference is too far out for targets to
    # be told from it, the phases speak for them
    apart = (before > 0) & (after > 0)
    before, after = np.where(apart, (before, after), (length[rows], targets[rows]))
    log_factor[rows] = np.log(before) - np.log(after)
    return phase, log_factor, redrawn


def _draw(system: System, plan: Plan, key: list[int]) -> Array:
    """Uniform in (-ε, ε) on the perturbed components, 0 elsewhere."""
    size = sum(p.size for p in system.parameters)
    epsilon = plan.epsilon if plan.perturbations is None else np.abs(plan.perturbations).max()
    deviation = np.random.default_rng(key).uniform(-epsilon, epsilon, size)
    if plan.perturb != "all" and plan.perturbations is None:
        moved = perturbed(system, plan.perturb)
        for parameter in system.parameters:
            if parameter not in moved:
                deviation[parameter.start : parameter.start + parameter.size] = 0.0
    return deviation


def _check_size(system: System, plan: Plan, phase: Array) -> None:
    state = phase[:, system.components]
    dtype, unit = held(system)[0], resolution(system, phase[0])
    deviations = np.abs(state[1 : plan.replicas + 1] - state[0]).max(axis=1)
    asked = plan.epsilon if plan.perturbations is None else np.abs(plan.perturbations).max()
    if asked < FEWEST_UNITS * unit or not deviations.all():
        raise UsageError(
            f"epsilon {asked:g} is below the rounding of {dtype} at states of size "
            f"{np.abs(state[0]).max():.3g} ({unit:.1g}); use at least {FEWEST_UNITS * unit:.1g}"
            + ("" if dtype == "float64" else ', `epsilon="auto"`, or float64')
        )
