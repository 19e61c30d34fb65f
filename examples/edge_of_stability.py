"""Separation, tangent exponent, sharpness and accuracy of one run, on one figure.

    python examples/edge_of_stability.py                      learning rate 2, half a minute
    python examples/edge_of_stability.py --lr 3 --seed 4 --steps 200 -o mine.png

Full-batch gradient descent on 64-32-10, tanh, on digits, from N(0, 1) weights. Deviations of a
step grow where the sharpness, the largest Hessian eigenvalue, exceeds 2 / lr: the edge of
stability, which is no chaos by itself. The grey line is the same deviation on the quadratic
expansion of the loss at the start, where the Hessian never changes.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import nndyn
from nndyn.figures import save

BLUE, SKY, ORANGE, GREY = "#0072B2", "#56B4E9", "#D55E00", "#777777"
#: Steps over which the tangent exponent is taken.
HORIZON = 5


def measure(path, options):
    """Record one run; gives the recording and its analyses."""
    system = nndyn.Training("mlp:64-32-10", "digits", lr=options.lr, seed=options.seed)
    run = nndyn.record(
        system,
        path,
        steps=options.steps,
        seed=options.seed,
        tangents=1,
        tangent_start="replicas",
        sharpness=f"every:{options.every}",
        quadratic_model=True,
        store="distances",
    )
    return run, nndyn.lyapunov(run), nndyn.learning(run)


def draw(run, growth, learned, lr):
    """Draw four panels over the same steps."""
    figure = Figure(figsize=(4.6, 6.6), dpi=200, layout="constrained")
    separation, exponent, sharpness, accuracy = figure.subplots(
        4, 1, sharex=True, height_ratios=(1.6, 1, 1, 1)
    )
    time, mean = growth["time"], growth["mean_log_separation"]
    separation.plot(time, growth["log_separation"], color=SKY, lw=0.6)
    separation.plot(time, mean, color=BLUE, lw=1.6)
    limits = separation.get_ylim()
    start = float(mean[np.isfinite(mean)][0])
    separation.plot(time, start + growth["quadratic_log_growth"], color=GREY, lw=1.0)
    separation.set(ylim=limits, ylabel="ln separation")
    separation.set_title(growth.attrs["verdict"], fontsize=8, loc="left")
    stretch = run["tangent_log_stretch"].values[:, 0]
    local = (stretch[HORIZON:] - stretch[:-HORIZON]) / HORIZON
    exponent.plot(run["time"][HORIZON:], local, color=BLUE, lw=1.0)
    exponent.axhline(0.0, color=GREY, lw=0.8, ls=":")
    exponent.set(ylabel=f"tangent exponent,\n{HORIZON} steps")
    sharpness.plot(growth["sharpness_time"], growth["sharpness_ratio"], color=ORANGE, lw=1.2)
    sharpness.axhline(1.0, color=GREY, lw=0.8, ls=":")
    sharpness.set(ylim=(0, None), ylabel="sharpness * lr / 2")
    accuracy.plot(learned["time"], learned["accuracy"][:, 0], color=BLUE, lw=1.2)
    accuracy.set(ylim=(0, 1), ylabel="test accuracy", xlabel=f"step (learning rate {lr:g})")
    for ax in (separation, exponent, sharpness, accuracy):
        ax.tick_params(labelsize=7)
        ax.yaxis.label.set_size(8)
        ax.xaxis.label.set_size(8)
        ax.spines[["top", "right"]].set_visible(False)
        until = float(growth["unstable_until"])
        if np.isfinite(until):
            ax.axvspan(0, until, color=ORANGE, alpha=0.08, lw=0)
    return figure


def main():
    """Record, analyze, draw, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lr", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--every", type=int, default=1, help="steps between looks at the Hessian")
    parser.add_argument("-o", "--output", default="edge_of_stability.png")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, growth, learned = measure(Path(folder) / "run.nc", options)
        save(draw(run, growth, learned, options.lr), options.output)
        run.close()
    print(f"{growth.attrs['verdict']}: {growth.attrs['reason']}")
    print(learned.attrs["reason"])
    print(options.output)


if __name__ == "__main__":
    main()
