"""``nndyn verify PATH``."""

from __future__ import annotations

from pathlib import Path

import click

from nndyn.cli.output import counted, say
from nndyn.cli.parameters import FilePath
from nndyn.cli.progress import command_bar, quiet
from nndyn.words.text import size


@click.command(
    help="Check every byte of a recording, or of a study's recordings, against the checksums; "
    "exit 4 if any is wrong."
)
@click.argument("path", type=FilePath())
@quiet
def verify(path: Path) -> int:
    """Print what was checked and what is wrong."""
    from nndyn.store import verify as check

    if path.is_dir():
        return _study(path)
    with command_bar(path.name, "verifying", "bytes") as bar:
        report = check(path, progress=bar)
    for problem in report.problems:
        say(f"{path}: {problem}")
    if not report.sound:
        return 4
    total = sum(v.bytes for v in report.variables)
    say(f"{path}: {len(report.variables)} variables, {size(total)}, all checksums hold")
    return 0


def _study(path: Path) -> int:
    """Check the runs of a study that there are."""
    from nndyn import open_study
    from nndyn.errors import NndynError
    from nndyn.header import FINISHED
    from nndyn.store import facts
    from nndyn.store import verify as check

    index = open_study(path)
    there = index["status"].values != "unplanned"
    columns = [index[name].values[there] for name in ("path", "status", "id", "reason")]
    runs = list(zip(*columns, strict=True))
    total, wrong, missing = 0, 0, 0
    with command_bar(path.name, "verifying", "runs") as bar:
        for i, (path_of, status, identity, reason) in enumerate(runs):
            file = Path(str(path_of))
            bar(i, len(runs))
            if not file.exists():
                missing += 1
                continue
            try:
                report = check(file)
                problems = list(report.problems)
                if status == "foreign":
                    problems.append(str(reason))
                elif status in FINISHED and facts(file).id != identity:
                    problems.append(f"its recording_id is not {identity}, which was noted")
                total += sum(v.bytes for v in report.variables)
            except NndynError as error:
                problems = [str(error)]
            for problem in problems:
                say(problem if str(file) in problem else f"{file}: {problem}")
            wrong += bool(problems)
    lacking = f"; {missing} of {counted(len(runs), 'run')} not recorded" if missing else ""
    if wrong:
        say(f"{path}: {wrong} of {counted(len(runs) - missing, 'recording')} wrong{lacking}")
        return 4
    checked = counted(len(runs) - missing, "recording")
    say(f"{path}: {checked}, {size(total)}, all checksums hold{lacking}")
    return 0
