"""Recorders: run a system and stream what happens into a store."""

from __future__ import annotations

#: Shows that this package is nndyn's: others of the same name exist on the public index.
DISTRIBUTION = "nndyn"
