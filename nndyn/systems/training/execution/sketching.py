"""Sketches of the rows of a run, where these are computed: on the CPU or on a GPU."""

from __future__ import annotations

import numpy as np
import torch

from nndyn.numerics.sketch import TOGETHER, WORD, Sketch

Tensor = torch.Tensor
#: Bytes of the rows of float64 that a GPU sketches at once; it needs four times as many.
ROWS_BYTES = 256 * 2**20


class Sketching:
    """A map of sketches on a device.

    Parameters
    ----------
    map : Sketch
    device : torch.device
    on_host : bool
        Whether rows are computed by the CPU.

    Notes
    -----
    Sums have the order of `Sketch.of`, so that all devices give the same bits. A GPU takes as many
    rows at once as `ROWS_BYTES` have room for; 9 bytes for every component stay.
    """

    def __init__(self, map: Sketch, device: torch.device, *, on_host: bool) -> None:
        self.map, self._on_host = map, on_host
        if not on_host:
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
        if self._on_host:
            return torch.from_numpy(self.map.of(rows.numpy()))
        return self._by_torch(rows)

    def _by_torch(self, rows: Tensor) -> Tensor:
        D, N, K = self.map.components, self.map.rows, self.map.size
        deviations = rows[:, :D].to(torch.float64, copy=True)
        deviations[1:] -= rows[0, :D]
        found = []
        for some in torch.split(deviations, max(1, ROWS_BYTES // (8 * N * K))):
            whole = torch.nn.functional.pad(some, (0, N * K - D)).view(-1, N, K)
            sources = self._sources.expand(len(some), -1, -1)
            found.append(_sum((whole * self._signs).gather(2, sources)))
        return torch.cat(found)


def _sum(rows: Tensor) -> Tensor:
    """Return the sums (R, K) of (R, N, K): of so many rows, of so many such sums, and so on."""
    while rows.shape[1] > 1:
        groups = -(-rows.shape[1] // TOGETHER)
        rows = torch.nn.functional.pad(rows, (0, 0, 0, groups * TOGETHER - rows.shape[1]))
        rows = rows.view(len(rows), groups, TOGETHER, -1)
        total = torch.zeros_like(rows[:, :, 0])
        for i in range(TOGETHER):
            total += rows[:, :, i]
        rows = total
    return rows[:, 0]
