"""How often growth is called where there is none, and where there is: figures of docs/validity.md.

    python tests/benchmarks/validity.py [DRAWS]

Prints the tables and draws ``docs/power.png``; 400 draws a family take some minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from analyzers.lyapunov.analyzer import lyapunov
from tests.analyzers.nulls import GROWTH, NULLS, STEPS, burst, drawn, family

#: Steps of a burst, and e-foldings it has in all.
LENGTHS = (8, 12, 20, 30)
GROWN = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def share(draws: int, make: object) -> float:
    """Return the share of draws that are called growth."""
    called = [lyapunov(drawn(make(draw))).attrs["verdict"] in GROWTH for draw in range(draws)]
    return float(np.mean(called))


def nulls(draws: int) -> None:
    """Print the table of paths without a trend."""
    print(f"{'family':50s} called growth, of {draws}")
    for name in NULLS:
        print(f"{name:50s} {round(draws * share(draws, lambda d, n=name: family(n, d)))}")


def power(draws: int) -> None:
    """Print and draw how often a burst is found."""
    figure, axes = plt.subplots(figsize=(5.2, 3.4), layout="constrained")
    print("steps  " + "  ".join(f"{g:5g}" for g in GROWN) + "   e-foldings")
    for length, shade in zip(LENGTHS, np.linspace(0.75, 0.1, len(LENGTHS)), strict=True):
        found = [
            share(draws, lambda d, n=length, g=g: burst(n, g / n, np.random.default_rng([n, d])))
            for g in GROWN
        ]
        print(f"{length:5d}  " + "  ".join(f"{100 * f:4.0f}%" for f in found))
        axes.plot(GROWN, found, "o-", ms=3, color=plt.cm.viridis(shade), label=f"{length} steps")
    axes.axhline(0.05, color="0.6", lw=0.8, ls=":")
    axes.set(
        xlabel="e-foldings of the burst",
        ylabel="share called growth",
        ylim=(-0.02, 1.02),
        title=f"Bursts in {STEPS} steps; five copies fluctuate by 0.2 a step",
    )
    axes.title.set_fontsize(9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, title="within", loc="lower right")
    figure.savefig(Path(__file__).parents[2] / "docs" / "power.png", dpi=150)


if __name__ == "__main__":
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    nulls(many)
    power(max(many // 4, 20))
