"""The ensemble where it is perturbed, and putting deviations back to their first length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.finite import all_finite
from nndyn.recording import CONTROL, PERTURBED, REFERENCE
from nndyn.systems.protocol import Parameter, System, WithGradient, WithRest
from recorders.origin import Origin, first
from recorders.plan import GRADIENT, NAMED, Plan

#: Keys of the random streams drawn from a recording's seed; systems own 0 and 1, tangents 4 and 5.
_PERTURBATION, _REDRAW, _BATCH = 2, 3, 6
#: Numbers of deviations that are held at a time, or one row.
_AT_ONCE = 2**20
#: Roundings of the largest component that a perturbation is as large as, at least.
FEWEST_UNITS = 16
#: Relative rounding of dtypes that autocast computes in.
_HALF_UNITS = {"bfloat16": "2⁻⁸", "float16": "2⁻¹¹"}


def roles(plan: Plan) -> Array:
    """Role of every row ``(R,)``: reference, perturbed, control."""
    last = [CONTROL] if plan.control else []
    return np.array([REFERENCE, *[PERTURBED] * plan.replicas, *last], dtype=np.int8)


def ensemble(system: System, plan: Plan, origin: Origin | None = None) -> Array:
    """Make the phases at a time: the reference, its perturbed replicas, its control.

    Each perturbation has a random stream of its own, so that it does not depend on how many there
    are.

    Parameters
    ----------
    system : System
    plan : Plan
    origin : Origin, optional
        The reference where they part from it; its first state unless given.

    Returns
    -------
    (R, P) array
        Before the time of the perturbation, of the first state: all rows equal.

    Raises
    ------
    DataError
        If the first state is not finite.
    UsageError
        If a perturbation vanishes, or nearly, in the rounding of the state.
    """
    here = first(system, plan.seed) if origin is None else origin
    if not all_finite(here.phase):
        raise DataError(f"the initial state of {system.name} is not finite")
    phase = np.repeat(here.phase[None], plan.rows, axis=0)
    if plan.replicas and here.t >= plan.perturb_at:
        phase = _perturbed(system, plan, here, phase)
        _check_size(system, plan, phase)
    for followed in plan.followed:
        followed.check_start(system, plan, phase)
    return phase


def check_early(system: System, plan: Plan) -> None:
    """Check at the first state perturbations that come later: a run of hours is not to end by them.

    Raises
    ------
    UsageError
        As `ensemble`. Those whose size or direction is found later are left to that.
    """
    if plan.perturb_at and not plan.auto and plan.perturb != GRADIENT:
        ensemble(system, replace(plan, perturb_at=0))


def _perturbed(system: System, plan: Plan, here: Origin, phase: Array) -> Array:
    """Add the perturbations to the rows, which are equal; return them as the system has them."""
    for r in range(1, plan.replicas + 1):
        if plan.perturbations is not None:
            deviation = plan.perturbations[r - 1]
        elif plan.pairs and r % 2 == 0:
            deviation = -deviation
        elif plan.perturb == GRADIENT:
            deviation = _along_gradient(system, plan, here, r)
        else:
            deviation = perturbation(system.parameters, plan.epsilon, plan.seed, r, plan.perturb)
        phase[r, system.components] += deviation.astype(system.dtype)
    return system.representable(phase) if isinstance(system, WithRest) else phase


def _along_gradient(system: System, plan: Plan, here: Origin, r: int) -> Array:
    """Return the perturbation (D,) of replica `r` along a gradient, as long as a uniform one."""
    assert isinstance(system, WithGradient)
    found = system.batch_gradient(here.phase, here.t, [plan.seed, _BATCH, r]).astype(np.float64)
    length = np.linalg.norm(found)
    if not (np.isfinite(length) and length > 0):
        raise UsageError(
            f"perturb is 'gradient', and that of replica {r} is "
            f"{'0' if length == 0 else 'not finite'} where the perturbation is due; use 'all'"
        )
    along: Array = found * (plan.epsilon * np.sqrt(found.size / 3.0) / length)
    return along


def perturbed(parameters: Sequence[Parameter], perturb: str) -> list[Parameter]:
    """Return the parameters that perturbations move.

    Parameters
    ----------
    parameters : sequence of Parameter
    perturb : str
        ``weights``, ``all``, ``gradient`` (which moves all) or ``parameters:NAME,…``, whose names
        are those of parameters.

    Returns
    -------
    list of Parameter
    """
    if perturb.startswith(NAMED):
        names = perturb.removeprefix(NAMED).split(",")
        return [p for p in parameters if p.name in names]
    return [p for p in parameters if perturb in ("all", GRADIENT) or not p.is_bias]


def changed(system: System, plan: Plan, phase: Array) -> Array:
    """Return of what a perturbation moves the share that it really changed.

    Returns
    -------
    (R,) float64
        The rest rounded back to where the reference is. NaN where nothing was to be moved.
    """
    state = phase[:, system.components]
    share = np.full(len(state), np.nan)
    parts = perturbed(system.parameters, plan.perturb)
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
    if seen is None or not (phase[1:] != phase[:1]).any():  # or perturbed later
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
    return _unit(phase[system.components], narrowest(system)[1])


def _unit(state: Array, coarser: float) -> float:
    return float(np.spacing(np.abs(state).max())) * coarser


def narrowest(system: System) -> tuple[str, float]:
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
    found = np.zeros(len(phase))
    for rows in _few(np.arange(len(phase)), phase):
        found[rows] = norms(_deviations(phase, rows), of=len(phase))
    return found


def sizes(states: Array) -> Array:
    """Max norms ``(R,)`` of the deviations of states ``(R, D)`` from row 0, in float64."""
    found = np.zeros(len(states))
    for rows in _few(np.arange(len(states)), states):
        found[rows] = np.abs(states[rows].astype(np.float64) - states[0]).max(axis=1)
    return found


def _few(rows: Array, phase: Array) -> list[Array]:
    """Return row numbers in portions whose deviations are held at a time."""
    count = max(1, _AT_ONCE // phase.shape[1])
    return [rows[i : i + count] for i in range(0, len(rows), count)]


def _deviations(phase: Array, rows: Array) -> Array:
    found: Array = (phase[rows] - phase[0]).astype(np.float64, copy=False)
    return found


def norms(rows: Array, of: int) -> Array:
    """l2 norms of rows, some `of` so many: numpy adds up a row in another order where it is all."""
    some = np.broadcast_to(rows, (2, rows.shape[1])) if len(rows) == 1 < of else rows
    norms: Array = np.sqrt(np.einsum("rp,rp->r", some, some)[: len(rows)])
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
    log_factor = np.zeros(len(phase))
    length = lengths(phase)
    redrawn = []
    for r in np.flatnonzero((targets > 0) & (length == 0)):
        direction = _draw(system, plan, [plan.seed, _REDRAW, int(r), t])
        scale = targets[r] / norms(direction[None], of=1)[0]
        phase[r, system.components] += (direction * scale).astype(phase.dtype)
        phase[r] = _held(system, phase[r : r + 1])[0]
        redrawn.append(int(r))
    rows = np.flatnonzero((targets > 0) & (length > 0) & (length < np.inf))
    for some in _few(rows, phase):
        before, after = _put_back(system, phase, some, targets[some] / length[some], of=len(rows))
        # where states coincide, as only buffers differ or the reference is too far out for targets
        # to be told from it, the phases speak for them
        apart = (before > 0) & (after > 0)
        before, after = np.where(apart, (before, after), (length[some], targets[some]))
        log_factor[some] = np.log(before) - np.log(after)
    return phase, log_factor, redrawn


def perturbation(
    parameters: Sequence[Parameter], epsilon: float, seed: int, r: int, perturb: str = "weights"
) -> Array:
    """Return the perturbation of replica `r`, from 1 on, as `ensemble` draws it.

    Parameters
    ----------
    parameters : sequence of Parameter
    epsilon : float
    seed, r : int
    perturb : str, default "weights"
        See `perturbed`.

    Returns
    -------
    (D,) float64
        Uniform in (-ε, ε), 0 on what is left alone.
    """
    return _drawn(parameters, epsilon, [seed, _PERTURBATION, r], perturb)


def _put_back(
    system: System, phase: Array, rows: Array, scale: Array, of: int
) -> tuple[Array, Array]:
    """Multiply deviations, and return how far states are from the reference, before and after."""
    part = system.components
    deviations = _deviations(phase, rows)
    before = norms(deviations[:, part], of)
    deviations *= scale[:, None]
    deviations += phase[0]
    if isinstance(system, WithRest):
        phase[rows] = _held(system, deviations.astype(phase.dtype, copy=False))
    else:
        phase[rows] = deviations
    del deviations  # which may be large
    after = (phase[rows, part] - phase[0, part]).astype(np.float64, copy=False)
    return before, norms(after, of)


def _held(system: System, rows: Array) -> Array:
    """Return rows as the system holds them."""
    return system.representable(rows) if isinstance(system, WithRest) else rows


def _draw(system: System, plan: Plan, key: list[int]) -> Array:
    given = plan.perturbations
    if given is not None:
        return _drawn(system.parameters, np.abs(given).max(), key, "all")
    return _drawn(system.parameters, plan.epsilon, key, plan.perturb)


def _drawn(parameters: Sequence[Parameter], epsilon: float, key: list[int], perturb: str) -> Array:
    """Uniform in (-ε, ε) on the perturbed components, 0 elsewhere."""
    size = sum(p.size for p in parameters)
    deviation = np.random.default_rng(key).uniform(-epsilon, epsilon, size)
    moved = {parameter.name for parameter in perturbed(parameters, perturb)}
    for parameter in parameters:
        if parameter.name not in moved:
            deviation[parameter.start : parameter.start + parameter.size] = 0.0
    return deviation


def _check_size(system: System, plan: Plan, phase: Array) -> None:
    asked = plan.epsilon if plan.perturbations is None else np.abs(plan.perturbations).max()
    states = phase[: plan.replicas + 1, system.components]
    check_size(states, asked, *narrowest(system), cure='`epsilon="auto"`, or ')


def check_size(states: Array, epsilon: float, held: str, coarser: float, *, cure: str = "") -> None:
    """Check that perturbations are not lost in the rounding of the state.

    Parameters
    ----------
    states : (R, D)
        The reference and perturbed ones at time 0, as they are held.
    epsilon : float
        What was asked for.
    held : str
        The narrowest dtype that holds them.
    coarser : float
        Its rounding over that of `states`.
    cure : str
        What may be done beside float64, as messages say it.

    Raises
    ------
    UsageError
        If a perturbation vanishes, or nearly.
    """
    unit = _unit(states[0], coarser)
    deviations = np.abs(states[1:] - states[0]).max(axis=1)
    if epsilon < FEWEST_UNITS * unit or not deviations.all():
        raise UsageError(
            f"epsilon {epsilon:g} is below the rounding of {held} at states of size "
            f"{np.abs(states[0]).max():.3g} ({unit:.1g}); use at least {FEWEST_UNITS * unit:.1g}"
            + ("" if held == "float64" else f", {cure}float64")
        )
