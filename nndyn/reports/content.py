"""Content of a page: what is said, shown and drawn, before it is laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nndyn.words.tables import Table
from nndyn.words.verdicts import NULLS, VERDICTS


@dataclass(frozen=True)
class Picture:
    """A figure, or why there is none.

    Attributes
    ----------
    caption : str
    svg : str
        Empty where it could not be drawn.
    reason : str
        Why.
    """

    caption: str
    svg: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """What an analyzer found, in words.

    Attributes
    ----------
    analyzer, word, reason : str
    estimate : str
        Its first number, with interval and unit.
    label : str
        Of which combination of options of a study.
    """

    analyzer: str
    word: str
    reason: str
    estimate: str = ""
    label: str = ""

    @property
    def is_null(self) -> bool:
        """Whether it answers no, or not, to what was asked."""
        return self.word in NULLS

    @property
    def means(self) -> str:
        """What the word means; empty of one that nndyn does not say."""
        return VERDICTS[self.word].means if self.word in VERDICTS else ""

    @property
    def next(self) -> str:
        """What to do next."""
        return VERDICTS[self.word].next if self.word in VERDICTS else ""


@dataclass(frozen=True)
class Numbers:
    """A table with what is to be said of it.

    Attributes
    ----------
    table : Table
    caption : str
    """

    table: Table
    caption: str = ""


@dataclass(frozen=True)
class Analysis:
    """An analyzer's result, of a study for one combination of options.

    Attributes
    ----------
    verdict : Verdict
    summary : str
        What the analyzer is of.
    command : str
        That prints the same numbers.
    pictures : sequence of Picture
    numbers : sequence of Numbers
    notes : dict of str to str
        By the estimate that they are on.
    warnings : sequence of str
    """

    verdict: Verdict
    summary: str
    command: str
    pictures: Sequence[Picture] = ()
    numbers: Sequence[Numbers] = ()
    notes: dict[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Facts:
    """What was asked for, and how it was made.

    Attributes
    ----------
    system : str
        In a few words.
    date : str
        When it was recorded, empty where that is not known.
    asked, made, hashes : dict of str to str
    command : str
        What makes it again; empty where nothing does.
    no_command : str
        Why not.
    """

    system: str
    date: str = ""
    asked: dict[str, str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    command: str = ""
    no_command: str = ""


@dataclass(frozen=True)
class Subject:
    """A recording or a study.

    Attributes
    ----------
    name : str
    kind : str
        ``recording`` or ``study``.
    facts : Facts
    lead : sequence of Verdict
        Those that are said in full, nulls first.
    alternatives : dict of str to str
        Other explanations, and what is known of each.
    analyses : sequence of Analysis
    absent : dict of str to str
        Analyzers that do not apply, and why.
    pictures : sequence of Picture
        Of the whole, before its analyses.
    numbers : sequence of Numbers
        What is read of it at a glance, after these.
    warnings : sequence of str
    """

    name: str
    kind: str
    facts: Facts
    lead: Sequence[Verdict]
    alternatives: dict[str, str]
    analyses: Sequence[Analysis]
    absent: dict[str, str]
    pictures: Sequence[Picture] = ()
    numbers: Sequence[Numbers] = ()
    warnings: Sequence[str] = ()

    @property
    def verdicts(self) -> list[Verdict]:
        """What all analyzers found."""
        return [one.verdict for one in self.analyses]


@dataclass(frozen=True)
class Entry:
    """A line of the index of a folder.

    Attributes
    ----------
    name, kind, system, extent, date, verdict : str
    page : str
        Address of its report beside the index, empty where there is none.
    reason : str
        Of the verdict, or why there is nothing to say.
    """

    name: str
    kind: str
    system: str = ""
    extent: str = ""
    date: str = ""
    verdict: str = ""
    reason: str = ""
    page: str = ""
