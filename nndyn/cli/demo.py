"""``nndyn demo``: two runs on real data, recorded, analyzed, explained and reported."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import click

from nndyn.cli.output import print_lines, say
from nndyn.cli.parameters import FilePath
from nndyn.cli.progress import analyzed, command_bar, quiet
from nndyn.errors import UsageError
from nndyn.words.verdicts import explanation

_MODEL, _DATA, _STEPS, _RESCALE = "mlp:64-32-10", "digits", 400, 5


@click.command(help="Record and analyze two runs, one regular and one not, and explain them.")
@click.option(
    "-o",
    "--output",
    type=FilePath(file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Folder for recordings, figures and report; files of an earlier demo are replaced.",
)
@quiet
def demo(output: Path) -> None:
    """Run the demonstration."""
    try:
        output.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}") from error
    _say(
        f"A network ({_MODEL}, tanh) learns handwritten digits by full-batch gradient descent. "
        "Beside it run five copies whose weights differ by about 1e-8. If the copies stay as close "
        "as they began, training forgets small differences; if they separate exponentially, it "
        "amplifies them. The rate is the maximum Lyapunov exponent."
    )
    calm = _run(output / "regular.nc", lr=0.5, rescale=None)
    _explain(calm, output / "regular.nc")
    wild = _run(output / "growing.nc", lr=3.0, rescale=_RESCALE)
    _explain(wild, output / "growing.nc")
    _say(
        "The two runs differ in the learning rate alone. The exponent belongs to its window: "
        "averaged over all steps of the second run it would be many times smaller. "
        "An exponent of one run speaks of that run; seeds differ: docs/questions/digits.md has a "
        "table."
    )
    page = _report([output / "regular.nc", output / "growing.nc"], output / "report.html")
    _say(f"All of it, with further figures, tables and how it was made, is one page: {page}")
    say("Go on from here:")
    say(f"  nndyn info {output / 'growing.nc'}")
    say(f"  nndyn analyze lyapunov {output / 'growing.nc'} --json")
    say(f"  python -c \"import xarray; print(xarray.open_dataset('{output}/growing.nc'))\"")


def _run(path: Path, *, lr: float, rescale: int | None) -> Any:
    again = "" if rescale is None else f" --rescale {rescale}"
    say(
        f"$ nndyn record training --data {_DATA} --model {_MODEL} --lr {lr:g} "
        f"--steps {_STEPS}{again} -o {path}"
    )
    with command_bar(path.name, "preparing") as bar:
        from nndyn import Training, record
        from nndyn.figures import draw, save

        recording = record(
            Training(_MODEL, _DATA, lr=lr),
            path,
            steps=_STEPS,
            rescale=rescale,
            overwrite=True,
            progress=bar,
        )
        with recording:
            say(f"$ nndyn analyze lyapunov {path}")
            result = analyzed("lyapunov", recording, bar)
            result.attrs["final"] = float(recording["test_accuracy"][-1, 0])
        bar.doing("drawing")
        save(draw("lyapunov", result), path.with_suffix(".png"))
    return result


def _report(recordings: list[Path], page: Path) -> Path:
    from nndyn.reports.report import report

    say(f"$ nndyn report {' '.join(map(str, recordings))} -o {page}")
    with command_bar(page.name, unit="runs") as bar:
        return report(recordings, page, progress=bar)


def _explain(result: Any, path: Path) -> None:
    rate, low, high = (
        float(v) for v in (result["lyapunov_max"], *result["lyapunov_max_ci"].values)
    )
    first, last = (float(v) for v in result["window"])
    growth = float(result["growth"])
    say(
        f"  lyapunov_max {rate:.4f} [{low:.4f}, {high:.4f}] per step, over steps "
        f"{first:g} to {last:g}; growth {growth:.1f} e-foldings"
    )
    verdict = result.attrs["verdict"]
    meaning = explanation(verdict).means
    _say(f"Verdict {verdict}: {meaning} ({result.attrs['reason']})")
    _say(
        f"The network ends with {100 * result.attrs['final']:.1f} % of the test set right. "
        f"Figure: {path.with_suffix('.png')}"
    )


def _say(text: str) -> None:
    print_lines(textwrap.fill(text, 88, break_on_hyphens=False) + "\n\n")
