"""Kernels shared by recorders and analyzers; each has a plain numpy twin in the tests."""

from nndyn.numerics.separation import moved, separate
from nndyn.numerics.series import (
    autocorrelation,
    autocorrelation_time,
    batch_means,
    jackknife_error,
    running_median,
    t_interval,
    t_quantile,
)

__all__ = [
    "autocorrelation",
    "autocorrelation_time",
    "batch_means",
    "jackknife_error",
    "moved",
    "running_median",
    "separate",
    "t_interval",
    "t_quantile",
]
