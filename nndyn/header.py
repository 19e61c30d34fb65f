"""Header of a recording: its global attributes and its manifest, checked.

The one reading of both, of files and of recordings in memory: who goes on with what it returns need
not ask whether a value is of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nndyn.errors import RecordingError
from nndyn.kinds import (
    ANY,
    FLAG,
    LINE,
    TEXT,
    Kind,
    Parts,
    by_name,
    check,
    items,
    null_or,
    number,
    one_of,
    parsed,
    table,
    whole,
)

SCHEMA = 1
#: What ``status`` may be, and what the file then says to who opens it with another program.
COMMENT = "comment"
_WHOLE = "recorded by nndyn; nndyn.open compares every value with its digest"
_LONGER = "recorded by nndyn, and cut back: nndyn.open gives what counts, other readers more rows"
COMMENTS = {
    "recording": "being recorded, or cut short: until status is complete or stopped nndyn.open "
    "gives what counts, and other readers may get other values",
    "complete": _WHOLE,
    "stopped": _WHOLE,
}
STATUSES = tuple(COMMENTS)
#: Of a run that ended as it was to: by its last step, or because it diverged.
FINISHED = ("complete", "stopped")
CURE = "restore it from a copy"
#: Attribute of a piece that another program saved: the times of the recording it was taken from.
PIECE = "piece_of"

_NONE = Kind("nothing", lambda v: False)
_POSITIVE = Kind("a finite number above 0", lambda v: number(0.0).fits(v) and v > 0)

#: Arguments of trainings, in manifests and in plans of studies.
TRAINED = {
    "model": TEXT,
    "data": TEXT,
    "loss": TEXT,
    "activation": null_or(TEXT),
    "init": null_or(TEXT),
    "optimizer": TEXT,
    "schedule": TEXT,
    "lr": null_or(_POSITIVE),
    "momentum": null_or(number(0.0)),
    "weight_decay": null_or(number(0.0)),
    "betas": null_or(items(number(0.0, 1.0), 2)),
    "alpha": null_or(number()),
    "clip_norm": null_or(number()),
    "batch_size": null_or(whole(1)),
    "samples": null_or(whole(1)),
    "dtype": TEXT,
    "device": TEXT,
    "seed": whole(most=None),
}
#: Before replicas part from the reference nobody knows what a trial there chooses.
_SIZE = Kind("a finite number, null or auto", lambda v: v == "auto" or null_or(number()).fits(v))
_RUN = {
    "replicas": whole(),
    "epsilon": _SIZE,
    "perturb": null_or(TEXT),
    "perturb_at": whole(),
    "pairs": FLAG,
    "control": FLAG,
    "rescale": null_or(whole()),
    "store": TEXT,
    "state": TEXT,
    "evaluate": null_or(whole()),
    "tangent_every": whole(1),
    "tangent_start": TEXT,
    "sharpness": TEXT,
    "critical_sharpness": TEXT,
    "barrier": whole(3),
    "quadratic_model": FLAG,
    "perturbations": null_or(TEXT),
    "tangents": whole(),
    "seed": whole(most=None),
}
_NEEDED = {
    "Conventions": TEXT,
    "nndyn_schema": ANY,
    "recording_id": Kind("a text, short", lambda v: isinstance(v, str) and 0 < len(v) <= 200),
    "status": one_of(*STATUSES),
    "stop_reason": LINE,
    "stationary": one_of(0, 1),
    "n_committed": whole(),
    "manifest": TEXT,
}
_FURTHER = {"block": whole(1), "floor_steps": whole(), "redrawn": TEXT, PIECE: whole()}
_FURTHER["checkpoint_every"] = whole(1)
_ATTRIBUTES = table(_NEEDED, _FURTHER)
_REDRAWN = items(items(whole(), 2))

_SESSION = {
    "arithmetic": whole(),
    "created": TEXT,
    "versions": by_name(TEXT),
    "hardware": table({}, {"processor": TEXT, "instructions": TEXT}),
}


_FROZEN = by_name(table({"shape": items(whole())}))
_LAYERS = Kind(
    "an object or a list",
    lambda v: isinstance(v, dict | list),
    lambda v: table({}, {"frozen": _FROZEN}).parts(v if isinstance(v, dict) else {}),
)
_SYSTEM = {"kind": TEXT, "name": TEXT, "method": TEXT, "dt": null_or(_POSITIVE)}


def _of_system(value: dict[str, Any]) -> Parts:
    """Systems of the user's, of kinds of their own, say what they like beside."""
    own = value.get("kind", "training") == "training"
    return table({}, {**_SYSTEM, **({**TRAINED, "layers": _LAYERS} if own else {})}).parts(value)


_MANIFEST = table(
    {},
    {
        "system": Kind("an object", lambda v: isinstance(v, dict), _of_system),
        "recording": table({}, _RUN),
        "perturbed": table({"lengths": items(number(0.0))}),
        "steps": null_or(whole()),
        "one_by_one": TEXT,
        "exponent_sum": null_or(number()),
        "exponent_sum_error": null_or(number()),
        "continued": items(table({"from_step": whole()}, _SESSION)),
        **_SESSION,
    },
)
#: What tells a run.
_MADE = table({"system": table({}), "recording": table({}), "steps": ANY})


@dataclass(frozen=True)
class Stated:
    """Global attributes of a recording.

    Attributes
    ----------
    id, status, stop_reason : str
    stationary : bool
    n_committed : int
    manifest : dict
        See `manifest`.
    """

    id: str
    status: str
    stop_reason: str
    stationary: bool
    n_committed: int
    manifest: dict[str, Any]


def of_status(status: str, *, longer: bool = False) -> dict[str, str]:
    """Return the global attributes that say how far a recording is.

    Parameters
    ----------
    status : str
    longer : bool, default False
        Whether the file has rows that no longer count.

    Returns
    -------
    dict of str to str
    """
    comment = _LONGER if longer and status in FINISHED else COMMENTS[status]
    return {"status": status, COMMENT: comment}


def is_comment(value: Any) -> bool:
    """Whether a value is what a file says to who opens it with another program."""
    return isinstance(value, str) and value in (*COMMENTS.values(), _LONGER)


def read(attrs: Mapping[str, Any], source: str) -> Stated:
    """Read the global attributes of a recording.

    Parameters
    ----------
    attrs : mapping of str to value
    source : str
        What messages call the recording: a path, usually.

    Returns
    -------
    Stated

    Raises
    ------
    RecordingError
        If one is missing or of another kind, or the schema is another than this version reads.
    """
    missing = [name for name in _NEEDED if name not in attrs]
    if missing:
        raise RecordingError(
            f"{source} is not an nndyn recording: attribute {missing[0]!r} is missing"
        )
    schema = attrs["nndyn_schema"]
    check(schema, whole(1), place="nndyn_schema", says=_damaged(source), cure=CURE)
    if schema != SCHEMA:
        raise RecordingError(
            f"{source} has schema {schema}, this version of nndyn reads schema {SCHEMA}; "
            "use a version of nndyn that matches"
        )
    check(attrs, _ATTRIBUTES, says=_damaged(source), cure=CURE)
    redrawn(attrs, source)
    return Stated(
        id=attrs["recording_id"],
        status=attrs["status"],
        stop_reason=attrs["stop_reason"],
        stationary=bool(attrs["stationary"]),
        n_committed=int(attrs["n_committed"]),
        manifest=manifest(attrs, source),
    )


def manifest(
    attrs: Mapping[str, Any], source: str = "the recording", *, made: bool = False
) -> dict[str, Any]:
    """Return what a recording says of how it was made.

    Parameters
    ----------
    attrs : mapping of str to value
        Its global attributes.
    source : str
        What messages call the recording.
    made : bool, default False
        Whether it has to say what tells the run: its system, options and steps.

    Returns
    -------
    dict
        Empty where there is no manifest. What nndyn reckons with is of its kind; other keys have
        any JSON, of finite numbers.

    Raises
    ------
    RecordingError
        If not.
    """
    says = _damaged(source)
    found: dict[str, Any] = _json(attrs, "manifest", "{}", source)
    check(found, _MANIFEST, place="manifest", says=says, cure=CURE)
    if made:
        check(found, _MADE, place="manifest", says=says, cure=CURE)
    return found


def redrawn(attrs: Mapping[str, Any], source: str = "the recording") -> list[list[int]]:
    """Return which replicas were drawn anew, and at which steps; raises as `manifest` does."""
    found: list[list[int]] = _json(attrs, "redrawn", "[]", source)
    check(found, _REDRAWN, place="redrawn", says=_damaged(source), cure=CURE)
    return found


def options(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the runs of a study, as far as they are of the kinds of a training's.

    Parameters
    ----------
    attrs : mapping of str to value
        Of what a study stacked.

    Returns
    -------
    dict
        A function of the user's has options of any kind under any name: of the arguments of
        trainings all or none are there.
    """
    found: dict[str, Any] = _json(attrs, "options", "{}", "the study")
    trained = all(_fits(found[key], kind) for key, kind in TRAINED.items() if key in found)
    known = {"rescale": null_or(number()), **dict.fromkeys(TRAINED, ANY if trained else _NONE)}
    return {key: value for key, value in found.items() if _fits(value, known.get(key, ANY))}


def _fits(value: Any, kind: Kind) -> bool:
    try:
        check(value, kind, says="", cure="")
    except RecordingError:
        return False
    return True


def _json(attrs: Mapping[str, Any], name: str, otherwise: str, source: str) -> Any:
    text = attrs.get(name, otherwise)
    check(text, TEXT, place=name, says=_damaged(source), cure=CURE)
    return parsed(text, says=f"{_damaged(source)}: {name}", cure=CURE)


def _damaged(source: str) -> str:
    return f"{source} is damaged"


def own_tangent_start(kind: str) -> str:
    """Return where tangent vectors begin unless it is said, of a system of that kind."""
    return "weights" if kind == "training" else "random"


def tangent_start(options: Mapping[str, Any]) -> str:
    """Return where the tangent vectors of a recording began, from its options.

    Parameters
    ----------
    options : mapping of str to value
        Of a manifest, or of a study. Those that do not say it, as before there was a choice for
        trainings, mean ``random``.

    Returns
    -------
    str
    """
    return str(options.get("tangent_start") or "random")
