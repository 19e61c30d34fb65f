"""What recording a large network takes: memory at its peak, processor time, disk. Run by hand.

Each case runs in a process of its own, which has recorded a small network before, so that
everything is imported and compiled. From there on, with the network itself, the rise of the
resident memory at its peak is taken in multiples of the weights of all rows as they are held; then
processor time against plain torch loops of as many copies, in turn, within one process.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import timed
from torch import nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

import nndyn

MIB = 2**20
RATES = {"sgd": 0.1, "momentum": 0.02, "adam": 1e-3}


class Residual(nn.Module):
    """A block of two convolutions, and a way past them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)])
        self.past: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.past = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the values of the block."""
        y = torch.relu(self.norms[0](self.first(x)))
        return torch.relu(self.norms[1](self.second(y)) + self.past(x))


def resnet18() -> nn.Module:
    """Return a ResNet-18 for images of 32 x 32: 11.2 million weights."""
    blocks, width = [], 64
    for outputs in (64, 128, 256, 512):
        blocks += [Residual(width, outputs, 1 if outputs == width else 2)]
        blocks += [Residual(outputs, outputs, 1)]
        width = outputs
    first = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class Layer(nn.Module):
    """Attention to what was before, and a perceptron."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.attention, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.heads = heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the values of the layer."""
        parts = self.attention(self.norms[0](x)).chunk(3, -1)
        q, k, v = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in parts)
        seen = scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.down(nn.functional.gelu(self.up(self.norms[1](x))))


class GPT(nn.Module):
    """A transformer of letters: six layers of 384, 10.8 million weights."""

    def __init__(self, letters: int = 65, width: int = 384, length: int = 256) -> None:
        super().__init__()
        self.letters, self.places = nn.Embedding(letters, width), nn.Embedding(length, width)
        self.layers = nn.Sequential(*(Layer(width, 6) for _ in range(6)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, letters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs ``(N, letters, length)``."""
        here = self.letters(x) + self.places(torch.arange(x.shape[1], device=x.device))
        return self.head(self.norm(self.layers(here))).transpose(1, 2)


class Own(nn.Module):
    """A perceptron in a class of its own: run as any module is."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = perceptron(*widths)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs ``(N, 10)``."""
        return self.layers(x)


def perceptron(*widths: int) -> nn.Sequential:
    """Return a perceptron of 10 outputs, with ReLU."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 10))


def images(count: int) -> tuple[Any, Any]:
    """Return random images as of CIFAR."""
    rng = np.random.default_rng(0)
    return rng.random((count, 3, 32, 32), np.float32), rng.integers(0, 10, count)


def pixels(count: int) -> tuple[Any, Any]:
    """Return the same as rows of numbers."""
    x, y = images(count)
    return x.reshape(count, -1), y


def letters(count: int) -> tuple[Any, Any]:
    """Return random text, and what comes next in it."""
    text = np.random.default_rng(0).integers(0, 65, (count, 65))
    return text[:, :-1], text[:, 1:]


#: Network, samples, what to record.
CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Any], dict[str, Any]]] = {
    "resnet18": (resnet18, images, {"store": "sketch:1024"}),
    "gpt": (GPT, letters, {"store": "sketch:1024"}),
    "mlp10": (lambda: perceptron(3072, 2048, 1536, 384), pixels, {"store": "sketch:1024"}),
    "own10": (lambda: Own(3072, 2048, 1536, 384), pixels, {"store": "sketch:1024"}),
    "mlp94": (lambda: perceptron(3072, 7168, 7168, 2816), pixels, {"store": "distances"}),
    "own94": (lambda: Own(3072, 7168, 7168, 2816), pixels, {"store": "distances"}),
}


def status(name: str) -> int:
    """Return what the kernel says of this process, bytes."""
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


class Watch:
    """The stack at the peak, looked for every few milliseconds: where memory is taken."""

    def __init__(self) -> None:
        self.peak, self.stack = 0, ""
        self._ended, self._main = threading.Event(), threading.get_ident()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.005):
            now = status("VmRSS")
            if now > 1.02 * self.peak:
                frame = sys._current_frames()[self._main]
                self.peak, self.stack = now, "".join(traceback.format_stack(frame)[-9:])

    def end(self) -> str:
        """Return it."""
        self._ended.set()
        self._thread.join()
        return self.stack


def plain(case: str, rows: int, optimizer: str, batch: int) -> Callable[[int], None]:
    """Return a function that takes so many steps of `rows` separate copies."""
    make, data, _ = CASES[case]
    torch.manual_seed(0)
    first = make()
    nets = [copy.deepcopy(first) for _ in range(rows)]
    kinds = {"sgd": torch.optim.SGD, "momentum": torch.optim.SGD, "adam": torch.optim.Adam}
    more = {"momentum": 0.9} if optimizer == "momentum" else {}
    optimizers = [kinds[optimizer](net.parameters(), lr=RATES[optimizer], **more) for net in nets]
    x, y = (torch.as_tensor(part) for part in data(4 * batch))

    def run(steps: int) -> None:
        for t in range(steps):
            few = slice(t % 4 * batch, (t % 4 + 1) * batch)
            for net, each in zip(nets, optimizers, strict=True):
                each.zero_grad()
                cross_entropy(net(x[few]), y[few]).backward()
                each.step()

    return run


def recorded(
    case: str, path: Path, steps: int, optimizer: str, batch: int, options: dict[str, Any]
) -> tuple[int, int]:
    """Record a case; return the bytes of its weights in all rows, and how many rows there are."""
    make, data, chosen = CASES[case]
    torch.manual_seed(0)
    more = {"momentum": 0.9} if optimizer == "momentum" else {}
    name = "sgd" if optimizer == "momentum" else optimizer
    made = {
        "optimizer": name,
        "lr": RATES[optimizer],
        "batch_size": batch,
        "dtype": "float32",
        **more,
    }
    system = nndyn.Training(make(), data(4 * batch), **made)
    asked = {"steps": steps, "replicas": 2, "evaluate": 0, **chosen, **options}
    if not asked["epsilon"]:
        asked["epsilon"] = "auto"
    nndyn.record(system, path, overwrite=True, progress=False, **asked).close()
    rows = 2 + asked["replicas"]
    return rows * system.parameters[-1].start + rows * system.parameters[-1].size, rows


def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """Measure one case in this process."""
    warnings.simplefilter("ignore")
    case, batch = asked["case"], asked["batch"]
    optimizer, options = asked["optimizer"], asked["options"]
    with tempfile.TemporaryDirectory(dir=asked["folder"]) as folder:
        path = Path(folder) / "r.nc"
        _warm(Path(folder) / "warm.nc", images(32) if case == "resnet18" else pixels(32))
        found: dict[str, Any] = {}
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = status("VmRSS")
        watch = Watch() if asked["watch"] else None
        taken = {}
        spent = [
            timed(
                lambda: taken.update(
                    size=recorded(case, path, asked["steps"], optimizer, batch, options)
                )
            )
        ]
        weights, rows = taken["size"]
        found["weights"] = weights // rows
        found["peak"] = (status("VmHWM") - before) / (4 * weights)
        found["cpu"] = spent[0][0]
        if watch is not None:
            found["stack"] = watch.end()
        found["file"] = path.stat().st_size
        if asked["rounds"]:
            loop = plain(case, rows, optimizer, batch)
            loop(1)
            found["ratios"] = []
            for _ in range(asked["rounds"]):
                loops = timed(lambda: loop(asked["steps"]))[0]
                whole = timed(
                    lambda: recorded(case, path, asked["steps"], optimizer, batch, options)
                )[0]
                found["ratios"].append(whole / loops)
                found["plain"] = loops
    return found


def _warm(path: Path, data: Any) -> None:
    """Record a small network of the same kind, so that all is imported and compiled."""
    x, y = data
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    system = nndyn.Training(flat, (x, y), lr=0.1, batch_size=16, dtype="float32")
    nndyn.record(system, path, steps=10, replicas=2, store="sketch:1024", progress=False).close()
    norm = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10), nn.BatchNorm1d(10))
    system = nndyn.Training(norm, (x, y), lr=0.1, batch_size=16, dtype="float32")
    nndyn.record(system, path, steps=20, overwrite=True, epsilon=1e-3, progress=False).close()


def main() -> None:
    """Measure cases, each in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--folder", help="For the recordings, some GB.")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=1, help="Of times; 0 for memory alone.")
    parser.add_argument("--optimizer", default="sgd", choices=("sgd", "momentum", "adam"))
    parser.add_argument(
        "--epsilon", type=float, default=1e-5, help="Of perturbations; 0: by a trial."
    )
    parser.add_argument("--store")
    parser.add_argument("--watch", action="store_true", help="Print the stack at the peak.")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(measured(json.loads(asked.child))))
        return
    options = {k: v for k in ("epsilon", "store") if (v := getattr(asked, k)) is not None}
    for case in asked.cases:
        words = {"case": case, "options": options} | {
            k: getattr(asked, k)
            for k in ("folder", "steps", "batch", "rounds", "optimizer", "watch")
        }
        began = time.perf_counter()
        command = [sys.executable, __file__, "--child", json.dumps(words)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        stored = found["file"] / MIB
        print(
            f"{case:10} {asked.optimizer:9} {found['weights'] / 1e6:6.1f} million  "
            f"peak {found['peak']:5.2f} x the rows  cpu {found['cpu']:7.1f} s  "
            f"file {stored:7.0f} MiB  {time.perf_counter() - began:.0f} s",
            flush=True,
        )
        if "ratios" in found:
            ratios = ", ".join(f"{r:.2f}" for r in found["ratios"])
            print(f"    time over plain loops ({found['plain']:.1f} s): {ratios}", flush=True)
        if found.get("stack"):
            print(found["stack"], flush=True)


if __name__ == "__main__":
    main()
