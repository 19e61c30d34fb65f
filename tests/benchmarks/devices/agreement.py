"""Phases that ask whether a device computes what the CPU does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from devices.bench import Bench, FailedError

import nndyn

#: Largest difference to the CPU of a calm run, relative to the largest number of a variable.
CALM = 1e-9
#: Of float32; products in TF32 differ by 1e-3.
SINGLE = 2e-5

KINDS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.5},
    "minibatches": {"momentum": 0.5, "batch_size": 32},
    "adam": {"optimizer": "adam", "lr": 1e-3},
    "gelu and mse": {"activation": "gelu", "loss": "mse"},
    "module": {"model": "cnn:4-8"},
}
#: Of these a copy may come out otherwise in other places of a batch.
MODULES = ("module",)


def calm(bench: Bench, kind: str) -> dict[str, Any]:
    """Record a calm run here and on the CPU: states, losses and distances agree; control is 0."""
    ours, theirs = (
        _recorded(bench, device=device, init="xavier", **KINDS[kind])
        for device in (bench.device, "cpu")
    )
    apart = {name: _apart(ours[name], theirs[name]) for name in _COMPARED}
    worst, control = max(apart.values()), float(np.max(ours["distance_linf"][:, -1]))
    figures: dict[str, Any] = {"difference": worst, "control": control, "differences": apart}
    if worst > CALM:
        raise FailedError(f"differs from the CPU by {worst:.1e}, more than {CALM:.0e}", figures)
    if control and kind not in MODULES:
        raise FailedError(f"the control parts from the reference by {control:.1e}", figures)
    return figures


def single(bench: Bench) -> dict[str, Any]:
    """Record in float32: near the CPU's, which products in TF32 are not."""
    ours, theirs = (
        _recorded(bench, device=device, init="xavier", dtype="float32", momentum=0.5)
        for device in (bench.device, "cpu")
    )
    figures = {name: _apart(ours[name], theirs[name]) for name in ("state", "loss")}
    if max(figures.values()) > SINGLE:
        raise FailedError(f"differs from the CPU by more than {SINGLE:.0e}: TF32?", figures)
    return figures


def resumed(bench: Bench) -> dict[str, Any]:
    """Record in one go, and cut short and resumed: every variable is the same bit for bit."""
    asked = {"steps": bench.sizes.calm, "replicas": 3}
    whole, path = bench.path("whole"), bench.path("resumed")
    makes = lambda: bench.digits(optimizer="adam", lr=1e-3)  # noqa: E731
    nndyn.record(makes(), whole, **asked).close()
    done = 0

    def note(steps: int, total: int) -> None:
        nonlocal done
        done = steps

    try:
        nndyn.record_batch([makes()], [path], progress=note, stop=lambda: done > 0, **asked)
    except KeyboardInterrupt:
        with nndyn.open(path) as run:
            cut = run.sizes["time"] - 1
    else:
        raise FailedError("the run was not cut short", {})
    nndyn.record(makes(), path, resume=True, **asked).close()
    return {**_same(whole, path), "cut after steps": cut}


def together(bench: Bench) -> dict[str, Any]:
    """Record runs as one batch and alone: equal to rounding."""
    systems = [bench.digits(lr=lr, seed=seed, init="xavier") for seed in (0, 1) for lr in (0.1, 1)]
    paths = [bench.path("together") for _ in systems]
    options: dict[str, Any] = {"steps": bench.sizes.calm, "replicas": 3}
    nndyn.record_batch(systems, paths, **options)
    worst = 0.0
    for system, path in zip(systems, paths, strict=True):
        alone = bench.path("alone")
        nndyn.record(system, alone, **options).close()
        one, two = _values(path), _values(alone)
        worst = max(worst, *(_apart(one[name], two[name]) for name in ("state", "loss")))
    figures = {"difference": worst}
    if worst > CALM:
        raise FailedError(f"runs differ by {worst:.1e} from what they are alone", figures)
    return figures


_COMPARED = ("state", "loss", "test_loss", "gradient_norm", "distance_l1", "distance_l2")


def _recorded(bench: Bench, **options: Any) -> dict[str, np.ndarray]:
    path = bench.path("calm")
    epsilon = 1e-2 if options.get("dtype") == "float32" else 1e-3
    nndyn.record(
        bench.digits(**options),
        path,
        steps=bench.sizes.calm,
        replicas=3,
        epsilon=epsilon,
        evaluate=1,
    ).close()
    return _values(path)


def _values(path: Path) -> dict[str, np.ndarray]:
    with nndyn.open(path) as run:
        return {str(name): run[name].values for name in run.variables}


def _apart(one: np.ndarray, two: np.ndarray) -> float:
    """Return the largest difference, relative to the largest number; infinite where one is NaN."""
    if one.shape != two.shape or not (np.isfinite(one).all() and np.isfinite(two).all()):
        return float("inf")
    return float(np.max(np.abs(one - two)) / max(np.max(np.abs(two)), np.finfo(float).tiny))


def _same(one: Path, two: Path) -> dict[str, Any]:
    """Compare the variables of two files, bit for bit."""
    first, second = _values(one), _values(two)
    differing = sorted(
        name
        for name in first.keys() | second.keys()
        if name not in first
        or name not in second
        or not np.array_equal(
            first[name], second[name], equal_nan=np.issubdtype(first[name].dtype, np.floating)
        )
    )
    figures = {"variables": len(first), "differing": differing}
    if differing:
        raise FailedError(f"{', '.join(differing)} differ from an unbroken run's", figures)
    return figures
