"""Sketches of the rows of a run, where these are computed: on the CPU or on a GPU."""

from __future__ import annotations

import numpy as np
import torch

from nndyn.numerics.sketch import TOGETHER, WORD, Sketch

Tensor = torch.Tensor


class Sketching:
    """A map of sketches on a device.

    Parameters
    ----------
    map : Sketch
    device : torch.device

    Notes
    -----
    Sums have the order of `Sketch.of`, so that all devices give the same bits. A GPU takes the rows
    in turn; it needs 34 bytes for every component, 10 of which stay.
    """

    def __init__(self, map: Sketch, device: torch.device) -> None:
        self.map = map
        if device.type == "cuda":
            self._to(device)

    def _to(self, device: torch.device) -> None:
        """Put what the map consists of on a device."""
        words = torch.from_numpy(self.map.signs.view(np.int64)).to(device)
        bits = (words[:, :, None] >> torch.arange(WORD, device=device)) & 1
        self._signs = (1 - 2 * bits).to(torch.int8).view(self.map.rows, -1)
        turns = torch.from_numpy(self.map.turns).to(device)
        place = torch.arange(self.map.size, device=device)
        sources = torch.from_numpy(self.map.sources).to(device)
        self._sources = sources[(place - turns[:, None]) % self.map.size]

    def of(self, rows: Tensor) -> Tensor:
        """Return what `Sketch.of` gives of rows ``(R, P)``, on their device."""
        if not rows.is_cuda:
            return torch.from_numpy(self.map.of(rows.numpy()))
        return self._by_torch(rows)

    def _by_torch(self, rows: Tensor) -> Tensor:
        D, N, K = self.map.components, self.map.rows, self.map.size
        found = torch.empty((len(rows), K), dtype=torch.float64, device=rows.device)
        whole = torch.zeros((N, K), dtype=torch.float64, device=rows.device)
        for r, row in enumerate(rows):
            flat = whole.view(-1)[:D]
            flat.copy_(row[:D])
            if r:
                flat -= rows[0, :D]
            found[r] = _sum((whole * self._signs).gather(1, self._sources))
        return found


def _sum(rows: Tensor) -> Tensor:
    """Return the sum (K,) of rows (N, K): of so many together, of so many such sums, and so on."""
    while len(rows) > 1:
        groups = -(-len(rows) // TOGETHER)
        rows = torch.nn.functional.pad(rows, (0, 0, 0, groups * TOGETHER - len(rows)))
        rows = rows.view(groups, TOGETHER, -1)
        total = torch.zeros_like(rows[:, 0])
        for i in range(TOGETHER):
            total += rows[:, i]
        rows = total
    return rows[0]
