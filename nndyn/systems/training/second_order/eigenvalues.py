"""Largest eigenvalues of a symmetric matrix of which only products with vectors are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nndyn.numerics.arrays import Array

Product = Callable[[Array], Array]

#: Approximations that are followed beside those wanted.
BESIDE = 2
#: Rows of a matrix up to which the whole of it is made.
DENSE = 64
#: Vectors of a subspace; a full one is cut to the third of them that matters.
VECTORS = 40
#: Products after those with the start, however good that is: for what it does not hold.
LEAST = 4
#: Products for every eigenvalue wanted at most; without a start so many times that.
LIMIT, COLD = 150, 20
#: A tolerance is relative to the eigenvalue, or to this share of the largest where that is more.
_NEAR_ZERO = 1e-3
#: Roundings of the largest eigenvalue below which a residual says nothing.
_ROUNDINGS = 64.0
#: What rounding leaves, at most, of a vector that lies in a subspace.
_INSIDE = 1e-10
#: Keys the random vectors.
_KEY = 5


@dataclass(frozen=True)
class Eigenvalues:
    """Largest eigenvalues of a matrix.

    Attributes
    ----------
    values : (wanted,) float64
        Falling; NaN where the search did not converge.
    residuals : (wanted,) float64
        Lengths of ``A v - λ v``, of what did not converge as well; NaN where A is not finite.
    vectors : (wanted + BESIDE, D) float32
        What the next search may start from; zeros where there is nothing.
    products : int
        Of the matrix with vectors, as many as were made.
    """

    values: Array
    residuals: Array
    vectors: Array
    products: int


def largest(
    product: Product,
    size: int,
    wanted: int = 1,
    start: Array | None = None,
    *,
    tolerance: float,
    unit: float = 2.0**-52,
) -> Eigenvalues:
    """Return the largest eigenvalues of a symmetric matrix.

    Parameters
    ----------
    product : callable
        Takes a vector (D,) float64 and returns its product with the matrix, a new array.
    size : int
        D.
    wanted : int, default 1
        At most D.
    start : (wanted + BESIDE, D), optional
        The `vectors` found of a matrix much like this one.
    tolerance : float
        Of the residual, relative to the eigenvalue.
    unit : float, default 2**-52
        Relative rounding of a product.

    Returns
    -------
    Eigenvalues
        Some eigenvalue is no farther than the residual r from a value; the error is at most r²
        over the distance to the next eigenvalue.

    Notes
    -----
    Rayleigh-Ritz approximations from a subspace that begins with `start` and a random vector,
    always the same (without `start` with as many as are wanted), and is extended by the residual of
    the first approximation that is not good enough: Davidson's method without a preconditioner,
    which is Lanczos's from a single vector. No number of products excludes a larger eigenvalue
    whose vector is orthogonal to all that the search has seen. So two approximations more than
    wanted go from one search into the next, and the last of them is extended until `LEAST` products
    have followed those with the start: an eigenvalue that rises is known before it is among the
    wanted. Small matrices are made whole. Memory: two rows (D,) float64 for every vector of the
    subspace, at most `VECTORS` or three times those that are kept.

    References
    ----------
    Saad, Numerical Methods for Large Eigenvalue Problems, doi:10.1137/1.9781611970739.
    """
    kept = wanted + BESIDE
    if size <= max(DENSE, 4 * kept):
        return _whole(product, size, wanted)
    begun = [] if start is None else [row.astype(np.float64) for row in start if row.any()]
    random = np.random.default_rng(_KEY)
    space = _Subspace(product, size, kept)
    # from nothing as many as are wanted: equal eigenvalues need vectors of their own
    for vector in (*begun, *random.standard_normal((1 if begun else wanted, size))):
        space.extend(vector)
    least = space.products + LEAST
    most = LIMIT * wanted * (1 if begun else COLD)
    while space.finite:
        good = space.good(wanted, tolerance, unit)
        if good.all() and min(space.products - least, space.count - kept) >= 0:
            break
        if space.products >= most:
            break
        at = min(kept, space.count) - 1 if good.all() else int(np.argmin(good))
        if not space.extend(space.residual(at)):  # the subspace is invariant
            space.extend(random.standard_normal(size))
    return space.found(wanted, tolerance, unit)


class _Subspace:
    """Orthonormal vectors, their products, and the Rayleigh-Ritz approximations from them.

    Parameters
    ----------
    product : callable
    size : int
    kept : int
        Approximations that are of use.

    Attributes
    ----------
    count, products : int
        Vectors now, and products so far.
    finite : bool
        Whether all products were.

    Notes
    -----
    Sums over the rows are einsum's, which no number of threads changes.
    """

    def __init__(self, product: Product, size: int, kept: int) -> None:
        rows = max(VECTORS, 3 * kept)
        self._product, self._kept = product, kept
        self._vectors, self._products = np.empty((rows, size)), np.empty((rows, size))
        self._projected = np.zeros((rows, rows))
        self._values, self._mix = np.zeros(0), np.zeros((0, 0))
        self._residuals: dict[int, Array] = {}
        self.count = self.products = 0
        self.finite = True

    def extend(self, vector: Array) -> bool:
        """Take in what of a `vector` (D,) is not there; false if nothing is."""
        if self.count == len(self._vectors):
            self._cut()
        n = self.count
        vector = _unit(vector)
        for _ in range(2):  # once leaves what rounding does to a vector that is nearly inside
            inside = np.einsum("kd,d->k", self._vectors[:n], vector)
            vector = vector - np.einsum("k,kd->d", inside, self._vectors[:n])
        if not self.finite or not _length(vector) > _INSIDE:
            return False
        self._vectors[n] = _unit(vector)
        self._products[n] = found = self._product(self._vectors[n])
        self.count, self.products = n + 1, self.products + 1
        row = np.einsum("kd,d->k", self._vectors[: n + 1], found)
        self._projected[n, : n + 1] = self._projected[: n + 1, n] = row
        self.finite = bool(np.isfinite(found).all() and np.isfinite(row).all())
        if self.finite:
            values, mix = np.linalg.eigh(self._projected[: n + 1, : n + 1])
            self._values, self._mix, self._residuals = values[::-1], mix[:, ::-1], {}
        return True

    def _cut(self) -> None:
        """Leave the first approximations, a third of the vectors."""
        keep = max(self._kept, len(self._vectors) // 3)
        mix = self._mix[:, :keep]
        for rows in (self._vectors, self._products):
            rows[:keep] = np.einsum("nk,nd->kd", mix, rows)
        self._projected[:keep, :keep] = np.diag(self._values[:keep])
        self.count = keep

    def residual(self, i: int) -> Array:
        """Return ``A v - λ v`` (D,) of an approximation."""
        if i not in self._residuals:
            mix = self._mix[:, i]
            found = np.einsum("n,nd->d", mix, self._products[: self.count])
            found -= self._values[i] * np.einsum("n,nd->d", mix, self._vectors[: self.count])
            self._residuals[i] = found
        return self._residuals[i]

    def good(self, wanted: int, tolerance: float, unit: float) -> Array:
        """Tell which of those wanted have a residual that is small enough."""
        scale = np.abs(self._values).max()
        values = self._values[:wanted]
        lengths = [_length(self.residual(i)) for i in range(len(values))]
        enough = tolerance * np.maximum(np.abs(values), _NEAR_ZERO * scale)
        good: Array = lengths <= np.maximum(enough, _ROUNDINGS * unit * scale)
        return good

    def found(self, wanted: int, tolerance: float, unit: float) -> Eigenvalues:
        """Return what is known of those wanted."""
        values, residuals = np.full(wanted, np.nan), np.full(wanted, np.nan)
        vectors = np.zeros((self._kept, self._vectors.shape[1]), np.float32)
        if self.finite:
            n, m = min(wanted, self.count), min(self._kept, self.count)
            good = self.good(wanted, tolerance, unit)
            residuals[:n] = [_length(self.residual(i)) for i in range(n)]
            values[:n] = np.where(good, self._values[:n], np.nan)
            vectors[:m] = np.einsum("nk,nd->kd", self._mix[:, :m], self._vectors[: self.count])
        return Eigenvalues(values, residuals, vectors, self.products)


def _length(vector: Array) -> float:
    return float(np.sqrt(np.einsum("d,d->", vector, vector)))


def _unit(vector: Array) -> Array:
    """Return a vector with length 1, and one of zeros as it is."""
    largest = np.abs(vector).max()
    if not largest > 0:
        return vector
    scaled: Array = vector / largest
    return scaled / _length(scaled)


def _whole(product: Product, size: int, wanted: int) -> Eigenvalues:
    """Return the largest eigenvalues of a matrix that is small enough to be made."""
    values, residuals = np.full(wanted, np.nan), np.full(wanted, np.nan)
    matrix = np.stack([product(row) for row in np.eye(size)])
    if np.isfinite(matrix).all():
        all_values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
        values, vectors = all_values[::-1][:wanted], vectors[:, ::-1][:, :wanted]
        residuals = np.linalg.norm(matrix @ vectors - vectors * values, axis=0)
    nothing = np.zeros((wanted + BESIDE, size), np.float32)
    return Eigenvalues(values, residuals, nothing, size)
