"""Tangent vectors and their recordings, side by side with pynamicalsys: run by ``make bench``.

Each round makes (a) both exponents of the Hénon map over a million iterations, (b) the three of
Lorenz's flow of 1963 over 100,000 Runge-Kutta steps and (c) the forty of that of 1996 over 12,000,
orthonormalized at every step: by the tangent kernel alone, recorded and analyzed with the file
included, and by pynamicalsys where it is installed in another environment, whose Python is given.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Elsewhere, in_turn, milliseconds, ratio, with_peer

import nndyn
from nndyn import systems

CASES = {
    "henon": (lambda: systems.henon(), 1_000_000),
    "lorenz63": (lambda: systems.lorenz63(), 100_000),
    "lorenz96": (lambda: systems.lorenz96(), 12_000),
}

#: What the peer runs: a line in makes one computation, a line out says that it is done.
PEER = """
import sys
from pynamicalsys import ContinuousDynamicalSystem, DiscreteDynamicalSystem
name, steps = sys.argv[1], int(sys.argv[2])
if name == "henon":
    system = DiscreteDynamicalSystem(model="henon map")
    run = lambda: system.lyapunov([0.1, 0.1], steps, parameters=[1.4, 0.3])
elif name == "lorenz63":
    system = ContinuousDynamicalSystem(model="lorenz system")
    system.integrator("rk4", time_step=0.01)
    run = lambda: system.lyapunov([1.0, 1.0, 25.0], 0.01 * steps, parameters=[10.0, 28.0, 8 / 3])
else:
    import numba
    @numba.njit
    def rate(t, x, p):
        out = x.copy()
        n = x.size
        for i in range(n):
            out[i] = (x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + p[0]
        return out
    @numba.njit
    def jacobian(t, x, p):
        n = x.size
        out = rate(t, x, p).repeat(n).reshape(n, n) * 0.0
        for i in range(n):
            out[i, (i + 1) % n] += x[i - 1]
            out[i, i - 2] -= x[i - 1]
            out[i, i - 1] += x[(i + 1) % n] - x[i - 2]
            out[i, i] -= 1.0
        return out
    system = ContinuousDynamicalSystem(
        equations_of_motion=rate, jacobian=jacobian, system_dimension=40, number_of_parameters=1
    )
    system.integrator("rk4", time_step=0.01)
    start = [8.0 + 0.01 * (i % 7) for i in range(40)]
    run = lambda: system.lyapunov(start, 0.01 * steps, parameters=[8.0])
for _ in sys.stdin:
    run()
    print("done", flush=True)
"""


def compare(name: str, folder: Path, python: str | None, rounds: int) -> None:
    """Print the ratios of one system."""
    make, steps = CASES[name]
    system: Any = make()
    start, vectors = system.initial(0), np.eye(system.dimension)
    times = np.arange(1, steps + 1)

    def kernel() -> None:
        system.push(start, vectors, 0, steps, times)[1].mean(axis=0)

    def recorded() -> None:
        options: dict[str, Any] = {"replicas": 0, "tangents": "all", "store": "distances"}
        path = folder / f"{name}.nc"
        with nndyn.record(system, path, steps=steps, overwrite=True, **options) as run:
            nndyn.spectrum(run)

    tasks = {"kernel": kernel, "recorded": recorded}
    if python:
        tasks["peer"] = Elsewhere(python, PEER, name, steps)
    found = in_turn(tasks, rounds)
    print(f"{name}, {steps} steps: the tangent kernel takes {milliseconds(found, 'kernel', 1)}")
    if python:
        for task in ("kernel", "recorded"):
            print(f"  {task:8} / pynamicalsys  {ratio(found, task, 'peer')}")
    else:
        print(f"  recorded / kernel        {ratio(found, 'recorded', 'kernel')}")


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    asked = with_peer(parser, "pynamicalsys")
    with tempfile.TemporaryDirectory() as folder:
        for name in CASES:
            compare(name, Path(folder), asked.peer, asked.rounds)


if __name__ == "__main__":
    main()
