"""Parameter types that click lacks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nndyn.errors import UsageError
from nndyn.runtime.paths import located

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


#: How files of other kinds are called.
_OTHERS = (
    *(".csv", ".tsv", ".txt", ".json", ".npy", ".npz", ".toml", ".yaml", ".yml", ".pt", ".pkl"),
    *(".png", ".pdf", ".svg", ".html", ".zip", ".xlsx", ".mat", ".log", ".py"),
)


class FilePath(click.Path):
    """The name of a file or folder, in which ``~`` is the home folder."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a Path."""
        return super().convert(located(value), param, ctx)


def check_netcdf(path: Path) -> None:
    """Refuse the name of a file of another kind for what is written as netCDF.

    Raises
    ------
    UsageError
        With a name that is right.
    """
    if path.suffix.lower() in _OTHERS:
        raise UsageError(f"{path} will be a netCDF file; name it {path.with_suffix('.nc')}")


class NetcdfPath(FilePath):
    """The name of a netCDF file to write; of a file there is, the command says what it is."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a Path; refuse the name of a file of another kind, before any work."""
        path: Path = super().convert(value, param, ctx)
        if not path.exists():
            check_netcdf(path)
        return path


class OtherRecording(FilePath):
    """The number of a replica, or the name of another recording."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return an int or a Path."""
        if isinstance(value, str) and value.isdecimal():
            return int(value)
        return super().convert(value, param, ctx)


class Whole(click.ParamType):  # type: ignore[type-arg]
    """A whole number, however it is written: ``1000``, ``1e3``, ``1_000``."""

    name = "integer"
    others = ""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return an int."""
        with contextlib.suppress(ValueError):
            return int(value) if isinstance(value, str) else self._whole(value)
        with contextlib.suppress(ValueError, OverflowError):
            return self._whole(float(value))
        self.fail(
            f"{value!r}, expected a whole number such as 1000 or 1e3{self.others}", param, ctx
        )

    @staticmethod
    def _whole(value: Any) -> int:
        if value != int(value):
            raise ValueError
        return int(value)


class Often(Whole):
    """A whole number, or auto."""

    word = "auto"
    others = ", or auto"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return an int, or "auto" as it is."""
        return value if value == self.word else super().convert(value, param, ctx)


class Number(click.ParamType):  # type: ignore[type-arg]
    """A number; where several are given it says what takes them."""

    name = "float"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a float."""
        try:
            return float(value)
        except (TypeError, ValueError):
            several = isinstance(value, str) and bool(set(",:") & set(value))
            cure = ", with a point; several are swept by nndyn sweep" if several else ""
            self.fail(f"{value!r}, expected a number such as 0.1{cure}", param, ctx)


class OneOf(click.Choice):  # type: ignore[type-arg]
    """One of some names; a name with a colon stands for all texts that begin so."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the name, or a text that begins as one of them does."""
        beginnings = tuple(f"{n.partition(':')[0]}:" for n in map(str, self.choices) if ":" in n)
        if isinstance(value, str) and beginnings and value.startswith(beginnings):
            return value
        return super().convert(value, param, ctx)


class Size(Number):
    """A number, or auto."""

    word = "auto"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a float, or "auto" as it is."""
        return value if value == self.word else super().convert(value, param, ctx)


class Name(click.types.StringParamType):
    """A text, for which the shell offers names; others may be right too.

    Parameters
    ----------
    names : iterable of str
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin so."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in self.names if name.startswith(incomplete)]


class Tangents(click.ParamType):  # type: ignore[type-arg]
    """A number of tangent vectors, or all."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a whole number, or "all" as it is."""
        if isinstance(value, int) or value == "all":
            return value
        try:
            return Whole().convert(value, param, ctx)
        except click.BadParameter:
            raise UsageError(f"tangents is {value!r}, expected a whole number or 'all'") from None


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

    def get_metavar(self, param: Any, ctx: Any) -> str | None:
        """Return how help shows the kind."""
        found: str | None = self.kind.get_metavar(param, ctx)
        return found

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """Return what the kind offers."""
        found: list[CompletionItem] = self.kind.shell_complete(ctx, param, incomplete)
        return found

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a value or a list; lists and numbers as they are."""
        from nndyn.studies.grid import numbers, texts

        name = "value" if param is None else param.name.replace("_", "-")
        if not isinstance(value, str) or value == getattr(self.kind, "word", None):
            return value
        if self.name in ("integer", "float"):
            return numbers(name, value, whole=self.name == "integer")
        found = texts(name, value, self.separator)
        if isinstance(found, list):
            return [self.kind.convert(each, param, ctx) for each in found]
        return self.kind.convert(found, param, ctx)
