"""Pages of the documentation that are notebooks: what they run, print, and say of it.

A page is executed cell by cell, as a notebook is. Two things hold its prose to what was found:

- a comment ``% held: COMMAND | KEY, KEY`` before a paragraph: the command is run in the folder that
  the page left, and the paragraph's words in bold are, in this order, what its JSON has under these
  keys. ``verdict`` is the verdict; another key a result, an item of it where it has several,
  ``lyapunov_max.1``. An interval in brackets behind a number is compared too.
- every other number in bold has to be among what the page printed.
"""

from __future__ import annotations

import ast
import json
import math
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"

#: Share of half an interval by which a number may differ from what is told, beside rounding: where
#: the last bits are another machine's, no finding moves by more.
OF_THE_INTERVAL = 0.05

_CELL = re.compile(r"^```\{code-cell\} ipython3\n(?::[^\n]*\n)*(?P<code>.*?)^```", re.M | re.S)
_HELD = re.compile(
    r"(?P<comments>(?:^% held: [^\n]*\n)+)(?P<paragraph>.+?)(?:\n\n|\Z)", re.M | re.S
)
_SOURCE = re.compile(r"^% held: (.*?) \| (.*)$", re.M)
_BOLD = re.compile(r"\*\*([^*]+)\*\*(?:\s+\[([^\],]+),\s+([^\]]+)\])?")
_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Told:
    """What a paragraph tells in bold.

    Attributes
    ----------
    text : str
        A verdict, ``null``, or a number as it is printed.
    interval : tuple of str, or None
    """

    text: str
    interval: tuple[str, str] | None = None


@dataclass(frozen=True)
class Held:
    """A paragraph, and what holds it.

    Attributes
    ----------
    sources : tuple of (str, str)
        Command and key of each word in bold.
    told : tuple of Told
    """

    sources: tuple[tuple[str, str], ...]
    told: tuple[Told, ...]


def cells(text: str) -> list[tuple[int, str]]:
    """Return the code of a page, with the line that each cell begins at."""
    return [(text.count("\n", 0, c.start("code")) + 1, c["code"]) for c in _CELL.finditer(text)]


def execute(text: str, name: str = "page") -> str:
    """Execute a page in the working directory; return what it prints and shows."""
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = StringIO()
    with redirect_stdout(printed):
        for line, code in cells(text):
            tree = ast.parse("\n" * (line - 1) + code)
            shown = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, name, "exec"), names)
            if isinstance(shown, ast.Expr):
                value = eval(compile(ast.Expression(shown.value), name, "eval"), names)
                if value is not None:
                    print(value)
    return printed.getvalue()


def held(text: str) -> list[Held]:
    """Return the paragraphs of a page that are held to the JSON of a command.

    Raises
    ------
    ValueError
        If a paragraph has another number of words in bold than there are keys.
    """
    found = []
    for match in _HELD.finditer(text):
        sources = tuple(
            (command, key.strip())
            for command, keys in _SOURCE.findall(match["comments"])
            for key in keys.split(",")
        )
        told = _bold(match["paragraph"])
        if len(told) != len(sources):
            raise ValueError(f"{len(told)} words in bold for {len(sources)} keys: {match[0]}")
        found.append(Held(sources, told))
    return found


def differences(text: str, run: Callable[[Sequence[str]], str]) -> Iterator[str]:
    """Yield in words where a page tells something else than its commands say.

    Parameters
    ----------
    text : str
        Of the page.
    run : callable
        Runs a command, a list of words, and returns what it prints: JSON.
    """
    known: dict[str, Any] = {}
    for paragraph in held(text):
        for (command, key), told in zip(paragraph.sources, paragraph.told, strict=True):
            if command not in known:
                known[command] = json.loads(run(shlex.split(command)))
            value, interval = looked_up(known[command], key)
            if not agree(told, value, interval):
                yield f"{command}: {key} is {value} {interval or ''}, told is {told}"


def looked_up(found: dict[str, Any], key: str) -> tuple[Any, list[float] | None]:
    """Return the value of a key in the JSON of an analyzer, and its interval."""
    if key == "verdict":
        return found["verdict"], None
    name, _, item = key.partition(".")
    result = found["results"][name]
    value, interval = result["value"], result["ci"]
    if item:
        value, interval = value[int(item)], interval and interval[int(item)]
    return value, interval


def agree(told: Told, value: Any, interval: Sequence[float] | None) -> bool:
    """Return whether what is told is what was found, at the precision with which it is told."""
    if value is None or isinstance(value, str):
        return told.text == ("null" if value is None else value) and told.interval is None
    if isinstance(value, bool):
        return told.text == ("yes" if value else "no")
    slack = 0.0
    if interval is not None:
        slack = OF_THE_INTERVAL * (interval[1] - interval[0]) / 2.0
    pairs = [(told.text, value)]
    if told.interval is not None:
        if interval is None:
            return False
        pairs += zip(told.interval, interval, strict=True)
    return all(_near(text, number, slack) for text, number in pairs)


def unprinted(text: str, printed: str) -> list[str]:
    """Return the numbers in bold that are neither held nor among what a page printed."""
    numbers = [float(n.replace(",", "")) for n in _NUMBER.findall(printed)]
    return [
        told.text
        for told in _bold(_HELD.sub("\n\n", _CELL.sub("", text)))
        if _NUMBER.fullmatch(told.text) and not any(_near(told.text, n, 0.0) for n in numbers)
    ]


def _bold(paragraph: str) -> tuple[Told, ...]:
    return tuple(
        Told(text, (low, high) if low else None) for text, low, high in _BOLD.findall(paragraph)
    )


def _near(text: str, number: float, slack: float) -> bool:
    """Whether a number, rounded as it is told, is what is told."""
    if not _NUMBER.fullmatch(text):
        return False
    digits, _, power = text.replace(",", "").partition("e")
    unit = 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
    told = float(text.replace(",", ""))
    return math.isfinite(number) and abs(told - number) <= unit / 2.0 + slack + 1e-9 * abs(number)
