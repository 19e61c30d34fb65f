"""Initial weights of networks that are made from a spec."""

from __future__ import annotations

import torch
from torch import nn

from nndyn.errors import UnknownNameError
from nndyn.options import CHOICES
from nndyn.systems.training.perceptron.network import parts
from nndyn.systems.training.torch_state.randomness import initial_key
from nndyn.words.names import did_you_mean

INITS = CHOICES["init"]


def check_init(init: str | None) -> None:
    """Refuse an initialisation that is not known.

    Raises
    ------
    UnknownNameError
        If `init` is not None, ``normal:S`` with S > 0, ``xavier``, ``kaiming`` or ``default``.
    """
    if init is None or init in INITS[1:]:
        return
    if isinstance(init, str) and init.startswith("normal:"):
        try:
            scale = float(init[len("normal:") :])
        except ValueError:
            scale = 0.0
        if 0 < scale < float("inf"):
            return
    raise UnknownNameError(
        f"unknown init {init!r}; known: {', '.join(INITS)} with a number S > 0, such as normal:1"
        f"{did_you_mean(init, ('normal:1', *INITS[1:]))}"
    )


def initialise(module: nn.Module, init: str, seed: int) -> None:
    """Draw the weights of `module` in place, in the order of its parameters.

    Parameters
    ----------
    module : torch.nn.Sequential
    init : str
        ``normal:S``: weights N(0, S²); ``xavier``: uniform with variance 2/(inputs + outputs);
        ``kaiming``: N(0, 2/inputs); all three with zero biases. ``default``: torch's own, weights
        and biases uniform with bound 1/sqrt(inputs).
    seed : int
        Keys the generator; no global random state is read or changed.
    """
    generator = torch.Generator().manual_seed(initial_key(seed))
    for layer in parts(module):
        if not isinstance(layer, nn.Linear):
            continue
        bound = layer.in_features**-0.5
        with torch.no_grad():
            if init == "xavier":
                nn.init.xavier_uniform_(layer.weight, generator=generator)
            elif init == "kaiming":
                nn.init.kaiming_normal_(layer.weight, generator=generator)
            elif init == "default":
                layer.weight.uniform_(-bound, bound, generator=generator)
            else:
                layer.weight.normal_(0.0, float(init.split(":")[1]), generator=generator)
            if layer.bias is not None:
                if init == "default":
                    layer.bias.uniform_(-bound, bound, generator=generator)
                else:
                    layer.bias.zero_()
