"""Calls that are captured as CUDA graphs, where launching kernels takes longer than running them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Generic, TypeVar

import torch

T = TypeVar("T")

#: Calls before a capture: what is called a few times does not pay for one.
WARM = 8


class Replayed(Generic[T]):
    """A function without arguments that reads and writes memory which stays where it is.

    It must not look at what it computes (no ``float(tensor)``), nor copy from or to the host. Its
    results are the same tensors in every call once it was captured: the next call overwrites them.

    Parameters
    ----------
    function : callable
    captured : bool
        Whether to capture it; else it is called.
    """

    def __init__(self, function: Callable[[], T], *, captured: bool) -> None:
        self._function = function
        self._left = WARM if captured else -1
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: T

    def __call__(self) -> T:
        """Do what the function does, by its graph where there is one.

        Returns
        -------
        What the function returns.

        Warns
        -----
        UserWarning
            Where it cannot be captured: then it is called, as before.
        """
        if self._graph is not None:
            self._graph.replay()
            return self._result
        if self._left:
            self._left = max(self._left - 1, -1)
            return self._function()
        try:
            self._result, self._graph = _captured(self._function)
        except RuntimeError as error:
            self._left = -1
            warnings.warn(f"steps are not captured as a CUDA graph: {error}", stacklevel=2)
            return self._function()
        self._graph.replay()
        return self._result


def _captured(function: Callable[[], T]) -> tuple[T, torch.cuda.CUDAGraph]:
    """Return the results of a function, which are not computed yet, and its graph.

    It is called once before, on the stream of the capture, which so has what libraries keep for
    each stream.
    """
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        function()
        stream.synchronize()
        graph.capture_begin(capture_error_mode="thread_local")
        try:
            result = function()
        finally:
            graph.capture_end()
    torch.cuda.current_stream().wait_stream(stream)
    return result, graph
