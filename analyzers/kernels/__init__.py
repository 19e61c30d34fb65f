"""Numba kernels; each has a plain numpy twin in the tests."""
