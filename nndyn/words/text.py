"""Text from others, made safe to show in a terminal."""

from __future__ import annotations

import re

# C0 and C1 controls, what turns the direction of writing or cannot be seen, line and paragraph
# separators, and surrogates: halves of characters, or bytes of a file name that are no UTF-8
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(text: object, *, keep: str = "") -> str:
    r"""Return text without a character that acts on a terminal or cannot be seen.

    Parameters
    ----------
    text : object
        Its ``str`` is taken.
    keep : str
        Characters to leave as they are, such as a line feed.

    Returns
    -------
    str
        On one line, unless line feeds are kept; such characters as ``\x1b`` or ``\u202e``.
    """

    def shown(found: re.Match[str]) -> str:
        one, code = found[0], ord(found[0])
        if one in keep:
            return one
        return _SHORT.get(one) or (f"\\x{code:02x}" if code < 0x100 else _by_number(code))

    return _HIDDEN.sub(shown, str(text))


def shortened(text: str, most: int) -> str:
    """Return a text of so many characters at most: of a longer one beginning and end."""
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - half]}…{text[-half:]}"


def raised(error: BaseException) -> str:
    """Return the kind of an error and the first line of what it says, if it says anything."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def size(count: float) -> str:
    """Return a number of bytes with its unit, thousands of thousands: ``1.23 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB" if count < 999.5 else f"{count:,.0f} TB"


def escaped_json(text: str) -> str:
    """Return JSON with its strings so escaped: it reads as before; line feeds are layout."""

    def shown(found: re.Match[str]) -> str:
        raw = found[0].encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{raw[i : i + 2].hex()}" for i in range(0, len(raw), 2))

    return "\n".join(_HIDDEN.sub(shown, line) for line in text.split("\n"))


def escaped_toml(text: str) -> str:
    """Return TOML with its strings so escaped: it reads as before; line feeds are layout."""
    return "\n".join(_HIDDEN.sub(lambda f: _by_number(ord(f[0])), x) for x in text.split("\n"))


def _by_number(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
