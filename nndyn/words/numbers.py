"""Numbers and lists of them, as a reader wants them."""

from __future__ import annotations

from typing import Any


def show(value: Any) -> str:
    """Return a number, a pair or a list the way a reader wants it: six digits, ``null``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "[" + ", ".join(show(v) for v in value) + "]"
    return str(value)
