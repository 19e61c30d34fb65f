"""Runs that are taken apart, as if each had been made elsewhere."""

import numpy as np

import nndyn

#: What only a recorder that has all replicas at hand knows.
_TOGETHER = ("distance_", "deviation_", "checkpoint")


def single(run, replica):
    """Return a replica of an open recording as a recording of its own."""
    one = run.isel(replica=[replica]).load()
    one["role"] = one["role"].copy(data=np.zeros(1, np.int8))
    one = one.drop_vars([name for name in one.variables if str(name).startswith(_TOGETHER)])
    one.encoding.clear()
    return one


def singles(run):
    """Return reference, copies and control of a recording, each on its own."""
    each = [single(run, r) for r in range(run.sizes["replica"])]
    return each[0], each[1:-1], each[-1]


def same_exponent(one, other):
    """Assert that two recordings have the same verdict, window and exponent."""
    found, expected = nndyn.lyapunov(one), nndyn.lyapunov(other)
    assert found.attrs["verdict"] == expected.attrs["verdict"]
    np.testing.assert_array_equal(found["window"].values, expected["window"].values)
    np.testing.assert_allclose(found["lyapunov_max"], expected["lyapunov_max"], atol=1e-9, rtol=0)
    np.testing.assert_allclose(found["growth"], expected["growth"], atol=1e-9, rtol=0)
