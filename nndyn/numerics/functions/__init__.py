"""Elementary functions inside kernels: the value of a number depends on that number alone.

The compiled kernels that numba keeps on disk do not notice when what they inline has changed in
another file: whoever edits a function here deletes them (``__pycache__``, or ``NUMBA_CACHE_DIR``).

Coefficients come from ``tests/benchmarks/polynomials.py``.
"""
