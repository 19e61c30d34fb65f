"""Kernels of activations, losses and small products: the numbers of many rows in a call.

What a number gives depends on that number alone (see `nndyn.numerics.functions`), not on its place
in an array, on what lies beside it, or on how many threads there are: they run on one. Those of
float32 compute in float64 and round once.
"""
