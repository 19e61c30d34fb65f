"""Numbers that a trainer has logged, and the names under which they are recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def recorded(name: str) -> str:
    """Return the name by which `Watch.log` takes a number: ``batch_lr_SGD`` for ``lr-SGD``.

    Returns
    -------
    str
        As it is where that says that the number is of the model; what is left of a name beside
        letters and digits is ``_``.
    """
    from recorders.watch.numbers import OF_THE_MODEL

    name = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not name.startswith(("batch_", *OF_THE_MODEL)):
        name = f"batch_{name}"
    return f"{name}_" if name == "batch_time" else name  # which is a coordinate


class Latest:
    """What is new in a table of numbers, in which old ones stay."""

    def __init__(self) -> None:
        self._seen: dict[str, Any] = {}

    def take(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was logged since the last call.

        Parameters
        ----------
        table : mapping of str to tensor
            A number that is logged again is a new tensor, with memory of its own.

        Returns
        -------
        dict of str to tensor
            Without ``NAME_step`` and ``NAME_epoch`` where they are ``NAME``.
        """
        before, self._seen = self._seen, dict(table)
        old = {value.data_ptr() for value in before.values()}  # held: no other has their memory
        new = {name: v for name, v in self._seen.items() if v.data_ptr() not in old}
        twice = {f"{name}_{of}": name for name in new for of in ("step", "epoch")}
        same = {n for n in new if n in twice and new[n].data_ptr() == new[twice[n]].data_ptr()}
        return {name: value for name, value in new.items() if name not in same}
