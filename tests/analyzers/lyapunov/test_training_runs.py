"""The verdicts on real training runs: digits, 64-32-10 tanh, full-batch gradient descent."""

import numpy as np
import pytest

import nndyn
from analyzers.lyapunov.analyzer import lyapunov

pytestmark = pytest.mark.slow


def judged(folder, *, lr, seed, rescale=None, epsilon=1e-8):
    system = nndyn.Training("mlp:64-32-10", "digits", lr=lr, seed=seed)
    with nndyn.record(
        system,
        folder / f"{lr}-{seed}-{rescale}-{epsilon}.nc",
        steps=400,
        epsilon=epsilon,
        rescale=rescale,
        evaluate=0,
        store="distances",
        seed=seed,
    ) as run:
        return lyapunov(run)


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_small_learning_rate_is_regular(tmp_path, seed):
    assert judged(tmp_path, lr=0.5, seed=seed).attrs["verdict"] == "regular"


@pytest.mark.parametrize("seed", [0, 1, 2, 5, 6, 7, 8, 9])
def test_growth_at_a_learning_rate_of_two_is_told_from_chance(tmp_path, seed):
    found = judged(tmp_path, lr=2.0, seed=seed)
    assert found.attrs["verdict"] == "transient"
    assert float(found["growth_p"]) <= 0.02


@pytest.mark.parametrize("seed", range(10))
def test_large_learning_rate_grows_until_saturation_or_its_end(tmp_path, seed):
    assert judged(tmp_path, lr=3.0, seed=seed).attrs["verdict"] in ("saturated", "transient")


@pytest.mark.parametrize("seed", [2, 5, 9])
def test_rescaled_run_is_transient_whatever_the_perturbation(tmp_path, seed):
    results = [
        judged(tmp_path, lr=3.0, seed=seed, rescale=5, epsilon=e) for e in (1e-6, 1e-8, 1e-10)
    ]
    assert [r.attrs["verdict"] for r in results] == ["transient"] * 3
    assert np.ptp([float(r["growth"]) for r in results]) < 0.5
    assert all(25 <= float(r["transient_end"]) <= 200 for r in results)
