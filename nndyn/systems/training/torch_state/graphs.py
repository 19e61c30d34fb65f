"""Calls that are captured as CUDA graphs: where launching kernels takes longer than they do."""

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
    device : torch.device or None
        The GPU that it is captured on; None where it is called as it is.
    """

    def __init__(self, function: Callable[[], T], device: torch.device | None) -> None:
        self._function = function
        self._device = device
        self._left = WARM
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
        if self._device is None or self._left:
            self._left -= 1
            return self._function()
        try:
            self._result, self._graph = _captured(self._function, self._device)
        except RuntimeError as error:
            self._device = None
            warnings.warn(f"steps are not captured as a CUDA graph: {error}", stacklevel=2)
            return self._function()
        self._graph.replay()
        return self._result


def _captured(function: Callable[[], T], device: torch.device) -> tuple[T, torch.cuda.CUDAGraph]:
    """Capture a function, once it was called on the stream of the capture.

    That stream so has what libraries keep for each stream.

    Returns
    -------
    result
        What the function returned; its numbers come with the first replay.
    graph : torch.cuda.CUDAGraph
    """
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        function()
        stream.synchronize()
        graph.capture_begin(capture_error_mode="thread_local")
        try:
            result = function()
        finally:
            graph.capture_end()
    torch.cuda.current_stream(device).wait_stream(stream)
    return result, graph
