"""Is training fastest at the onset of growth, and faster for it? Measured, written as a page.

    python examples/claim.py --scale small                      14 small studies and a large one
    python examples/claim.py --scale page --folder claim        the large one at its full size

The rule by which a study is judged is printed before anything runs. Every study's numbers are kept
in the folder, as a small JSON file, and its recordings are removed; the same command goes on where
it was stopped, and writes the same page.
"""

import argparse
import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import nndyn
from analyzers.studies.hypotheses.claim import SEEDS, VERDICTS, claim_study
from analyzers.studies.hypotheses.equivalence import FACTOR, each
from analyzers.studies.hypotheses.fall import MARGIN
from analyzers.studies.onset import THRESHOLD
from nndyn.errors import DataError, UsageError
from nndyn.figures import save
from nndyn.header import FINISHED
from nndyn.runtime.provenance import provenance

#: Shares of the test set; the studies are judged by that of each, fixed before they ran.
LEVELS = (0.85, 0.9, 0.93, 0.95)
NORMS = ("l1", "l2", "output")
#: What is kept of a run: of learning at every level, of lyapunov in every norm.
LEARNED = (
    *("training_time", "training_time_earliest", "sharpness_ratio", "sharpness_ratio_start"),
    *("best_accuracy", "final_accuracy"),
)
GREW = ("growth", "growth_lower_bound", "growth_p", "lyapunov_max")
PRODUCT, DASH = "lr \u00d7 time", "\u2013"
COLOURS = dict(zip(VERDICTS, ("#009E73", "#D55E00", "#0072B2", "#777777"), strict=True))


@dataclass(frozen=True, eq=False)
class Cell:
    """A study: one network on one data set, at several learning rates and seeds."""

    name: str
    options: dict
    rates: tuple
    steps: int
    seeds: int = 10
    level: float = 0.9
    replicas: int = 2
    sharpness: str = "every:100,top:1"

    def asked(self):
        """Give the options of the sweep."""
        return {
            **self.options,
            "lr": list(self.rates),
            "steps": self.steps,
            "seeds": self.seeds,
            "replicas": self.replicas,
            "sharpness": self.sharpness,
            "control": False,
            "store": "distances",
        }

    @property
    def levels(self):
        """Give the shares of the test set that are looked at."""
        return sorted({*LEVELS, self.level})


def digits(name="digits", *, rates=(), steps=300, **options):
    """Give a study of digits."""
    return Cell(name, {"data": "digits", "model": "mlp:64-32-10", **options}, rates, steps)


def iris(name="iris", *, rates=(), steps=250, **options):
    """Give a study of iris."""
    options = {"data": "iris", "model": "mlp:4-16-3", **options}
    return Cell(name, options, rates, steps, level=0.93)


def fashion(samples, seeds, steps):
    """Give the study of Fashion-MNIST, at one of two sizes."""
    options = {"data": "fashion-mnist", "model": "mlp:784-64-10", "samples": samples}
    options["evaluate"] = "auto"
    rates = (0.3, 0.5, 0.75, 1.1, 1.6, 2.3, 3.3, 4.8)
    return Cell(f"Fashion-MNIST, {samples} images", options, rates, steps, seeds, level=0.65)


SMALL = (
    digits(rates=(0.4, 0.6, 0.9, 1.2, 1.5, 1.9, 2.4, 3.0, 3.8)),
    iris(rates=(0.12, 0.25, 0.5, 0.9, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)),
    Cell(
        *("wine", {"data": "wine", "model": "mlp:13-16-3"}),
        *((0.12, 0.5, 1.0, 2.0, 4.0, 6.0, 8.5, 12.0, 17.0, 24.0), 200),
        level=0.93,
    ),
    Cell(
        *("breast cancer", {"data": "breast-cancer", "model": "mlp:30-16-2"}),
        *((0.25, 0.5, 1.0, 2.0, 4.0, 5.6, 8.0, 11.0, 16.0), 200),
        level=0.93,
    ),
    digits(
        "digits, Xavier",
        init="xavier",
        rates=(0.15, 0.3, 0.5, 0.7, 0.9, 1.15, 1.5, 1.9),
        steps=200,
    ),
    digits("digits, ReLU", activation="relu", rates=(0.3, 0.5, 0.7, 0.9, 1.2, 1.5, 1.9, 2.5)),
    digits(
        "digits, two hidden layers",
        model="mlp:64-32-32-10",
        rates=(0.5, 0.7, 0.9, 1.2, 1.5, 1.9, 2.4, 3.0),
        steps=350,
    ),
    digits(
        "digits, momentum",
        momentum=0.9,
        rates=(0.1, 0.25, 0.5, 0.7, 0.95, 1.25, 1.6, 2.1),
        steps=250,
    ),
    digits(
        "digits, Adam",
        optimizer="adam",
        rates=(0.008, 0.02, 0.04, 0.07, 0.1, 0.14, 0.2, 0.28),
        steps=250,
    ),
    iris("iris, Xavier", init="xavier", rates=(0.12, 0.25, 0.5, 1.0, 1.5, 2.1, 3.0, 4.2, 6.0)),
    iris(
        "iris, ReLU",
        activation="relu",
        rates=(0.06, 0.12, 0.25, 0.5, 0.9, 1.4, 2.0, 2.8, 4.0, 5.6),
    ),
    iris(
        "iris, two hidden layers",
        model="mlp:4-16-16-3",
        rates=(0.06, 0.12, 0.25, 0.4, 0.6, 0.85, 1.2, 1.7, 2.4, 3.4),
    ),
    iris(
        "iris, momentum",
        momentum=0.9,
        rates=(0.03, 0.06, 0.12, 0.25, 0.5, 0.9, 1.3, 1.8, 2.6, 3.7),
        steps=200,
    ),
    iris(
        "iris, Adam",
        optimizer="adam",
        rates=(0.005, 0.01, 0.02, 0.04, 0.08, 0.11, 0.16, 0.23, 0.32, 0.6),
        steps=200,
    ),
)
SCALES = {
    "small": (*SMALL, fashion(2000, 3, 120)),
    "page": (*SMALL, fashion(6000, 10, 150)),
    "tiny": (  # of the tests
        Cell("tiny", {"data": "iris", "model": "mlp:4-8-3"}, (0.5, 2.0, 16.0), 40, level=0.8),
        Cell("few", {"data": "iris", "model": "mlp:4-8-3"}, (0.5, 16.0), 30, seeds=2, level=0.8),
    ),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", default="small", help="small or page")
    parser.add_argument("--folder", default="claim", help="of the numbers; gone on with")
    parser.add_argument("--output", default="docs/claim.md", help="the page; its figure beside it")
    asked = parser.parse_args()
    if asked.scale not in SCALES:
        parser.error(f"the scale is {asked.scale!r}, expected small or page")
    write(SCALES[asked.scale], Path(asked.folder), Path(asked.output))


def write(cells, folder, output):
    """Print the rule, measure what is missing, judge all of it, and write the page."""
    print(rule(cells), flush=True)
    found, missing = {}, {}
    for cell in cells:
        try:
            found[cell] = measured(cell, folder)
        except DataError as error:  # images that are not on this machine
            missing[cell] = str(error)
            print(f"{cell.name}: left out, {error}", flush=True)
    if not found:
        raise DataError("no study has its data: nothing to write")
    together = sum(cell.seeds >= SEEDS for cell in cells)
    judged = {
        cell: {level: judge(numbers, level, together) for level in cell.levels}
        for cell, numbers in found.items()
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    save(drawn(judged), output.with_suffix(".png"))
    text = page(cells, found, judged, missing, output.with_suffix(".png").name)
    part = output.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(output)
    print(output)


def measured(cell, folder):
    """Give the numbers of a study: from the folder, or recorded, reduced and kept there."""
    kept, runs = folder / f"{slug(cell)}.json", folder / slug(cell)
    asked = json.loads(json.dumps(asdict(cell)))
    if kept.exists():
        numbers = json.loads(kept.read_text(encoding="utf-8"))
        if numbers["cell"] != asked:
            raise UsageError(f"{kept} is of another study; choose another folder, or remove it")
        shutil.rmtree(runs, ignore_errors=True)  # of a run that was stopped in between
        return numbers
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    index = nndyn.sweep("training", runs, resume=True, progress=True, **cell.asked())
    numbers = {
        "cell": asked,
        "seed": [int(seed) for seed in index["seed"]],
        "lr": [float(lr) for lr in index["lr"]],
        "runs": [
            [analyzed(run, cell) for _, run in row.groupby("seed")]
            for _, row in index.groupby("lr")
        ],
        "made": {**provenance(), "seconds": round(time.perf_counter() - began, 1)},
    }
    part = kept.with_suffix(".part")
    part.write_text(json.dumps(numbers, allow_nan=False), encoding="utf-8")
    part.replace(kept)
    shutil.rmtree(runs)
    print(f"{cell.name}: {numbers['made']['seconds']:.0f} s", flush=True)
    return numbers


def analyzed(run, cell):
    """Give the numbers of one run: growth in every norm, training time at every level."""
    about = {"status": str(run["status"].item()), "steps": cell.steps, "stationary": 0}
    if about["status"] not in FINISHED:
        raise DataError(f"{run['path'].item()}: {about['status']}, {run['reason'].item()}")
    with nndyn.open(run["path"].item()) as recording:
        grew = {n: kept_of(nndyn.lyapunov, recording, GREW, distance=n) for n in NORMS}
        learned = {
            f"{level}": kept_of(nndyn.learning, recording, LEARNED, threshold=level)
            for level in cell.levels
        }
    return {"about": about, "lyapunov": grew, "learning": learned}


def kept_of(analyze, recording, names, **options):
    """Give what is kept of a result: null where there is no number, no verdict without a result."""
    try:
        result = analyze(recording, **options)
    except DataError:
        return {"verdict": ""}
    values = {name: float(result[name]) for name in names if name in result}
    found = {name: value if value == value else None for name, value in values.items()}
    return {"verdict": result.attrs["verdict"], **found}


def slug(cell):
    """Give the name of a study as files have it."""
    return "".join(c if c.isalnum() else "-" for c in cell.name.lower()).strip("-")


def cells_of(numbers, kind, which):
    """Give the numbers of a study as the analyzers of studies take them."""
    runs = [[{**run["about"], **run[kind][which]} for run in row] for row in numbers["runs"]]
    variables = {}
    for name in dict.fromkeys(name for row in runs for run in row for name in run):
        text = name in ("status", "verdict")
        values = [[run.get(name) for run in row] for row in runs]
        variables[name] = (("lr", "seed"), np.array(values, dtype=str if text else float))
    return xr.Dataset(variables, {"lr": numbers["lr"], "seed": numbers["seed"]})


def judge(numbers, level, together):
    """Say what becomes of the claim in a study at one share of the test set."""
    return claim_study(
        cells_of(numbers, "learning", f"{level}"),
        lyapunov=cells_of(numbers, "lyapunov", "l2"),
        comparisons=max(together, 1),
    )


def rule(cells):
    """Give the rule, in words."""
    together = max(sum(cell.seeds >= SEEDS for cell in cells), 1)
    sets = {str(cell.options["data"]): cell.level for cell in cells}
    levels = ", ".join(f"{level:g} of {name}" for name, level in sets.items())
    return f"""\
The claim: training is fastest at the onset of growth, and faster there than a longer step alone
makes it. A study is one network on one data set, at several learning rates and seeds.

The rule, fixed before anything runs:

- *Onset*: the learning rate at which half of the seeds' nearby trajectories grow apart by
  {THRESHOLD:g} e-foldings or more (l2 distance of the weights, told from chance). *Fastest*: the
  rate with the shortest median number of steps until so much of the test set is right: {levels}.
  *{PRODUCT}* at the fastest rate is compared, seed by seed, with that at the lowest rate at which
  half of the seeds arrive: along the gradient flow the two are equal.
- The claim **holds** in a study if the whole interval of fastest/onset lies in
  [{1 / FACTOR:.3g}, {FACTOR:g}], *and* the whole interval of the ratio of {PRODUCT} lies below 1.
- It **does not** if the interval of fastest/onset lies outside that range, or that of {PRODUCT}
  above {1 - MARGIN:g}.
- Else it is **not decided**. Of fewer than {SEEDS} seeds it is **not settled**, whatever they say.
- Intervals are over seeds, with the fastest rate chosen anew in each of 20,000 draws, and hold at
  once in all {together} studies of {SEEDS} seeds or more: {each(0.95, together):.2%} each, 95 %
  together. "The whole interval lies in the range" is the pair of one-sided tests of
  [Schuirmann](https://doi.org/10.1007/BF01068419).
"""


def interval(result, name, digits=3):
    """Give a number of a result with its interval; a dash where there is none."""
    value = float(result[name])
    if np.isnan(value):
        return DASH
    if f"{name}_ci" not in result:
        return f"{value:.{digits}g}"
    low, high = result[f"{name}_ci"].values
    ends = ["open" if np.isinf(x) or x == 0.0 else f"{x:.{digits}g}" for x in (low, high)]
    return f"{value:.{digits}g} [{', '.join(ends)}]"


def table(head, rows):
    """Give a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def at_fastest(numbers, result, kind, which, name):
    """Give the median over seeds of a number of the runs at the fastest rate."""
    rate = float(result["fastest"])
    if np.isnan(rate):
        return DASH
    values = cells_of(numbers, kind, which)
    if name not in values or values[name].sel(lr=rate).isnull().all():
        return DASH
    return f"{float(values[name].sel(lr=rate).median()):.3g}"


def onset_in(numbers, norm):
    """Give the onset of growth in a norm."""
    from analyzers.studies.lyapunov import onset_study

    return interval(onset_study(cells_of(numbers, "lyapunov", norm)), "onset")


def spread(judged, name):
    """Give how far a predictor is off, over the studies: the median factor, and the largest."""
    ratios = [float(levels[cell.level][name]) for cell, levels in judged.items()]
    off = np.exp(np.abs(np.log([ratio for ratio in ratios if np.isfinite(ratio)])))
    return f"{np.median(off):.3g}, {off.max():.3g} ({off.size} studies)" if off.size else DASH


def page(cells, found, judged, missing, figure):
    """Give the page."""
    main = {cell: levels[cell.level] for cell, levels in judged.items()}
    counts = {
        word: [cell.name for cell, r in main.items() if r.attrs["verdict"] == word]
        for word in VERDICTS
    }
    phrases = ("holds", "does not hold", "is not decided", "is not settled (too few seeds)")
    summary = "\n".join(
        f"- The claim **{phrase}** in {len(names)} of {len(main)} studies"
        + (f": {', '.join(names)}." if names else ".")
        for phrase, names in zip(phrases, counts.values(), strict=True)
    )
    verdicts = table(
        (
            *("study", "the claim", "onset", "fastest", "fastest / onset"),
            *(f"{PRODUCT}, fastest / small lr", "small lr", "sharpness / limit"),
        ),
        [
            (
                *(cell.name, f"**{r.attrs['verdict']}**", interval(r, "onset")),
                *(interval(r, "fastest"), interval(r, "coincidence"), interval(r, "fall")),
                interval(r, "fall_from"),
                at_fastest(found[cell], r, "learning", f"{cell.level}", "sharpness_ratio"),
            )
            for cell, r in main.items()
        ],
    )
    growth = table(
        ("study", *(f"onset, {n}" for n in NORMS), *(f"growth, {n}" for n in NORMS)),
        [
            (
                cell.name,
                *(onset_in(found[cell], norm) for norm in NORMS),
                *(at_fastest(found[cell], r, "lyapunov", norm, "growth") for norm in NORMS),
            )
            for cell, r in main.items()
        ],
    )
    every = sorted({level for cell in main for level in cell.levels})
    thresholds = table(
        ("study", *(f"{level:g}" for level in every)),
        [
            (cell.name, *(row(judged[cell].get(level), level == cell.level) for level in every))
            for cell in main
        ],
    )
    names = ("coincidence", "over_curvature_rate", "over_last_stable_rate")
    predictors = table(
        ("study", "over the onset", "over 2/λ₁(0)", "over the last stable rate"),
        [
            *((cell.name, *(interval(r, name) for name in names)) for cell, r in main.items()),
            ("*off by a factor of: median, largest*", *(spread(judged, name) for name in names)),
        ],
    )
    reasons = "\n".join(f"- {cell.name}: {r.attrs['reason']}." for cell, r in main.items())
    absent = "".join(f"\n{cell.name} is left out: {why}\n" for cell, why in missing.items())
    return f"""\
# Is training fastest at the onset of growth?

*Written by `python examples/claim.py`; do not edit.*

{rule(cells)}
## What was found

{summary}
{absent}
![fastest/onset and the ratio of {PRODUCT}, with their intervals, study by study]({figure})

*Left: fastest/onset, and the range in which the two count as one. Right: {PRODUCT} at the fastest
rate, over that at a small one; 1 is what a longer step alone gives. Lines are the intervals that
decide.*

{verdicts}

Learning rates with intervals of each study alone (95 %), the two ratios with those that decide; an
*open* end lies beyond the rates that were run, a dash is a number that there is not. *sharpness /
limit* is the largest of the looks during a run at the fastest rate, median over seeds; the limit is
2/lr of gradient descent, 2(1 + β)/lr with momentum, and of Adam that of the preconditioned
sharpness: above 1 a minimum repels the optimizer, and deviations grow for that alone.

Why, study by study:

{reasons}

## Does it depend on when training counts as done?

Share of the test set, fastest/onset, and what would become of the claim. The cell in bold decides;
it is not the best one, but the one that was fixed.

{thresholds}

## What predicts the fastest rate?

Fastest over three rates that could be known before: the onset of growth; 2/λ₁(0), at which the
sharpness of the initial weights is at the limit of the optimizer; and the last rate up to which
half of the seeds learn at all. A perfect predictor has 1 throughout. The first column has the
intervals that decide, the others those of each study alone (95 %).

{predictors}

## Growth of what?

The onset by the distance of the weights in l1 and l2, and by that of the outputs on the test set;
and the median growth at the fastest rate, in e-foldings. Growth that the weights alone have would
be along directions that no prediction feels.

{growth}

## What was run, and what it cost

{ran(cells, found)}
"""


def row(result, decides):
    """Give what a study says at one share of the test set."""
    if result is None:
        return ""
    ratio = interval(result, "coincidence")
    said = f"{ratio}: {result.attrs['verdict']}" if ratio != DASH else result.attrs["verdict"]
    return f"**{said}**" if decides else said


def ran(cells, found):
    """Say what was run, with what it cost in gradients, and where."""
    rows, passes = [], 0.0
    for cell, numbers in found.items():
        runs = len(numbers["lr"]) * len(numbers["seed"])
        gradients = runs * cell.steps * (cell.replicas + 1)
        passes += gradients
        what = ", ".join(f"{k} {v}" for k, v in cell.options.items())
        rates = ", ".join(f"{lr:g}" for lr in cell.rates)
        rows.append((cell.name, what, rates, f"{cell.seeds}", f"{cell.steps}", f"{gradients:,}"))
    made = next(iter(found.values()))["made"]
    versions = ", ".join(f"{k} {v}" for k, v in made["versions"].items())
    listed = table(("study", "options", "learning rates", "seeds", "steps", "gradients"), rows)
    return f"""\
{listed}

Full batch, N(0, 1) weights, gradient descent and tanh unless said otherwise; a reference and
{cells[0].replicas} copies, {1e-8:g} apart, in float64. Rates were placed by a trial with two other
seeds, 100 and 101. {passes:,.0f} gradients of the training set in all, less than 45 minutes on two
cores at the scale `small`; seconds of each study are in the folder of its numbers.

{made["hardware"]["processor"]}; {versions}."""


def drawn(judged):
    """Draw both ratios of every study, with their intervals."""
    main = {cell: levels[cell.level] for cell, levels in judged.items()}
    figure = Figure((8.0, 1.2 + 0.3 * len(main)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    shown = set()
    for y, result in enumerate(main.values()):
        word = result.attrs["verdict"]
        for ax, name in ((left, "coincidence"), (right, "fall")):
            value = float(result[name])
            if np.isnan(value):
                ax.text(1.0, y, "no number", ha="center", va="center", color="#777777", size=7)
                continue
            ends = np.clip(result[f"{name}_ci"].values, 0.02, 50.0)
            ax.plot(ends, [y, y], color=COLOURS[word], lw=1.6)
            label = None if word in shown or ax is right else word
            shown |= {word} if label else set()
            ax.plot(np.clip(value, 0.02, 50.0), y, "o", color=COLOURS[word], ms=4, label=label)
    left.axvspan(1 / FACTOR, FACTOR, color="#009E73", alpha=0.15, lw=0)
    for ax, label, limits in (
        (left, "fastest / onset", (0.1, 10.0)),
        (right, f"{PRODUCT}, fastest / small lr", (0.2, 5.0)),
    ):
        ax.axvline(1.0, color="#777777", lw=0.8, ls=":")
        ax.set_xscale("log")
        ax.set_xlim(*limits)
        ax.set_xlabel(label, size=8)
        ax.tick_params(labelsize=7)
    ticks = [[0.1, 1 / FACTOR, 1, FACTOR, 10], [0.2, 0.5, 1, 2, 5]]
    for ax, at in zip((left, right), ticks, strict=True):
        ax.set_xticks(at, [f"{x:.2g}" for x in at])
        ax.minorticks_off()
    left.set_yticks(range(len(main)), [cell.name for cell in main])
    left.set_ylim(len(main) - 0.5, -0.5)
    figure.legend(loc="outside upper center", ncols=4, fontsize=7, frameon=False)
    return figure


if __name__ == "__main__":
    main()
