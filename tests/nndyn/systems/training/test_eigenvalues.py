"""Largest eigenvalues by products alone, from nothing and from what was found before."""

import numpy as np
import pytest

from nndyn.systems.training.second_order import eigenvalues
from nndyn.systems.training.second_order.eigenvalues import BESIDE, largest


def symmetric(size, seed=0, spectrum=None):
    """A matrix with a spectrum: a bulk around 0 and some that stand out, or one given."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((size, size)))[0]
    if spectrum is None:
        spectrum = np.concatenate([[5.0, 3.0, 2.9, 1.5], rng.uniform(-0.5, 0.5, size - 4)])
    return basis * spectrum @ basis.T


class Counted:
    """Products with a matrix, or with a diagonal, counted."""

    def __init__(self, matrix):
        self.matrix, self.count = matrix, 0

    def __call__(self, vector):
        self.count += 1
        return self.matrix @ vector if self.matrix.ndim == 2 else self.matrix * vector


@pytest.mark.parametrize("size", [3, 64, 65, 200])
@pytest.mark.parametrize("wanted", [1, 3])
@pytest.mark.parametrize(("tolerance", "error"), [(1e-3, 1e-5), (1e-7, 1e-13)])
def test_they_are_those_of_the_dense_matrix(size, wanted, tolerance, error):
    spectrum = None if size > 3 else np.array([1.0, 0.5, -2.0])
    matrix = symmetric(size, spectrum=spectrum)
    product = Counted(matrix)
    found = largest(product, size, wanted, tolerance=tolerance)
    exact = np.linalg.eigvalsh(matrix)[::-1][:wanted]
    np.testing.assert_allclose(found.values, exact, rtol=error, atol=1e-14)
    assert found.products == product.count
    assert found.vectors.shape == (wanted + BESIDE, size)
    if size > 64:
        assert (found.residuals > 0).all()
        # in single precision, but the vectors that belong to them
        vectors = found.vectors[:wanted].astype(np.float64)
        residuals = vectors @ matrix - found.values[:, None] * vectors
        lengths = np.linalg.norm(residuals, axis=1)
        np.testing.assert_allclose(lengths, found.residuals, rtol=1e-2, atol=3e-6)
        assert (found.residuals <= tolerance * found.values).all()


def test_a_start_that_is_nearly_right_saves_products():
    matrix = symmetric(300, spectrum=np.linspace(1, -1, 300) ** 3)
    cold = largest(Counted(matrix), 300, tolerance=1e-3)
    moved = matrix + 1e-3 * symmetric(300, seed=1)
    warm = largest(Counted(moved), 300, start=cold.vectors, tolerance=1e-3)
    again = largest(Counted(moved), 300, tolerance=1e-3)
    assert warm.products == 1 + BESIDE + 1 + eigenvalues.LEAST < 0.7 * again.products
    assert warm.values == pytest.approx(again.values, rel=1e-5)
    same = largest(Counted(moved), 300, start=cold.vectors, tolerance=1e-3)
    np.testing.assert_array_equal(same.vectors, warm.vectors)


def looks(kind, size=400, count=30):
    """Diagonals of which another entry becomes the largest: every vector stays one."""
    for t in range(count):
        diagonal = np.linspace(0.3, 0.0, size)
        diagonal[:3] = 1.0, 0.8, 0.6
        if kind == "rises":
            diagonal[50] = 0.1 + 1.4 * t / count
        elif kind == "jumps" and t >= 5:
            diagonal[50] = 1.5
        elif kind == "falls":
            diagonal[0] = 1.0 - t / count
        yield diagonal


@pytest.mark.parametrize("kind", ["rises", "jumps", "falls"])
def test_a_vector_that_every_start_is_orthogonal_to_is_found_once_it_leads(kind, monkeypatch):
    def errors():
        start, found = None, []
        for diagonal in looks(kind):
            look = largest(Counted(diagonal), len(diagonal), start=start, tolerance=1e-3)
            start = look.vectors
            found.append(abs(look.values[0] / diagonal.max() - 1))
        return max(found)

    assert errors() < 1e-5
    if kind != "falls":
        monkeypatch.setattr(eigenvalues, "LEAST", 0)
        assert errors() > 0.1  # the residuals alone see nothing


@pytest.mark.parametrize("value", [0.0, 3.0, -1.0])
def test_multiples_of_the_identity_have_one_eigenvalue(value):
    found = largest(Counted(np.full(100, value)), 100, 3, tolerance=1e-7)
    np.testing.assert_allclose(found.values, value, rtol=1e-14)
    assert found.products < 12


def test_equal_eigenvalues_are_all_found():
    spectrum = np.array([2.0] * 3 + [1.0] * 2 + [0.0] * 145)
    found = largest(Counted(symmetric(150, spectrum=spectrum)), 150, 4, tolerance=1e-6)
    np.testing.assert_allclose(found.values, [2, 2, 2, 1], rtol=1e-9)


@pytest.mark.parametrize("size", [10, 100])
def test_what_is_not_finite_is_nan_with_its_residual(size):
    found = largest(Counted(np.full(size, np.nan)), size, 2, tolerance=1e-3)
    assert np.isnan([found.values, found.residuals]).all()
    assert not found.vectors.any()


def test_what_does_not_converge_is_nan_beside_the_residual_left(monkeypatch):
    monkeypatch.setattr(eigenvalues, "LIMIT", 1)
    product = Counted(symmetric(300, spectrum=np.linspace(1, 0.9, 300)))
    found = largest(product, 300, tolerance=1e-9)
    assert found.products == product.count == eigenvalues.COLD
    assert np.isnan(found.values).all()
    assert 1e-4 < found.residuals[0] < 0.1
    assert found.vectors.any()


def test_a_small_eigenvalue_is_known_to_a_part_of_the_largest():
    """No residual is small beside an eigenvalue of 0."""
    spectrum = np.concatenate([np.linspace(-1, -0.1, 20), np.zeros(180)])
    found = largest(Counted(symmetric(200, spectrum=spectrum)), 200, tolerance=1e-3)
    assert abs(found.values[0]) < 1e-6
    assert found.residuals[0] < 1e-6


def test_rounding_of_single_precision_does_not_keep_it_from_its_end():
    matrix = symmetric(200).astype(np.float32)

    def product(vector):
        return (matrix @ vector.astype(np.float32)).astype(np.float64)

    found = largest(product, 200, tolerance=1e-9, unit=2.0**-23)
    assert found.values[0] == pytest.approx(5.0, rel=1e-5)
    assert found.products < 60


def test_a_long_search_forgets_what_does_not_matter():
    spectrum = np.linspace(1, 0, 500)
    found = largest(Counted(symmetric(500, spectrum=spectrum)), 500, 2, tolerance=1e-5)
    assert found.products > eigenvalues.VECTORS
    np.testing.assert_allclose(found.values, spectrum[:2], rtol=1e-8)
