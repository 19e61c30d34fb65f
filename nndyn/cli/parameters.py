"""Kinds of option values that click does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nndyn.errors import UsageError
from nndyn.paths import located


class FilePath(click.Path):
    """The name of a file or folder, in which ``~`` is the home folder."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a Path."""
        return super().convert(located(value), param, ctx)


class OtherRecording(FilePath):
    """The number of a replica, or the name of another recording."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return an int or a Path."""
        if isinstance(value, str) and value.isdecimal():
            return int(value)
        return super().convert(value, param, ctx)


class Tangents(click.ParamType):  # type: ignore[type-arg]
    """A number of tangent vectors, or all."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a whole number, or "all" as it is."""
        if isinstance(value, int) or value == "all":
            return value
        if str(value).isdigit():
            return int(value)
        raise UsageError(f"tangents is {value!r}, expected a whole number or 'all'")


class Grid(click.ParamType):  # type: ignore[type-arg]
    """One value of a kind, or a grid of them: a list.

    Parameters
    ----------
    kind : click.ParamType
        Of every value.
    separator : str
        Between texts.
    """

    def __init__(self, kind: Any, separator: str = ",") -> None:
        self.kind, self.separator, self.name = kind, separator, kind.name

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a value or a list; lists and numbers as they are."""
        from nndyn.studies.grids import numbers, texts

        name = "value" if param is None else param.name.replace("_", "-")
        if not isinstance(value, str):
            return value
        if self.name in ("integer", "float"):
            return numbers(name, value, whole=self.name == "integer")
        found = texts(name, value, self.separator)
        if isinstance(found, list):
            return [self.kind.convert(each, param, ctx) for each in found]
        return self.kind.convert(found, param, ctx)
