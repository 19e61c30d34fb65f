import itertools

import numpy as np
import pytest

from analyzers.lyapunov.kernels import best_segments
from analyzers.lyapunov.phases import SHORTEST, candidates, growth_phases, same_phases
from tests.analyzers.synthetic import autoregressive


def steps_of(slopes, lengths, *, seed=0, noise=0.05):
    rng = np.random.default_rng(seed)
    return np.repeat(slopes, lengths) + noise * rng.normal(size=sum(lengths))


def exhaustive(x, k, shortest, smallest):
    """Plain-python twin of the kernel: every segmentation into k pieces."""
    best = np.inf, None
    for inner in itertools.combinations(range(1, len(x)), k - 1):
        edges = [0, *inner, len(x)]
        pieces = [x[a:b] for a, b in itertools.pairwise(edges)]
        if min(map(len, pieces)) < shortest:
            continue
        cost = sum(len(p) * np.log(max(p.var(), smallest)) for p in pieces)
        if cost < best[0]:
            best = cost, edges
    return best


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("most", [1, 2, 3])
def test_kernel_finds_the_best_of_all_segmentations(seed, most):
    x = np.random.default_rng(seed).normal(size=24)
    costs, bounds = best_segments(x, np.arange(25), 4, most, 1e-6)
    for k in range(1, most + 1):
        cost, edges = exhaustive(x, k, 4, 1e-6)
        assert costs[k - 1] == pytest.approx(cost)
        assert bounds[k - 1, : k + 1].tolist() == edges


def test_impossible_number_of_segments_costs_infinity():
    costs, bounds = best_segments(np.ones(10), np.arange(11), 8, 2, 1e-6)
    assert np.isfinite(costs[0])
    assert np.isinf(costs[1])
    assert (bounds[1] == -1).all()


@pytest.mark.parametrize("seed", range(5))
def test_break_points_are_found(seed):
    found = growth_phases(steps_of([0.0, 0.6, 0.02], [60, 30, 200], seed=seed))
    assert len(found.phases) == 3
    main = found.phases[found.main]
    assert abs(main.start - 60) <= 2
    assert abs(main.stop - 90) <= 2
    assert main.slope == pytest.approx(0.6, abs=0.05)


def test_slopes_within_a_factor_of_two_are_one_phase():
    found = growth_phases(steps_of([0.6, 0.4, 0.0], [30, 30, 200]))
    assert next(p.stop for p in found.phases) == pytest.approx(60, abs=2)


def test_phases_adjoin_and_keep_the_total():
    steps = steps_of([0.3, 0.0, 0.5], [40, 80, 40], noise=0.2)
    phases = growth_phases(steps).phases
    assert phases[0].start == 0
    assert phases[-1].stop == len(steps)
    assert all(a.stop == b.start for a, b in itertools.pairwise(phases))
    assert sum(p.growth for p in phases) == pytest.approx(steps.sum())


def test_pure_noise_and_autocorrelated_noise_are_one_phase():
    rng = np.random.default_rng(1)
    assert len(growth_phases(0.3 + 0.1 * rng.normal(size=300)).phases) == 1
    assert len(growth_phases(0.3 + autoregressive(rng, (300,), 0.9, 0.1)).phases) <= 2


def test_exact_line_is_one_phase():
    found = growth_phases(np.full(50, 0.25))
    assert len(found.phases) == 1
    assert found.phases[0].slope == pytest.approx(0.25)


def test_shortest_curve_is_one_phase():
    assert len(growth_phases(np.linspace(0.0, 1.0, SHORTEST)).phases) == 1


def test_long_curves_are_tried_sparsely_with_early_breaks_kept():
    tried = candidates(100_000)
    assert len(tried) <= 1200
    assert tried[0] == 0
    assert tried[-1] == 100_000
    assert set(range(500)) <= set(tried.tolist())
    found = growth_phases(steps_of([0.5, 0.001], [40, 60_000], noise=0.01))
    assert found.phases[0].stop == pytest.approx(40, abs=2)


def test_phases_of_a_similar_curve_are_joined_alike():
    like = growth_phases(steps_of([0.0, 0.6, 0.02], [60, 30, 200], seed=0))
    other = same_phases(steps_of([0.0, 0.6, 0.02], [60, 30, 200], seed=9), like)
    assert len(other.phases) == len(like.phases)
    assert other.phases[like.main].slope == pytest.approx(0.6, abs=0.05)
