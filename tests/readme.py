"""The blocks of README.md and of pages that begin with it, run in order as a newcomer would.

Each page has an empty folder:

- a block of Python runs in the namespace of those before it;
- a block without a language holds commands; where one begins with ``$``, what follows it is what it
  prints, and is compared;
- a comment before a block says what is particular: ``<!-- checkout -->`` for one that needs the
  repository, ``<!-- needs fashion-mnist -->``, ``<!-- tolerance 0.1 -->`` where numbers depend on
  the last bits.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
DOCS = README.parent / "docs"
#: Pages whose commands are run; of others tests run what is Python.
PAGES = (README, DOCS / "start.md", DOCS / "verdicts.md", DOCS / "tutorials" / "tour.md")

#: Relative, of numbers whose block says nothing else.
TOLERANCE = 1e-3
#: Where Debian's package has the images.
IMAGES = Path("/usr/share/datasets/fashion-mnist")
_BLOCK = re.compile(
    r"(?:<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```", re.M | re.S
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_INTERVAL = re.compile(r"[\[(](-?[\d.e+-]+), (-?[\d.e+-]+)[\])]")

#: What a quick run makes of a command or of Python: the same words, fewer runs and steps.
_FEWER = (
    (r"(--steps |steps=)(\d+)000\b", r"\g<1>\g<2>00"),
    (r"(--seeds |seeds=)\d+", r"\g<1>2"),
    (r":12log", ":3log"),
    (r"\b(\d+)0\), seeds", r"\g<1>), seeds"),
)


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Attributes
    ----------
    line : int
        Of its first line, as an editor counts.
    language, text, note : str
    """

    line: int
    language: str
    text: str
    note: str

    @property
    def tolerance(self) -> float:
        """Relative tolerance of the numbers it prints."""
        found = re.search(r"tolerance ([\d.e-]+)", self.note)
        return float(found[1]) if found else TOLERANCE

    def needs(self, what: str) -> bool:
        """Whether its comment says that it needs something that is not always there."""
        return what in self.note

    def commands(self) -> Iterator[tuple[str, str]]:
        """Yield each command with the output that stands below it, empty where there is none."""
        if not self.text.startswith("$ "):
            for command in self.text.strip().splitlines():
                yield command, ""
            return
        for part in re.split(r"^\$ ", self.text, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def blocks(text: str) -> list[Block]:
    """Return the blocks of a text in Markdown."""
    return [
        Block(
            text.count("\n", 0, found.start("text")) + 1,
            found["language"],
            found["text"],
            found["note"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]


def fewer(text: str) -> str:
    """Return commands or Python with fewer runs and steps."""
    for pattern, replacement in _FEWER:
        text = re.sub(pattern, replacement, text)
    return text


def run_command(command: str, folder: Path) -> str:
    """Run a command in a folder as a shell does; return what it prints on standard output.

    Raises
    ------
    AssertionError
        If it fails; the message has what it said.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def differences(said: str, printed: str, tolerance: float = TOLERANCE) -> list[str]:
    """Return in words where what was printed is not what a document says.

    Words have to be equal, and numbers within the tolerance, which makes small whole ones exact. A
    value that depends on the last bits may lie anywhere in the interval that the document gives. A
    document that ends in a line ``…`` leaves out what follows.
    """
    mine, yours = ([x.rstrip() for x in y.split("\n") if x.strip()] for y in (said, printed))
    if mine[-1] == "…":
        mine, yours = mine[:-1], yours[: len(mine) - 1]
    if len(mine) != len(yours):
        return [f"{len(mine)} lines are told, {len(yours)} printed:\n{printed}"]
    return [
        f"told    {a}\nprinted {b}"
        for a, b in zip(mine, yours, strict=True)
        if not _agree(a, b, tolerance)
    ]


def _agree(said: str, printed: str, tolerance: float) -> bool:
    if _NUMBER.sub("#", said).split() != _NUMBER.sub("#", printed).split():
        return False
    expected, found = ([float(n) for n in _NUMBER.findall(line)] for line in (said, printed))
    pairs = zip(expected, found, strict=True)
    if all(math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-9) for a, b in pairs):
        return True
    interval = _INTERVAL.search(said)
    return interval is not None and float(interval[1]) <= found[0] <= float(interval[2])


def run(page: Path, folder: Path, *, quick: bool) -> list[str]:
    """Run every block of a page in a folder; print the line and the seconds of each.

    Parameters
    ----------
    page : Path
    folder : Path
        Empty; becomes the working directory.
    quick : bool
        Whether to run fewer steps and seeds, and to compare nothing.

    Returns
    -------
    list of str
        What is printed otherwise than the page tells.
    """
    os.chdir(folder)
    wrong: list[str] = []
    names: dict[str, object] = {}
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.needs("checkout") or (block.needs("fashion-mnist") and not IMAGES.is_dir()):
            continue
        start = time.monotonic()
        if block.language == "python":
            text = fewer(block.text) if quick else block.text
            exec(compile("\n" * (block.line - 1) + text, page, "exec"), names)
        for command, said in block.commands() if not block.language else ():
            printed = run_command(fewer(command) if quick else command, folder)
            if said and not quick:
                wrong += [f"{command}\n{d}" for d in differences(said, printed, block.tolerance)]
        print(f"{page.name}, line {block.line:4}  {time.monotonic() - start:6.1f} s", flush=True)
    return wrong


def main() -> None:
    """Run the pages that are named, or all; exit 1 where one tells what is not so."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    named = [Path(name).resolve() for name in sys.argv[1:] if not name.startswith("-")]
    wrong: list[str] = []
    for page in named or PAGES:
        with tempfile.TemporaryDirectory() as folder:
            wrong += run(page, Path(folder), quick="--quick" in sys.argv[1:])
            os.chdir("/")
    print("\n".join(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
