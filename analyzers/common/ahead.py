"""Read-ahead: the next block is read while the current one is processed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

from analyzers.common.progress import tell

#: Returns the states first … last-1 as (last - first, D) float64.
Read = Callable[[int, int], NDArray[Any]]


def read_ahead(read: Read, first: int, last: int, rows: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the states first … last-1 in blocks, the next of which is read by another thread.

    Parameters
    ----------
    read : callable
    first, last : int
    rows : int
        Of a block. Two blocks are in memory.

    Yields
    ------
    int
        Index of the first state of the block.
    (n, D)
    """
    starts = range(first, last, rows)
    with ThreadPoolExecutor(1) as reader:
        blocks = (reader.submit(read, start, min(start + rows, last)) for start in starts)
        coming = next(blocks, None)
        for start in starts:
            assert coming is not None
            block = coming.result()
            coming = next(blocks, None)
            tell(start - first, last - first)
            yield start, block
