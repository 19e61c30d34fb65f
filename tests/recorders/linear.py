"""A linear map as a system, and how recordings are compared."""

import contextlib

import numpy as np

from nndyn.numerics.separation import separate
from nndyn.systems.numeric.one_by_one import OneByOne
from nndyn.systems.protocol import Block, Parameter


class Linear:
    """x' = a x componentwise: deviations and divergence are known in closed form."""

    name, kind, stationary, interval, time_unit = "linear", "map", False, 1.0, "step"
    concurrent = True
    steps_per_epoch, evaluate_every, evaluate_auto = None, 1, 1
    series, arrival, evaluations = (), ("step_length",), ()
    exponent_sum, no_tangents, needs_orbit = None, "", False

    def __init__(self, *factors, start=1.0, dtype="float64"):
        self.factors = np.array(factors, dtype)
        self.start = start
        self.dimension = self.tangent_size = len(factors)
        self.components = slice(0, self.dimension)
        self.parameters = (
            Parameter("layer.weight", 0, (self.dimension - 1,)),
            Parameter("layer.bias", self.dimension - 1, (1,)),
        )
        self.dtype = np.dtype(dtype)

    def describe(self):
        return {"kind": "map", "name": "linear", "factors": self.factors.tolist()}

    def work(self, replicas):
        return 10.0 * replicas

    def push(self, phase, vectors, start, steps, at, orbit=None):
        """Scale every component by its factor; the vectors are brought to length 1, no more."""
        stretch = np.empty((len(at), vectors.shape[1]))
        for i in range(start + 1, start + steps + 1):
            vectors = self.factors[:, None] * vectors
            if i in at:
                lengths = np.linalg.norm(vectors, axis=0)
                vectors = vectors / lengths
                stretch[list(at).index(i)] = np.log(lengths)
        return vectors, stretch

    def initial(self, seed):
        return np.full(self.dimension, self.start, self.dtype)

    def advance(self, phase, start, steps, keep, *, evaluate=(), part=None):
        rows, R = phase.copy(), len(phase)
        block = Block(rows, np.empty((len(keep), R, self.dimension)), *np.empty((2, steps, R)), 0)
        block.gram, lengths = np.empty((steps, R, R)), np.empty((steps, R))
        for i in range(steps):
            if start + i in keep:
                block.states[list(keep).index(start + i)] = rows
            separate(rows, self.dimension, i, block.distance_l1, block.distance_linf, block.gram)
            with np.errstate(all="ignore"):
                new = rows * self.factors
                lengths[i] = np.linalg.norm(new - rows, axis=1)
            rows = new
        block.phase, block.arrival = rows, {"step_length": lengths}
        return block

    def observe(self, phase, t, *, evaluate=True, part=None):
        block = self.advance(phase, t, 1, [t])
        block.phase, block.arrival = phase, {}
        return block

    def reordered(self):
        return None

    def together(self, others):
        return OneByOne([self, *others])

    def one_thread(self):
        return contextlib.nullcontext()


def values(recording):
    """Every variable but those that hold a moment of the run, and the attributes that matter."""
    with recording:
        return {
            str(name): variable.values
            for name, variable in recording.variables.items()
            if not str(name).startswith("checkpoint")
        }


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
