"""How many samples and runs are taken at once on a GPU: functions of their sizes alone.

Sums over samples are taken tile by tile. So the tiles depend on the run, not on the card, its free
memory or the runs beside it: a run has the same ones on every card, and when it is resumed.
"""

from __future__ import annotations

import math

from nndyn.systems.training.perceptron.device.activations import ACTIVATIONS
from nndyn.systems.training.perceptron.network import Network

#: Bytes of the hidden states of one run, of all of its rows and of the samples of a tile. A
#: recording keeps the number, and goes on with no other.
RUN_BYTES = 256 * 2**20
#: Bytes of the hidden states of all runs that one call takes.
CALL_BYTES = 4 * 2**30
#: Samples come in multiples: rows of numbers then begin where products are fast.
MULTIPLE = 16
#: Hidden states, in numbers, up to which a step is a CUDA graph: above, launches cost little.
GRAPHED = 2**24


def padded(count: int, multiple: int = MULTIPLE) -> int:
    """Return `count` rounded up to a multiple."""
    return -(-count // multiple) * multiple


def states(network: Network) -> int:
    """Return the numbers that a row keeps of one sample: of each layer its value and gradient."""
    return sum(
        layer.outputs * (2 + ACTIVATIONS[layer.activation].keeps_input) for layer in network.layers
    )


def tile(network: Network, replicas: int, count: int, itemsize: int) -> int:
    """Return the samples of a tile of `count`: as many as `RUN_BYTES` have room for.

    Returns
    -------
    int
        A multiple of `MULTIPLE`; tiles are equal but for the last.
    """
    room = max(RUN_BYTES // (replicas * states(network) * itemsize), MULTIPLE)
    return padded(math.ceil(count / math.ceil(count / room)))


def tiles(network: Network, replicas: int, count: int, itemsize: int) -> int:
    """Return how many tiles `count` samples are."""
    return math.ceil(count / tile(network, replicas, count, itemsize))


def together(network: Network, replicas: int, count: int, itemsize: int) -> int:
    """Return how many runs a call takes."""
    samples = tile(network, replicas, count, itemsize)
    return max(1, CALL_BYTES // (replicas * states(network) * itemsize * samples))
