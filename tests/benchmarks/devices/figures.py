"""Phases that measure: the wide network and its grid, then the small ones, where launches rule."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from devices.bench import Bench

import nndyn
from recorders.perturbations import ensemble
from recorders.request import make

#: Seconds that are asked for.
GRID, STUDY = 360.0, 3.0
#: Seconds that the grid leaves to the phases behind it.
REST = 45.0


def products(bench: Bench) -> dict[str, Any]:
    """Time the matrix products of a step of the wide network alone: the limit of any batching."""
    sizes = bench.sizes
    (D, H, C), rows = sizes.widths, sizes.runs * (sizes.replicas + 2)
    options: dict[str, Any] = {"dtype": torch.float64, "device": bench.device}
    x = torch.rand(sizes.samples, D + 1, **options)
    first, second = torch.rand(rows * H, D + 1, **options), torch.rand(rows, C, H, **options)
    hidden = torch.empty(rows * H, sizes.samples, **options)
    outputs = torch.empty(rows, C, sizes.samples, **options)
    gradients = torch.empty_like(first), torch.empty_like(second)
    apart = hidden.view(rows, H, -1)

    def step() -> None:
        torch.mm(first, x.T, out=hidden)
        torch.bmm(second, apart, out=outputs)
        torch.bmm(outputs, apart.mT, out=gradients[1])
        torch.bmm(second.mT, outputs, out=apart)
        torch.mm(hidden, x, out=gradients[0])

    found = bench.median(step, 1, budget=10.0)
    bench.known["products"] = found["seconds"]
    return {**found, **_rate(bench, found["seconds"])}


def bare(bench: Bench) -> dict[str, Any]:
    """Time steps of the wide network that record nothing, all runs of a rate in one batch."""
    system, sizes = bench.wide(), bench.sizes
    plan = make(system, steps=sizes.steps, replicas=sizes.replicas)
    phases = np.repeat(ensemble(system, plan)[None], sizes.runs, 0)
    team = system.together([system] * (sizes.runs - 1))
    few = 3
    found = bench.median(lambda: team.bare(phases, 0, few), few, budget=10.0)
    count = system.task.shares(system.order, sizes.replicas + 2)
    figures = {**found, **_rate(bench, found["seconds"]), "runs a call": min(count, sizes.runs)}
    if "products" in bench.known:
        figures["bare / products"] = found["seconds"] / bench.known["products"]
    return figures


def grid(bench: Bench) -> dict[str, Any]:
    """Record the grid, distances stored: whole where it fits, else what it would take.

    The runs of a rate are one batch. They begin with other perturbations of one network, not with
    networks of their own: every step is as long, and the images are in memory once.
    """
    system, sizes = bench.wide(), bench.sizes

    def record(steps: int) -> float:
        paths = [bench.path("grid") for _ in range(sizes.runs)]
        options: dict[str, Any] = {"replicas": sizes.replicas, "store": "distances"}
        seconds = bench.seconds(
            lambda: nndyn.record_batch(
                [system] * sizes.runs, paths, steps=steps, seeds=range(sizes.runs), **options
            )
        )
        for path in paths:
            path.unlink()
        return seconds

    record(2)  # compiles, and fills caches
    few = max(3, sizes.steps // 20)
    short, longer = record(few), record(3 * few)
    each = max(longer - short, 0.0) / (2 * few)
    fixed = max(short - few * each, 0.0)
    rate = fixed + sizes.steps * each
    room = bench.left - REST
    count = int(min(sizes.rates, max(room, 0.0) // max(rate, 1e-9)))
    recorded = [record(sizes.steps) for _ in range(count)]
    whole = sizes.rates * (sum(recorded) / count if count else rate)
    return {
        "seconds": whole,
        "asked": GRID,
        "rates recorded": count,
        "rates": sizes.rates,
        "seconds a rate": recorded,
        "seconds a step": each,
        "seconds a batch besides": fixed,
        **_rate(bench, whole / (sizes.rates * sizes.steps)),
    }


def small(bench: Bench, model: str) -> dict[str, Any]:
    """Time one run of seven copies on digits: its bare steps, and its recording."""
    system, steps = bench.digits(model), bench.sizes.study[2]
    start = ensemble(system, make(system, steps=steps, replicas=5))

    def record() -> None:
        path = bench.path("small")
        nndyn.record(system, path, steps=steps, replicas=5).close()
        path.unlink()

    plain = bench.median(lambda: system.bare(start, 0, steps), steps, budget=4.0)
    whole = bench.median(record, steps, budget=6.0, most=5)
    return {**whole, "bare seconds": plain["seconds"], "steps": steps}


def study(bench: Bench) -> dict[str, Any]:
    """Time the sweep of digits over rates and seeds, files and index included."""
    rates, seeds, steps = bench.sizes.study

    def sweep() -> None:
        folder = bench.path("study")
        nndyn.sweep(
            "training",
            folder,
            data="digits",
            model="mlp:64-32-10",
            lr=np.geomspace(0.25, 8.0, rates).tolist(),
            seeds=seeds,
            steps=steps,
            store="distances",
            samples=bench.sizes.digits,
            device=str(bench.device),
        ).close()
        shutil.rmtree(folder)

    found = bench.median(sweep, 1, budget=12.0, most=3)
    return {**found, "asked": STUDY, "runs": rates * seeds, "steps": steps}


def _rate(bench: Bench, seconds: float) -> dict[str, Any]:
    """Return operations a second of a step of all rows of a rate, and their share of the peak."""
    sizes = bench.sizes
    (D, H, C), rows = sizes.widths, sizes.runs * (sizes.replicas + 2)
    operations = 2.0 * rows * sizes.samples * H * (2 * (D + 1) + 3 * C)
    found: dict[str, Any] = {"operations a second": operations / seconds}
    if bench.limits:
        found["share of the peak"] = operations / seconds / bench.limits[0]
    return found


#: Of every phase: what it is called, what it does, the seconds without which it is left out.
PHASES: list[tuple[str, Callable[[Bench], dict[str, Any]], float]] = [
    ("matrix products, wide network", products, 15.0),
    ("bare steps, wide network", bare, 30.0),
    ("grid, wide network", grid, 60.0),
    ("digits, one run", lambda bench: small(bench, "mlp:64-32-10"), 12.0),
    ("digits, study", study, 15.0),
    ("convolutional network, one run", lambda bench: small(bench, "cnn:8-16"), 15.0),
]
