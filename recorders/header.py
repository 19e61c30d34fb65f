"""The header of a recording, and whether a file continues a request."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from nndyn import header as header_of
from nndyn.errors import RecordingError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.recording import DISTANCES, VARIABLES, Variable, variable
from nndyn.runtime import provenance
from nndyn.store import Header, Writer
from nndyn.systems.protocol import InTurn, System, WithBatches, WithRest
from nndyn.systems.series.ensembles import independent
from recorders import perturbations as ensembles
from recorders.plan import Plan
from recorders.trials.calibration import Calibration

_FIXED = (
    "role",
    "perturbation",
    "perturbed_share",
    "pair",
    "diverged_at",
    "parameter_name",
    "parameter_start",
    "parameter_size",
    "checkpoint",
    "checkpoint_step",
)


def variables(system: System, plan: Plan) -> tuple[Variable, ...]:
    """Variables of the file, on the dimensions they have there."""
    names = [*_FIXED, "time", "log_rescale"]
    names += DISTANCES if plan.rows > 1 else ()  # the reference alone has none
    names += ["distance_l2_parameter"] if plan.by_parameter(system) else []
    names += [*system.arrival, *system.series]
    if system.steps_per_epoch:
        names.append("epoch")
    if independent(ensembles.roles(plan), ensembles.pairs(plan))[0].size:
        names.append("deviation_alignment")
    if plan.floor_steps:
        names += ["floor_time", "rounding_distance"]
    out = [VARIABLES[name] for name in names]
    if isinstance(system, WithRest):
        out.append(VARIABLES["checkpoint_rest"])
    if isinstance(system, WithBatches) and system.batch_values:
        out += [_known(name) for name in ("batch_time", *system.batch_values)]
    for followed in plan.followed:
        out += followed.variables(system)
    kept = VARIABLES["sketch" if plan.sketch else "state"]
    if plan.keep_every == 1:
        out.append(kept)
    elif plan.keep_every:
        out += [VARIABLES["state_time"], kept.on("state_time")]
    if plan.evaluate == 1:
        out += [_known(name) for name in system.evaluations]
    elif plan.evaluate:
        out.append(VARIABLES["evaluation_time"])
        out += [_known(name).on("evaluation_time") for name in system.evaluations]
    return tuple(out)


def _known(name: str) -> Variable:
    found = variable(name)
    assert found is not None  # a system names what is in the schema
    return found


def header(
    system: System, plan: Plan, start: Array, calibration: Calibration | None = None
) -> Header:
    """Header of a new recording that begins with the ensemble `start` ``(R, P)``.

    Parameters
    ----------
    system : System
    plan : Plan
        Settled.
    start : (R, P)
    calibration : Calibration, optional
        What chose the length of the perturbations.

    Returns
    -------
    Header
    """
    state = start[:, system.components]
    layout = system.parameters
    manifest = {
        "system": system.describe(),
        "recording": plan.options(),
        "steps": plan.steps,
        "exponent_sum": system.exponent_sum,
        "parameter_shapes": {p.name: list(p.shape) for p in layout},
        **{k: v for each in plan.followed for k, v in each.noted(system, plan, start).items()},
        **({"calibration": calibration.noted()} if calibration else {}),
        **_in_turn(system, plan),
        **provenance.provenance(),
    }
    return Header(
        sizes={
            "replica": plan.rows,
            "component": system.dimension if plan.whole_phase else state.shape[1],
            "parameter": len(layout),
            "slot": 2,
            "phase": system.dimension,
            "vector": 0,
            "bucket": plan.sketch,
            **({"byte": system.rest_size} if isinstance(system, WithRest) else {}),
            **{name: size for each in plan.followed for name, size in each.sizes(system).items()},
        },
        variables=variables(system, plan),
        fixed={
            "role": ensembles.roles(plan),
            "perturbation": ensembles.sizes(state),
            "perturbed_share": ensembles.changed(system, plan, start),
            "pair": ensembles.pairs(plan),
            "diverged_at": np.full(plan.rows, -1, dtype=np.int64),
            "parameter_name": np.array([p.name for p in layout], dtype=object),
            "parameter_start": np.array([p.start for p in layout], dtype=np.int64),
            "parameter_size": np.array([p.size for p in layout], dtype=np.int64),
            **{name: values for each in plan.followed for name, values in each.fixed().items()},
        },
        block=plan.block,
        attrs={
            "recording_id": provenance.new_id(),
            "stationary": int(system.stationary),
            "manifest": json.dumps(manifest),
            "floor_steps": plan.floor_steps,
            "redrawn": "[]",
            **({"checkpoint_every": plan.checkpoint_every} if plan.checkpoint_every > 1 else {}),
        },
        time_unit=system.time_unit,
        dtype=system.dtype.name,
        expected_bytes=plan.bytes(system),
    )


def _in_turn(system: System, plan: Plan) -> dict[str, str]:
    """Return why rows are computed one after the other, where they are."""
    reason = system.one_by_one(plan.rows) if isinstance(system, InTurn) else None
    return {} if reason is None else {"one_by_one": reason}


def perturbed(plan: Plan, writer: Writer, lengths: Array, found: Calibration | None) -> None:
    """Note in the file that its replicas were perturbed after its first time, and by how much.

    Parameters
    ----------
    plan : Plan
        Settled.
    writer : Writer
    lengths : (R,) float64
        l2 lengths of the deviations, which a run that goes on rescales to.
    found : Calibration or None
        What chose their length.
    """
    manifest = _manifest(writer)
    manifest["recording"] |= {"epsilon": plan.options()["epsilon"], "rescale": plan.rescale}
    manifest["perturbed"] = {"lengths": lengths.tolist()}
    if found is not None:
        manifest["calibration"] = found.noted()
    writer.set_attrs(manifest=json.dumps(manifest))


def lengths_of(plan: Plan, writer: Writer) -> Array:
    """Return the l2 lengths (R,) of the deviations that `perturbed` noted."""
    noted = _manifest(writer).get("perturbed", {}).get("lengths", [])
    if len(noted) != plan.rows:
        raise RecordingError(
            f"{writer.path} is damaged: it does not say how long its perturbations were; "
            f"{header_of.CURE}"
        )
    return np.array(noted, dtype=np.float64)


def as_begun(plan: Plan, writer: Writer) -> Plan:
    """Return a plan to go on with the file of `writer`, where it does not say how that began."""
    options = _manifest(writer)["recording"]
    followed = tuple(each.as_begun(options) for each in plan.followed)
    if plan.auto and isinstance(options.get("epsilon"), float):
        rescale = plan.rescale or options.get("rescale", 0)
        plan = replace(plan, auto=False, epsilon=options["epsilon"], rescale=rescale)
    return replace(plan, followed=followed)


def continues(system: System, plan: Plan, writer: Writer, *, mix: bool) -> bool:
    """Tell whether anything of `plan` is left to record in the file of `writer`.

    Parameters
    ----------
    system : System
    plan : Plan
    writer : Writer
    mix : bool
        Whether a run may go on with another arithmetic than it began with.

    Returns
    -------
    bool

    Raises
    ------
    UsageError
        If the file was made with another system or other options (each is named with both
        values), already holds more steps, or is to go on with another arithmetic.
    """
    manifest = _manifest(writer)
    kept = _flat({"system": manifest["system"], "recording": manifest["recording"]})
    asked = _flat({"system": system.describe(), "recording": plan.options()})
    differences = [
        f"{key} is {kept.get(key, 'not there')} in the file, {asked.get(key, 'not there')} asked"
        for key in sorted(kept.keys() | asked.keys())
        if kept.get(key) != asked.get(key)
    ]
    if differences:
        raise UsageError(f"{writer.path} cannot be resumed: {'; '.join(differences)}")
    done = writer.n_committed - 1
    if plan.steps < done:
        raise UsageError(f"{writer.path} already holds {done} steps, {plan.steps} asked")
    status = writer.attrs["status"]
    if status == "stopped" or (status == "complete" and plan.steps == done):
        return False
    last = _last_session(manifest)
    if isinstance(system, WithRest) and system.not_resumable and done > 0:
        raise UsageError(f"{writer.path} cannot be resumed: {system.not_resumable}")
    arithmetic = last.get("arithmetic", provenance.FIRST_ARITHMETIC)
    if arithmetic != provenance.ARITHMETIC and not mix:
        raise UsageError(
            f"{writer.path} cannot be resumed: it was recorded by nndyn "
            f"{last.get('versions', {}).get('nndyn', 'of another version')} (arithmetic "
            f"{arithmetic}, here {provenance.ARITHMETIC}), whose results differ in their last "
            "bits; finish it with that version, record anew, or go on with `mix=True`, which is "
            "noted in the file"
        )
    unlike = "; ".join(why for each in plan.followed if (why := each.lacking(writer.names)))
    if unlike and not mix:
        raise UsageError(
            f"{writer.path} cannot be resumed: it is of an earlier version, and {unlike}; finish "
            "it with that version, record anew, or go on with `mix=True`: what is there and "
            "what comes then agree to their tolerances, not in all bits"
        )
    return True


def reopen(plan: Plan, writer: Writer, *, mix: bool) -> None:
    """Say in the file that it is being recorded, up to the steps of `plan`.

    Where versions or hardware are no longer those it was recorded with so far, or bits may be
    mixed, they are noted under ``continued`` in the manifest, with the first step they have
    computed.
    """
    if writer.attrs["status"] == "complete":
        writer.finish("recording")
    manifest = _manifest(writer)
    manifest["steps"] = plan.steps
    last, now = _last_session(manifest), provenance.provenance()
    if mix or any(last.get(key) != now[key] for key in ("arithmetic", "versions", "hardware")):
        session = {"from_step": writer.n_committed, **now}
        manifest["continued"] = [*manifest.get("continued", []), session]
    writer.set_attrs(manifest=json.dumps(manifest))


def _manifest(writer: Writer) -> dict[str, Any]:
    return header_of.manifest(writer.attrs, str(writer.path), made=True)


def _last_session(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what computed the last steps of a recording, as `provenance` says it."""
    found: dict[str, Any] = [manifest, *manifest.get("continued", [])][-1]
    return found


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in json.loads(json.dumps(tree)).items():
        if isinstance(value, dict):
            out |= _flat(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value
    return out
