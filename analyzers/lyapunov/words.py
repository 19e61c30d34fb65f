"""Phrases for the growth of deviations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analyzers.lyapunov.transient import Growth


def higher(found: Growth, unit: str, time: NDArray[np.float64]) -> str:
    """Say where deviations were larger, by half an e-folding or more, than when growth ended."""
    assert found.end is not None
    climb = np.nancumsum(found.steps[: found.end - found.start])
    top = int(np.argmax(climb)) if climb.size else 0
    if not climb.size or climb[top] - max(found.total, 0.0) < 0.5:
        return ""
    return f" ({climb[top]:.1f} by {unit} {time[found.start + top + 1]:g})"


def amount(growth: float) -> str:
    """Return e-foldings with two digits, of hundreds and more whole ones."""
    return f"{growth:.2g}" if abs(growth) < 100.0 else f"{growth:.0f}"


def by(growth: float) -> str:
    """Return a growth in words."""
    if growth == 0.0:
        return "changed by 0 e-foldings"
    size = f"{abs(growth):.1f}" if abs(growth) >= 1.0 else f"{abs(growth):.2g}"
    return f"{'grew' if growth > 0.0 else 'shrank'} by {size} e-foldings"
