"""Description of a training, which a recording keeps and compares."""

from __future__ import annotations

import hashlib
from typing import Any

from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.modules import criterion
from nndyn.systems.training.modules.criterion import Loss
from nndyn.systems.training.modules.fingerprint import function_digest
from nndyn.systems.training.protocol import Network


def describe(
    network: Network,
    training: Samples,
    test: Samples | None,
    loss: Loss,
    kind: str,
    schedule_source: Any = None,
    **chosen: Any,
) -> dict[str, Any]:
    """Return what defines a training, as JSON values.

    Parameters
    ----------
    network : Network
    training : Samples
    test : Samples or None
    loss : str or callable
        As given by the user.
    kind : str
        Of the system.
    schedule_source : callable, optional
        What the user gave as the schedule, where it is no spec.
    **chosen
        What else was given; None is kept.

    Returns
    -------
    dict
    """
    functions = {
        "loss_sha256": None if isinstance(loss, str) else loss,
        "schedule_sha256": schedule_source,
    }
    return {
        "kind": kind,
        "model": network.label,
        "layers": network.describe(),
        "parameters": [parameter.name for parameter in network.parameters],
        "initial_sha256": hashlib.sha256(network.initial.tobytes()).hexdigest(),
        "train": training.describe(),
        "test": None if test is None else test.describe(),
        "loss": criterion.name(loss),
        **{name: function_digest(one) for name, one in functions.items() if one is not None},
        **chosen,
    }
