"""Page that examples/claim.py writes: the rule, tables and a figure, from the numbers it keeps."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analyzers.studies.hypotheses.claim import SEEDS, VERDICTS, claim_study
from analyzers.studies.hypotheses.equivalence import FACTOR, each
from analyzers.studies.hypotheses.fall import MARGIN
from analyzers.studies.lyapunov import onset_study
from analyzers.studies.onset import THRESHOLD

#: Norms in which growth is looked at.
NORMS = ("l1", "l2", "output")
PRODUCT, DASH = "lr \u00d7 time", "\u2013"
COLOURS = dict(zip(VERDICTS, ("#009E73", "#D55E00", "#0072B2", "#777777"), strict=True))
PHRASES = ("holds", "does not hold", "is not decided", "is not settled, for want of seeds,")


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
  {THRESHOLD:g} e-foldings or more (l2 distance of the weights, told from chance).
- *Fastest*: the rate with the shortest median number of steps until enough of the test set is
  right: {levels}.
- *{PRODUCT}* at the fastest rate is compared, seed by seed, with that at the lowest rate at which
  half of the seeds arrive. Along the gradient flow the two are equal: the null is a ratio of 1.
- The claim **holds** in a study if the whole interval of fastest/onset lies in
  [1/{FACTOR:g}, {FACTOR:g}], *and* the whole interval of the ratio of {PRODUCT} lies below 1.
- It **does not** if the interval of fastest/onset lies outside that range, or that of the ratio of
  {PRODUCT} above {1 - MARGIN:g}: a fall by less than a tenth is none.
- Else it is **not decided**. With fewer than {SEEDS} seeds it is **not settled**, whatever it says.
- Intervals are over seeds, the same seeds drawn for all numbers of a study, with the fastest rate
  chosen anew in each of 20,000 draws; that of fastest/onset reaches three quarters of a step of
  the grid at least. {together} studies have {SEEDS} seeds or more; their intervals have
  {100 * each(0.95, together):.2f} %, so that the chance that any of their verdicts is wrong is
  5 % at most. "The whole interval lies in the range"
  is the pair of one-sided tests of [Schuirmann](https://doi.org/10.1007/BF01068419).
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
    return interval(onset_study(cells_of(numbers, "lyapunov", norm)), "onset")


def null_of(result):
    """Give the ratio of the product at the next rate above the small one: 1 if that is small."""
    known = result["rate_times_time"].dropna("lr")
    return f"{float(known[1]):.3g}" if known.size > 1 else DASH


def spread(judged, name):
    """Give how far a predictor is off, over the studies: the median factor, and the largest."""
    ratios = [float(levels[cell.level][name]) for cell, levels in judged.items()]
    off = np.exp(np.abs(np.log([ratio for ratio in ratios if np.isfinite(ratio)])))
    return f"{np.median(off):.3g}, {off.max():.3g} (of {off.size})" if off.size else DASH


def page(cells, found, judged, without, figure):
    """Give the page.

    `found` are the numbers of every study, `judged` its results at every level; `without` are the
    studies without their data, and those not run; `figure` is the name of the file.
    """
    absent, left = without
    main = {cell: levels[cell.level] for cell, levels in judged.items()}
    parts = [
        "# Is training fastest at the onset of growth?",
        f"*Written by `python examples/claim.py` of {len(cells)} studies, the last of them "
        f"{cells[-1].name}; not to be edited.*",
        rule(cells),
        "## What was found",
        summary(main),
        *(f"{cell.name} is left out: its images are not on this machine." for cell in absent),
        *([f"**Not run yet:** {'; '.join(cell.name for cell in left)}."] if left else []),
        f"![Fastest over onset and the ratio of {PRODUCT}, study by study]({figure})",
        f"""\
*Left: fastest over onset, and in green the range in which the two count as one. Right: {PRODUCT}
at the fastest rate over that at a small one; 1 is what a longer step alone gives. Lines are the
intervals that decide.*""",
        verdicts(found, main),
        f"""\
*Null* is the ratio of {PRODUCT} at the next rate above the small one: about 1 where steps are small
enough there to follow the gradient flow. *Sharpness* is the largest looked at (every 100 steps)
over its limit, at the fastest rate, median over seeds. The limit is 2/lr of gradient descent and
2(1 + β)/lr with momentum β; of Adam it is that of the preconditioned sharpness. Above 1 a minimum
repels the optimizer, and deviations grow for that alone. Intervals of learning rates are those of
each study alone (95 %), of ratios those that decide. An *open* end lies beyond the rates that were
run; a dash stands where there is no number.""",
        "Why, study by study:",
        "\n".join(f"- {cell.name}: {r.attrs['reason']}." for cell, r in main.items()),
        "## Does it depend on when training counts as done?",
        """\
Fastest over onset, and what would become of the claim, by the share of the test set that has to be
right. The cell in bold decides; it was fixed before, and is not the best of the row.""",
        thresholds(judged),
        "## What predicts the fastest rate?",
        """\
The fastest rate over three that might be known before: the onset of growth; 2/λ₁(0), at which the
sharpness of the initial weights is at the limit of the optimizer; and the last rate up to which
half of the seeds learn at all, where that was reached. A perfect predictor has 1 throughout. The
first column has the intervals that decide, the others those of each study alone (95 %).""",
        predictors(judged, main),
        "## Growth of what?",
        """\
The onset by the distance of the weights in l1 and l2, and by that of the outputs on the test set;
then the median growth at the fastest rate, in e-foldings. Growth of the weights that the outputs do
not share is along directions that no prediction feels.""",
        growth(found, main),
        "## What this does not say",
        """\
- The onset is where growth passes 3 e-foldings within the steps that were run: more steps lower it.
- Studies vary one thing at a time: nothing is said of, say, ReLU with Adam.
- All networks are small and see the full batch in every step.
- Not decided is not a no: finer grids and more seeds narrow the intervals.""",
        "## What was run, and what it cost",
        ran(cells, found),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def summary(main):
    """Give how often each verdict is reached, and where."""
    lines = []
    for word, phrase in zip(VERDICTS, PHRASES, strict=True):
        names = [cell.name for cell, r in main.items() if r.attrs["verdict"] == word]
        listed = f": {'; '.join(names)}" if names else ""
        lines.append(f"- The claim **{phrase}** in {len(names)} of {len(main)} studies{listed}.")
    return "\n".join(lines)


def verdicts(found, main):
    """Give the table of verdicts, with the numbers they rest on."""
    return table(
        (
            *("study", "the claim", "onset", "fastest", "fastest / onset"),
            *(f"{PRODUCT}, fastest / small", "small lr", "null", "sharpness"),
        ),
        [
            (
                *(cell.name, f"**{r.attrs['verdict']}**", interval(r, "onset")),
                *(interval(r, "fastest"), interval(r, "coincidence"), interval(r, "fall")),
                *(interval(r, "fall_from"), null_of(r)),
                at_fastest(found[cell], r, "learning", f"{cell.level}", "sharpness_ratio"),
            )
            for cell, r in main.items()
        ],
    )


def thresholds(judged):
    """Give the table over the share of the test set that has to be right."""
    every = sorted({level for cell in judged for level in cell.levels})
    return table(
        ("study", *(f"{level:g}" for level in every)),
        [
            (cell.name, *(row(levels.get(level), level == cell.level) for level in every))
            for cell, levels in judged.items()
        ],
    )


def predictors(judged, main):
    """Give the table of predictors of the fastest rate."""
    names = ("coincidence", "over_curvature_rate", "over_last_stable_rate")
    return table(
        ("study", "over the onset", "over 2/λ₁(0)", "over the last stable rate"),
        [
            *((cell.name, *(interval(r, name) for name in names)) for cell, r in main.items()),
            ("*off by a factor of: median, largest*", *(spread(judged, name) for name in names)),
        ],
    )


def growth(found, main):
    """Give the table of growth in several norms."""
    return table(
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
{cells[0].replicas} copies, perturbed by at most 1e-8, in float64. The rates were placed by a trial
with two other seeds, 100 and 101, of one of Fashion-MNIST. {passes:,.0f} gradients of the training
set in all. The seconds of each study are in the folder of its numbers.

{made["hardware"]["processor"]}; {versions}.
"""


def drawn(judged):
    """Draw both ratios of every study, with their intervals."""
    main = {cell: levels[cell.level] for cell, levels in judged.items()}
    figure = Figure((6.4, 1.2 + 0.3 * len(main)), dpi=200, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for y, result in enumerate(main.values()):
        colour = COLOURS[result.attrs["verdict"]]
        for ax, name in ((left, "coincidence"), (right, "fall")):
            value = float(result[name])
            if np.isnan(value):
                ax.text(1.0, y, "no number", ha="center", va="center", color="#777777", size=7)
                continue
            ends = np.clip(result[f"{name}_ci"].values, 0.02, 50.0)
            ax.plot(ends, [y, y], color=colour, lw=1.6)
            ax.plot(np.clip(value, 0.02, 50.0), y, "o", color=colour, ms=4)
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
    reached = {result.attrs["verdict"] for result in main.values()}
    marks = [
        Line2D([], [], color=colour, marker="o", ms=4, label=word)
        for word, colour in COLOURS.items()
        if word in reached
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=4, fontsize=7, frameon=False)
    return figure
