"""Maps and flows in numba."""
