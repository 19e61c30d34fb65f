"""Linear stability of an optimizer: sharpness against the limit of its step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.common.manifest import system_of
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Limit:
    """The curvature above which a minimum repels an optimizer.

    Attributes
    ----------
    value : float or None
    why : str
        Why there is none.
    variable : str
        Of a recording, the curvature it is to be compared with.
    formula : str
        The ratio of the two, in the field's words.
    """

    value: float | None
    why: str = ""
    variable: str = "sharpness"
    formula: str = "sharpness / limit"


def limit(system: dict[str, Any]) -> Limit:
    """Return the limit of an optimizer with a constant learning rate.

    Parameters
    ----------
    system : dict
        Of a manifest.

    Returns
    -------
    Limit
        ``2 / lr`` of gradient descent, ``2 (1 + β) / lr`` with momentum β and
        ``2 (1 + β) / ((1 + 2β) lr)`` with Nesterov's, less coupled weight decay, of the sharpness;
        ``2 (1 + β₁) / ((1 - β₁) lr)`` of Adam, ``2 (1 + β) / lr`` of RMSprop and ``2 / lr`` of
        Adagrad, of the preconditioned one, in which weight decay is. With AdamW's decay λ,
        ``2 - lr λ`` stands for the 2; a dampening of d divides the limit by ``1 - d``. Where
        groups of weights differ in the rate or in coupled decay, the limit is that of the common
        rate, of the preconditioned sharpness, in which the others are; where they differ in
        momentum or ``lr λ`` of AdamW there is none.

    References
    ----------
    Cohen et al., doi:10.48550/arXiv.2103.00065 and doi:10.48550/arXiv.2207.14484.
    """
    kind = system.get("optimizer")
    if system.get("schedule", "constant") != "constant":
        return Limit(None, f"the learning rate follows {system['schedule']}")
    if kind is None or system.get("lr") is None:
        return Limit(None, "the optimizer is not known")
    differ = _differing(system)
    if differ:
        return Limit(None, f"groups of weights differ in {differ}")
    lr, momentum = float(system["lr"]), float(system.get("momentum") or 0.0)
    decay = float(system.get("weight_decay") or 0.0)
    adaptive = "preconditioned_sharpness"
    if kind in ("adam", "adamw"):
        first = float((system.get("betas") or (0.9, 0.999))[0])
        top = 2.0 - (lr * decay if kind == "adamw" else 0.0)
        value = top * (1.0 + first) / ((1.0 - first) * lr)
        return Limit(value, variable=adaptive, formula="preconditioned sharpness / limit")
    if kind == "rmsprop":
        value = 2.0 * (1.0 + momentum) / lr
        return Limit(value, variable=adaptive, formula="preconditioned sharpness / limit")
    if kind == "adagrad" and not system.get("lr_decay"):
        return Limit(2.0 / lr, variable=adaptive, formula="preconditioned sharpness / limit")
    if kind != "sgd":
        return Limit(None, f"no limit of {kind} is known")
    value = 2.0 * (1.0 + momentum) / lr
    if system.get("nesterov"):
        value /= 1.0 + 2.0 * momentum
    if momentum and (dampening := float(system.get("dampening") or 0.0)):
        if dampening == 1.0:
            return Limit(None, "a dampening of 1 leaves nothing of the gradient")
        value /= 1.0 - dampening
    if system.get("groups"):
        return Limit(value, variable=adaptive, formula="preconditioned sharpness / limit")
    plain = not momentum and not decay
    return Limit(value - decay, formula="sharpness * lr / 2" if plain else "sharpness / limit")


def _differing(system: dict[str, Any]) -> str:
    """Return in which hyperparameter groups differ so that there is no limit, empty if in none."""
    groups = [system | group["options"] for group in system.get("groups") or ()]
    kind, every = system.get("optimizer"), [system, *groups]
    for name in ("momentum", "dampening", "lr_decay"):
        if len({one.get(name) or 0.0 for one in every}) > 1:
            return name
    if len({(one.get("betas") or (0.9,))[0] for one in every}) > 1:
        return "the first of betas"
    decays = {float(one["lr"]) * float(one.get("weight_decay") or 0.0) for one in every}
    return "lr * weight_decay" if kind == "adamw" and len(decays) > 1 else ""


def ratio(recording: xr.Dataset) -> tuple[Array, Array, Limit] | None:
    """Return the curvature of a recording over its limit, at its times.

    Returns
    -------
    times, ratio : (n,) float64, and the Limit
        None where there is no limit, or the curvature was not recorded or never finite.
    """
    found = limit(system_of(recording))
    if found.value is None or found.variable not in recording:
        return None
    values = recording[found.variable]
    times = np.asarray(values[values.dims[0]].values, np.float64)
    over = np.asarray(values.values, np.float64) / found.value
    return (times, over, found) if np.isfinite(over).any() else None
