"""All that needs a GPU, in the minutes given: run by ``make gpu``, without a network.

First what has to be so (runs equal those of the CPU, controls stay 0, resumed files are identical),
then the figure that matters most, the grid of the wide network, then the small networks. A phase
that fails is noted, and the next one runs; what no longer fits into the time is noted too. The file
is written anew after every phase, so that a machine that goes away takes one phase with it.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from devices import agreement, figures
from devices.bench import SIZES, Bench, FailedError

import nndyn

PHASES: list[tuple[str, Callable[[Bench], dict[str, Any]], float]] = [
    *((f"calm, {kind}", partial(agreement.calm, kind=kind), 5.0) for kind in agreement.KINDS),
    ("calm, float32", agreement.single, 5.0),
    ("resumed", agreement.resumed, 5.0),
    ("batch and alone", agreement.together, 5.0),
    *figures.PHASES,
]


def machine(bench: Bench) -> dict[str, Any]:
    """Return what computed, with its limits."""
    peak, memory = bench.limits or (None, None)
    found = {
        "card": bench.card,
        "peak, operations a second in float64": peak,
        "bytes a second": memory,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "nndyn": nndyn.__version__,
    }
    if bench.device.type == "cuda":
        properties = torch.cuda.get_device_properties(bench.device)
        found |= {"memory": properties.total_memory, "processors": properties.multi_processor_count}
    return found


def measured(bench: Bench, phase: Callable[[Bench], dict[str, Any]], asks: float) -> dict[str, Any]:
    """Run a phase, or say why not."""
    if bench.left < asks:
        return {"status": "left out", "reason": f"{bench.left:.0f} s left, it asks for {asks:.0f}"}
    began = time.monotonic()
    try:
        found: dict[str, Any] = {"status": "done", "figures": phase(bench)}
    except FailedError as error:
        found = {"status": "failed", "reason": str(error), "figures": error.figures}
    except Exception as error:
        traceback.print_exc()
        found = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    return {**found, "card": bench.card, "took": time.monotonic() - began}


def table(report: dict[str, Any]) -> str:
    """Return a report as lines of text."""
    lines = [f"{report['card']}, torch {report['torch']}, {report['size']} size"]
    for name, phase in report["phases"].items():
        text = phase.get("reason", "")
        shown = {k: v for k, v in phase.get("figures", {}).items() if isinstance(v, int | float)}
        text += ("; " if text and shown else "") + ", ".join(
            f"{k} {v:.3g}" for k, v in shown.items()
        )
        lines.append(f"  {name:32} {phase['status']:9} {text}")
    return "\n".join(lines)


def main() -> int:
    """Run all phases; 1 where one failed."""
    parser = argparse.ArgumentParser(description="All of nndyn that needs a GPU.")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu for a trial")
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    given = parser.parse_args()
    device = torch.device(given.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("torch sees no GPU here; --device cpu --size tiny tries every line", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp())
    until = time.monotonic() + 60 * given.minutes
    bench = Bench(device, SIZES[given.size], until, folder)
    report = {**machine(bench), "device": str(device), "size": given.size, "phases": {}}
    try:
        for name, phase, asks in PHASES:
            found = measured(bench, phase, asks if given.size == "full" else 0.0)
            report["phases"][name] = found
            given.out.write_text(json.dumps(report, indent=2) + "\n")
            print(f"{name}: {found['status']} {found.get('reason', '')}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(table(report))
    return int(any(phase["status"] == "failed" for phase in report["phases"].values()))


if __name__ == "__main__":
    sys.exit(main())
