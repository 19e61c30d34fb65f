from types import SimpleNamespace

import numpy as np
import pytest

from recorders import perturbations


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [2, 5])
def test_rows_rescaled_in_portions_have_the_same_bits(dtype, rows, monkeypatch):
    """Long ones: numpy adds up a row in another order where it is the only one."""
    system = SimpleNamespace(components=slice(0, 30_001), parameters=[], dtype=np.dtype(dtype))
    plan = SimpleNamespace(seed=0, epsilon=1e-3, perturbations=None, perturb="all")
    rng = np.random.default_rng(0)
    start = np.repeat(rng.normal(size=(1, 40_003)), rows, axis=0).astype(dtype)
    start[1:] += 1e-3 * rng.normal(size=(rows - 1, 40_003)).astype(dtype)
    later = start.copy()
    later[1:] += 1e-1 * rng.normal(size=(rows - 1, 40_003)).astype(dtype)
    if rows > 2:
        later[2, 0] = np.nan

    def rescaled():
        targets, phase = perturbations.lengths(start), later.copy()
        found = perturbations.rescale(system, plan, phase, targets, 7)
        return targets, perturbations.sizes(start), *found[:2]

    monkeypatch.setattr(perturbations, "_AT_ONCE", 10**9)
    whole = rescaled()
    deviations = (start - start[0]).astype(np.float64)
    np.testing.assert_array_equal(whole[0], np.sqrt(np.einsum("rp,rp->r", deviations, deviations)))
    np.testing.assert_array_equal(whole[1], np.abs(start.astype(np.float64) - start[0]).max(axis=1))
    lengths = np.linalg.norm((whole[2] - whole[2][0]).astype(np.float64), axis=1)
    good = np.isfinite(lengths)
    np.testing.assert_allclose(lengths[good], whole[0][good], rtol=1e-3)
    assert good.sum() == rows - (rows > 2)
    for count in (1, 2 * 40_003):
        monkeypatch.setattr(perturbations, "_AT_ONCE", count)
        for one, other in zip(rescaled(), whole, strict=True):
            np.testing.assert_array_equal(one, other)
