"""Growth and training time against learning rate: the onset of growth and the fastest rate.

    python examples/onset.py                                  12 rates, ten seeds, three minutes
    python examples/onset.py --seeds 20 --first 10 --study other

Full-batch gradient descent on 64-32-10, tanh, on digits, from N(0, 1) weights. Prints a table of
medians over seeds with 95 % intervals, and what the study says of onset and fastest training;
draws both. The runs stay in the folder: the same command goes on with them, and with more seeds
the study grows.
"""

import argparse

import numpy as np

import nndyn
from nndyn.figures import save


def cell(result, name, i):
    """Return a median with its interval."""
    value = float(result[name][i])
    if f"{name}_ci" not in result:
        return f"{value:.2g}"
    low, high = result[f"{name}_ci"].values[i]
    if np.isnan(value):
        return "not reached"
    return f"{value:.3g} ({low:.3g}, {high:.3g})".replace("inf", "not reached")


def table(growth, learning):
    """Print a row for each learning rate."""
    columns = {
        "exponent": (growth, "exponent"),
        "growth": (growth, "median_growth"),
        "share growing": (growth, "growing_share"),
        "steps to 0.93": (learning, "median_training_time"),
        "steps times lr": (learning, "flow_time"),
    }
    print(f"| lr | {' | '.join(columns)} |")
    print("|---" * (1 + len(columns)) + "|")
    for i, lr in enumerate(growth["lr"].values):
        print(f"| {lr:.3g} | {' | '.join(cell(*column, i) for column in columns.values())} |")


def main():
    """Sweep, analyze, draw, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=int, default=12, help="from 0.5 to 8, in equal ratios")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--study", default="study", help="folder of the runs")
    parser.add_argument("-o", "--output", default="onset.png")
    options = parser.parse_args()
    index = nndyn.sweep(
        "training",
        options.study,
        model="mlp:64-32-10",
        data="digits",
        lr=np.geomspace(0.5, 8.0, options.rates),
        seeds=options.seeds,
        seed=options.first,
        steps=options.steps,
        store="distances",
        resume=True,
    )
    growth, learning = index.nndyn.lyapunov(), index.nndyn.learning()
    table(growth, learning)
    print()
    print(f"{growth.attrs['verdict']}: {growth.attrs['reason']}")
    print(f"{learning.attrs['verdict']}: {learning.attrs['reason']}")
    save(index.nndyn.plot(), options.output)
    print(options.output)


if __name__ == "__main__":
    main()
