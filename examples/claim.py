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

from claim_page import NORMS, drawn, judge, page, rule

import nndyn
from analyzers.studies.hypotheses.claim import SEEDS
from nndyn.errors import DataError, UsageError
from nndyn.figures import save
from nndyn.header import FINISHED
from nndyn.runtime.provenance import provenance
from nndyn.systems.training.data.images import locate

#: Shares of the test set; the studies are judged by that of each, fixed before they ran.
LEVELS = (0.85, 0.9, 0.93, 0.95)
#: What is kept of a run: of learning at every level, of lyapunov in every norm.
LEARNED = (
    *("training_time", "training_time_earliest", "sharpness_ratio", "sharpness_ratio_start"),
    *("best_accuracy", "final_accuracy"),
)
GREW = ("growth", "growth_lower_bound", "growth_p", "lyapunov_max")


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
    parser.add_argument("--no-run", action="store_true", help="write what is in the folder")
    asked = parser.parse_args()
    if asked.scale not in SCALES:
        parser.error(f"the scale is {asked.scale!r}, expected small or page")
    write(SCALES[asked.scale], Path(asked.folder), Path(asked.output), run=not asked.no_run)


def write(cells, folder, output, *, run=True):
    """Print the rule, measure what is missing, judge all of it, and write the page."""
    print(rule(cells), flush=True)
    absent = [cell for cell in cells if not available(cell)]
    left = [cell for cell in cells if not (run or kept_in(folder, cell).exists())]
    found = {cell: measured(cell, folder) for cell in cells if cell not in (*absent, *left)}
    if not found:
        raise UsageError(f"{folder} has the numbers of no study: run without --no-run")
    together = sum(cell.seeds >= SEEDS for cell in cells)
    judged = {
        cell: {level: judge(numbers, level, together) for level in cell.levels}
        for cell, numbers in found.items()
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    save(drawn(judged), output.with_suffix(".png"))
    text = page(cells, found, judged, (absent, left), output.with_suffix(".png").name)
    part = output.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(output)
    print(output)


def available(cell):
    """Say whether the data of a study are on this machine; those of scikit-learn are."""
    if cell.options["data"] != "fashion-mnist":
        return True
    try:
        locate("fashion-mnist")
    except DataError as error:
        print(f"{cell.name} is left out: {error}", flush=True)
        return False
    return True


def measured(cell, folder):
    """Give the numbers of a study: from the folder, or recorded, reduced and kept there."""
    kept, runs = kept_in(folder, cell), folder / slug(cell)
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


def kept_in(folder, cell):
    """Give the file that keeps the numbers of a study."""
    return folder / f"{slug(cell)}.json"


def slug(cell):
    """Give the name of a study as files have it."""
    return "".join(c if c.isalnum() else "-" for c in cell.name.lower()).strip("-")


if __name__ == "__main__":
    main()
