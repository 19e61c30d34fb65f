"""Kinds of option values that click does not know."""

from __future__ import annotations

from typing import Any

import click

from nndyn.errors import UsageError


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
