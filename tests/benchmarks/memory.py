"""What memory ``analyze lyapunov`` takes beyond an interpreter with its imports: ``make bench``.

Each case writes a recording through the store and analyzes it in a process of its own, which has
analyzed a small one of the same kind before, so that everything is imported and compiled, and has
opened the file. Printed are the rise of the resident memory at its peak, in MiB and in bytes a
step, and what is allowed: 64 MiB of states, and twice the result.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from nndyn.recording import VARIABLES
from nndyn.store import Header, Writer

MIB = 2**20

#: Prints by how many bytes analyzing raises the resident memory at its peak.
CHILD = """
import json, sys
import numpy
import nndyn
from nndyn.numerics.series import long_running_median
warm, path, options = (json.loads(word) for word in sys.argv[1:])
def status(name):
    with open("/proc/self/status") as status:
        return next(1024 * int(s.split()[1]) for s in status if s.startswith(name))
small = {name: value for name, value in options.items() if name != "window"}
with nndyn.open(warm) as recording:
    nndyn.lyapunov(recording, **small)
long_running_median(numpy.zeros(2))  # of long recordings alone: compiling it is not to count
recording = nndyn.open(path)
open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
before = status("VmRSS")
result = nndyn.lyapunov(recording, **options)
print(json.dumps([status("VmHWM") - before, result.attrs["verdict"]]))
"""


def write(
    path: Path,
    steps: int,
    *,
    replicas: int = 1,
    components: int = 0,
    stationary: bool = True,
    rescale: int = 0,
    pairs: bool = False,
    tangents: bool = False,
    growth: float = 0.5,
    seed: int = 0,
) -> None:
    """Write a recording of growing deviations, with states where it has components.

    Growth stops after a tenth of a transient; where there are tangents, deviations saturate before.
    """
    rng, R = np.random.default_rng(seed), replicas + 2
    pair = np.full(R, -1)
    if pairs:
        pair[1:-1] = np.arange(1, R - 1).reshape(-1, 2)[:, ::-1].ravel()
    fixed = {
        "role": np.array([0, *[1] * replicas, 2], dtype=np.int8),
        "perturbation": np.array([0.0, *[1e-8] * replicas, 0.0]),
        "pair": pair.astype(np.int32),
        "diverged_at": np.full(R, -1),
    }
    names = ["time", "distance_l1", "distance_l2", "distance_linf", "log_rescale", "step_length"]
    names += ["deviation_alignment"] * (not stationary) + ["state"] * bool(components)
    names += ["tangent_log_stretch"] * tangents
    block = 2**17 if components < 100 else 1
    header = Header(
        sizes={"replica": R, "vector": 1, "component": max(components, 1)},
        variables=tuple(VARIABLES[name] for name in (*fixed, *names)),
        fixed=fixed,
        block=block,
        attrs={"stationary": int(stationary), "manifest": "{}", "redrawn": "[]"},
        time_unit="step",
        dtype="float64",
    )
    level = np.full(replicas, np.log(1e-8))
    with Writer.create(path, header, overwrite=True) as writer:
        for start in range(0, steps, block):
            t = np.arange(start, min(start + block, steps))
            mean = np.where(t < steps // 10, growth, 0.0) if not stationary else growth + 0.0 * t
            noise = 0.1 if stationary else 0.01
            steps_of = mean[:, None] + noise * rng.standard_normal((t.size, replicas))
            if pairs:
                steps_of[:, 1::2] = steps_of[:, ::2]
            s = level + np.cumsum(steps_of, axis=0)
            level = s[-1]
            taken = np.zeros((t.size, replicas))
            if rescale:
                taken = np.floor(s / (growth * rescale)) * (growth * rescale) + 18.0
            rows: dict[str, Any] = {"time": t.astype(float)}
            deviation = np.exp(np.minimum(s - taken, 0.0))
            for name in names[1:4]:
                rows[name] = np.zeros((t.size, R))
                rows[name][:, 1:-1] = deviation
            rows["log_rescale"] = np.zeros((t.size, R))
            rows["log_rescale"][:, 1:-1] = taken
            rows["step_length"] = 1.0 + 0.1 * rng.random((t.size, R))
            if not stationary:
                rows["deviation_alignment"] = np.full(t.size, 0.95)
            if components:
                x = np.broadcast_to(rng.random((t.size, 1, 1)), (t.size, R, components)).copy()
                sign = np.where((pair > np.arange(R)) | (pair < 0), 1.0, -1.0)
                x[:, 1:-1] += (sign[1:-1] * deviation / components**0.5)[:, :, None]
                rows["state"] = x
            if tangents:
                rows["tangent_log_stretch"] = growth * t[:, None].astype(float)
            writer.append(rows)
        writer.commit()
        writer.finish("complete")


#: Steps, how to write, what to analyze with.
CASES: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {
    "stationary, rescaled": (10**7, {"rescale": 10}, {}),
    "stationary, rescaled, l1": (10**6, {"rescale": 10}, {"distance": "l1"}),
    "stationary, 8 replicas": (10**6, {"rescale": 10, "replicas": 8}, {}),
    "stationary, pairs, states": (
        10**6,
        {"rescale": 10, "replicas": 4, "pairs": True, "components": 2},
        {},
    ),
    "stationary, window": (10**6, {"rescale": 10}, {"window": (1000, 900_000)}),
    "transient, rescaled": (
        10**6,
        {"rescale": 10, "stationary": False, "growth": 1e-3, "replicas": 3},
        {},
    ),
    "transient, l1, window": (
        10**6,
        {"rescale": 10, "stationary": False, "growth": 1e-3, "replicas": 3},
        {"distance": "l1", "window": (1000, 900_000)},
    ),
    "transient, tangents go on": (
        10**6,
        {"stationary": False, "growth": 1e-3, "replicas": 3, "tangents": True},
        {},
    ),
    "200 states of 2,000,000": (200, {"rescale": 10, "components": 2_000_000}, {}),
    "40 states of 2,000,000, pairs": (
        40,
        {"rescale": 10, "components": 2_000_000, "replicas": 2, "pairs": True},
        {},
    ),
}


def allowed(steps: int, *, replicas: int = 1, **_: Any) -> int:
    """Return the bytes that an analysis may take: 64 MiB, and twice the result."""
    return 64 * MIB + 16 * steps * (replicas + 6)


def measured(path: Path, warm: Path, options: dict[str, Any]) -> tuple[int, str]:
    """Return bytes at the peak beyond what there was before, and the verdict."""
    words = [json.dumps(w) for w in (str(warm), str(path), options)]
    done = subprocess.run([sys.executable, "-c", CHILD, *words], stdout=subprocess.PIPE, check=True)
    rise, verdict = json.loads(done.stdout)
    return rise, verdict


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, help="For the recordings, up to 10 GB.")
    parser.add_argument("--only", default="", help="Part of the names of cases.")
    parser.add_argument("--steps", type=float, help="Instead of the steps of long cases.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        for name, (steps, how, options) in CASES.items():
            if asked.only not in name:
                continue
            if asked.steps and steps > 1000:
                steps = int(asked.steps)
            path, warm = Path(folder) / "r.nc", Path(folder) / "warm.nc"
            write(path, steps, **how)
            write(warm, 100, **how | ({"components": 2} if "components" in how else {}))
            rise, verdict = measured(path, warm, options)
            most = allowed(steps, **how)
            path.unlink()
            print(
                f"{name:32} {steps:9} steps  {rise / MIB:7.0f} MiB  {rise / steps:9.0f} bytes a "
                f"step  allowed {most / MIB:6.0f} MiB  {verdict}",
                flush=True,
            )


if __name__ == "__main__":
    main()
