"""What the phases of ``gpu.py`` share: sizes, the card and its limits, time left, and clocks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import nndyn
from nndyn.runtime import provenance

#: Operations a second of products in float64 (tensor cores) and bytes a second of memory, from the
#: data sheets, by a part of a card's name: the first that is in it counts.
LIMITS = {
    "H100 PCIe": (51.2e12, 2.0e12),
    "H100": (66.9e12, 3.35e12),
    "H200": (66.9e12, 4.8e12),
    "A100": (19.5e12, 1.555e12),
}


@dataclass(frozen=True)
class Sizes:
    """How large everything is.

    Attributes
    ----------
    widths : tuple of int
        Of the wide network: inputs, hidden units, classes.
    samples, tested : int
        Of its training and test set.
    runs, replicas : int
        Runs of a learning rate, and the perturbed replicas of each: with reference and control
        two rows more.
    rates, steps : int
        Of the grid.
    digits : int or None
        Samples of digits; None for all.
    study : tuple of int
        Rates, seeds and steps of the study of digits.
    calm : int
        Steps of what is compared with the CPU.
    """

    widths: tuple[int, int, int]
    samples: int
    tested: int
    runs: int
    replicas: int
    rates: int
    steps: int
    digits: int | None
    study: tuple[int, int, int]
    calm: int


SIZES = {
    "full": Sizes((784, 64, 10), 60_000, 10_000, 50, 4, 16, 201, None, (12, 10, 300), 50),
    "tiny": Sizes((20, 8, 3), 200, 40, 2, 1, 2, 5, 100, (2, 2, 6), 8),
}


@dataclass
class Bench:
    """A run of the script.

    Attributes
    ----------
    device : torch.device
    sizes : Sizes
    until : float
        ``time.monotonic()`` at which it ends.
    folder : Path
        For recordings, which are removed at the end.
    known : dict
        What phases leave to later ones.
    """

    device: torch.device
    sizes: Sizes
    until: float
    folder: Path
    known: dict[str, Any] = field(default_factory=dict)
    _files: int = 0

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.until - time.monotonic()

    @property
    def card(self) -> str:
        """Name of what computes."""
        if self.device.type == "cpu":
            return str(provenance.provenance()["hardware"].get("processor", "a processor"))
        return torch.cuda.get_device_name(self.device)

    @property
    def limits(self) -> tuple[float, float] | None:
        """Operations a second in float64 and bytes a second, where the card is known."""
        return next((known for name, known in LIMITS.items() if name in self.card), None)

    def path(self, name: str) -> Path:
        """Return the path of a new file or folder."""
        self._files += 1
        return self.folder / f"{name}-{self._files}.nc"

    def wait(self) -> None:
        """Wait for what the device still has to do."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, function: Callable[[], object]) -> float:
        """Return the seconds that a call takes, with all it gives the device to do."""
        self.wait()
        began = time.perf_counter()
        function()
        self.wait()
        return time.perf_counter() - began

    def median(
        self, function: Callable[[], object], parts: int, *, budget: float, most: int = 7
    ) -> dict[str, Any]:
        """Return the seconds of one of the equal `parts` of a call: median and range.

        One call before warms up; then `most` calls, or as many as the `budget` of seconds has.
        """
        self.seconds(function)
        times: list[float] = []
        began = time.monotonic()
        while not times or (len(times) < most and time.monotonic() - began < budget):
            times.append(self.seconds(function) / parts)
        return {
            "seconds": statistics.median(times),
            "range": [min(times), max(times)],
            "calls": len(times),
        }

    def wide(self) -> nndyn.Training:
        """Return the wide network on images like those of MNIST: mostly black, and learnable."""
        if "wide" not in self.known:
            sizes, rng = self.sizes, np.random.default_rng(0)
            (inputs, _, classes), count = sizes.widths, sizes.samples + sizes.tested
            x = rng.random((count, inputs))
            x *= x > 0.8
            y = (x @ rng.standard_normal((inputs, classes))).argmax(1)
            self.known["wide"] = nndyn.Training(
                "mlp:" + "-".join(map(str, sizes.widths)),
                (x[: sizes.samples], y[: sizes.samples]),
                test=(x[sizes.samples :], y[sizes.samples :]),
                lr=0.1,
                device=self.device,
            )
        system: nndyn.Training = self.known["wide"]
        return system

    def digits(self, model: str = "mlp:64-32-10", **options: Any) -> nndyn.Training:
        """Return a training on digits."""
        given = {"lr": 0.1, "samples": self.sizes.digits, "device": self.device, **options}
        return nndyn.Training(model, "digits", **given)


class FailedError(Exception):
    """What a phase was to show does not hold; `figures` is what it found."""

    def __init__(self, message: str, figures: dict[str, Any]) -> None:
        super().__init__(message)
        self.figures = figures
